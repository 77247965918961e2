"""Encodes answers of the ledger."""

from __future__ import annotations

from dataclasses import fields

from google.protobuf.timestamp_pb2 import Timestamp

from atlas.memory.v1 import salience_pb2 as pb
from atlas.salience import Channel, ChannelReading, SalienceRule
from atlas.type.v1 import salience_pb2 as common_pb2
from atlas.type.v1 import type_pb2

from ..memories.encoding import to_timestamp
from .digests import Digest
from .reading import ExplainedBucket, ExplainedEvent, Explanation
from .records import Impression, KnownSalience, PoolMember
from .revoking import Revocation


def salience_message(memory_id: str, known: KnownSalience) -> common_pb2.Salience:
    """Returns what has been learnt about a memory."""
    reading = known.reading
    read = {Channel.PASSIVE: reading.passive, Channel.OUTSIDE: reading.outside}
    return common_pb2.Salience(
        memory_id=memory_id,
        salience=reading.salience,
        prior=reading.prior,
        log_odds=reading.log_odds,
        outside_log_odds=reading.outside_log_odds,
        channels=[_channel(channel, read[channel], count) for channel, count in sorted(known.counts.items())],
        pinned=reading.pinned,
        event_count=known.event_count,
        last_retrieved=_time(known.last_retrieved_us),
    )


def explanation_message(memory_id: str, explanation: Explanation, rule: SalienceRule) -> common_pb2.SalienceExplanation:
    """Returns how the salience of a memory came about."""
    return common_pb2.SalienceExplanation(
        salience=salience_message(memory_id, explanation.known),
        buckets=[_bucket(one) for one in explanation.buckets],
        events=[_event(memory_id, one) for one in explanation.events],
        checkpointed_count=explanation.checkpointed_count,
        rule=constants(rule),
    )


def constants(rule: SalienceRule) -> dict[str, float]:
    """Returns the constants of a rule by name."""
    found = {"log_odds_limit": rule.log_odds_limit}
    for part, prefix in ((rule.passive, "passive"), (rule.outside, "outside"), (rule.weights, "weight")):
        found.update({f"{prefix}_{one.name}": getattr(part, one.name) for one in fields(part)})
    return found


def impression_message(impression: Impression) -> pb.GetImpressionResponse:
    """Returns a recorded search."""
    reply = pb.GetImpressionResponse(
        pool=[_member(member) for member in impression.pool],
        search_time=to_timestamp(impression.time_us),
        caller=common_pb2.Caller(principal=impression.principal, source_class=common_pb2.SourceClass.Name(impression.source_class)),
    )
    if impression.bucket is not None:
        reply.bucket = impression.bucket
    return reply


def revocation_message(revocation: Revocation) -> common_pb2.Revocation:
    """Returns what was taken back."""
    return common_pb2.Revocation(
        event_count=revocation.event_count,
        checkpointed_count=revocation.checkpointed_count,
        memory_count=revocation.memory_count,
        changes=[
            common_pb2.SalienceChange(memory_id=one.memory_id, old_log_odds=one.old_log_odds, new_log_odds=one.new_log_odds)
            for one in revocation.changes
        ],
    )


def digest_message(digest: Digest) -> common_pb2.StateDigest:
    """Returns digests."""
    return common_pb2.StateDigest(
        memory_sha256=digest.memory_sha256,
        ledger_sha256=digest.ledger_sha256,
        state_sha256=digest.state_sha256,
        impression_sha256=digest.impression_sha256,
        memory_count=digest.memory_count,
        event_count=digest.event_count,
        state_count=digest.state_count,
        impression_count=digest.impression_count,
        consistent=digest.consistent,
    )


def _channel(channel: Channel, reading: ChannelReading, event_count: int) -> common_pb2.ChannelSalience:
    return common_pb2.ChannelSalience(
        channel=f"SALIENCE_CHANNEL_{channel.name}",
        mean=reading.mean,
        prior=reading.prior,
        log_odds=reading.log_odds,
        evidence_for=reading.evidence.positive,
        evidence_against=reading.evidence.negative,
        event_count=event_count,
    )


def _bucket(one: ExplainedBucket) -> common_pb2.BucketEvidence:
    return common_pb2.BucketEvidence(
        channel=f"SALIENCE_CHANNEL_{one.place.channel.name}",
        bucket=one.place.bucket,
        fingerprint=one.fingerprint,
        evidence_for=one.evidence.positive,
        evidence_against=one.evidence.negative,
        share=one.share,
        event_count=one.event_count,
    )


def _event(memory_id: str, one: ExplainedEvent) -> common_pb2.LedgerEvent:
    return common_pb2.LedgerEvent(
        search_id=one.search_id,
        memory_id=memory_id,
        kind=common_pb2.EventKind.Name(one.kind),
        value=one.value,
        weight=one.weight,
        decay=one.decay,
        raw_score=one.raw_score,
        calibration_version=one.calibration_version,
        caller=common_pb2.Caller(principal=one.principal, source_class=common_pb2.SourceClass.Name(one.source_class)),
        event_time=to_timestamp(one.time_us),
        revoked=one.revoked,
    )


def _member(member: PoolMember) -> pb.PoolEntry:
    return pb.PoolEntry(
        memory_id=member.memory_id,
        collection=member.collection,
        generation=member.generation,
        pool=type_pb2.Pool.Name(member.pool),
        rank=member.rank,
        propensity=member.propensity,
        result_rank=member.result_rank,
    )


def _time(time_us: int | None) -> Timestamp | None:
    return None if time_us is None else to_timestamp(time_us)
