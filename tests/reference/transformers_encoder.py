"""The reference: the same weights through torch and transformers, float32, one text at a time (no padding)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

MAX_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Reference:
    """What the reference says of one text."""

    ids: list[int]
    """Word piece ids, cut to 256 with [SEP] kept."""
    dense: NDArray[np.float32]
    """Float32 [D]: mean over all word pieces, L2 norm 1."""
    tokens: NDArray[np.float32]
    """Float32 [T, D] without [CLS] and [SEP], rows of L2 norm 1."""


def reference_vectors(folder: Path, texts: Sequence[str]) -> list[Reference]:
    """Encodes texts with the model in `folder`."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, attn_implementation="eager", dtype=torch.float32).eval()
    return [_encode(tokenizer, model, text) for text in texts]


def _encode(tokenizer: object, model: object, text: str) -> Reference:
    batch = tokenizer(text, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")  # type: ignore[operator]
    with torch.inference_mode():
        hidden = model(**batch).last_hidden_state[0]  # type: ignore[operator]
    pooled = torch.nn.functional.normalize(hidden.mean(dim=0), dim=0)
    tokens = torch.nn.functional.normalize(hidden[1:-1], dim=1)
    return Reference(batch["input_ids"][0].tolist(), pooled.numpy(), tokens.numpy())
