"""What every reranker backend promises."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from atlas.deadlines import Deadline
from atlas.encoder.models import MINILM
from atlas.errors import DeadlineError, InvalidInputError
from services.reranker.backend import Candidate, RerankerBackend, Work
from services.reranker.backends import open_backend
from services.reranker.settings import RerankerSettings
from tests.fakes.reranker_backend import FakeReranker

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERY = "old lantern"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["maxsim", "fake"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[RerankerBackend]:
    if request.param == "fake":
        yield FakeReranker()
        return
    async with open_backend(RerankerSettings(), CollectorRegistry()) as one:
        yield one


def candidates(*texts: str) -> list[Candidate]:
    return [Candidate(f"candidates[{index}].content.text", text) for index, text in enumerate(texts)]


def work(*texts: str, seconds: float = 30.0, budget_s: float | None = None, max_tokens: int | None = None, cut: bool = True) -> Work:
    return Work(
        QUERY,
        candidates(*texts),
        Deadline.after(seconds),
        budget_end=None if budget_s is None else Deadline.after(budget_s),
        max_tokens=max_tokens,
        cut_long_texts=cut,
    )


async def test_every_candidate_gets_a_score_in_its_place(backend: RerankerBackend) -> None:
    scores = (await backend.score(work("tulips by the wall", "the old lantern", "an old wall"))).scores
    raw = [score.raw for score in scores]
    assert None not in raw
    assert raw[1] == max(raw)
    assert raw[0] == min(raw)


async def test_relevance_rises_with_the_raw_score(backend: RerankerBackend) -> None:
    low, high = (await backend.score(work("tulips", "old lantern"))).scores
    assert low.relevance < high.relevance


async def test_no_candidates_give_no_scores(backend: RerankerBackend) -> None:
    assert (await backend.score(work())).scores == []


async def test_a_token_budget_scores_from_the_front(backend: RerankerBackend) -> None:
    scores = (await backend.score(work("first come", "second word " * 40, "third", max_tokens=10))).scores
    assert [score.raw is not None for score in scores] == [True, False, False]
    assert scores[1].relevance is None


async def test_a_time_budget_that_is_over_leaves_everything_unscored(backend: RerankerBackend) -> None:
    scores = (await backend.score(work("nobody has read this yet", budget_s=0.0))).scores
    assert [score.raw for score in scores] == [None]


async def test_a_passage_that_was_read_is_known_the_second_time(backend: RerankerBackend) -> None:
    first = await backend.score(work("a text that comes again"))
    second = await backend.score(work("a text that comes again"))
    assert (first.cache_hit_count, second.cache_hit_count) == (0, 1)
    assert second.token_count < first.token_count
    assert second.scores[0].raw == pytest.approx(first.scores[0].raw, abs=1e-3)


async def test_given_token_vectors_are_not_read_again(backend: RerankerBackend) -> None:
    rows = np.eye(3, backend.model.record.dimension, dtype=np.float32)
    scoring = await backend.score(Work(QUERY, [Candidate("candidates[0]", tokens=rows)], Deadline.after(30.0), max_tokens=1))
    assert scoring.scores[0].raw is not None
    assert scoring.scores[0].token_count == 3


def with_query_tokens(count: int, *texts: str, seconds: float = 30.0, budget_s: float | None = None) -> Work:
    """The query has two word pieces."""
    rows = np.eye(count, MINILM.dimension, dtype=np.float32)
    return replace(work(*texts, seconds=seconds, budget_s=budget_s), query_tokens=rows)


async def test_a_query_with_token_vectors_is_not_read(backend: RerankerBackend) -> None:
    await backend.score(work("a lantern that is known"))
    scoring = await backend.score(with_query_tokens(2, "a lantern that is known"))
    assert scoring.scores[0].raw is not None
    assert (scoring.token_count, scoring.cache_hit_count) == (0, 1)


async def test_a_query_has_one_token_vector_for_each_word_piece(backend: RerankerBackend) -> None:
    for count in (0, 1, 3):
        with pytest.raises(InvalidInputError) as refused:
            await backend.score(with_query_tokens(count, "the old lantern"))
        assert refused.value.field == "query_tokens"


async def test_time_bounds_what_is_known_too(backend: RerankerBackend) -> None:
    await backend.score(work("a wall that is known"))
    over = await backend.score(with_query_tokens(2, "a wall that is known", "a wall that is not", budget_s=0.0))
    assert over.scores[1].raw is None
    with pytest.raises(DeadlineError):
        await backend.score(with_query_tokens(2, "a wall that is known", seconds=0.0))


async def test_a_long_text_is_cut_or_refused_as_asked(backend: RerankerBackend) -> None:
    long = "lantern " * 300
    assert (await backend.score(work(long))).scores[0].truncated
    with pytest.raises(InvalidInputError) as refused:
        await backend.score(work("short", long, cut=False))
    assert refused.value.field == "candidates[1].content.text"


async def test_a_deadline_that_has_passed_fails_the_call(backend: RerankerBackend) -> None:
    with pytest.raises(DeadlineError):
        await backend.score(work("another text that nobody read", seconds=0.0))


async def test_a_forgotten_passage_is_read_again_and_counted_once(backend: RerankerBackend) -> None:
    text = "a lantern that nobody shall remember"
    await backend.score(work(text))
    assert (await backend.score(work(text))).cache_hit_count == 1
    one = hashlib.sha256(text.encode()).digest()
    assert backend.forget([one, hashlib.sha256(b"never seen").digest()]) == 1
    assert backend.forget([one]) == 0
    assert (await backend.score(work(text))).cache_hit_count == 0
