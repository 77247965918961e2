"""Encodes answers about memories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.duration_pb2 import Duration

from atlas.memory.v1 import memory_pb2 as pb
from atlas.salience import Worth
from atlas.type.v1 import type_pb2

from ..catalog.spaces import Spaces
from ..search.candidates import Candidate, Searched
from .encoding import to_memory
from .reading import StoredMemory
from .upserts import Upserted

Known = Mapping[str, Worth]
"""What has been learnt, by memory id; empty where salience is not read."""


def query_answer(candidates: Iterable[Candidate], searched: Sequence[Searched], known: Known) -> pb.QueryMemoriesResponse:
    """Returns the answer to a query without its timing: the pool in its order, and what was searched."""
    reply = pb.QueryMemoriesResponse()
    spaces = {one.collection.name: one.collection.spaces for one in searched}
    for rank, one in enumerate(candidates, start=1):
        _add_candidate(reply, rank, one, spaces[one.member.collection], known)
    for collection in searched:
        reply.searched.add(
            collection=collection.collection.name,
            generation=collection.collection.generation,
            memory_count=collection.memory_count,
            domain_known=collection.domain_known,
        )
    return reply


def memory_message(stored: StoredMemory, known: Known, *, without_text: bool = False) -> type_pb2.Memory:
    """Returns the message of a stored memory."""
    row = stored.row
    return to_memory(
        row.memory_id,
        stored.point.payload,
        collection=row.collection,
        generation=row.generation,
        salience=_salience(row.memory_id, known),
        without_text=without_text,
    )


def upsert_answer(upserted: Upserted) -> bytes:
    """Returns the part of an answer that a repeated request gets again."""
    results = [
        pb.WriteResult(memory_id=result.memory_id, outcome=pb.WriteOutcome.Name(result.outcome), etag=result.etag)
        for result in upserted.results
    ]
    return pb.UpsertMemoriesResponse(results=results, deleted_count=upserted.deleted_count).SerializeToString()


def timing_message(*, queue_s: float, total_s: float) -> type_pb2.ServerTiming:
    """Returns where the time of a call went; what was no waiting was work."""
    queue, total = _duration(queue_s), _duration(total_s)
    return type_pb2.ServerTiming(queue=queue, compute=_duration(max(0.0, total_s - queue_s)), total=total)


def _add_candidate(reply: pb.QueryMemoriesResponse, rank: int, candidate: Candidate, spaces: Spaces, known: Known) -> None:
    member = candidate.member
    hit = member.hit
    worth = known.get(hit.memory_id)
    # Filled where it lies: a message that is made apart is copied in, and this is the largest reply of a search.
    message = reply.candidates.add(
        lexical_strength=member.lexical_strength,
        pool_score=member.pool_score,
        pool=f"POOL_{member.pool.name}",
        pool_rank=rank,
        propensity=member.propensity,
        salience_log_odds=worth.log_odds if worth is not None else None,
        outside_log_odds=worth.outside_log_odds if worth is not None else None,
    )
    memory = message.memory
    memory.MergeFromString(candidate.content)
    memory.collection = member.collection
    if worth is not None:
        memory.salience = worth.salience
    if hit.similarity is not None:
        message.evidence.add(
            kind=type_pb2.EVIDENCE_KIND_SIMILARITY, space=spaces.dense.name, value=hit.similarity, rank=hit.similarity_rank
        )
    if hit.lexical is not None:
        message.evidence.add(kind=type_pb2.EVIDENCE_KIND_LEXICAL, space=spaces.lexical.name, value=hit.lexical, rank=hit.lexical_rank)


def _salience(memory_id: str, known: Known) -> float | None:
    return known[memory_id].salience if memory_id in known else None


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
