"""How messages about learnt worth become the client's values."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.gateway.v1 import ledger_pb2 as ledger
from atlas.type.v1 import salience_pb2 as types
from atlas.type.v1 import type_pb2

from ..callers import Caller, SourceClass
from . import learnt


def feedback_result(message: pb.FeedbackResponse) -> learnt.FeedbackResult:
    """Reads what became of feedback."""
    return learnt.FeedbackResult(message.accepted_count, message.duplicate_count, message.ignored_count, durability(message.durability))


def usage_report(message: pb.ReportUsageResponse) -> learnt.UsageReport:
    """Reads what an answer used."""
    return learnt.UsageReport(
        usage=tuple(learnt.HitUsage(item.memory_id, item.overlap, _verdict(item.verdict)) for item in message.usage),
        accepted_count=message.accepted_count,
        duplicate_count=message.duplicate_count,
        ignored_count=message.ignored_count,
        missing_ids=tuple(message.missing_ids),
        durability=durability(message.durability),
    )


def salience_result(message: ledger.GetSalienceResponse) -> learnt.SalienceResult:
    """Reads what has been learnt about some memories."""
    return learnt.SalienceResult(tuple(salience(item) for item in message.salience), tuple(message.missing_ids))


def salience(message: types.Salience) -> learnt.Salience:
    """Reads what has been learnt about a memory."""
    return learnt.Salience(
        memory_id=message.memory_id,
        salience=message.salience,
        prior=message.prior,
        log_odds=message.log_odds,
        outside_log_odds=message.outside_log_odds,
        channels=tuple(_channel_salience(item) for item in message.channels),
        pinned=message.pinned,
        event_count=message.event_count,
        last_retrieved=_time(message.last_retrieved) if message.HasField("last_retrieved") else None,
    )


def explanation(message: types.SalienceExplanation) -> learnt.SalienceExplanation:
    """Reads how the salience of a memory came about."""
    return learnt.SalienceExplanation(
        salience=salience(message.salience),
        buckets=tuple(_bucket(item) for item in message.buckets),
        events=tuple(_event(item) for item in message.events),
        checkpointed_count=message.checkpointed_count,
        rule=dict(message.rule),
    )


def revocation(message: types.Revocation) -> learnt.Revocation:
    """Reads what was taken back."""
    return learnt.Revocation(
        event_count=message.event_count,
        checkpointed_count=message.checkpointed_count,
        memory_count=message.memory_count,
        changes=tuple(learnt.SalienceChange(item.memory_id, item.old_log_odds, item.new_log_odds) for item in message.changes),
    )


def digest(message: types.StateDigest) -> learnt.StateDigest:
    """Reads digests."""
    return learnt.StateDigest(
        memory_sha256=message.memory_sha256,
        ledger_sha256=message.ledger_sha256,
        state_sha256=message.state_sha256,
        impression_sha256=message.impression_sha256,
        memory_count=message.memory_count,
        event_count=message.event_count,
        state_count=message.state_count,
        impression_count=message.impression_count,
        consistent=message.consistent if message.HasField("consistent") else None,
    )


def receipt(message: types.ErasureReceipt) -> learnt.ErasureReceipt:
    """Reads what was erased."""
    return learnt.ErasureReceipt(
        receipt_id=message.receipt_id,
        erase_time=_time(message.erase_time) if message.HasField("erase_time") else None,
        memory_count=message.memory_count,
        event_count=message.event_count,
        checkpoint_count=message.checkpoint_count,
        impression_count=message.impression_count,
        replay_count=message.replay_count,
        cached_passage_count=message.cached_passage_count,
        verified=message.verified,
        state=types.ErasureState.Name(message.state).removeprefix("ERASURE_STATE_").lower(),
        clear_time=_time(message.clear_time) if message.HasField("clear_time") else None,
        copy_count=message.copy_count,
    )


def durability(number: int) -> str:
    """Reads what an acknowledgement survives: `process_crash`, `power_loss`, or empty if nothing was written."""
    return "" if number == type_pb2.DURABILITY_UNSPECIFIED else type_pb2.Durability.Name(number).removeprefix("DURABILITY_").lower()


def _verdict(number: int) -> learnt.UsageVerdict:
    return learnt.UsageVerdict[pb.UsageVerdict.Name(number).removeprefix("USAGE_VERDICT_")]


def _channel(number: int) -> learnt.Channel:
    return learnt.Channel[types.SalienceChannel.Name(number).removeprefix("SALIENCE_CHANNEL_")]


def _channel_salience(message: types.ChannelSalience) -> learnt.ChannelSalience:
    return learnt.ChannelSalience(
        channel=_channel(message.channel),
        mean=message.mean,
        prior=message.prior,
        log_odds=message.log_odds,
        evidence_for=message.evidence_for,
        evidence_against=message.evidence_against,
        event_count=message.event_count,
    )


def _bucket(message: types.BucketEvidence) -> learnt.BucketEvidence:
    return learnt.BucketEvidence(
        channel=_channel(message.channel),
        bucket=message.bucket,
        fingerprint=message.fingerprint,
        evidence_for=message.evidence_for,
        evidence_against=message.evidence_against,
        share=message.share,
        event_count=message.event_count,
    )


def _event(message: types.LedgerEvent) -> learnt.LedgerEvent:
    return learnt.LedgerEvent(
        search_id=message.search_id,
        memory_id=message.memory_id,
        kind=learnt.EventKind[types.EventKind.Name(message.kind).removeprefix("EVENT_KIND_")],
        value=message.value,
        weight=message.weight,
        decay=message.decay,
        raw_score=message.raw_score if message.HasField("raw_score") else None,
        calibration_version=message.calibration_version,
        caller=_caller(message.caller),
        event_time=_time(message.event_time) if message.HasField("event_time") else None,
        revoked=message.revoked,
    )


def _caller(message: types.Caller) -> Caller:
    if message.source_class == types.SOURCE_CLASS_UNSPECIFIED:
        return Caller(message.principal)
    return Caller(message.principal, SourceClass[types.SourceClass.Name(message.source_class).removeprefix("SOURCE_CLASS_")])


def _time(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)
