"""Asks the running system for the deep pool and the bucket of each question, once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from atlas.channel import call, open_channel
from atlas.client import AsyncAtlas, Hit, SalienceMode, SearchResult
from atlas.deadlines import Deadline
from atlas.embedder.v1 import embedder_pb2 as pb
from atlas.embedder.v1 import embedder_pb2_grpc as rpc
from atlas.errors import DependencyDownError, ModelFaultError
from atlas.evaluation.sets import EvaluationSet, Query
from atlas.query_buckets import bucket_of
from atlas.tensors import to_array
from atlas.type.v1 import type_pb2

from .pools import Entry, Pools, pools_of

BRANCH_DEPTH = 100
"""A candidate that neither branch lists up to here is not in the pool of an ordinary search."""
_BRANCHES = ("similarity", "lexical")
_EMBEDDER = pb.DESCRIPTOR.services_by_name["EmbedderService"].full_name


async def fetch_pools(
    client: AsyncAtlas,
    queries: Sequence[Query],
    *,
    collection: str,
    embedder: str,
    depth: int,
    concurrency: int,
    timeout_s: float,
    progress: Callable[[], object],
) -> Pools:
    """Fetches pools of at most `depth` reranked candidates with salience off; `progress` is called once a question.

    Raises:
        DependencyDownError: An answer was degraded: it would measure an outage.
        AtlasError: A search failed.
    """
    limit = asyncio.Semaphore(concurrency)

    async def one(query: Query) -> SearchResult:
        async with limit:
            answer = await client.search(
                query.text,
                collections=[collection],
                candidate_count=depth,
                result_count=depth,
                salience_mode=SalienceMode.OFF,
                explain=True,
                require_complete=True,
                timeout_s=timeout_s,
            )
            if answer.degraded:
                raise DependencyDownError(f"the answer to query {query.query_id} is degraded: {answer.degraded[0].reason}")
            progress()
            return answer

    buckets = await _buckets(queries, embedder=embedder, timeout_s=timeout_s)
    answers: list[SearchResult] = []
    # A few at a time: an answer holds every candidate's text.
    entries: dict[str, list[Entry]] = {}
    for start in range(0, len(queries), 8 * concurrency):
        batch = queries[start : start + 8 * concurrency]
        answers = await asyncio.gather(*(one(query) for query in batch))
        entries.update({query.query_id: _entries(answer) for query, answer in zip(batch, answers, strict=True)})
    return pools_of(entries, buckets, logits_per_unit=_logits_per_unit(answers), models=", ".join(answers[-1].models.values()))


def pools_key(labelled: EvaluationSet, queries: Sequence[Query], *, depth: int, models: str) -> str:
    """Names what pools depend on: corpus, questions, depth, and the models that answer."""
    digest = hashlib.sha256(labelled.corpus_path.read_bytes())
    digest.update("\x1f".join(f"{query.query_id}\x1e{query.text}" for query in queries).encode())
    digest.update(f"\x1f{depth}\x1f{models}".encode())
    return digest.hexdigest()[:16]


async def _buckets(queries: Sequence[Query], *, embedder: str, timeout_s: float) -> dict[str, int]:
    found: dict[str, int] = {}
    async with open_channel(embedder, service_names=[_EMBEDDER], retry=True) as channel:
        stub = rpc.EmbedderServiceStub(channel)
        for query in queries:
            # One at a time, as a search does it: the last bits of a vector depend on its batch, and a bucket on them.
            request = pb.EmbedRequest(inputs=[type_pb2.Input(text=query.text)], input_type=type_pb2.INPUT_TYPE_QUERY)
            reply = await call(stub.Embed, request, deadline=Deadline.after(timeout_s))
            found[query.query_id] = bucket_of(to_array(reply.dense, field="dense", dtype=np.float32, ndim=2)[0])
    return found


def _entries(answer: SearchResult) -> list[Entry]:
    hits = [hit for hit in answer.hits if any(item.rank and item.rank <= BRANCH_DEPTH for item in hit.evidence if item.kind in _BRANCHES)]
    return [_entry(hit) for hit in sorted(hits, key=_pool_rank)]


def _entry(hit: Hit) -> Entry:
    why = hit.explanation
    if why is None or why.final_score is None:
        raise ModelFaultError(f"memory {hit.memory.memory_id} came without the parts of its rank", memory_id=hit.memory.memory_id)
    return Entry(
        memory_id=hit.memory.memory_id,
        document_id=hit.memory.document_id,
        domain=hit.memory.domain,
        pool_score=why.pool_score,
        final_score=why.final_score,
        relevance=float("nan") if hit.relevance is None else hit.relevance,
    )


def _pool_rank(hit: Hit) -> int:
    return 0 if hit.explanation is None else hit.explanation.pool_rank


def _logits_per_unit(answers: Sequence[SearchResult]) -> float:
    return next(hit.explanation.logits_per_unit for answer in answers for hit in answer.hits if hit.explanation is not None)
