"""Turns what became of feedback and usage into the messages that callers get."""

from __future__ import annotations

from atlas.gateway.v1 import gateway_pb2 as pb

from ..clients import Given
from ..memories import Durability
from .reporting import UsageReport


def feedback_response(given: Given) -> pb.FeedbackResponse:
    """Returns the reply of a `Feedback`."""
    return pb.FeedbackResponse(
        accepted_count=given.accepted_count,
        duplicate_count=given.duplicate_count,
        ignored_count=given.ignored_count,
        durability=_durability(given.durability),
    )


def usage_response(report: UsageReport) -> pb.ReportUsageResponse:
    """Returns the reply of a `ReportUsage`."""
    return pb.ReportUsageResponse(
        usage=[
            pb.HitUsage(memory_id=item.memory_id, overlap=item.overlap, verdict=f"USAGE_VERDICT_{item.verdict.name}")
            for item in report.usage
        ],
        accepted_count=report.given.accepted_count,
        duplicate_count=report.given.duplicate_count,
        ignored_count=report.given.ignored_count,
        missing_ids=report.missing_ids,
        durability=_durability(report.given.durability),
    )


def _durability(durability: Durability | None) -> str | None:
    return None if durability is None else f"DURABILITY_{durability.name}"
