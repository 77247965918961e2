"""Says the errors of the parts in the words of the gateway's own requests: their callers know no others."""

from __future__ import annotations

from collections.abc import Iterator
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
        told = type(error)(
            error.message.replace(old, new),
            reason=error.reason,
            field=new + error.field.removeprefix(old),
            retry_after_ms=error.retry_after_ms,
        )
        told.values = error.values
        raise told from error
