"""Serves operations over gRPC: checks, calls, encodes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from grpc import aio

from atlas import deadlines, tensors
from atlas.clock import Clock
from atlas.errors import InvalidInputError
from atlas.memory.v1 import operation_pb2 as pb
from atlas.memory.v1 import operation_pb2_grpc as rpc
from atlas.type.v1 import type_pb2

from ..limits import DEFAULT_PAGE_SIZE, MAX_IDS, MAX_PAGE_SIZE, check_bytes, check_count, checked_id, checked_size
from ..memories.page_tokens import checked_token, next_token
from ..memories.validation import unit
from ..persistence.database import Database
from ..persistence.durability import Durability
from ..persistence.free_space import FreeSpace
from ..persistence.writer import Writer, Written
from ..scopes import checked_tenant
from . import changes, due, operation_rows
from .filling import Failure, Fill, Filler
from .holds import WriteHolds
from .messages import fault_of, operation_message, task_message, whole_tenant
from .operation_rows import MAX_LEASE_S, OperationRow, OperationState

MAX_DRIVER_BYTES = 128
"""Longest id of a driver."""
MIN_LEASE_S = 1.0
DEFAULT_LEASE_S = 15.0
MAX_HOLD_S = 5.0
"""Longest that writes wait for a switch, in seconds."""

Context = aio.ServicerContext
Change = Callable[[sqlite3.Connection], changes.Changed]


class OperationService(rpc.OperationServiceServicer):
    """Keeps operations, and takes the vectors that a gateway makes for them."""

    def __init__(self, database: Database, writer: Writer, filler: Filler, holds: WriteHolds, *, space: FreeSpace, clock: Clock) -> None:
        self._database = database
        self._writer = writer
        self._filler = filler
        self._holds = holds
        self._space = space
        self._clock = clock

    async def GetOperation(
        self, request: pb.GetOperationRequest, context: Context[pb.GetOperationRequest, pb.GetOperationResponse]
    ) -> pb.GetOperationResponse:
        """Describes an operation."""
        tenant, now_us = checked_tenant(request.scope), self._now_us()
        message = await self._database.read(
            lambda connection: operation_message(connection, operation_rows.get_operation(connection, tenant, request.operation_id), now_us)
        )
        return pb.GetOperationResponse(operation=message)

    async def ListOperations(
        self, request: pb.ListOperationsRequest, context: Context[pb.ListOperationsRequest, pb.ListOperationsResponse]
    ) -> pb.ListOperationsResponse:
        """Lists operations, newest first."""
        tenant, now_us = checked_tenant(request.scope), self._now_us()
        limit = checked_size(request.page_size, "page_size", default=DEFAULT_PAGE_SIZE, most=MAX_PAGE_SIZE)
        binding = f"operations\0{tenant}".encode()
        after = checked_token(request.page_token, binding)
        before = None if after is None else (int(after.partition(":")[0]), after.partition(":")[2])

        def read(connection: sqlite3.Connection) -> tuple[list[OperationRow], list[type_pb2.Operation]]:
            rows = operation_rows.list_operations(connection, tenant, before=before, limit=limit + 1)
            return rows, [operation_message(connection, row, now_us) for row in rows[:limit]]

        rows, messages = await self._database.read(read)
        last = rows[limit - 1] if len(rows) > limit else None
        token = next_token(binding, None if last is None else f"{last.create_time_us}:{last.operation_id}")
        return pb.ListOperationsResponse(operations=messages, next_page_token=token)

    async def CancelOperation(
        self, request: pb.CancelOperationRequest, context: Context[pb.CancelOperationRequest, pb.CancelOperationResponse]
    ) -> pb.CancelOperationResponse:
        """Ends an operation."""
        tenant, now_us = whole_tenant(request.scope), self._now_us()
        message = await self._changed(lambda connection: changes.cancel(connection, tenant, request.operation_id, now_us=now_us))
        self._holds.release(tenant, message.collection)
        return pb.CancelOperationResponse(operation=message)

    async def ClaimOperation(
        self, request: pb.ClaimOperationRequest, context: Context[pb.ClaimOperationRequest, pb.ClaimOperationResponse]
    ) -> pb.ClaimOperationResponse:
        """Takes an operation that nobody works on."""
        tenant, now_us = whole_tenant(request.scope), self._now_us()
        if not request.driver:
            raise InvalidInputError("driver is empty; a lease needs a holder", field="driver")
        check_bytes(request.driver, "driver", MAX_DRIVER_BYTES)
        lease_us = int(_lease_s(request) * 1e6)
        free = await self._database.read(lambda connection: operation_rows.free_operation(connection, tenant, request.driver, now_us))
        if free is None:
            return pb.ClaimOperationResponse()
        task = await self._database.write(
            lambda connection: _claim(connection, tenant, request.driver, now_us, lease_us), durability=Durability.PROCESS_CRASH
        )
        return pb.ClaimOperationResponse(task=task)

    async def ListDueMemories(
        self, request: pb.ListDueMemoriesRequest, context: Context[pb.ListDueMemoriesRequest, pb.ListDueMemoriesResponse]
    ) -> pb.ListDueMemoriesResponse:
        """Lists memories that need a vector."""
        tenant = whole_tenant(request.scope)
        limit = checked_size(request.page_size, "page_size", default=DEFAULT_PAGE_SIZE, most=MAX_PAGE_SIZE)
        if request.HasField("hold_writes"):
            hold_s = _hold_s(request)
            collection = await self._filler.collection_of(tenant, request.operation_id)
            self._holds.hold(tenant, collection, hold_s=hold_s)
        listed = await self._filler.due(tenant, request.operation_id, limit=limit, timeout_s=deadlines.current().remaining_s)
        now_us = self._now_us()
        task = await self._database.read(lambda connection: task_message(connection, listed.operation, now_us))
        return pb.ListDueMemoriesResponse(
            memories=[pb.DueMemory(memory_id=one.memory_id, etag=one.etag, text=one.text) for one in listed.memories],
            due_count=listed.count.due,
            failed_count=listed.count.failed,
            task=task,
        )

    async def FillGeneration(
        self, request: pb.FillGenerationRequest, context: Context[pb.FillGenerationRequest, pb.FillGenerationResponse]
    ) -> pb.FillGenerationResponse:
        """Writes vectors into the generation that an operation fills."""
        tenant = whole_tenant(request.scope)
        fills, failures = _fills(request), _failures(request)
        self._space.check()
        filled = await self._filler.fill(
            tenant, request.operation_id, fills, failures, fingerprint=request.fingerprint, deadline=deadlines.current()
        )
        return pb.FillGenerationResponse(filled_count=filled.filled, stale_count=filled.stale)

    async def ReportOperation(
        self, request: pb.ReportOperationRequest, context: Context[pb.ReportOperationRequest, pb.ReportOperationResponse]
    ) -> pb.ReportOperationResponse:
        """Notes why an operation does not get on, or ends it."""
        tenant, now_us = whole_tenant(request.scope), self._now_us()
        fault = fault_of(request.error, "error")

        def report(connection: sqlite3.Connection) -> changes.Changed:
            operation = operation_rows.get_operation(connection, tenant, request.operation_id)
            if not operation.runs:
                return changes.Changed(operation)
            if request.final:
                return changes.fail(connection, operation, fault, now_us=now_us)
            noted = operation_rows.with_error(operation, fault, now_us)
            operation_rows.put_operation(connection, noted)
            return changes.Changed(noted)

        return pb.ReportOperationResponse(operation=await self._changed(report))

    async def _changed(self, change: Change) -> type_pb2.Operation:
        now_us = self._now_us()

        def write(connection: sqlite3.Connection, _: int) -> Written[type_pb2.Operation]:
            changed = change(connection)
            return Written(operation_message(connection, changed.operation, now_us), changed.operations)

        deadline = deadlines.current()
        return (await self._writer.submit(write, durability=Durability.POWER_LOSS, deadline=deadline)).answer

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * 1e6)


def _claim(connection: sqlite3.Connection, tenant: str, driver: str, now_us: int, lease_us: int) -> pb.FillTask | None:
    free = operation_rows.free_operation(connection, tenant, driver, now_us)
    if free is None:
        return None
    claimed = replace(free, state=OperationState.RUNNING, driver=driver, lease_time_us=now_us + lease_us)
    if free.driver != driver:
        begin_due = due.count_due(connection, free.generation).due
        claimed = replace(claimed, begin_due=begin_due, begin_time_us=now_us, update_time_us=now_us)
    operation_rows.put_operation(connection, claimed)
    return task_message(connection, claimed, now_us)


def _lease_s(request: pb.ClaimOperationRequest) -> float:
    if not request.HasField("lease"):
        return DEFAULT_LEASE_S
    lease_s = request.lease.ToNanoseconds() / 1e9
    if not MIN_LEASE_S <= lease_s <= MAX_LEASE_S:
        raise InvalidInputError(
            f"lease is {lease_s:g} s; {MIN_LEASE_S:g} to {MAX_LEASE_S:g} are allowed",
            field="lease",
            value=lease_s,
            min_s=MIN_LEASE_S,
            max_s=MAX_LEASE_S,
        )
    return lease_s


def _hold_s(request: pb.ListDueMemoriesRequest) -> float:
    hold_s = request.hold_writes.ToNanoseconds() / 1e9
    if not 0.0 < hold_s <= MAX_HOLD_S:
        raise InvalidInputError(
            f"hold_writes is {hold_s:g} s; up to {MAX_HOLD_S:g} are allowed", field="hold_writes", value=hold_s, max_s=MAX_HOLD_S
        )
    return hold_s


def _fills(request: pb.FillGenerationRequest) -> list[Fill]:
    check_count(len(request.fills), "fills", least=0, most=MAX_IDS)
    if not request.fills:
        return []
    if not request.fingerprint:
        raise InvalidInputError("fingerprint is empty; vectors need it", field="fingerprint")
    vectors = tensors.to_array(request.vectors, field="vectors", dtype=np.float32, ndim=2)
    if len(vectors) != len(request.fills):
        raise InvalidInputError(
            f"vectors holds {len(vectors)} rows for {len(request.fills)} fills",
            field="vectors",
            row_count=len(vectors),
            fill_count=len(request.fills),
        )
    return [
        Fill(checked_id(fill.memory_id, f"fills[{index}].memory_id"), fill.etag, unit(vectors[index], f"vectors[{index}]"))
        for index, fill in enumerate(request.fills)
    ]


def _failures(request: pb.FillGenerationRequest) -> list[Failure]:
    check_count(len(request.failures), "failures", least=0, most=MAX_IDS)
    return [
        Failure(checked_id(one.memory_id, f"failures[{index}].memory_id"), one.etag, fault_of(one.error, f"failures[{index}].error"))
        for index, one in enumerate(request.failures)
    ]
