"""What every physical index looks like, whichever engine keeps it."""

from __future__ import annotations

from ..store import FACET_KEYS

DENSE = "dense"
"""Name of the dense vector."""
LEXICAL = "lexical"
"""Name of the sparse vector; its IDF is the engine's."""
TENANT_KEY = "generation"
"""Keyword index by which the engine keeps generations apart."""
KEYWORD_KEYS = FACET_KEYS
"""Payload fields with a keyword index."""
INTEGER_KEYS = ("event_time",)
"""Payload fields with an integer index."""
TEXT_KEYS = ("title",)
"""Payload fields with an index of their words."""
KIND_KEY = "content_kind"
"""Payload field with what a memory is."""
HIT_KEYS = ["memory_id", KIND_KEY]
"""Payload fields that come along with a hit."""
