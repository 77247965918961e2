"""What the caller of a search should know though nothing failed; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .answers import Degradation, Notice, SearchQuery
from .clients import Searched
from .ordering import Ranked

_UNREADABLE = (
    "the encoder knows few of the query's words, as of another language or of made-up ones: "
    "relevance is unknown, and nothing is learnt from the search"
)
_OUT_OF_TIME = ("EMBEDDER_TIMEOUT", "RERANK_TIMEOUT", "RERANK_PARTIAL")


def notices_of(
    query: SearchQuery, searched: Sequence[Searched], ranked: Sequence[Ranked], degraded: Sequence[Degradation]
) -> Iterator[Notice]:
    """Says where the search found nothing to look at, and which wish could not be granted."""
    if not searched:
        yield Notice("NO_COLLECTION", "no collection is searched: nothing has been stored yet, or none is in 'search all'")
    for collection in searched:
        if collection.memory_count == 0:
            yield Notice("EMPTY_COLLECTION", f"collection {collection.collection} holds no memories")
    domain = query.restriction.domain
    if domain and searched and not any(collection.domain_known for collection in searched):
        yield Notice("UNKNOWN_DOMAIN", f"no memory of the searched collections has the domain {domain}")
    if any(item.final_score is not None and item.relevance is None for item in ranked):
        yield Notice("QUERY_UNREADABLE", _UNREADABLE)
    if query.min_relevance is not None and any(item.relevance is None for item in ranked):
        yield Notice("MIN_RELEVANCE_NOT_APPLIED", _why_not_applied(ranked))
    if query.default_deadline_s is not None and any(item.reason in _OUT_OF_TIME for item in degraded):
        text = f"the call set no deadline, so the search had {query.default_deadline_s:g} s; a longer deadline gives every stage its time"
        yield Notice("DEFAULT_DEADLINE", text)


def candidates_limited(asked: int, limit: int) -> Notice:
    """Says that the reranker takes fewer candidates than were asked for."""
    return Notice("CANDIDATES_LIMITED", f"{asked} candidates were asked for; the reranker takes {limit} in one call")


def _why_not_applied(ranked: Sequence[Ranked]) -> str:
    if any(item.final_score is None for item in ranked):
        return "min_relevance drops nothing that was not reranked: its relevance is unknown"
    return "min_relevance drops nothing: the encoder cannot read the query, so relevance is unknown"
