"""Encodes answers about memories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf.duration_pb2 import Duration

from atlas.memory.v1 import memory_pb2 as pb
from atlas.type.v1 import type_pb2

from .candidates import Candidate, Searched
from .encoding import to_memory
from .ledger.records import KnownSalience
from .reading import StoredMemory
from .spaces import Spaces
from .upserts import Upserted

Known = Mapping[str, KnownSalience]
"""What has been learnt, by memory id; empty where salience is not read."""


def candidate_messages(candidates: Iterable[Candidate], searched: Iterable[Searched], known: Known) -> list[pb.Candidate]:
    """Returns the messages of a pool, in its order."""
    spaces = {one.collection.name: one.collection.spaces for one in searched}
    return [_candidate(rank, one, spaces[one.member.collection], known) for rank, one in enumerate(candidates, start=1)]


def searched_messages(searched: Iterable[Searched]) -> list[pb.SearchedCollection]:
    """Returns what was searched."""
    return [
        pb.SearchedCollection(
            collection=one.collection.name,
            generation=one.collection.generation,
            memory_count=one.memory_count,
            domain_known=one.domain_known,
        )
        for one in searched
    ]


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


def _candidate(rank: int, candidate: Candidate, spaces: Spaces, known: Known) -> pb.Candidate:
    member = candidate.member
    reading = known[member.hit.memory_id].reading if member.hit.memory_id in known else None
    return pb.Candidate(
        memory=to_memory(
            member.hit.memory_id,
            candidate.point.payload,
            collection=member.collection,
            generation=candidate.generation,
            salience=_salience(member.hit.memory_id, known),
        ),
        evidence=_evidence(candidate, spaces),
        lexical_strength=member.lexical_strength,
        pool_score=member.pool_score,
        pool=type_pb2.POOL_CLEAN,
        pool_rank=rank,
        propensity=1.0,
        salience_log_odds=reading.log_odds if reading is not None else None,
        outside_log_odds=reading.outside_log_odds if reading is not None else None,
    )


def _evidence(candidate: Candidate, spaces: Spaces) -> list[type_pb2.Evidence]:
    hit = candidate.member.hit
    branches = (
        (type_pb2.EVIDENCE_KIND_SIMILARITY, spaces.dense.name, hit.similarity, hit.similarity_rank),
        (type_pb2.EVIDENCE_KIND_LEXICAL, spaces.lexical.name, hit.lexical, hit.lexical_rank),
    )
    return [type_pb2.Evidence(kind=kind, space=space, value=value, rank=rank) for kind, space, value, rank in branches if value is not None]


def _salience(memory_id: str, known: Known) -> float | None:
    return known[memory_id].reading.salience if memory_id in known else None


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
