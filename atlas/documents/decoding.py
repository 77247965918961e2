"""From the bytes of a file to its text."""

from __future__ import annotations

import codecs

from atlas.errors import InvalidInputError

# The UTF-32 marks come first: the little-endian one begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode(data: bytes) -> str:
    """Decodes UTF-8, or what a byte order mark says; the mark is no part of the text.

    Raises:
        InvalidInputError: The bytes are binary or in another encoding.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and (at := data.find(b"\0")) >= 0:
        raise InvalidInputError(f"binary file: NUL byte at offset {at}", offset=at)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"not {error.encoding.upper()}: {error.reason} at offset {error.start}", offset=error.start, encoding=error.encoding
        ) from error
    if (at := text.find("\0")) >= 0:
        raise InvalidInputError(f"binary file: NUL character at position {at}", position=at)
    return text
