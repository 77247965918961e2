"""Answer of a search: results that fit, the others by id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from atlas.client import Hit, SearchResult

from ..shortening import clip, encoded_size, last_that_fits
from .quoting import ABOUT, NOTE_BYTES, LeftOut, Quoted, quoted, rounded

_MAX_NOTES = 4
_FIELD_BYTES = {"title": 200, "speaker": 100, "source": 300, "domain": 100}
"""Most bytes of a field in a list of results; `get` gives more."""


class Found(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A result. `quoted.text` is a snippet; `whole_text_bytes` is there if `get` gives more."""

    rank: int
    memory_id: str
    relevance: float | None = None
    salience: float | None = None
    collection: str
    event_time: datetime | None = None
    whole_text_bytes: int = 0
    quoted: Quoted


class Note(msgspec.Struct, frozen=True):
    """Something to know though nothing failed."""

    code: str
    message: str


class SearchReply(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Answer of `search` and `search_all`."""

    about: str
    search_id: str
    results: Sequence[Found]
    left_out: LeftOut | None = None
    notes: Sequence[Note] = ()


def search_reply(result: SearchResult, *, max_bytes: int) -> SearchReply:
    """Gives as many results as fit, best first; the others by id."""
    found = [_found(hit) for hit in result.hits]
    ids = [hit.memory.memory_id for hit in result.hits]
    notes = _notes(result)

    def reply(count: int) -> SearchReply:
        rest = len(found) - count
        how = f"get reads each by its id; fewer results or a narrower query fit into {max_bytes} bytes"
        left_out = LeftOut(count=rest, memory_ids=ids[count:], how_to_get=how) if rest else None
        return SearchReply(about=ABOUT, search_id=result.search_id, results=found[:count], left_out=left_out, notes=notes)

    # The last step of all results can be smaller than the one before it: it needs no `left_out`.
    if encoded_size(reply(len(found))) <= max_bytes:
        return reply(len(found))
    return reply(last_that_fits(len(found) - 1, lambda count: encoded_size(reply(count)) <= max_bytes) or 0)


def _found(hit: Hit) -> Found:
    memory = hit.memory
    return Found(
        rank=hit.rank,
        memory_id=memory.memory_id,
        relevance=rounded(hit.relevance),
        salience=rounded(hit.salience),
        collection=memory.collection,
        event_time=memory.event_time,
        whole_text_bytes=0 if hit.snippet == memory.text.strip() else len(memory.text.encode()),
        quoted=quoted(memory, hit.snippet, _FIELD_BYTES),
    )


def _notes(result: SearchResult) -> tuple[Note, ...]:
    """Puts together what the caller should know, worst first."""
    notes = [Note(item.reason, f"{item.stage} did not do its part: {item.message}") for item in result.degraded]
    if (error := result.salience_write.error) is not None:
        notes.append(Note("EVIDENCE_NOT_WRITTEN", error.message))
    notes += [Note(item.code, item.message) for item in result.notices]
    shown = tuple(Note(note.code, clip(note.message, NOTE_BYTES)) for note in notes[:_MAX_NOTES])
    more = len(notes) - len(shown)
    return (*shown, Note("MORE_NOTES", f"{more} notes more are left out")) if more else shown
