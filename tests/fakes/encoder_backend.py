"""An encoder backend without a model: vectors follow from the ids, and it can be told to be slow, full or broken."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from atlas.encoder import MINILM, Encoding, ModelRecord, Tokenizer
from atlas.lanes import Lane
from services.embedder.backend import Device, Encoded, Float32Array, Work


class FakeBackend:
    """Keeps the promises of the seam with random unit vectors that are seeded by the ids."""

    def __init__(self) -> None:
        self.tokenizer = Tokenizer(MINILM.locate())
        self.works: list[Work] = []
        """What was asked, in order."""
        self.error: Exception | None = None
        """Raised instead of an answer."""
        self.gate = asyncio.Event()
        """Answers wait for it."""
        self.gate.set()

    @property
    def record(self) -> ModelRecord:
        return MINILM

    @property
    def device(self) -> Device:
        return Device("fake", "CPU", "f32", "none")

    async def tokenize(self, texts: Sequence[str], *, lane: Lane | None = None) -> list[Encoding]:
        return self.tokenizer.encode(texts)

    async def encode(self, work: Work) -> Encoded:
        self.works.append(work)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        dense = np.concatenate([_unit_rows(ids, 1) for ids in work.ids])
        tokens = tuple(_unit_rows(ids, len(ids) - 2) for ids in work.ids) if work.want_tokens else ()
        return Encoded(dense, tokens, queue_s=0.001, compute_s=0.002)

    async def warm_up(self) -> None:
        await self.gate.wait()


def _unit_rows(ids: Sequence[int], count: int) -> Float32Array:
    rows = np.random.default_rng(list(ids)).standard_normal((count, MINILM.dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
