"""Says how fast the processor's matrix unit is at the moment, beside figures that hang on it.

It belongs to a physical core. In a rented machine a neighbour on the same core may use it too: then the same pass takes three times as
long, for seconds or minutes, while ordinary arithmetic and memory are as fast as before.
"""

from __future__ import annotations

import time

from atlas.encoder import MINILM
from atlas.encoder.openvino import OpenVinoEncoder
from atlas.evaluation import percentiles

_TOKENS = [101, *range(2000, 2012), 102]
"""A query of twelve words."""
_COUNT = 100


class ForwardPass:
    """The encoder of the parts, in this process."""

    def __init__(self) -> None:
        """Loads it, which takes a second or two."""
        self._encoder = OpenVinoEncoder.open(MINILM, streams=1)
        self._encoder.warm_up()

    def describe(self) -> str:
        """Runs a query's forward pass again and again for less than a second, and tells the best and the median time."""
        taken_ms = []
        for _ in range(_COUNT):
            begin = time.perf_counter()
            self._encoder.encode_batch([_TOKENS])
            taken_ms.append((time.perf_counter() - begin) * 1e3)
        return f"a query's forward pass, repeated at once: best {min(taken_ms):.1f} ms, p50 {percentiles(taken_ms).p50_ms:.1f} ms"
