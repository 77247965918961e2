"""The fixed table of how rare each word piece is, which weighs late interaction."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from atlas.errors import StartupError

TABLE = Path(__file__).parent / "tables" / "word_piece_idf.safetensors"
"""Made by `python -m bench.fit.word_piece_idf`, which says from what data and how."""

TABLE_SHA256 = "91579caccf5e8646a1cf57d01552bfafb0cfcc764f354a8fd188db42326d33b5"
"""Version of the table; a file that differs is refused."""

IDF_TENSOR = "idf"
"""Name of the one tensor in the table: float16 [word pieces]."""


def load_idf(path: Path = TABLE) -> NDArray[np.float32]:
    """Reads the inverse document frequency of each word piece of the encoder's vocabulary, by id.

    Raises:
        StartupError: the file is missing or not the pinned one.
    """
    if not path.is_file():
        raise StartupError(f"the word piece table {path} is missing")
    packed = path.read_bytes()
    digest = hashlib.sha256(packed).hexdigest()
    if digest != TABLE_SHA256:
        raise StartupError(f"the word piece table {path} has sha256 {digest}; {TABLE_SHA256} is pinned")
    table: NDArray[np.float32] = load(packed)[IDF_TENSOR].astype(np.float32)
    return table
