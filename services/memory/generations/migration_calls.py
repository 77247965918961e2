"""The calls of `CollectionService` about generations: check, call, encode."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message

from atlas import deadlines
from atlas.clock import Clock
from atlas.errors import InvalidInputError
from atlas.failpoints import failpoint
from atlas.memory.v1 import collection_pb2 as pb
from atlas.type.v1 import type_pb2

from ..catalog.space_messages import checked_spaces
from ..catalog.spaces import DenseSpace, Spaces
from ..limits import MAX_REQUEST_ID_BYTES, check_bytes, checked_size
from ..persistence import replay
from ..persistence.database import Database
from ..persistence.durability import Durability
from ..persistence.free_space import FreeSpace
from ..persistence.replay import RequestKey
from ..persistence.writer import Writer, Written
from ..search.analyzer import Analyzer, AnalyzerParameters
from ..store import Store
from . import changes, operation_rows, roles
from .changes import Changed, Migration
from .holds import WriteHolds
from .messages import generation_message, operation_message, target_message, whole_tenant
from .verification import Verifier

MAX_ADDRESS_BYTES = 1_024
"""Longest address of an embedder."""
DEFAULT_SAMPLE, MAX_SAMPLE = 100, 1_000

Request = TypeVar("Request", pb.StartMigrationRequest, pb.RollbackGenerationRequest)
Describe = Callable[[sqlite3.Connection, str, str], pb.Collection]
"""Makes the message of a collection of a tenant by name."""


class MigrationCalls:
    """Begins, verifies and switches generations."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        store: Store,
        *,
        analyzer: Analyzer,
        parameters: AnalyzerParameters,
        space: FreeSpace,
        clock: Clock,
        new_id: Callable[[], str],
        holds: WriteHolds,
    ) -> None:
        self._database = database
        self._writer = writer
        self._store = store
        self._analyzer = analyzer
        self._parameters = parameters
        self._space = space
        self._clock = clock
        self._new_id = new_id
        self._holds = holds
        self._verifier = Verifier(database, store, writer, holds)

    async def start(self, request: pb.StartMigrationRequest) -> pb.StartMigrationResponse:
        """Begins a migration."""
        tenant = whole_tenant(request.scope)
        migration = self._migration(request, tenant)
        key = _key(tenant, "StartMigration", request.request_id, request)
        self._space.check()
        # A request that is going to be refused must not leave an index behind.
        spaces = await self._database.read(lambda connection: _startable(connection, migration, key))
        if spaces is not None:
            await self._store.ensure_index(spaces.index)
            failpoint("generation.index.after")

        def write(connection: sqlite3.Connection, _: int) -> Written[bytes]:
            changed = changes.start(connection, migration)
            return Written(_started(connection, changed, migration.now_us).SerializeToString())

        return pb.StartMigrationResponse.FromString(await self._write(write, key))

    async def verify(self, request: pb.VerifyMigrationRequest) -> pb.VerifyMigrationResponse:
        """Compares two generations."""
        tenant = whole_tenant(request.scope)
        count = checked_size(request.sample_count, "sample_count", default=DEFAULT_SAMPLE, most=MAX_SAMPLE)
        found = await self._verifier.verify(tenant, request.name, sample_count=count, begin=self._new_id(), deadline=deadlines.current())
        return pb.VerifyMigrationResponse(
            verified=found.target.verified,
            source=generation_message(found.source, 0),
            target=generation_message(found.target, found.due_count),
            memory_count=found.memory_count,
            source_count=found.source_count,
            target_count=found.target_count,
            due_count=found.due_count,
            sample_count=found.sample_count,
            sample_recall=found.sample_recall,
            neighbour_overlap=found.neighbour_overlap,
            findings=found.findings,
        )

    async def switch(self, request: pb.SwitchGenerationRequest, describe: Describe) -> pb.SwitchGenerationResponse:
        """Switches a collection."""
        tenant, now_us = whole_tenant(request.scope), self._now_us()

        def write(connection: sqlite3.Connection, _: int) -> Written[pb.SwitchGenerationResponse]:
            changed = changes.switch(connection, tenant, request.name, force=request.force, now_us=now_us)
            operation = operation_message(connection, changed.operation, now_us)
            return Written(pb.SwitchGenerationResponse(collection=describe(connection, tenant, request.name), operation=operation))

        done = await self._writer.submit(write, durability=Durability.POWER_LOSS, deadline=deadlines.current())
        failpoint("generation.switch.after")
        self._holds.release(tenant, request.name)
        return done.answer

    async def roll_back(self, request: pb.RollbackGenerationRequest, describe: Describe) -> pb.RollbackGenerationResponse:
        """Goes back to the generation before."""
        tenant, now_us = whole_tenant(request.scope), self._now_us()
        check_bytes(request.embedder_address, "embedder_address", MAX_ADDRESS_BYTES)
        operation_id = self._new_id()
        key = _key(tenant, "RollbackGeneration", request.request_id, request)

        def begin(connection: sqlite3.Connection, _: int) -> Written[bytes]:
            changed = changes.roll_back(
                connection, tenant, request.name, embedder_address=request.embedder_address, operation_id=operation_id, now_us=now_us
            )
            return Written(changed.operation.operation_id.encode())

        def write(connection: sqlite3.Connection, seq: int) -> Written[pb.RollbackGenerationResponse]:
            begun = replay.once(begin, key, time_s=now_us / 1e6)(connection, seq).answer.decode()
            # As it stands now: a repetition may come when it is done.
            operation = operation_message(connection, operation_rows.get_operation(connection, tenant, begun), now_us)
            return Written(pb.RollbackGenerationResponse(collection=describe(connection, tenant, request.name), operation=operation))

        return (await self._writer.submit(write, durability=Durability.POWER_LOSS, deadline=deadlines.current())).answer

    async def delete(self, request: pb.DeleteGenerationRequest) -> pb.DeleteGenerationResponse:
        """Deletes a retired generation."""
        tenant = whole_tenant(request.scope)

        def write(connection: sqlite3.Connection, _: int) -> Written[int]:
            return Written(*changes.delete_retired(connection, tenant, request.name, request.generation))

        done = await self._writer.submit(write, durability=Durability.POWER_LOSS, deadline=deadlines.current())
        return pb.DeleteGenerationResponse(memory_count=done.answer)

    def _migration(self, request: pb.StartMigrationRequest, tenant: str) -> Migration:
        for name in ("embedder_address", "source_embedder_address"):
            check_bytes(getattr(request, name), name, MAX_ADDRESS_BYTES)
        if not request.embedder_address:
            raise InvalidInputError("embedder_address is empty; a migration needs an embedder", field="embedder_address")
        return Migration(
            tenant=tenant,
            name=request.name,
            space=self._dense_space(request.space),
            embedder_address=request.embedder_address,
            source_embedder_address=request.source_embedder_address,
            truncated=_truncated(request.truncation),
            generation=self._new_id(),
            operation_id=self._new_id(),
            now_us=self._now_us(),
        )

    def _dense_space(self, space: type_pb2.VectorSpace) -> DenseSpace:
        lexical = type_pb2.VectorSpace(kind=type_pb2.VECTOR_KIND_SPARSE)
        try:
            return checked_spaces([space, lexical], self._analyzer, self._parameters).dense
        except InvalidInputError as error:
            # The caller names one space, not a list of them.
            raise InvalidInputError(
                error.message.replace("spaces[0]", "space"), reason=error.reason, field=(error.field or "").replace("spaces[0]", "space")
            ) from error

    async def _write(self, work: Callable[[sqlite3.Connection, int], Written[bytes]], key: RequestKey) -> bytes:
        transaction = replay.once(work, key, time_s=self._clock.now().timestamp())
        done = await self._writer.submit(transaction, durability=Durability.POWER_LOSS, deadline=deadlines.current())
        return done.answer

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * 1e6)


