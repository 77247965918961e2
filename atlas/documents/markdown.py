"""The title of a Markdown text; the text itself stays as it is, so that offsets match the file."""

from __future__ import annotations

from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

_HEAD_CHARS = 20_000
"""A title stands at the top: this much of the text is parsed to find it."""


def title_of(text: str) -> str:
    """Returns the first heading of level 1 as plain words, or an empty text."""
    tokens = MarkdownIt("commonmark").parse(text[:_HEAD_CHARS])
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open" and opening.tag == "h1":
            return " ".join("".join(_words(child) for child in content.children or ()).split())
    return ""


def _words(token: Token) -> str:
    return " " if token.type in ("softbreak", "hardbreak") else "" if token.type == "html_inline" else token.content
