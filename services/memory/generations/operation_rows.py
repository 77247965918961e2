"""Operations as they are kept: functions on a connection, the caller owns the transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from enum import IntEnum

import msgspec

from atlas.errors import ConflictError, NotFoundError

from .due import count_due

MAX_ERRORS = 10
"""Failures that an operation remembers."""
MAX_LEASE_S = 300.0
"""Longest that an operation belongs to a driver that is not heard of."""


class OperationState(IntEnum):
    """Where an operation stands; the numbers are those of the contract."""

    PENDING = 1
    RUNNING = 2
    DONE = 3
    FAILED = 4
    CANCELLED = 5


class Kind:
    """Kinds of operations, as callers see them."""

    MIGRATION = "migration"
    """Fills a generation; ends with the switch."""
    ROLLBACK = "rollback"
    """Fills what a retired generation lacks, then switches to it."""


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """What went wrong."""

    code: int
    """Number of the gRPC status."""
    message: str


@dataclass(frozen=True, slots=True)
class OperationRow:
    """An operation; the fields are the columns of `operation`, in their order."""

    tenant: str
    operation_id: str
    kind: str
    state: OperationState
    collection: str
    generation: str
    """The generation that it fills."""
    embedder_address: str
    truncated: bool
    """Whether texts that are too long are cut."""
    total: int
    """Memories in all, when it ended."""
    done: int
    """Memories with their vector, when it ended."""
    failed: int
    """Memories that could not be embedded, when it ended."""
    begin_due: int
    """Memories that were due when the present driver began."""
    begin_time_us: int
    """When that was; 0 = nobody began yet."""
    errors: tuple[Fault, ...]
    """Last failures, newest first."""
    error: Fault | None
    """Why it failed."""
    driver: str
    lease_time_us: int
    """Until when it belongs to its driver."""
    create_time_us: int
    update_time_us: int

    @property
    def runs(self) -> bool:
        """Whether it may still get on."""
        return self.state in (OperationState.PENDING, OperationState.RUNNING)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is."""

    phase: str
    done: int
    failed: int
    total: int
    rate: float
    """Memories a second since its driver began; 0 while unknown."""
    eta_s: float | None
    """Seconds until it is done; None while unknown."""


_FAULT = msgspec.msgpack.Decoder(Fault)
_FAULTS = msgspec.msgpack.Decoder(tuple[Fault, ...])


def get_operation(connection: sqlite3.Connection, tenant: str, operation_id: str) -> OperationRow:
    """Reads an operation.

    Raises:
        NotFoundError: There is none of that id.
    """
    row = connection.execute("SELECT * FROM operation WHERE tenant = ? AND operation_id = ?", (tenant, operation_id)).fetchone()
    if row is None:
        raise NotFoundError(
            f"operation {operation_id[:64]!r} does not exist",
            reason="OPERATION_NOT_FOUND",
            field="operation_id",
            operation_id=operation_id[:64],
        )
    return _operation(row)


def running_operation(connection: sqlite3.Connection, tenant: str, operation_id: str) -> OperationRow:
    """Reads an operation that may still get on.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It has ended.
    """
    operation = get_operation(connection, tenant, operation_id)
    if not operation.runs:
        raise ConflictError(
            f"operation {operation_id} is {operation.state.name}; nothing can be added to it",
            reason="OPERATION_ENDED",
            field="operation_id",
            operation_id=operation_id,
            state=operation.state.name,
        )
    return operation


def operation_of(connection: sqlite3.Connection, tenant: str, collection: str) -> OperationRow | None:
    """Reads the operation that runs on a collection; None if there is none."""
    row = connection.execute(
        "SELECT * FROM operation WHERE tenant = ? AND collection = ? AND state <= ?", (tenant, collection, int(OperationState.RUNNING))
    ).fetchone()
    return None if row is None else _operation(row)


def last_switch(connection: sqlite3.Connection, tenant: str, collection: str) -> OperationRow | None:
    """Reads the operation that switched a collection last; None if none did."""
    row = connection.execute(
        "SELECT * FROM operation WHERE tenant = ? AND collection = ? AND state = ? ORDER BY update_time_us DESC LIMIT 1",
        (tenant, collection, int(OperationState.DONE)),
    ).fetchone()
    return None if row is None else _operation(row)


