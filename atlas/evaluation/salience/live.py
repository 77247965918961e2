"""Holds the replay to the running system: the same searches and marks in both, the same ranks and log-odds from both.

Without it the evaluation would prove a model of the product and not the product.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import numpy as np

from atlas.client import AsyncAtlas, Caller, Explanation, FeedbackKind, Hit, HitFeedback, SalienceMode, SearchResult, SourceClass
from atlas.documents import Document
from atlas.errors import InvalidInputError, ModelFaultError
from atlas.evaluation.sets import EvaluationSet, Query
from atlas.influence import Influence
from atlas.salience import SalienceRule

from .arms import Asked, Marked, Observed, RuleLearner
from .fetching import fetch_pools
from .placing import ranked
from .pools import Flags, Floats, Numbers, Pools
from .streams import Stream
from .users import Moods, User

OTHER_DOCUMENTS = 100
"""Documents beside those that are asked about, so that a pool has something to choose from."""
CANDIDATES = 20
TOLERANCE = 1e-3
"""Log-odds that may differ: the services read the clock some milliseconds later than the replay, and evidence fades meanwhile."""
_NO_FLAGS: Flags = np.zeros(0, dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class LiveCheck:
    """What a comparison found."""

    search_count: int
    mark_count: int
    moved_count: int
    """Hits that salience moved in the running system."""
    rank_mismatches: int
    """Searches whose order the replay did not foresee; near ties within the tolerance are no mismatch."""
    worst_log_odds: float
    """Largest difference of all log-odds."""
    worst_outside_log_odds: float
    """Largest difference of log-odds from outside."""
    influence: float
    """Influence on the final order that the running system has."""
    write_ms: float
    """Median time of writing back, in milliseconds of a search."""
    search_ms: float
    """Median time of a search in the gateway, in milliseconds."""
    events_per_search: float
    """RERANK events that the ledger accepted a search."""

    @property
    def agrees(self) -> bool:
        """Whether the replay is the running system."""
        return self.rank_mismatches == 0 and max(self.worst_log_odds, self.worst_outside_log_odds) <= TOLERANCE


async def check_live(
    client: AsyncAtlas,
    labelled: EvaluationSet,
    stream: Stream,
    *,
    name: str,
    search_count: int,
    embedder: str,
    user: User,
    rule: SalienceRule,
    timeout_s: float,
    now: Callable[[], float],
    progress: Callable[[], object],
) -> LiveCheck:
    """Plays the first searches of a stream in the running system, in a collection of its own that is erased afterwards.

    Args:
        client: Connection to the gateway.
        labelled: The set.
        stream: The stream.
        name: Name of the collection, the principal and the domains; nobody else may use it.
        search_count: Searches to play.
        embedder: Address of the embedder.
        user: Who marks.
        rule: Constants that the running system has.
        timeout_s: Most seconds for a call.
        now: The clock of the running system, in seconds since the epoch.
        progress: Called once a search.

    Raises:
        AtlasError: A call failed.
    """
    asked = _asked(labelled, stream, search_count)
    async with _collection(client, labelled, asked, name):
        distinct = list({query.query_id: query for query in asked}.values())
        pools = await fetch_pools(
            client, distinct, collection=name, embedder=embedder, depth=100, concurrency=1, timeout_s=timeout_s, progress=_nothing
        )
        play = _Play(client, pools, labelled.qrels, RuleLearner(pools, rule, start_s=now()), Moods(user, len(asked), seed=0), name)
        for index, query in enumerate(asked):
            await play.search(index, query, user, now)
            progress()
        return play.found()


class _Play:
    """Plays searches in both, and compares."""

    def __init__(
        self,
        client: AsyncAtlas,
        pools: Pools,
        qrels: Mapping[str, Mapping[str, int]],
        learner: RuleLearner,
        moods: Moods,
        name: str,
    ) -> None:
        self._client = client
        self._pools = pools
        self._qrels = qrels
        self._learner = learner
        self._moods = moods
        self._name = name
        self._caller = Caller(name, SourceClass.USER)
        self._number = pools.numbers()
        self._answers: list[SearchResult] = []
        self._marks = self._mismatches = self._moved = 0
        self._worst = self._worst_outside = 0.0

    async def search(self, index: int, query: Query, user: User, now: Callable[[], float]) -> None:
        """Plays one search and the marks on it."""
        time_s = now()
        answer = await self._client.search(
            query.text,
            collections=[self._name],
            candidate_count=CANDIDATES,
            result_count=CANDIDATES,
            salience_mode=SalienceMode.READ_WRITE,
            explain=True,
            require_complete=True,
            request_id=f"{self._name}/{index}",
            caller=self._caller,
        )
        self._answers.append(answer)
        number = self._number[query.query_id]
        rows = np.arange(self._pools.split[number], self._pools.split[number + 1])[:CANDIDATES]
        members, bucket = self._pools.member[rows], int(self._pools.bucket[number])
        self._compare(answer, rows, members, time_s)
        relevance = self._pools.relevance[rows]
        readable = ~np.isnan(relevance)
        if readable.any():
            self._learner.observe(Observed(members[readable], bucket, relevance[readable], time_s))
        await self._mark(index, query, answer, bucket, user, now)

    def found(self) -> LiveCheck:
        """What the comparison found."""
        writes = [stage.total_ms for answer in self._answers for stage in answer.stages if stage.stage == "record"]
        return LiveCheck(
            search_count=len(self._answers),
            mark_count=self._marks,
            moved_count=self._moved,
            rank_mismatches=self._mismatches,
            worst_log_odds=self._worst,
            worst_outside_log_odds=self._worst_outside,
            influence=max((_why(hit).influence for answer in self._answers for hit in answer.hits), default=0.0),
            write_ms=float(np.median(writes)) if writes else float("nan"),
            search_ms=float(np.median([answer.total_ms for answer in self._answers])),
            events_per_search=sum(answer.salience_write.accepted_count for answer in self._answers) / len(self._answers),
        )

    def _compare(self, answer: SearchResult, rows: Numbers, members: Numbers, time_s: float) -> None:
        everything, outside = self._learner.read(Asked(members, time_s, _NO_FLAGS))
        place = {str(memory_id): at for at, memory_id in enumerate(self._pools.memory_ids[members])}
        clean = [hit for hit in answer.hits if hit.pool == "clean"]
        if any(hit.memory.memory_id not in place for hit in clean):
            self._mismatches += 1
            return
        self._moved += sum(hit.rank != hit.rank_before_salience for hit in clean)
        for hit in clean:
            at, why = place[hit.memory.memory_id], _why(hit)
            self._worst = max(self._worst, abs(float(everything[at]) - (why.salience_log_odds or 0.0)))
            self._worst_outside = max(self._worst_outside, abs(float(outside[at]) - (why.outside_log_odds or 0.0)))
        self._mismatches += not self._same_order([place[hit.memory.memory_id] for hit in clean], rows, outside, _why(answer.hits[0]))

    def _same_order(self, order: Sequence[int], rows: Numbers, outside: Floats, why: Explanation) -> bool:
        influence = Influence(final=why.influence, log_odds_limit=why.log_odds_limit)
        scores = self._pools.logits_per_unit * self._pools.final_score[rows]
        logits = scores + influence.final * outside.clip(-influence.log_odds_limit, influence.log_odds_limit)
        expected = ranked(
            self._pools.final_score[rows],
            outside,
            influence=influence.final,
            limit=influence.log_odds_limit,
            logits_per_unit=self._pools.logits_per_unit,
        )
        kept = [at for at in expected.tolist() if at in set(order)]
        return all(first == second or abs(logits[first] - logits[second]) <= TOLERANCE for first, second in zip(order, kept, strict=True))

    async def _mark(self, index: int, query: Query, answer: SearchResult, bucket: int, user: User, now: Callable[[], float]) -> None:
        shown = [hit for hit in answer.hits if hit.pool == "clean"][: user.result_count]
        number = {str(memory_id): at for at, memory_id in enumerate(self._pools.memory_ids)}
        members = np.array([number[hit.memory.memory_id] for hit in shown], dtype=np.int64)
        relevant = np.array([self._qrels[query.query_id].get(hit.memory.document_id, 0) > 0 for hit in shown], dtype=np.float64)
        marks = self._moods.marks(index, members, relevant)
        if not marks:
            return
        time_s = now()
        await self._client.feedback(
            answer.search_id,
            *(HitFeedback(str(self._pools.memory_ids[member]), _kind(value)) for member, value in marks),
            caller=self._caller,
        )
        self._marks += len(marks)
        for member, value in marks:
            self._learner.mark(Marked(member, bucket, value, time_s))


def _asked(labelled: EvaluationSet, stream: Stream, count: int) -> list[Query]:
    known = {query.query_id: query for query, _ in labelled.judged(within_domain=False)}
    asked = [known[event.query_id] for event in stream.events if event.query_id in known][:count]
    if not asked:
        raise InvalidInputError("no event of the stream asks a question of the set that has a judgement", field="stream")
    return asked


@asynccontextmanager
async def _collection(client: AsyncAtlas, labelled: EvaluationSet, asked: Sequence[Query], name: str) -> AsyncIterator[None]:
    needed = {document_id for query in asked for document_id in labelled.qrels[query.query_id]}
    documents = [item for item in labelled.documents(host="evaluation", as_uri=f"evaluation://{name}") if isinstance(item, Document)]
    others = [item for item in documents if item.document_id not in needed][:OTHER_DOCUMENTS]
    # Domains of its own: base rates are counted by domain, and those of others stay as they are.
    mine = [replace(item, domain=f"{name}/{item.domain}") for item in (*(one for one in documents if one.document_id in needed), *others)]
    try:
        async for reply in client.ingest(_each(mine), collection=name, in_search_all=False):
            if reply.error is not None:
                raise reply.error
        yield
    finally:
        # Evidence first: it is found by the principal, whatever becomes of the memories.
        await client.erase(principal=name)
        await client.delete_collection(name, confirm_name=name)


async def _each(documents: Sequence[Document]) -> AsyncIterator[Document]:
    for document in documents:
        await asyncio.sleep(0)
        yield document


def _kind(value: float) -> FeedbackKind:
    return FeedbackKind.HELPFUL if value > 0.5 else FeedbackKind.WRONG


def _why(hit: Hit) -> Explanation:
    if hit.explanation is None:
        raise ModelFaultError(f"memory {hit.memory.memory_id} came without the parts of its rank", memory_id=hit.memory.memory_id)
    return hit.explanation


def _nothing() -> None:
    return None
