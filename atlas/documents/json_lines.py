"""JSON Lines: one document a row, plain or compressed by gzip, read as a stream."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from atlas.errors import InvalidInputError
from atlas.ranking import Kind

from .document import Document, JsonValue, Skipped
from .languages import is_programming_language
from .sources import row_source

_SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
# `collection` says what a row is, never where it goes: that is for the caller to choose.
_FIELDS = frozenset(("id", "collection", "text", "title", "domain", "lang", "created_at", "speaker"))


def holds_rows(path: Path) -> bool:
    """Tells by its name whether a file holds JSON Lines."""
    return path.name.lower().endswith(_SUFFIXES)


def read_rows(path: Path, *, source: str, max_line_bytes: int) -> Iterator[Document | Skipped]:
    """Reads a file row by row; a broken row is skipped with its line and reason, blank lines silently.

    Args:
        path: The file; `.gz` at the end of its name means gzip.
        source: URI of the file; a row's is this with the row's id.
        max_line_bytes: A longer line is skipped without being kept in memory.
    """
    first_lines: dict[str, int] = {}
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(_lines(file, max_line_bytes), start=1):
                if line is None:
                    yield Skipped(path, f"row of more than {max_line_bytes} bytes", number)
                elif line.strip():
                    yield _document_or_reason(line, path, number, source, first_lines)
    except (OSError, EOFError, zlib.error) as error:
        yield Skipped(path, f"cannot be read further: {error}", number + 1)
    else:
        if not number:
            yield Skipped(path, "file is empty", fault=False)


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def _lines(file: BinaryIO, max_line_bytes: int) -> Iterator[bytes | None]:
    """Yields each line, None for one that is too long."""
    while line := file.readline(max_line_bytes + 1):
        if len(line) <= max_line_bytes:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(max_line_bytes)
        yield None


def _document_or_reason(line: bytes, path: Path, number: int, source: str, first_lines: dict[str, int]) -> Document | Skipped:
    try:
        document = _document(line, source)
        first = first_lines.setdefault(document.document_id, number)
        if first != number:
            raise InvalidInputError(f"id {document.document_id!r} stands already in line {first}")
    except InvalidInputError as error:
        return Skipped(path, error.message, number)
    return document


def _document(line: bytes, source: str) -> Document:
    row = _row(line)
    row_id = _id(row)
    text = _text(row, "text")
    if not text.strip():
        raise InvalidInputError(f"text of row {row_id!r} is empty")
    language = _text(row, "lang")
    return Document(
        source=row_source(source, row_id),
        text=text,
        title=_text(row, "title"),
        content_kind=_kind(_text(row, "collection"), language),
        language=language,
        domain=_text(row, "domain"),
        speaker=_text(row, "speaker"),
        event_time=_time(row),
        metadata={name: value for name, value in row.items() if name not in _FIELDS},
        document_id=row_id,
    )


def _row(line: bytes) -> Mapping[str, JsonValue]:
    try:
        row = json.loads(line.decode("utf-8-sig"), parse_constant=_refuse_constant)
        # Numbers too large for a float become infinite and lone surrogates have no UTF-8: neither could be stored.
        json.dumps(row, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"row is not UTF-8: {error.reason} at offset {error.start}") from error
    except UnicodeEncodeError as error:
        raise InvalidInputError("row holds half of a surrogate pair") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"row is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InvalidInputError(f"row is a {type(row).__name__}, not an object")
    return row


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _id(row: Mapping[str, JsonValue]) -> str:
    value = row.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise InvalidInputError(f"id is {value!r}; a text or a whole number is needed")
    return value


def _text(row: Mapping[str, JsonValue], name: str) -> str:
    value = row.get(name)
    if value is None and name != "text":
        return ""
    if not isinstance(value, str):
        raise InvalidInputError(f"{name} is {'absent' if value is None else f'a {type(value).__name__}'}; a text is needed")
    if (at := value.find("\0")) >= 0:
        raise InvalidInputError(f"{name} holds a NUL character at position {at}")
    return value


def _kind(collection: str, language: str) -> Kind:
    if collection == "messages":
        return Kind.MESSAGE
    return Kind.CODE if is_programming_language(language) else Kind.TEXT


def _time(row: Mapping[str, JsonValue]) -> datetime | None:
    value = _text(row, "created_at")
    if not value:
        return None
    try:
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"created_at is {value!r}; an ISO 8601 time is needed") from error
