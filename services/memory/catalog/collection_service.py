"""Serves collections over gRPC."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Mapping

from grpc import aio

from atlas import deadlines
from atlas.clock import Clock
from atlas.errors import ConflictError, InvalidInputError
from atlas.memory.v1 import collection_pb2 as pb
from atlas.memory.v1 import collection_pb2_grpc as rpc

from ..generations.changes import drop_collection
from ..generations.messages import other_messages, running_message, serving_message
from ..generations.migration_calls import MigrationCalls
from ..limits import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_REQUEST_ID_BYTES, check_bytes, checked_size
from ..memories.deletions import Forget
from ..memories.encoding import to_timestamp
from ..memories.page_tokens import checked_token, next_token
from ..persistence import replay
from ..persistence.database import Database
from ..persistence.durability import Durability
from ..persistence.free_space import FreeSpace
from ..persistence.replay import RequestKey
from ..persistence.writer import Writer, Written
from ..scopes import checked_scope, checked_tenant
from ..search.analyzer import Analyzer, AnalyzerParameters
from ..sources.aliases import forget_sources
from ..store import DeleteGeneration, Store
from . import collections as catalog
from . import memory_rows
from .collections import Collection, GenerationState
from .space_messages import checked_spaces
from .spaces import Spaces, encode_spaces

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""What a collection may be called."""

Context = aio.ServicerContext


class CollectionService(rpc.CollectionServiceServicer):
    """Keeps the collections of tenants."""

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
        forget: Forget,
        migrations: MigrationCalls,
    ) -> None:
        self._database = database
        self._writer = writer
        self._store = store
        self._analyzer = analyzer
        self._parameters = parameters
        self._space = space
        self._clock = clock
        self._new_id = new_id
        self._forget = forget
        self._migrations = migrations

    async def CreateCollection(
        self, request: pb.CreateCollectionRequest, context: Context[pb.CreateCollectionRequest, pb.CreateCollectionResponse]
    ) -> pb.CreateCollectionResponse:
        """Creates a collection, or gives back the one that is equal."""
        tenant = checked_tenant(request.scope)
        name = _checked_name(request.collection.name, "collection.name")
        in_search_all = request.collection.in_search_all if request.collection.HasField("in_search_all") else True
        spaces = checked_spaces(request.spaces, self._analyzer, self._parameters)
        key = _key(tenant, "CreateCollection", request.request_id, f"{name}\0{in_search_all}".encode(), encode_spaces(spaces))
        self._space.check()
        now_us = int(self._clock.now().timestamp() * 1e6)
        wanted = Collection(tenant, name, in_search_all, now_us, self._new_id(), GenerationState.ACTIVE, now_us, spaces, spaces.index.name)
        # A request that is going to be refused must not leave an index behind.
        await self._database.read(lambda connection: _check_creatable(connection, wanted, key))
        await self._store.ensure_index(spaces.index)
        answer = await self._write(lambda connection, _: _create(connection, wanted), key)
        return pb.CreateCollectionResponse.FromString(answer)

    async def GetCollection(
        self, request: pb.GetCollectionRequest, context: Context[pb.GetCollectionRequest, pb.GetCollectionResponse]
    ) -> pb.GetCollectionResponse:
        """Describes a collection."""
        scope = checked_scope(request.scope)
        message = await self._database.read(
            lambda connection: _message(
                connection, catalog.get_collection(connection, scope.tenant, request.name, field="name"), scope.domains
            )
        )
        return pb.GetCollectionResponse(collection=message)

    async def ListCollections(
        self, request: pb.ListCollectionsRequest, context: Context[pb.ListCollectionsRequest, pb.ListCollectionsResponse]
    ) -> pb.ListCollectionsResponse:
        """Lists collections by name."""
        scope = checked_scope(request.scope)
        limit = checked_size(request.page_size, "page_size", default=DEFAULT_PAGE_SIZE, most=MAX_PAGE_SIZE)
        binding = f"collections\0{scope.tenant}".encode()
        after = checked_token(request.page_token, binding) or ""
        messages = await self._database.read(
            lambda connection: [
                _message(connection, one, scope.domains)
                for one in catalog.list_collections(connection, scope.tenant, after=after, limit=limit + 1)
            ]
        )
        last = messages[limit - 1].name if len(messages) > limit else None
        return pb.ListCollectionsResponse(collections=messages[:limit], next_page_token=next_token(binding, last))

    async def DeleteCollection(
        self, request: pb.DeleteCollectionRequest, context: Context[pb.DeleteCollectionRequest, pb.DeleteCollectionResponse]
    ) -> pb.DeleteCollectionResponse:
        """Deletes a collection with all that is in it."""
        scope = checked_scope(request.scope)
        if request.name != request.confirm_name:
            raise InvalidInputError(
                f"confirm_name is {request.confirm_name!r}; it must repeat the name {request.name!r}",
                field="confirm_name",
                name=request.name,
                confirm_name=request.confirm_name,
            )
        if scope.domains:
            raise InvalidInputError("scope.domains is set; a scope of some domains cannot delete a collection", field="scope.domains")
        key = _key(scope.tenant, "DeleteCollection", request.request_id, request.name.encode())
        self._space.check()
        now_us = int(self._clock.now().timestamp() * 1e6)
        answer = await self._write(lambda connection, _: _delete(connection, scope.tenant, request.name, self._forget, now_us), key)
        return pb.DeleteCollectionResponse.FromString(answer)

    async def StartMigration(
        self, request: pb.StartMigrationRequest, context: Context[pb.StartMigrationRequest, pb.StartMigrationResponse]
    ) -> pb.StartMigrationResponse:
        """Begins to fill a generation of another space."""
        return await self._migrations.start(request)

    async def VerifyMigration(
        self, request: pb.VerifyMigrationRequest, context: Context[pb.VerifyMigrationRequest, pb.VerifyMigrationResponse]
    ) -> pb.VerifyMigrationResponse:
        """Compares the generation that is being filled with the one that serves."""
        return await self._migrations.verify(request)

    async def SwitchGeneration(
        self, request: pb.SwitchGenerationRequest, context: Context[pb.SwitchGenerationRequest, pb.SwitchGenerationResponse]
    ) -> pb.SwitchGenerationResponse:
        """Lets a collection point to the generation that was filled."""
        return await self._migrations.switch(request, _described)

    async def RollbackGeneration(
        self, request: pb.RollbackGenerationRequest, context: Context[pb.RollbackGenerationRequest, pb.RollbackGenerationResponse]
    ) -> pb.RollbackGenerationResponse:
        """Goes back to the generation that was retired last."""
        return await self._migrations.roll_back(request, _described)

    async def DeleteGeneration(
        self, request: pb.DeleteGenerationRequest, context: Context[pb.DeleteGenerationRequest, pb.DeleteGenerationResponse]
    ) -> pb.DeleteGenerationResponse:
        """Deletes a retired generation."""
        return await self._migrations.delete(request)

    async def _write(self, work: Callable[[sqlite3.Connection, int], Written[bytes]], key: RequestKey) -> bytes:
        deadline = deadlines.current()
        deadline.check("the write began")
        transaction = replay.once(work, key, time_s=self._clock.now().timestamp())
        done = await self._writer.submit(transaction, durability=Durability.POWER_LOSS, deadline=deadline)
        return done.answer


