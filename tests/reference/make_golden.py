"""Writes tests/contract/golden/vectors.safetensors: what torch and transformers say of the texts in texts.json.

Run it in the environment of `make test-reference`: `.venv-reference/bin/python -m tests.reference.make_golden`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

from atlas.encoder import MINILM

from .transformers_encoder import reference_vectors

GOLDEN = Path(__file__).resolve().parent.parent / "contract" / "golden"
_TOKEN_TEXTS = ("query", "chat", "german", "chinese", "python")


def main() -> None:
    """Encodes the texts and writes the file."""
    texts: dict[str, str] = json.loads((GOLDEN / "texts.json").read_text("utf-8"))
    references = dict(zip(texts, reference_vectors(MINILM.locate(), list(texts.values())), strict=True))
    arrays = {"dense": np.stack([reference.dense for reference in references.values()])}
    for name, reference in references.items():
        arrays[f"ids/{name}"] = np.array(reference.ids, np.int32)
    for name in _TOKEN_TEXTS:
        # float16 moves a cosine by less than a millionth and halves the file.
        arrays[f"tokens/{name}"] = references[name].tokens.astype(np.float16)
    made_with = f"torch {torch.__version__}, transformers {transformers.__version__}, float32, eager attention"
    metadata = {"made_with": made_with, "model_sha256": MINILM.files["model.safetensors"]}
    save_file(arrays, GOLDEN / "vectors.safetensors", metadata)


if __name__ == "__main__":
    main()
