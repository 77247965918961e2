"""The error tree that all parts raise; it knows nothing of gRPC."""

from __future__ import annotations

from typing import ClassVar


class AtlasError(Exception):
    """A failure with a text for people and values for programs.

    The base class itself stands for a failure inside ATLAS that no subclass names.
    """

    default_reason: ClassVar[str] = "INTERNAL"
    """Reason of errors that do not state one."""

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        field: str | None = None,
        retry_after_ms: int | None = None,
        **values: object,
    ) -> None:
        """Creates the error.

        Args:
            message: One sentence that names the field, the value and the limit.
            reason: UPPER_SNAKE word for programs; by default that of the class.
            field: Path of the request's field that is wrong, such as `inputs[3].text`.
            retry_after_ms: How long a caller should wait before it tries again.
            **values: Every value that `message` mentions.
        """
        super().__init__(message)
        self.message = message
        """One sentence for people; safe to show to the caller."""
        self.reason = reason if reason is not None else self.default_reason
        """UPPER_SNAKE word for programs."""
        self.field = field
        """Path of the wrong field, or None where no single field is wrong."""
        self.retry_after_ms = retry_after_ms
        """Milliseconds to wait before the next attempt, or None where waiting does not help."""
        self.values = values
        """What `message` mentions, by name."""


class InvalidInputError(AtlasError):
    """The request is wrong; the caller has to change it."""

    default_reason = "INVALID_INPUT"


class NotFoundError(AtlasError):
    """What the request names does not exist."""

    default_reason = "NOT_FOUND"


class ConflictError(AtlasError):
    """Somebody else was faster; the caller reads again and retries."""

    default_reason = "CONFLICT"


class SchemaMismatchError(AtlasError):
    """Store and model disagree; an operator has to act."""

    default_reason = "SCHEMA_MISMATCH"


class OverloadedError(AtlasError):
    """A bounded queue is full; the caller backs off."""

    default_reason = "OVERLOADED"


class DiskFullError(AtlasError):
    """Free disk space is below the watermark; writes are refused, reads go on."""

    default_reason = "DISK_FULL"


class DeadlineError(AtlasError):
    """The deadline passed; nothing was changed."""

    default_reason = "DEADLINE"


class DependencyDownError(AtlasError):
    """A part or engine that is needed is away; the caller retries within its deadline."""

    default_reason = "DEPENDENCY_DOWN"


class UnsupportedError(AtlasError):
    """This backend cannot do that; another one may."""

    default_reason = "UNSUPPORTED"


class ModelFaultError(AtlasError):
    """The model produced something impossible, such as NaN or a zero vector."""

    default_reason = "MODEL_FAULT"


class StartupError(Exception):
    """The process cannot start as it is configured. Never leaves the process.

    The message names the setting or file, what is wrong with it, and the way out.
    """
