"""The URI that a file or a row is known by, wherever the command runs."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

# What RFC 3986 §3.5 lets a fragment hold besides letters and digits: ids such as `conv-26:D1:3` stay readable.
_FRAGMENT_SAFE = ":/?@!$&'()*+,;="


def source_uri(path: Path, *, root: Path, host: str, as_uri: str | None = None) -> str:
    """Names a file by a URI.

    Args:
        path: Absolute path of the file; `root` itself gives the prefix of everything below it.
        root: The ingested file or folder that `path` was found under, absolute.
        host: Name of this machine, part of every `file` URI.
        as_uri: Stands in place of the URI of `root`.
    """
    if as_uri is None:
        return f"file://{quote(host)}{_quoted(path)}"
    if path == root:
        return as_uri if path.is_file() else as_uri.rstrip("/")
    return f"{as_uri.rstrip('/')}/{_quoted(path.relative_to(root))}"


def row_source(file_source: str, row_id: str) -> str:
    """Names a row of a file by the file's URI and the row's id."""
    return f"{file_source}#{quote(row_id, safe=_FRAGMENT_SAFE)}"


def _quoted(path: Path) -> str:
    # Names that are not UTF-8 keep their bytes, so that two different names never share a URI.
    return quote_from_bytes(os.fsencode(path), safe="/")
