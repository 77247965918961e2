"""What a caller says and asks of learnt worth."""

from .calls import LearningCalls
from .given import FeedbackKind, HitFeedback
from .learnt import (
    BucketEvidence,
    Channel,
    ChannelSalience,
    ErasureReceipt,
    EventKind,
    FeedbackResult,
    HitUsage,
    LedgerEvent,
    Rebuilt,
    Revocation,
    Salience,
    SalienceChange,
    SalienceExplanation,
    SalienceResult,
    StateDigest,
    UsageReport,
    UsageVerdict,
)

__all__ = [
    "BucketEvidence",
    "Channel",
    "ChannelSalience",
    "ErasureReceipt",
    "EventKind",
    "FeedbackKind",
    "FeedbackResult",
    "HitFeedback",
    "HitUsage",
    "LearningCalls",
    "LedgerEvent",
    "Rebuilt",
    "Revocation",
    "Salience",
    "SalienceChange",
    "SalienceExplanation",
    "SalienceResult",
    "StateDigest",
    "UsageReport",
    "UsageVerdict",
]
