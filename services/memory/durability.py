"""What an acknowledged write survives."""

from __future__ import annotations

from enum import IntEnum


class Durability(IntEnum):
    """What an acknowledged write survives; the numbers are those of the contract."""

    PROCESS_CRASH = 1
    """The end of the process at any point, not the loss of power."""
    POWER_LOSS = 2
    """The loss of power, as far as the disk honours fsync."""


def asked_durability(number: int, *, default: Durability) -> Durability:
    """Returns what a request asks for; UNSPECIFIED and numbers of later versions mean `default`."""
    return Durability(number) if number in {1, 2} else default
