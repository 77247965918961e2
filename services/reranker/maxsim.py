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
    filled = [index for index, passage in enumerate(passages) if len(passage)]
    if not filled:
        return scores
    # One product for all passages; a maximum over each passage's own stretch of columns.
    stacked = np.concatenate([passages[index] for index in filled]).astype(np.float32, copy=False)
    starts = np.cumsum([0, *(len(passages[index]) for index in filled[:-1])])
    best = np.maximum.reduceat(query @ stacked.T, starts, axis=1)
    scores[filled] = shares @ best
    return scores
