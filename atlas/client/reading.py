"""How the gateway's messages become the client's values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from atlas import status
from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.ranking import Kind
from atlas.type.v1 import type_pb2

from . import results
from .learning.reading import durability
from .writes import KINDS

_KINDS = {number: kind for kind, number in KINDS.items()} | {type_pb2.CONTENT_KIND_UNSPECIFIED: Kind.TEXT}
_OUTCOMES = {
    pb.REMEMBER_OUTCOME_NEW: results.Outcome.NEW,
    pb.REMEMBER_OUTCOME_CHANGED: results.Outcome.CHANGED,
    pb.REMEMBER_OUTCOME_KNOWN: results.Outcome.KNOWN,
}


def memory(message: type_pb2.Memory) -> results.Memory:
    """Reads a memory."""
    chunk = message.chunk if message.HasField("chunk") else None
    return results.Memory(
        memory_id=message.memory_id,
        collection=message.collection,
        text=message.text,
        domain=message.domain,
        title=message.title,
        speaker=message.speaker,
        source=message.source,
        document_id=chunk.document_id if chunk else "",
        ordinal=chunk.ordinal if chunk else None,
        begin=chunk.begin if chunk else None,
        end=chunk.end if chunk else None,
        language=message.language,
        content_kind=_KINDS[message.content_kind],
        event_time=_time(message.event_time) if message.HasField("event_time") else None,
        create_time=_time(message.create_time) if message.HasField("create_time") else None,
        update_time=_time(message.update_time) if message.HasField("update_time") else None,
        metadata=json_format.MessageToDict(message.metadata),
        content_sha256=message.content_sha256,
        generation=message.generation,
        etag=message.etag,
        salience=message.salience if message.HasField("salience") else None,
    )


def search_step(message: pb.SearchStreamResponse) -> results.SearchPool | results.SearchResults | results.SearchSummary:
    """Reads a step of an answer."""
    match message.WhichOneof("step"):
        case "pool":
            pool = message.pool
            return results.SearchPool(
                search_id=pool.search_id,
                hits=tuple(_hit(hit) for hit in pool.hits),
                candidate_count=pool.candidate_count,
                degraded=_degraded(pool.degraded),
            )
        case "results":
            found = message.results
            return results.SearchResults(
                hits=tuple(_hit(hit) for hit in found.hits),
                degraded=_degraded(found.degraded),
                notices=_notices(found.notices),
                models=_models(found.models),
                max_displacement_logits=found.max_displacement_logits,
            )
        case _:
            summary = message.summary
            return results.SearchSummary(
                salience_write=_salience_write(summary.salience_write),
                stages=_stages(summary.timings),
                unaccounted_ms=summary.unaccounted_seconds * 1e3,
                total_ms=summary.total_seconds * 1e3,
                candidate_count=summary.usage.candidates,
                cache_hit_count=summary.usage.cache_hits,
            )


def search_result(message: pb.SearchResponse) -> results.SearchResult:
    """Reads an answer."""
    return results.SearchResult(
        hits=tuple(_hit(hit) for hit in message.hits),
        search_id=message.search_id,
        degraded=_degraded(message.degraded),
        notices=_notices(message.notices),
        salience_write=_salience_write(message.salience_write),
        stages=_stages(message.timings),
        unaccounted_ms=message.unaccounted_seconds * 1e3,
        total_ms=message.total_seconds * 1e3,
        models=_models(message.models),
        candidate_count=message.usage.candidates,
        cache_hit_count=message.usage.cache_hits,
        max_displacement_logits=message.max_displacement_logits,
    )


def remembered(message: pb.Remembered) -> results.Remembered:
    """Reads what became of a text."""
    return results.Remembered(tuple(message.memory_ids), _OUTCOMES[message.outcome], message.collection)


def acknowledgement(message: pb.IngestResponse) -> results.Acknowledgement:
    """Reads what became of a document."""
    return results.Acknowledgement(
        source=message.source,
        new_count=message.new_count,
        changed_count=message.changed_count,
        unchanged_count=message.unchanged_count,
        removed_count=message.removed_count,
        embedded_token_count=message.embedded_tokens,
        error=status.from_status(message.error) if message.HasField("error") else None,
    )


def collection(message: pb.Collection) -> results.Collection:
    """Reads a collection."""
    return results.Collection(
        name=message.name,
        memory_count=message.memory_count,
        in_search_all=message.in_search_all,
        generation=message.generation,
        fingerprints={space.name: space.fingerprint for space in message.spaces},
        create_time=_time(message.create_time) if message.HasField("create_time") else None,
    )


def server_info(message: pb.GetServerInfoResponse) -> results.ServerInfo:
    """Reads what serves."""
    return results.ServerInfo(
        version=message.version,
        profile=message.profile,
        parts=tuple(_part(item) for item in message.parts),
        features=tuple(message.features),
        max_query_tokens=message.limits.max_query_tokens,
        max_candidate_count=message.limits.max_candidate_count,
        default_deadline_s=message.limits.default_deadline_seconds,
    )


def _part(message: pb.PartInfo) -> results.Part:
    model = message.model if message.HasField("model") else None
    return results.Part(
        name=message.part,
        address=message.address,
        serving=message.serving,
        error=status.from_status(message.error) if message.HasField("error") else None,
        model=f"{model.model_id}@{model.revision[:12]}" if model else "",
        backend=" ".join(word for word in (model.backend, model.device, model.precision) if word) if model else "",
    )


def _hit(message: pb.Hit) -> results.Hit:
    return results.Hit(
        memory=memory(message.memory),
        snippet=message.snippet,
        rank=message.rank,
        relevance=message.relevance if message.HasField("relevance") else None,
        rank_score=message.rank_score if message.HasField("rank_score") else None,
        evidence=tuple(_evidence(item) for item in message.evidence),
        salience=message.salience if message.HasField("salience") else None,
        rank_before_salience=message.rank_before_salience,
        pool=type_pb2.Pool.Name(message.pool).removeprefix("POOL_").lower() if message.pool else "clean",
        explanation=_explanation(message.explanation) if message.HasField("explanation") else None,
    )


def _evidence(message: type_pb2.Evidence) -> results.Evidence:
    kind = type_pb2.EvidenceKind.Name(message.kind).removeprefix("EVIDENCE_KIND_").lower()
    return results.Evidence(kind, message.value, message.rank if message.HasField("rank") else None)


def _explanation(message: pb.RankExplanation) -> results.Explanation:
    return results.Explanation(
        pool_rank=message.pool_rank,
        pool_score=message.pool_score,
        lexical_strength=message.lexical_strength if message.HasField("lexical_strength") else None,
        query_fragmentation=message.query_fragmentation,
        final_score=message.final_score if message.HasField("final_score") else None,
        logits_per_unit=message.logits_per_unit,
        salience_logits=message.salience_logits,
        salience_log_odds=message.salience_log_odds if message.HasField("salience_log_odds") else None,
        outside_log_odds=message.outside_log_odds if message.HasField("outside_log_odds") else None,
        influence=message.influence,
        log_odds_limit=message.log_odds_limit,
        propensity=message.propensity,
    )


def _degraded(messages: Iterable[pb.Degradation]) -> tuple[results.Degradation, ...]:
    return tuple(results.Degradation(item.stage, item.reason, item.message) for item in messages)


def _notices(messages: Iterable[pb.Notice]) -> tuple[results.Notice, ...]:
    return tuple(results.Notice(item.code, item.message) for item in messages)


def _stages(messages: Iterable[type_pb2.StageTiming]) -> tuple[results.StageTime, ...]:
    return tuple(results.StageTime(item.stage, _ms(item.queue), _ms(item.compute), _ms(item.network)) for item in messages)


def _models(messages: Iterable[pb.ModelUse]) -> dict[str, str]:
    return {item.part: f"{item.model_id}@{item.revision}" for item in messages}


def _salience_write(message: pb.SalienceWrite) -> results.SalienceWrite:
    return results.SalienceWrite(
        accepted_count=message.accepted_count,
        duplicate_count=message.duplicate_count,
        rejected_count=message.rejected_count,
        durability=durability(message.durability),
        skipped_reason=message.skipped_reason,
        error=status.from_status(message.error) if message.HasField("error") else None,
    )


def _time(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)


def _ms(message: Duration) -> float:
    return message.ToNanoseconds() / 1e6
