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
from .placing import Lever, Members, chosen, ranked
from .pools import Flags, Floats, Numbers, Pools
from .streams import Stream
from .users import Moods, User

OTHER_DOCUMENTS = 100
"""Documents beside those that are asked about, so that a pool has something to choose from."""
CANDIDATES = 20
_WHOLE = 200
"""Candidates of a fetched pool: all that both branches find, so that places can be filled as memory fills them."""
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
            client, distinct, collection=name, embedder=embedder, depth=_WHOLE, concurrency=1, timeout_s=timeout_s, progress=_nothing
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
        self._marks = self._mismatches = self._moved = self._explore_count = 0
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
        bucket = int(self._pools.bucket[self._number[query.query_id]])
        rows, members = self._compare(answer, self._number[query.query_id], time_s)
        drawn = members.rows[members.explored_from :]
        for found, propensity in ((members.rows[: members.clean_count], 1.0), (drawn, members.propensity)):
            relevance = self._pools.relevance[rows[found]]
            readable = ~np.isnan(relevance)
            if readable.any():
                self._learner.observe(Observed(self._pools.member[rows[found]][readable], bucket, relevance[readable], time_s, propensity))
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

    def _compare(self, answer: SearchResult, number: int, time_s: float) -> tuple[Numbers, Members]:
        """Compares an answer with what the replay foresees; gives the question's rows and those of them that were reranked."""
        pools = self._pools
        rows = np.arange(pools.split[number], pools.split[number + 1])
        everything, outside = self._learner.read(Asked(pools.member[rows], time_s, _NO_FLAGS))
        members = self._members(answer, rows, everything)
        place = {str(memory_id): at for at, memory_id in enumerate(pools.memory_ids[pools.member[rows]])}
        kinds = dict.fromkeys(members.rows.tolist(), "extended")
        kinds |= dict.fromkeys(members.rows[: members.clean_count].tolist(), "clean")
        kinds |= dict.fromkeys(members.rows[members.explored_from :].tolist(), "explore")
        same = all(kinds.get(place.get(hit.memory.memory_id, -1)) == hit.pool for hit in answer.hits)
        for hit in answer.hits:
            why, at = _why(hit), place.get(hit.memory.memory_id)
            self._moved += hit.rank != hit.rank_before_salience
            if at is not None:
                self._worst = max(self._worst, abs(float(everything[at]) - (why.salience_log_odds or 0.0)))
                self._worst_outside = max(self._worst_outside, abs(float(outside[at]) - (why.outside_log_odds or 0.0)))
        if not same or not self._same_order([place[hit.memory.memory_id] for hit in answer.hits], rows, members, outside, answer):
            self._mismatches += 1
        return rows, members

    def _members(self, answer: SearchResult, rows: Numbers, everything: Floats) -> Members:
        # While nothing is known, what is reranked beyond the pool was drawn by chance; later, what is more than that, salience brought in.
        beyond = max(0, answer.candidate_count - CANDIDATES)
        if len(self._answers) == 1:
            self._explore_count = beyond
        lever = Lever(Influence(), CANDIDATES, extended_count=beyond - self._explore_count, explore_count=self._explore_count)
        return chosen(
            self._pools.pool_score[rows],
            everything,
            self._pools.member[rows],
            lever,
            logits_per_unit=self._pools.logits_per_unit,
            seed=answer.search_id,
        )

    def _same_order(self, order: Sequence[int], rows: Numbers, members: Members, outside: Floats, answer: SearchResult) -> bool:
        why = _why(answer.hits[0])
        limit, unit = why.log_odds_limit, self._pools.logits_per_unit
        score = self._pools.final_score[rows]
        logits = unit * score + why.influence * outside.clip(-limit, limit)
        expected = ranked(score[members.rows], outside[members.rows], influence=why.influence, limit=limit, logits_per_unit=unit)
        # Two that are as good as equal may stand either way: the clock moved on between the two readings.
        pairs = zip(order, members.rows[expected].tolist(), strict=False)
        return len(order) == min(CANDIDATES, len(expected)) and all(abs(logits[one] - logits[other]) <= TOLERANCE for one, other in pairs)

    async def _mark(self, index: int, query: Query, answer: SearchResult, bucket: int, user: User, now: Callable[[], float]) -> None:
        shown = answer.hits[: user.result_count]
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