def free_operation(connection: sqlite3.Connection, tenant: str, driver: str, now_us: int) -> OperationRow | None:
    """Reads the oldest operation that this driver works on or that nobody does; None if there is none."""
    # A lease that ends later than any of now can is of a time before the clock was set back; its holder may be long gone.
    latest_us = now_us + int(MAX_LEASE_S * 1e6)
    row = connection.execute(
        "SELECT * FROM operation WHERE tenant = ? AND state <= ? AND (driver = ? OR lease_time_us NOT BETWEEN ? AND ?)"
        " ORDER BY driver = ? DESC, create_time_us LIMIT 1",
        (tenant, int(OperationState.RUNNING), driver, now_us, latest_us, driver),
    ).fetchone()
    return None if row is None else _operation(row)


def list_operations(connection: sqlite3.Connection, tenant: str, *, before: tuple[int, str] | None, limit: int) -> list[OperationRow]:
    """Reads operations, newest first, those behind the (creation time, id) `before`."""
    time_us, operation_id = before or (2**62, "")
    rows = connection.execute(
        "SELECT * FROM operation WHERE tenant = ? AND (create_time_us < ? OR (create_time_us = ? AND operation_id > ?))"
        " ORDER BY create_time_us DESC, operation_id LIMIT ?",
        (tenant, time_us, time_us, operation_id, limit),
    )
    return [_operation(row) for row in rows]


def put_operation(connection: sqlite3.Connection, operation: OperationRow) -> None:
    """Writes an operation, replacing that of the same id."""
    error = None if operation.error is None else msgspec.msgpack.encode(operation.error)
    stored = replace(operation, errors=(), error=None)
    values = list(astuple(stored))
    values[3], values[13], values[14] = int(operation.state), msgspec.msgpack.encode(operation.errors), error
    connection.execute(f"INSERT OR REPLACE INTO operation VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608 - only marks


def end_operation(
    connection: sqlite3.Connection, operation: OperationRow, state: OperationState, *, now_us: int, error: Fault | None = None
) -> OperationRow:
    """Ends an operation and keeps how far it came."""
    due, total = count_due(connection, operation.generation), memory_count(connection, operation)
    ended = replace(
        operation,
        state=state,
        error=error,
        total=total,
        done=max(0, total - due.due),
        failed=due.failed,
        driver="",
        lease_time_us=0,
        update_time_us=now_us,
    )
    put_operation(connection, ended)
    return ended


def with_error(operation: OperationRow, fault: Fault, now_us: int) -> OperationRow:
    """Returns the operation with one more failure; the same one again is not listed twice."""
    errors = (fault, *(known for known in operation.errors if known != fault))[:MAX_ERRORS]
    return replace(operation, errors=errors, update_time_us=now_us)


def progress_of(connection: sqlite3.Connection, operation: OperationRow, now_us: int) -> Progress:
    """Says how far an operation is."""
    if not operation.runs:
        return Progress("", operation.done, operation.failed, operation.total, 0.0, None)
    due, total = count_due(connection, operation.generation), memory_count(connection, operation)
    elapsed_s = (now_us - operation.begin_time_us) / 1e6 if operation.begin_time_us else 0.0
    rate = max(0.0, (operation.begin_due - due.due) / elapsed_s) if elapsed_s > 0 else 0.0
    left = due.due - due.failed
    eta_s = left / rate if rate > 0 and left else None
    return Progress("embedding" if left else "ready", max(0, total - due.due), due.failed, total, rate, eta_s)


def memory_count(connection: sqlite3.Connection, operation: OperationRow) -> int:
    """Counts the memories of an operation's collection; 0 once it is gone."""
    row = connection.execute(
        "SELECT sum(t.memory_count) FROM collection c JOIN tally t ON t.generation = c.generation AND t.field = 'language'"
        " WHERE c.tenant = ? AND c.name = ?",
        (operation.tenant, operation.collection),
    ).fetchone()
    return int(row[0] or 0)


def _operation(row: Sequence[object]) -> OperationRow:
    values: list[object] = list(row)
    errors, error = values[13], values[14]
    assert isinstance(errors, bytes)  # noqa: S101 - the column is a BLOB
    assert error is None or isinstance(error, bytes)  # noqa: S101 - the column is a BLOB
    values[3], values[7] = OperationState(int(str(values[3]))), bool(values[7])
    values[13], values[14] = _FAULTS.decode(errors), None if error is None else _FAULT.decode(error)
    return OperationRow(*values)  # type: ignore[arg-type]  # the columns are the fields
