"""Says the errors of the parts in the words of the gateway's own requests: their callers know no others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from atlas.errors import AtlasError


@contextmanager
def renamed(old: str, new: str) -> Iterator[None]:
    """Renames the field `old`, and what lies under it, in errors that the block raises.

    Args:
        old: Path in the request to the part, such as `inputs[0]`.
        new: The same place in the request to the gateway, such as `query`.

    Raises:
        AtlasError: What the block raised.
    """
    try:
        yield
    except AtlasError as error:
        if error.field is None or not (error.field == old or error.field.startswith((f"{old}.", f"{old}["))):
            raise
        raise _told(error, error.message.replace(old, new), new + error.field.removeprefix(old)) from error


@contextmanager
def renamed_items(old: str, new: Sequence[str]) -> Iterator[None]:
    """Renames the items of the list `old`, and what lies under them, in errors that the block raises.

    Args:
        old: Path of the list in the request to the part, such as `inputs`.
        new: Where each of its items stands in the request to the gateway, such as `memories[3]`.

    Raises:
        AtlasError: What the block raised.
    """
    try:
        yield
    except AtlasError as error:
        item = re.match(rf"{re.escape(old)}\[(\d+)\]", error.field or "")
        if item is None or int(item[1]) >= len(new):
            raise
        path = new[int(item[1])]
        raise _told(error, error.message.replace(item[0], path), path + (error.field or "")[item.end() :]) from error


@contextmanager
def below(path: str) -> Iterator[None]:
    """Puts `path` before the field that an error of the block names, for a request that lies inside another one.

    Raises:
        AtlasError: What the block raised.
    """
    try:
        yield
    except AtlasError as error:
        if error.field is None:
            raise
        field = f"{path}.{error.field}"
        raise _told(error, error.message.replace(error.field, field), field) from error


def _told(error: AtlasError, message: str, field: str) -> AtlasError:
    told = type(error)(message, reason=error.reason, field=field, retry_after_ms=error.retry_after_ms)
    told.values = error.values
    return told
