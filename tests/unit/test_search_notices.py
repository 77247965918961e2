"""What a search says though nothing failed."""

from __future__ import annotations

from gateway.answers import Degradation, SearchQuery
from gateway.clients import Candidate, Question, Restriction, Searched
from gateway.memories import Memory, Pool
from gateway.notices import notices_of
from gateway.ordering import Ranked

FULL = Searched("notes", 3, domain_known=True)


def query(**fields: object) -> SearchQuery:
    known: dict[str, object] = {"question": Question("text"), "search_id": "s", "candidate_count": 20, "result_count": 5}
    return SearchQuery(**(known | fields))  # type: ignore[arg-type]


def codes(asked: SearchQuery, *searched: Searched, ranked: tuple[Ranked, ...] = (), degraded: tuple[Degradation, ...] = ()) -> list[str]:
    return [notice.code for notice in notices_of(asked, searched, ranked, degraded)]


def test_an_ordinary_search_has_no_notices() -> None:
    assert codes(query(restriction=Restriction(domain="home")), FULL) == []


def test_a_fresh_system_has_no_collection() -> None:
    assert codes(query(restriction=Restriction(domain="home"))) == ["NO_COLLECTION"]


def test_each_empty_collection_is_named() -> None:
    assert codes(query(), Searched("a", 0, domain_known=True), FULL, Searched("b", 0, domain_known=True)) == ["EMPTY_COLLECTION"] * 2


def test_a_domain_that_no_searched_collection_has_is_unknown() -> None:
    unknown = Searched("other", 3, domain_known=False)
    assert codes(query(restriction=Restriction(domain="home")), unknown) == ["UNKNOWN_DOMAIN"]
    assert codes(query(restriction=Restriction(domain="home")), unknown, FULL) == []


def test_min_relevance_that_cannot_be_applied_says_why() -> None:
    candidate = Candidate(Memory("m", "notes", "text"), (), None, 0.5, Pool.CLEAN, 1, 1.0, None, "")
    unranked, unread = Ranked(candidate), Ranked(candidate, final_score=0.5, rank_score=10.0)
    [away] = notices_of(query(min_relevance=0.5), [FULL], [unranked], [])
    [_, unreadable] = notices_of(query(min_relevance=0.5), [FULL], [unread], [])
    assert away.code == unreadable.code == "MIN_RELEVANCE_NOT_APPLIED"
    assert away.message != unreadable.message
    assert codes(query(), FULL, ranked=(unranked,)) == []


def test_a_query_that_the_encoder_cannot_read_is_named() -> None:
    candidate = Candidate(Memory("m", "notes", "text"), (), None, 0.5, Pool.CLEAN, 1, 1.0, None, "")
    assert codes(query(), FULL, ranked=(Ranked(candidate, final_score=0.5, rank_score=10.0),)) == ["QUERY_UNREADABLE"]
    assert codes(query(), FULL, ranked=(Ranked(candidate, final_score=0.5, rank_score=10.0, relevance=0.4),)) == []


def test_a_default_deadline_is_a_notice_only_where_it_cost_something() -> None:
    late = Degradation("rerank", "RERANK_TIMEOUT", "late")
    assert codes(query(default_deadline_s=2.0), FULL) == []
    assert codes(query(default_deadline_s=2.0), FULL, degraded=(late,)) == ["DEFAULT_DEADLINE"]
    assert codes(query(), FULL, degraded=(late,)) == []
