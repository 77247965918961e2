"""Checks of single values in requests, with errors that name field, value and limit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from atlas.errors import InvalidInputError

MAX_IDS = 1_000
"""Most ids, and most writes, of one request."""
MAX_REQUEST_ID_BYTES = 128
"""Longest id that a caller gives a request."""
DEFAULT_PAGE_SIZE = 100
"""Page size where a request states none."""
MAX_PAGE_SIZE = 1_000
"""Largest page size."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799


def checked_id(value: str, field: str) -> str:
    """Returns a memory id in lower case.

    Raises:
        InvalidInputError: It is no UUID.
    """
    if not _UUID.fullmatch(value):
        raise InvalidInputError(f"{field} is {value[:64]!r}; a UUID is needed", field=field, value=value[:64])
    return value.lower()


def checked_ids(values: Sequence[str], field: str) -> list[str]:
    """Returns 1 to `MAX_IDS` memory ids in lower case, in their order.

    Raises:
        InvalidInputError: There are none or too many, or one is no UUID.
    """
    check_count(len(values), field, least=1, most=MAX_IDS)
    return [checked_id(value, f"{field}[{index}]") for index, value in enumerate(values)]


def check_count(count: int, field: str, *, least: int, most: int) -> None:
    """Refuses a list that is too short or too long."""
    if not least <= count <= most:
        raise InvalidInputError(
            f"{field} holds {count} items; {least} to {most} are allowed", field=field, count=count, min_count=least, max_count=most
        )


def checked_size(value: int, field: str, *, default: int, most: int) -> int:
    """Returns a number in 1 to `most`; 0 means `default`."""
    if not 0 <= value <= most:
        raise InvalidInputError(f"{field} is {value}; 1 to {most} are allowed", field=field, value=value, max_value=most)
    return value or default


def check_bytes(value: str, field: str, max_bytes: int) -> None:
    """Refuses a text that is too long in UTF-8."""
    size_bytes = len(value.encode())
    if size_bytes > max_bytes:
        raise InvalidInputError(
            f"{field} has {size_bytes} bytes; at most {max_bytes} are allowed", field=field, size_bytes=size_bytes, max_bytes=max_bytes
        )


def checked_time_us(time: Timestamp, field: str) -> int:
    """Returns a time in microseconds since the epoch; finer parts are dropped.

    Raises:
        InvalidInputError: It lies outside the years 1 to 9999, or its nanoseconds outside a second.
    """
    if not (_FIRST_SECOND <= time.seconds <= _LAST_SECOND and 0 <= time.nanos < 1_000_000_000):
        raise InvalidInputError(
            f"{field} is {time.seconds} s and {time.nanos} ns; years 1 to 9999 and 0 to 999999999 ns are allowed",
            field=field,
            seconds=time.seconds,
            nanos=time.nanos,
        )
    return time.seconds * 1_000_000 + time.nanos // 1000
