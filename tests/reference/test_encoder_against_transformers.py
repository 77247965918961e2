"""The encoder beside torch and transformers, live, on texts that no file holds."""

from __future__ import annotations

import inspect
import json
import string
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from atlas.encoder import MINILM
from atlas.encoder.openvino import OpenVinoEncoder
from atlas.errors import StartupError

pytest.importorskip("torch", reason="torch is not installed here; `make test-reference` runs this in an environment of its own")
pytest.importorskip("transformers", reason="transformers is not installed here; `make test-reference` installs it")

from .transformers_encoder import Reference, reference_vectors

GOLDEN = Path(__file__).resolve().parent.parent / "contract" / "golden"
MIN_COSINE = 0.9999


def texts() -> list[str]:
    """Docstrings of the standard library, and text made of each of Unicode's blocks up to the plane of symbols."""
    docs = [inspect.getdoc(item) or "" for module in (json, string, inspect) for item in vars(module).values() if callable(item)]
    blocks = ["".join(map(chr, range(begin, begin + 48))) for begin in range(0x20, 0xD000, 0x400)]
    readable = ["".join(character if unicodedata.category(character)[0] != "C" else " " for character in block) for block in blocks]
    return [text for text in dict.fromkeys(docs + readable) if text.strip()]


@cache
def references() -> tuple[list[str], list[Reference]]:
    return texts(), reference_vectors(MINILM.locate(), texts())


def opened(precision: str) -> OpenVinoEncoder:
    try:
        return OpenVinoEncoder.open(MINILM, precision=precision)  # type: ignore[arg-type]
    except StartupError as error:
        pytest.skip(str(error))


def test_word_pieces_agree_with_transformers() -> None:
    encoder = opened("f32")
    inputs, expected = references()
    found = [list(encoding.truncated(MINILM.max_tokens)) for encoding in encoder.tokenizer.encode(inputs)]
    assert found == [reference.ids for reference in expected]


@pytest.mark.parametrize("precision", ["bf16", "f32"])
def test_vectors_agree_with_transformers(precision: str) -> None:
    encoder = opened(precision)
    _, expected = references()
    batch = encoder.encode_batch([reference.ids for reference in expected], want_tokens=True)
    cosines = (batch.dense * np.stack([reference.dense for reference in expected])).sum(axis=1)
    assert cosines.min() >= MIN_COSINE
    assert min(float((rows * reference.tokens).sum(axis=1).min()) for rows, reference in zip(batch.tokens, expected, strict=True)) >= 0.999


def test_the_committed_golden_vectors_are_what_the_reference_says() -> None:
    golden = load_file(GOLDEN / "vectors.safetensors")
    inputs = json.loads((GOLDEN / "texts.json").read_text("utf-8"))
    for row, (name, reference) in enumerate(zip(inputs, reference_vectors(MINILM.locate(), list(inputs.values())), strict=True)):
        assert golden[f"ids/{name}"].tolist() == reference.ids
        assert float(golden["dense"][row] @ reference.dense) >= 0.999999
