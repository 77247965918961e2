"""The text of a PDF, page by page."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass

from pypdf import PasswordType, PdfReader
from pypdf.errors import DependencyError, DeprecationError, PyPdfError

from atlas.errors import InvalidInputError

# A damaged file reaches pypdf's object code with values of any type; these are what that raises besides its own errors.
_WRONG_VALUES = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError, NotImplementedError, RecursionError)
_DAMAGE = (PyPdfError, DeprecationError, *_WRONG_VALUES, OSError, zlib.error)


@dataclass(frozen=True, slots=True)
class PdfText:
    """What a PDF says."""

    text: str
    """Pages one after the other, a blank line between."""
    title: str
    """From the file's own description; may be empty."""


def read_pdf(data: bytes) -> PdfText:
    """Extracts the text of all pages.

    Raises:
        InvalidInputError: The file is encrypted, damaged, or has no text (scanned pages).
    """
    try:
        found = _read(data)
    except DependencyError as error:
        raise InvalidInputError("encrypted PDF: it needs a password or a cipher that is not installed") from error
    except _DAMAGE as error:
        raise InvalidInputError(f"damaged PDF: {type(error).__name__}: {error}") from error
    if found is None:
        raise InvalidInputError("encrypted PDF: it needs a password")
    if not found.text:
        raise InvalidInputError("PDF without text: its pages may be scans")
    return found


def _read(data: bytes) -> PdfText | None:
    reader = PdfReader(io.BytesIO(data))
    # Many files are encrypted with an empty password, which only forbids printing or copying.
    if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
        return None
    pages = [_clean(page.extract_text()) for page in reader.pages]
    title = reader.metadata.title if reader.metadata else None
    return PdfText("\n\n".join(page for page in pages if page), _clean(str(title or "")))


def _clean(text: str) -> str:
    """Drops NULs, and marks the lone surrogates that broken font tables give; neither can be stored as UTF-8 text."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8").strip()
