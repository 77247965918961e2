"""What a client reads from disk before it sends documents to the gateway: finding files and parsing them."""

from __future__ import annotations

from .document import Document, JsonValue, Skipped
from .parse import ParseLimits, parse
from .sources import row_source, source_uri
from .walk import FoundFile, walk

__all__ = [
    "Document",
    "FoundFile",
    "JsonValue",
    "ParseLimits",
    "Skipped",
    "parse",
    "row_source",
    "source_uri",
    "walk",
]
