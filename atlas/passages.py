"""What is embedded and indexed of a memory: its text with the words that say whose it is."""

from __future__ import annotations

import hashlib


def indexed_text(text: str, *, title: str = "", speaker: str = "") -> str:
    """Returns the text as models and the lexical index read it.

    `speaker: text` for something said, else `title. text` for a titled document, else the text
    itself. Who said a message is part of what it means: without it, chat is found far less often.
    """
    if speaker:
        return f"{speaker}: {text}"
    if title:
        return f"{title}. {text}"
    return text


def content_sha256(indexed: str) -> str:
    """Returns the SHA-256 of an indexed text's UTF-8 bytes, 64 lower-case hex digits."""
    return hashlib.sha256(indexed.encode()).hexdigest()
