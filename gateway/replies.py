"""Turns answers into the messages that callers get."""

from __future__ import annotations

from collections.abc import Sequence

from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.status import to_status
from atlas.type.v1 import type_pb2

from .answers import Answer, Degradation, Explanation, Hit, ModelUse, Notice, PoolStep, ResultsStep, SalienceWrite
from .clients import Collection
from .ingest import Acknowledgement
from .memories import Durability
from .messages import duration_message, evidence_message, memory_message, time_message
from .remember import Remembered
from .server_state import Part
from .timings import StageTime, Stopwatch


def search_response(answer: Answer, watch: Stopwatch, *, logits_per_unit: float) -> pb.SearchResponse:
    """Returns the reply of a search; the clock is read last, so that the reply accounts for its own making."""
    with watch.own_stage("assemble"):
        response = _answered(answer, logits_per_unit)
    stages = watch.stages
    response.timings.extend(_stage(stage) for stage in stages)
    response.total_seconds = watch.total_s
    response.unaccounted_seconds = max(0.0, response.total_seconds - sum(stage.wall_s for stage in stages))
    return response


def search_step(step: PoolStep | ResultsStep | Answer, watch: Stopwatch, *, logits_per_unit: float) -> pb.SearchStreamResponse:
    """Returns the reply of one step of a search."""
    match step:
        case PoolStep():
            with watch.own_stage("assemble"):
                pool = pb.SearchPool(
                    search_id=step.search_id,
                    hits=[_hit(hit, logits_per_unit) for hit in step.hits],
                    candidate_count=step.candidate_count,
                    degraded=_degraded(step.degraded),
                )
            return pb.SearchStreamResponse(pool=pool)
        case ResultsStep():
            # Recording goes on beside it and is what is measured.
            found = pb.SearchResults(
                hits=[_hit(hit, logits_per_unit) for hit in step.hits],
                models=[_model_use(use) for use in step.models],
                degraded=_degraded(step.degraded),
                notices=_notices(step.notices),
                max_displacement_logits=step.max_displacement,
            )
            return pb.SearchStreamResponse(results=found)
        case _:
            return pb.SearchStreamResponse(summary=_summary(step, watch))


def remember_response(remembered: Sequence[Remembered], durability: Durability) -> pb.RememberResponse:
    """Returns the reply of a `Remember`."""
    return pb.RememberResponse(
        memories=[
            pb.Remembered(memory_ids=item.memory_ids, outcome=f"REMEMBER_OUTCOME_{item.outcome.name}", collection=item.collection)
            for item in remembered
        ],
        durability=f"DURABILITY_{durability.name}",
    )


def ingest_response(done: Acknowledgement, durability: Durability) -> pb.IngestResponse:
    """Returns the acknowledgement of one document."""
    return pb.IngestResponse(
        sequence=done.sequence,
        source=done.source,
        new_count=done.new_count,
        changed_count=done.changed_count,
        unchanged_count=done.unchanged_count,
        removed_count=done.removed_count,
        embedded_tokens=done.embedded_tokens,
        error=None if done.error is None else to_status(done.error),
        durability=f"DURABILITY_{durability.name}",
    )


def collection_message(collection: Collection) -> pb.Collection:
    """Returns the message of a collection."""
    return pb.Collection(
        name=collection.name,
        memory_count=collection.memory_count,
        in_search_all=collection.in_search_all,
        generation=collection.generation,
        spaces=collection.spaces,
        create_time=time_message(collection.create_time),
    )


def part_message(part: Part) -> pb.PartInfo:
    """Returns the message of a part as the gateway sees it."""
    return pb.PartInfo(
        part=part.name,
        address=part.address,
        serving=part.error is None,
        error=None if part.error is None else to_status(part.error),
        model=part.model,
        calibration_version=part.calibration_version,
    )


def _answered(answer: Answer, logits_per_unit: float) -> pb.SearchResponse:
    return pb.SearchResponse(
        hits=[_hit(hit, logits_per_unit) for hit in answer.hits],
        search_id=answer.search_id,
        models=[_model_use(use) for use in answer.models],
        degraded=_degraded(answer.degraded),
        notices=_notices(answer.notices),
        salience_write=_salience_write(answer.salience_write),
        usage=_usage(answer),
        max_displacement_logits=answer.max_displacement,
    )


def _summary(answer: Answer, watch: Stopwatch) -> pb.SearchSummary:
    stages = watch.stages
    total_s = watch.total_s
    return pb.SearchSummary(
        salience_write=_salience_write(answer.salience_write),
        timings=[_stage(stage) for stage in stages],
        unaccounted_seconds=max(0.0, total_s - sum(stage.wall_s for stage in stages)),
        total_seconds=total_s,
        usage=_usage(answer),
    )


def _usage(answer: Answer) -> type_pb2.Usage:
    return type_pb2.Usage(
        tokens=answer.usage.token_count,
        candidates=answer.usage.candidate_count,
        cache_hits=answer.usage.cache_hits,
        items=len(answer.hits),
    )


def _degraded(items: Sequence[Degradation]) -> list[pb.Degradation]:
    return [pb.Degradation(stage=item.stage, reason=item.reason, message=item.message) for item in items]


def _notices(items: Sequence[Notice]) -> list[pb.Notice]:
    return [pb.Notice(code=item.code, message=item.message) for item in items]


def _model_use(use: ModelUse) -> pb.ModelUse:
    return pb.ModelUse(
        part=use.part,
        model_id=use.model_id,
        revision=use.revision,
        fingerprint=use.fingerprint,
        calibration_version=use.calibration_version,
    )


def _hit(hit: Hit, logits_per_unit: float) -> pb.Hit:
    return pb.Hit(
        memory=memory_message(hit.memory),
        snippet=hit.snippet,
        rank=hit.rank,
        relevance=hit.relevance,
        rank_score=hit.rank_score,
        evidence=[evidence_message(item) for item in hit.evidence],
        salience=hit.salience,
        rank_before_salience=hit.rank_before_salience,
        pool=f"POOL_{hit.pool.name}",
        explanation=None if hit.explanation is None else _explanation(hit.explanation, logits_per_unit),
    )


def _explanation(explanation: Explanation, logits_per_unit: float) -> pb.RankExplanation:
    return pb.RankExplanation(
        pool_rank=explanation.pool_rank,
        pool_score=explanation.pool_score,
        lexical_strength=explanation.lexical_strength,
        query_fragmentation=explanation.fragmentation,
        final_score=explanation.final_score,
        logits_per_unit=logits_per_unit,
        salience_logits=explanation.salience_logits,
        salience_log_odds=explanation.salience_log_odds,
        outside_log_odds=explanation.outside_log_odds,
        influence=explanation.influence,
        log_odds_limit=explanation.log_odds_limit,
        propensity=explanation.propensity,
    )


def _salience_write(write: SalienceWrite) -> pb.SalienceWrite:
    return pb.SalienceWrite(
        accepted_count=write.accepted_count,
        duplicate_count=write.duplicate_count,
        rejected_count=write.rejected_count,
        durability=None if write.durability is None else f"DURABILITY_{write.durability.name}",
        error=None if write.error is None else to_status(write.error),
        skipped_reason=write.skipped.value,
    )


def _stage(stage: StageTime) -> type_pb2.StageTiming:
    return type_pb2.StageTiming(
        stage=stage.stage,
        queue=duration_message(stage.queue_s),
        compute=duration_message(stage.compute_s),
        network=duration_message(stage.network_s),
    )
