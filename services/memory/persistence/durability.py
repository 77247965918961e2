"""What an acknowledged write survives."""

from __future__ import annotations

from enum import IntEnum

from atlas.errors import InvalidInputError


class Durability(IntEnum):
    """What an acknowledged write survives; the numbers are those of the contract."""

    PROCESS_CRASH = 1
    """The end of the process at any point, not the loss of power."""
    POWER_LOSS = 2
    """The loss of power, as far as the disk honours fsync."""


def asked_durability(number: int, *, default: Durability) -> Durability:
    """Returns what a request asks for; UNSPECIFIED means `default`.

    Raises:
        InvalidInputError: This version does not know the number, so it cannot promise what it stands for.
    """
    try:
        return Durability(number) if number else default
    except ValueError as error:
        raise InvalidInputError(f"durability is {number}; 0 to {max(Durability)} are known", field="durability", value=number) from error