def outlived(before_us: int) -> Callable[[sqlite3.Connection, int], Written[list[roles.Generation]]]:
    """Returns the transaction that deletes the generations that were retired before a time."""

    def write(connection: sqlite3.Connection, _: int) -> Written[list[roles.Generation]]:
        return Written(*changes.delete_outlived(connection, before_us=before_us))

    return write


def _startable(connection: sqlite3.Connection, migration: Migration, key: RequestKey) -> Spaces | None:
    if replay.known_answer(connection, key) is not None:
        return None
    return changes.check_startable(connection, migration)


def _started(connection: sqlite3.Connection, changed: Changed, now_us: int) -> pb.StartMigrationResponse:
    return pb.StartMigrationResponse(
        operation=operation_message(connection, changed.operation, now_us),
        generation=target_message(connection, changed.operation),
        created=changed.created,
    )


def _truncated(number: int) -> bool:
    if number not in type_pb2.Truncation.values():
        raise InvalidInputError(
            f"truncation is {number}; 0 to {max(type_pb2.Truncation.values())} are known", field="truncation", value=number
        )
    return number == type_pb2.TRUNCATION_END


def _key(tenant: str, method: str, request_id: str, request: Request) -> RequestKey:
    check_bytes(request_id, "request_id", MAX_REQUEST_ID_BYTES)
    content = type(request)()
    content.CopyFrom(request)
    for field in ("scope", "request_id"):
        content.ClearField(field)
    return RequestKey(tenant, method, request_id, hashlib.sha256(_bytes(content)).digest())


def _bytes(message: Message) -> bytes:
    serialize: Callable[..., bytes] = message.SerializeToString
    return serialize(deterministic=True)