def _checked_name(name: str, field: str) -> str:
    if not NAME.fullmatch(name):
        raise InvalidInputError(
            f"{field} is {name[:80]!r}; 1 to 64 of a-z 0-9 _ - are allowed, beginning with a letter or digit", field=field, value=name[:80]
        )
    return name


def _key(tenant: str, method: str, request_id: str, *content: bytes) -> RequestKey:
    check_bytes(request_id, "request_id", MAX_REQUEST_ID_BYTES)
    return RequestKey(tenant, method, request_id, hashlib.sha256(b"\0".join(content)).digest())


def _check_creatable(connection: sqlite3.Connection, wanted: Collection, key: RequestKey) -> None:
    if replay.known_answer(connection, key) is not None:
        return
    stored = catalog.find_collection(connection, wanted.tenant, wanted.name)
    if stored is not None:
        _check_equal(stored, wanted)


def _create(connection: sqlite3.Connection, wanted: Collection) -> Written[bytes]:
    stored = catalog.find_collection(connection, wanted.tenant, wanted.name)
    if stored is None:
        catalog.insert_collection(connection, wanted)
    else:
        _check_equal(stored, wanted)
    message = _message(connection, stored or wanted)
    return Written(pb.CreateCollectionResponse(collection=message, created=stored is None).SerializeToString())


def _check_equal(stored: Collection, wanted: Collection) -> None:
    differences: Mapping[str, tuple[object, object]] = {
        "in_search_all": (stored.in_search_all, wanted.in_search_all),
        "dense dimension": (stored.spaces.dense.dimension, wanted.spaces.dense.dimension),
        "dense fingerprint": (stored.spaces.dense.fingerprint, wanted.spaces.dense.fingerprint),
        "spaces": (_comparable(stored.spaces), _comparable(wanted.spaces)),
    }
    for what, (old, new) in differences.items():
        if old != new:
            raise ConflictError(
                f"collection {stored.name!r} exists with another {what}: {old!r}, not {new!r}",
                reason="COLLECTION_EXISTS",
                field="spaces" if what != "in_search_all" else "collection.in_search_all",
                collection=stored.name,
                stored=old,
                wanted=new,
            )


def _comparable(spaces: Spaces) -> tuple[str, ...]:
    return spaces.dense.name, spaces.lexical.name, spaces.lexical.fingerprint


def _described(connection: sqlite3.Connection, tenant: str, name: str) -> pb.Collection:
    return _message(connection, catalog.get_collection(connection, tenant, name, field="name"))


def _delete(connection: sqlite3.Connection, tenant: str, name: str, forget: Forget, now_us: int) -> Written[bytes]:
    stored = catalog.get_collection(connection, tenant, name, field="name")
    memory_ids = memory_rows.ids_of_generation(connection, tenant, stored.generation)
    forget(connection, tenant, memory_ids)
    others = drop_collection(connection, tenant, name, now_us=now_us)
    forget_sources(connection, tenant, name)
    catalog.delete_collection(connection, stored)
    answer = pb.DeleteCollectionResponse(memory_count=len(memory_ids)).SerializeToString()
    return Written(answer, (DeleteGeneration(stored.index, stored.generation), *others))


def _message(connection: sqlite3.Connection, collection: Collection, domains: frozenset[str] = frozenset()) -> pb.Collection:
    languages = catalog.languages_of(connection, collection.generation, domains)
    return pb.Collection(
        name=collection.name,
        in_search_all=collection.in_search_all,
        generation=serving_message(connection, collection),
        memory_count=sum(languages.values()),
        create_time=to_timestamp(collection.create_time_us),
        languages={language: count for language, count in languages.items() if language},
        other_generations=other_messages(connection, collection.tenant, collection.name),
        operation=running_message(connection, collection.tenant, collection.name),
    )
