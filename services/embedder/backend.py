"""The seam to whatever computes vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from atlas.deadlines import Deadline
from atlas.encoder import Encoding, ModelRecord
from atlas.lanes import Lane

Float32Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Device:
    """What a backend computes with."""

    backend: str
    """Runtime, such as `openvino`."""
    name: str
    """Device, such as `CPU`."""
    precision: str
    """Arithmetic, such as `bf16`."""
    attention: str
    """Attention implementation."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one call wants computed."""

    ids: Sequence[Sequence[int]]
    """Word piece ids of each text, special ones included, each within the model's limit."""
    want_tokens: bool
    """Whether token vectors are wanted beside the dense ones."""
    lane: Lane
    """Queue to wait in."""
    deadline: Deadline
    """Moment after which the work is dropped."""
    wait: bool = False
    """Whether to wait for room in a full queue instead of failing."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors of one call."""

    dense: Float32Array
    """Float32 [B, D], rows of L2 norm 1, in the order of the texts."""
    tokens: tuple[Float32Array, ...]
    """Per text float32 [T, D] without special tokens, rows of L2 norm 1; empty unless asked for."""
    queue_s: float
    """Seconds of waiting for a worker."""
    compute_s: float
    """Seconds of computing."""


class EncoderBackend(Protocol):
    """A loaded text encoder."""

    @property
    def record(self) -> ModelRecord:
        """What is loaded."""
        ...

    @property
    def device(self) -> Device:
        """What it computes with."""
        ...

    async def tokenize(self, texts: Sequence[str], *, lane: Lane | None = None) -> list[Encoding]:
        """Returns the word pieces of each text, not cut.

        Args:
            texts: What to cut into pieces.
            lane: Queue in which they would have to find room at once; None = they may wait, or are only counted.

        Raises:
            OverloadedError: There is no room in that queue, as far as this can be told beforehand.
        """
        ...

    async def encode(self, work: Work) -> Encoded:
        """Computes the vectors of one call, all or nothing; what is cancelled or late before it began costs nothing.

        Raises:
            OverloadedError: The queue is full.
            DeadlineError: The deadline passed.
            ModelFaultError: A vector is zero, not finite or not of length 1.
        """
        ...

    async def warm_up(self) -> None:
        """Runs a real forward pass."""
        ...
