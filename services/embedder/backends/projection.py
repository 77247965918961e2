"""A second space from one model: its dense vectors rotated at random and cut to fewer dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from atlas.encoder import Encoding, ModelRecord, Projection
from atlas.errors import ModelFaultError
from atlas.lanes import Lane

from ..backend import Device, Encoded, EncoderBackend, Float32Array, Work


class ProjectedBackend:
    """An encoder whose dense vectors are projected and scaled to length 1 again; token vectors stay those of the model."""

    def __init__(self, inner: EncoderBackend, projection: Projection) -> None:
        """Projects what `inner` gives."""
        self._inner = inner
        self._record = replace(inner.record, projection=projection)
        self._matrix = projection_matrix(inner.record.dimension, projection)

    @property
    def record(self) -> ModelRecord:
        """What is loaded, and what is done to its vectors."""
        return self._record

    @property
    def device(self) -> Device:
        """What it computes with."""
        return self._inner.device

    async def tokenize(self, texts: Sequence[str], *, lane: Lane | None = None) -> list[Encoding]:
        """Returns the word pieces of each text, not cut."""
        return await self._inner.tokenize(texts, lane=lane)

    async def encode(self, work: Work) -> Encoded:
        """Computes the vectors of one call, all or nothing."""
        encoded = await self._inner.encode(work)
        return replace(encoded, dense=self._projected(encoded.dense))

    async def warm_up(self) -> None:
        """Runs a real forward pass."""
        await self._inner.warm_up()

    def _projected(self, dense: Float32Array) -> Float32Array:
        projected = dense @ self._matrix
        norms = np.linalg.norm(projected, axis=1, keepdims=True)
        # Written so that NaN fails too.
        if not bool((norms > 0.0).all()):
            raise ModelFaultError("a projected vector is zero or not finite", kind="dense")
        scaled: Float32Array = (projected / norms).astype(np.float32)
        return scaled


def projection_matrix(dimension: int, projection: Projection) -> Float32Array:
    """Returns the matrix [dimension, projection.dimension] with orthonormal columns; the same for a seed in every process."""
    # RandomState is the one generator whose stream numpy promises never to change.
    gaussian = np.random.RandomState(projection.seed).standard_normal((dimension, dimension))
    orthogonal, triangular = np.linalg.qr(gaussian)
    # Which sign a column gets is the library's choice; fixed here, so that the space is not.
    columns: Float32Array = (orthogonal * np.sign(np.diag(triangular)))[:, : projection.dimension].astype(np.float32)
    return columns
