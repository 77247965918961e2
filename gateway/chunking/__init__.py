"""Cuts a document into chunks that a model can read and whose ids stay when the text around them changes."""

from __future__ import annotations

from .cut import Chunk, cut, identity_text

__all__ = ["Chunk", "cut", "identity_text"]
