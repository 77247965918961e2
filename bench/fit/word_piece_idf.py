"""Counts how rare each word piece of the encoder is, and writes the table that weighs late interaction.

    python -m bench.fit.word_piece_idf DATA_FOLDER

DATA_FOLDER holds the sets squad-dev, cosqa-dev and xquad. For each set the share of documents that hold the piece is taken,
each document cut at the encoder's token limit; the three shares are averaged, so that each set counts once, and
idf = ln(1 + (1 - share + e) / (share + e)) with e = 0.5 / 3000. Sets whose licence forbids commercial use stay out.
The command prints the sha256 to pin in `services/reranker/word_piece_idf.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from atlas.encoder.models import MINILM
from atlas.encoder.tokenizer import Tokenizer
from services.reranker.word_piece_idf import IDF_TENSOR, TABLE

from .sets import read_set

SETS = ("squad-dev", "cosqa-dev", "xquad")
"""Sets that the table is counted on."""

SMOOTHING = 0.5 / 3000
"""As if a piece had been seen in half a document of a set of 3,000."""


def document_share(texts: Sequence[str], tokenizer: Tokenizer, *, size: int, max_tokens: int) -> NDArray[np.float64]:
    """Share of `texts` that hold each word piece, [size]; a text counts up to `max_tokens`."""
    counts = np.zeros(size, np.float64)
    for encoding in tokenizer.encode(texts):
        counts[list(set(encoding.truncated(max_tokens)[1:-1]))] += 1
    return counts / len(texts)


def inverse_frequency(share: NDArray[np.float64]) -> NDArray[np.float16]:
    """Weight of a piece that a `share` of the documents hold; over 0 everywhere."""
    return np.log(1 + (1 - share + SMOOTHING) / (share + SMOOTHING)).astype(np.float16)


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with one folder per set")
    data: Path = parser.parse_args().data
    tokenizer = Tokenizer(MINILM.locate())
    size = len(tokenizer.vocabulary)
    shares = [
        document_share([passage.text for passage in read_set(data / name).passages], tokenizer, size=size, max_tokens=MINILM.max_tokens)
        for name in SETS
    ]
    described = json.dumps({"sets": SETS, "smoothing": SMOOTHING, "tokenizer_sha256": MINILM.files["tokenizer.json"]})
    packed = save({IDF_TENSOR: inverse_frequency(np.mean(shares, axis=0))}, {"made_by": described})
    TABLE.write_bytes(packed)
    print(f"{TABLE}: {size} word pieces, {len(packed)} bytes, sha256 {hashlib.sha256(packed).hexdigest()}")


if __name__ == "__main__":
    main()
