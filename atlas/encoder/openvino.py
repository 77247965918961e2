"""Runs the encoder on OpenVINO: one compiled graph, several inference streams of one thread each."""

from __future__ import annotations

import ctypes
import gc
import queue
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import openvino
from numpy.typing import NDArray
from safetensors import safe_open

from atlas.errors import InvalidInputError, ModelFaultError, StartupError

from . import graph
from .models import ModelRecord
from .tokenizer import Tokenizer

Float32Array = NDArray[np.float32]
Precision = Literal["bf16", "f32"]
TokenIds = Sequence[int]

_MAX_PADDED_TOKENS = 1024
"""Most word pieces, padding included, of one forward pass: more gains no speed and costs memory."""

_UNIT_TOLERANCE = 1e-3
"""Allowed distance of a vector's L2 norm from 1."""


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """Vectors of a batch of texts; entry i belongs to text i."""

    dense: Float32Array
    """Float32 [B, D], rows of L2 norm 1."""

    tokens: tuple[Float32Array, ...]
    """Per text float32 [T, D], T its word pieces without [CLS] and [SEP], rows of L2 norm 1; empty unless asked for."""


class OpenVinoEncoder:
    """A loaded encoder. `encode_batch` blocks and is called from as many threads as there are streams."""

    def __init__(self, record: ModelRecord, tokenizer: Tokenizer, compiled: Any, precision: Precision, device: str) -> None:
        """Takes a compiled graph; callers use `open`."""
        self.record = record
        """What is loaded."""
        self.tokenizer = tokenizer
        """The model's own tokenizer."""
        self.precision: Precision = precision
        """Arithmetic in use; the last layer's normalisation and all after it are float32 either way."""
        self.device = device
        """OpenVINO device in use."""
        self.stream_count: int = compiled.get_property("NUM_STREAMS")
        """Forward passes that run at the same time."""
        self._compiled = compiled
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.stream_count):
            self._requests.put(compiled.create_infer_request())

    @classmethod
    def open(
        cls, record: ModelRecord, *, precision: Literal["auto", "bf16", "f32"] = "auto", streams: int = 2, device: str = "CPU"
    ) -> Self:
        """Checks the model's files, builds the graph and compiles it; takes about a second.

        Args:
            record: The model.
            precision: `auto` means bf16 where the device computes it natively, else f32.
            streams: Forward passes that may run at the same time, each on one thread.
            device: OpenVINO device.

        Raises:
            StartupError: a file is missing or not the pinned one, or `precision` is not to be had on `device`.
        """
        folder = record.locate()
        core = openvino.Core()
        chosen = _precision(core, device, precision)
        compiled = core.compile_model(graph.build(record.architecture, _weights(record, folder)), device, _options(chosen, streams))
        encoder = cls(record, Tokenizer(folder), compiled, chosen, device)
        _return_free_memory()
        return encoder

    def warm_up(self) -> None:
        """Runs a forward pass of every length up to 64 on each stream, so that no first query pays for generated code."""
        requests = [self._requests.get() for _ in range(self.stream_count)]
        for request in requests:
            for length in range(16, 65, 16):
                self._forward(request, [[0] * length])
            self._requests.put(request)

    def encode_batch(self, ids: Sequence[TokenIds], *, want_tokens: bool = False) -> EncodedBatch:
        """Encodes texts given as word piece ids, [CLS] and [SEP] included.

        Rows come back in the order of `ids`; inside, texts are sorted by length and computed in groups of a few fixed shapes.

        Raises:
            InvalidInputError: a text has no ids, or more than the model's `max_tokens`.
            ModelFaultError: the model gave a vector that is not finite or not of length 1.
        """
        self._check_lengths(ids)
        dense = np.empty((len(ids), self.record.dimension), np.float32)
        tokens: list[Float32Array] = [_NO_TOKENS] * len(ids)
        request = self._requests.get()
        try:
            for group in _groups([len(row) for row in ids]):
                pooled, vectors = self._forward(request, [ids[index] for index in group])
                dense[group] = pooled
                if want_tokens:
                    for row, index in enumerate(group):
                        # A copy: the next forward pass writes over this memory.
                        tokens[index] = vectors[row, 1 : len(ids[index]) - 1].copy()
        finally:
            self._requests.put(request)
        _check_unit(dense, "dense")
        for row_vectors in tokens if want_tokens else ():
            _check_unit(row_vectors, "token")
        return EncodedBatch(dense, tuple(tokens) if want_tokens else ())

    def _check_lengths(self, ids: Sequence[TokenIds]) -> None:
        limit = self.record.max_tokens
        for index, row in enumerate(ids):
            if not 1 <= len(row) <= limit:
                raise InvalidInputError(
                    f"text {index} has {len(row)} tokens; 1 to {limit} are allowed", index=index, token_count=len(row), max_tokens=limit
                )

    def _forward(self, request: Any, rows: Sequence[TokenIds]) -> tuple[Float32Array, Float32Array]:
        longest = max(len(row) for row in rows)
        length = _padded_length(longest) if len(rows) > 1 else _padded_alone(longest)
        ids = np.zeros((len(rows), length), np.int32)
        mask = np.zeros((len(rows), length), np.float32)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        results = request.infer([ids, mask], share_inputs=True, share_outputs=True)
        return results[0], results[1]


