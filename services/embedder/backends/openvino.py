"""The encoder of the `cpu` profile: OpenVINO behind a micro-batcher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from prometheus_client import CollectorRegistry

from atlas.batch_metrics import BatchMetrics
from atlas.batching import BatchLimits, MicroBatcher
from atlas.encoder import MINILM, Encoding, ModelRecord, Tokenizer
from atlas.encoder.openvino import OpenVinoEncoder
from atlas.lanes import Lane

from ..backend import Device, Encoded, Float32Array, Work
from ..settings import EmbedderSettings

_INLINE_CHARACTERS = 4096
"""Texts up to this size in sum are tokenized on the event loop: under a millisecond, a thread would cost more."""


@dataclass(frozen=True, slots=True)
class _Item:
    ids: Sequence[int]
    want_tokens: bool


@dataclass(frozen=True, slots=True)
class _Vectors:
    dense: Float32Array
    tokens: Float32Array | None


class OpenVinoBackend:
    """All-MiniLM-L6-v2 on OpenVINO, one worker thread for each inference stream."""

    def __init__(self, encoder: OpenVinoEncoder, batcher: MicroBatcher[_Item, _Vectors], tokenizing: ThreadPoolExecutor) -> None:
        """Serves with a loaded encoder, a running batcher whose compute is `compute_with(encoder)`, and a thread for long texts."""
        self._encoder = encoder
        self._batcher = batcher
        self._tokenizing = tokenizing

    @property
    def record(self) -> ModelRecord:
        """What is loaded."""
        return self._encoder.record

    @property
    def device(self) -> Device:
        """What it computes with."""
        return Device("openvino", self._encoder.device, self._encoder.precision, "matmul-softmax")

    async def tokenize(self, texts: Sequence[str], *, lane: Lane | None = None) -> list[Encoding]:
        """Returns the word pieces of each text, not cut."""
        if sum(map(len, texts)) <= _INLINE_CHARACTERS:
            return self._encoder.tokenizer.encode(texts)
        if lane is None:
            return await self._read(texts)
        async with self._batcher.preparing(lane, Tokenizer.least_tokens(texts, most=self.record.max_tokens)):
            return await self._read(texts)

    async def encode(self, work: Work) -> Encoded:
        """Computes the vectors of one call, all or nothing."""
        items = [_Item(ids, work.want_tokens) for ids in work.ids]
        answer = await self._batcher.submit(items, lane=work.lane, deadline=work.deadline, wait=work.wait)
        tokens = tuple(vectors.tokens for vectors in answer.results if vectors.tokens is not None)
        dense = np.stack([vectors.dense for vectors in answer.results])
        return Encoded(dense, tokens, answer.queue_s, answer.compute_s)

    async def _read(self, texts: Sequence[str]) -> list[Encoding]:
        return await asyncio.get_running_loop().run_in_executor(self._tokenizing, self._encoder.tokenizer.encode, texts)

    async def warm_up(self) -> None:
        """Runs forward passes of the usual query lengths on every stream."""
        await asyncio.to_thread(self._encoder.warm_up)


@asynccontextmanager
async def open_openvino(settings: EmbedderSettings, registry: CollectorRegistry) -> AsyncIterator[OpenVinoBackend]:
    """Loads the model and starts its workers.

    Raises:
        StartupError: The model's files are not the pinned ones, or the device cannot do what is set.
    """
    encoder = await asyncio.to_thread(
        OpenVinoEncoder.open, MINILM, precision=settings.precision, streams=settings.stream_count, device=settings.device
    )
    limits = BatchLimits(
        max_batch_tokens=settings.max_batch_tokens,
        max_queue_tokens=settings.max_queue_tokens,
        max_bulk_wait_ms=settings.max_bulk_wait_ms,
        interactive_hold_ms=settings.interactive_hold_ms,
    )

    def compute(items: Sequence[_Item]) -> list[_Vectors]:
        return _compute(encoder, items)

    batcher: MicroBatcher[_Item, _Vectors] = MicroBatcher(
        compute,
        cost=lambda item: len(item.ids),
        workers=encoder.stream_count,
        limits=limits,
        observer=BatchMetrics(registry, "embedder"),
    )
    with ThreadPoolExecutor(1, thread_name_prefix="tokenize") as tokenizing:
        async with batcher:
            yield OpenVinoBackend(encoder, batcher, tokenizing)


def _compute(encoder: OpenVinoEncoder, items: Sequence[_Item]) -> list[_Vectors]:
    batch = encoder.encode_batch([item.ids for item in items], want_tokens=any(item.want_tokens for item in items))
    if not batch.tokens:
        return [_Vectors(dense, None) for dense in batch.dense]
    pairs = zip(items, batch.dense, batch.tokens, strict=True)
    return [_Vectors(dense, tokens if item.want_tokens else None) for item, dense, tokens in pairs]
