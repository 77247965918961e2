"""Page tokens: opaque to callers, and of use only for the request they came from."""

from __future__ import annotations

import base64
import binascii
import hashlib

from atlas.errors import InvalidInputError

_BINDING_BYTES = 12


def next_token(binding: bytes, after: str | None) -> str:
    """Returns the token that goes on behind `after`; empty on the last page (`after` None)."""
    if after is None:
        return ""
    return base64.urlsafe_b64encode(_digest(binding) + after.encode()).decode()


def checked_token(token: str, binding: bytes, field: str = "page_token") -> str | None:
    """Returns where to go on; None for the first page.

    Args:
        token: What the caller sent.
        binding: Everything that must be as in the request that gave the token.
        field: The token's path in the request.

    Raises:
        InvalidInputError: The token is damaged or belongs to another request.
    """
    if not token:
        return None
    try:
        body = base64.b64decode(token, altchars=b"-_", validate=True)
        after = body[_BINDING_BYTES:].decode()
    except (binascii.Error, UnicodeError):
        body, after = b"", ""
    if body[:_BINDING_BYTES] != _digest(binding):
        raise InvalidInputError(
            f"{field} does not belong to this request; begin again without it", reason="FOREIGN_PAGE_TOKEN", field=field
        )
    return after


def _digest(binding: bytes) -> bytes:
    return hashlib.sha256(binding).digest()[:_BINDING_BYTES]
