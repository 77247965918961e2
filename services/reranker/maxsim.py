"""Late interaction: how well the token vectors of a query are met by those of a passage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_UNKNOWN = "[UNK]"


def piece_weights(vocabulary: Mapping[str, int], idf: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weight of each word piece in a query: its idf, and 0 for punctuation and the unknown piece; [vocabulary]."""
    weights = idf.copy()
    for piece, piece_id in vocabulary.items():
        if piece == _UNKNOWN or not any(character.isalnum() for character in piece):
            weights[piece_id] = 0.0
    return weights


def query_weights(piece_ids: Sequence[int], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of each of a query's word pieces in its score, [Q], sum 1; equal shares if none of them carries weight."""
    chosen = weights[np.asarray(piece_ids, dtype=np.intp)]
    total = float(chosen.sum())
    return chosen / np.float32(total) if total > 0 else np.full(len(chosen), 1 / len(chosen), np.float32)


def maxsim(query: NDArray[np.float32], shares: NDArray[np.float32], passages: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Scores passages by the mean, weighted with `shares`, of each query token's best cosine, [K] in [-1, 1].

    `query` is [Q, D], each passage [T, D] of any T, all rows of unit length. A passage without a token scores 0: nothing
    in it meets the query.
    """
    scores = np.zeros(len(passages), np.float64)
    for index, passage in enumerate(passages):
        if len(passage):
            # Passage by passage: what is made of one in single precision stays in the processor's cache until its product is done.
            scores[index] = shares @ (query @ passage.astype(np.float32, copy=False).T).max(axis=1)
    return scores
