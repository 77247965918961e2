"""A reranker without a model: scores are shares of common words, and it can be told to be broken."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from atlas.encoder import MINILM, Output
from atlas.errors import DeadlineError, InvalidInputError
from atlas.ranking import relevance
from services.reranker.backend import Score, ScoreKind, Scoring, ServedModel, Work


class FakeReranker:
    """Keeps the promises of the seam; a word is a token."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        """Raised instead of an answer."""
        self._known: set[str] = set()

    @property
    def model(self) -> ServedModel:
        return ServedModel(
            record=MINILM,
            score_kind=ScoreKind.MAXSIM,
            fingerprint=MINILM.fingerprint(Output.TOKENS),
            calibration_version="fake-1",
            runtime="fake",
            device="CPU",
            precision="f32",
            attention="none",
            token_cache_bytes=0,
        )

    async def warm_up(self) -> None:
        return

    async def score(self, work: Work) -> Scoring:
        if self.error is not None:
            raise self.error
        work.deadline.check("scoring")
        scores, spent, hit_count, over = [], 0, 0, work.budget_end is not None and work.budget_end.expired
        asked = set(work.query.split())
        if work.query_tokens is not None and len(work.query_tokens) != len(work.query.split()):
            raise InvalidInputError("query_tokens does not fit the query", field="query_tokens")
        for candidate in work.candidates:
            words = candidate.text.split()
            if len(words) > MINILM.max_tokens and not work.cut_long_texts:
                raise InvalidInputError(f"{candidate.field} is too long", field=candidate.field)
            cost = 0 if candidate.tokens is not None or candidate.text in self._known else len(words)
            hit_count += candidate.text in self._known
            over = over or (work.max_tokens is not None and spent + cost > work.max_tokens)
            raw = None if over and cost else len(asked.intersection(words)) / max(1, len(asked))
            if raw is not None:
                spent += cost
                self._known.add(candidate.text)
            count = len(words) if candidate.tokens is None else len(candidate.tokens)
            scores.append(Score(raw, None if raw is None else relevance(raw), count, truncated=count > MINILM.max_tokens))
        if work.deadline.expired:
            raise DeadlineError("the deadline passed while scoring")
        read = 0 if work.query_tokens is not None else len(asked)
        return Scoring(scores, queue_s=0.0, token_count=spent + read, cache_hit_count=hit_count)

    def forget(self, content_sha256s: Sequence[bytes]) -> int:
        gone = {text for text in self._known if hashlib.sha256(text.encode()).digest() in content_sha256s}
        self._known -= gone
        return len(gone)
