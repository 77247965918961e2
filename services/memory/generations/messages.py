"""Generations and operations as the contract says them."""

from __future__ import annotations

import sqlite3

from google.protobuf.duration_pb2 import Duration
from google.rpc import status_pb2

from atlas.errors import InvalidInputError
from atlas.memory.v1 import collection_pb2, operation_pb2
from atlas.type.v1 import type_pb2

from ..catalog import collections as catalog
from ..catalog.space_messages import space_messages
from ..memories.encoding import to_timestamp
from ..scopes import checked_scope
from . import due, operation_rows, roles
from .operation_rows import Fault, Kind, OperationRow, progress_of
from .roles import Generation


def whole_tenant(scope: type_pb2.Scope) -> str:
    """Returns the tenant of a scope that covers all of it: what is done here is done to whole collections.

    Raises:
        InvalidInputError: The scope is wrong, or names domains.
    """
    checked = checked_scope(scope)
    if checked.domains:
        raise InvalidInputError("scope.domains is set; a scope of some domains cannot change a whole collection", field="scope.domains")
    return checked.tenant


def generation_message(generation: Generation, due_count: int) -> collection_pb2.Generation:
    """Returns the message of a generation."""
    return collection_pb2.Generation(
        generation=generation.generation,
        spaces=space_messages(generation.spaces),
        state=collection_pb2.GenerationState.Name(generation.state),
        create_time=to_timestamp(generation.create_time_us),
        embedder_address=generation.embedder_address,
        due_count=due_count,
        change_time=None if generation.change_time_us is None else to_timestamp(generation.change_time_us),
    )


def other_messages(connection: sqlite3.Connection, tenant: str, collection: str) -> list[collection_pb2.Generation]:
    """Returns the messages of a collection's generations beside the one that serves."""
    others = roles.other_generations(connection, tenant, collection)
    counts = roles.due_counts(connection, others)
    return [generation_message(one, counts[one.generation]) for one in others]


def target_message(connection: sqlite3.Connection, operation: OperationRow) -> collection_pb2.Generation | None:
    """Returns the message of the generation that an operation fills; None once it serves or is gone."""
    target = roles.find_other(connection, operation.generation)
    return None if target is None else generation_message(target, due.count_due(connection, target.generation).due)


def operation_message(connection: sqlite3.Connection, operation: OperationRow, now_us: int) -> type_pb2.Operation:
    """Returns the message of an operation with its progress."""
    progress = progress_of(connection, operation, now_us)
    message = type_pb2.Operation(
        operation_id=operation.operation_id,
        kind=operation.kind,
        state=type_pb2.OperationState.Name(operation.state),
        progress=type_pb2.Progress(
            phase=progress.phase,
            done=progress.done,
            failed=progress.failed,
            total=progress.total,
            rate=progress.rate,
            last_errors=[_status(fault) for fault in operation.errors],
        ),
        create_time=to_timestamp(operation.create_time_us),
        update_time=to_timestamp(operation.update_time_us),
        collection=operation.collection,
    )
    if progress.eta_s is not None:
        eta = Duration()
        eta.FromNanoseconds(int(progress.eta_s * 1e9))
        message.progress.eta.CopyFrom(eta)
    if operation.error is not None:
        message.error.CopyFrom(_status(operation.error))
    return message


def running_message(connection: sqlite3.Connection, tenant: str, collection: str) -> type_pb2.Operation | None:
    """Returns the message of the operation that runs on a collection, as of its last step; None if none does."""
    operation = operation_rows.operation_of(connection, tenant, collection)
    return None if operation is None else operation_message(connection, operation, operation.update_time_us)


def task_message(connection: sqlite3.Connection, operation: OperationRow, now_us: int) -> operation_pb2.FillTask:
    """Returns what the driver of an operation has to know."""
    target = roles.find_other(connection, operation.generation)
    assert target is not None  # noqa: S101 - an operation that runs has its generation: both are written in one transaction
    return operation_pb2.FillTask(
        operation=operation_message(connection, operation, now_us),
        collection=operation.collection,
        embedder_address=operation.embedder_address,
        space=space_messages(target.spaces)[0],
        truncation=type_pb2.TRUNCATION_END if operation.truncated else type_pb2.TRUNCATION_ERROR,
        switch_when_filled=operation.kind == Kind.ROLLBACK,
    )


def fault_of(status: status_pb2.Status, field: str) -> Fault:
    """Returns a failure that a driver tells of.

    Raises:
        InvalidInputError: It is no failure.
    """
    if status.code == 0:
        raise InvalidInputError(f"{field}.code is 0, which is no error", field=f"{field}.code", value=0)
    return Fault(status.code, status.message[:1_000])


def serving_message(connection: sqlite3.Connection, collection: catalog.Collection) -> collection_pb2.Generation:
    """Returns the message of the generation that serves."""
    return generation_message(roles.serving_generation(connection, collection), 0)


def _status(fault: Fault) -> status_pb2.Status:
    return status_pb2.Status(code=fault.code, message=fault.message)