_NO_TOKENS: Float32Array = np.empty((0, 0), np.float32)


def _groups(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yields the indices of texts that are computed together, longest first.

    Each group has a power of two of texts. With the few padded lengths that leaves about 90 shapes, and shapes are what the generated
    code of OpenVINO is made for and kept for: 0.7 MB and some milliseconds for each new one.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    begin = 0
    while begin < len(order):
        fitting = max(1, _MAX_PADDED_TOKENS // _padded_length(lengths[order[begin]]))
        count = 1 << (min(fitting, len(order) - begin).bit_length() - 1)
        yield order[begin : begin + count]
        begin += count


def _padded_length(length: int) -> int:
    """Rounds a length up to a multiple of 8, of 16 beyond 64."""
    step = 8 if length <= 64 else 16
    return -(-length // step) * step


def _padded_alone(length: int) -> int:
    """Rounds the length of a text that is computed alone up to a multiple of 16.

    Such a pass waits for the weights, not for arithmetic: padding costs nothing, a change of shape against the pass before some 0.4 ms.
    """
    return -(-length // 16) * 16


def _check_unit(vectors: Float32Array, kind: str) -> None:
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # Written so that NaN fails too.
    if not bool((np.abs(norms - 1) <= _UNIT_TOLERANCE).all()):
        raise ModelFaultError(f"the model gave a {kind} vector that is zero, not finite or not of length 1", kind=kind)


def _precision(core: openvino.Core, device: str, wanted: Literal["auto", "bf16", "f32"]) -> Precision:
    native = device in core.available_devices and "BF16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    if device not in core.available_devices:
        raise StartupError(f"OpenVINO has no device {device} here; it has {', '.join(core.available_devices)}")
    if wanted == "bf16" and not native:
        raise StartupError(f"the device {device} does not compute bf16; choose auto or f32")
    return "bf16" if native and wanted != "f32" else "f32"


def _options(precision: Precision, streams: int) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": streams,
        # The property counts the threads of all streams together: one each. Two threads on one stream wait for each other at every
        # layer, and fall to half the speed when a neighbour uses a core.
        "INFERENCE_NUM_THREADS": streams,
        # Pinned threads of two processes meet on the same core while another idles.
        "ENABLE_CPU_PINNING": False,
    }


def _weights(record: ModelRecord, folder: Path) -> dict[str, Float32Array]:
    with safe_open(folder / "model.safetensors", framework="numpy") as tensors:
        missing = set(graph.weight_names(record.architecture)) - set(tensors.keys())
        if missing:
            raise StartupError(f"{folder / 'model.safetensors'} lacks the tensors {', '.join(sorted(missing))}")
        return {name: tensors.get_tensor(name) for name in graph.weight_names(record.architecture)}


def _return_free_memory() -> None:
    """Gives the memory that building the graph took (about 100 MB) back to the system."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
