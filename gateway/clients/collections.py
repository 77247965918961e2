"""Memory's collections as the gateway keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import grpc.aio

from atlas.channel import call
from atlas.deadlines import Deadline
from atlas.memory.v1 import collection_pb2 as pb
from atlas.memory.v1 import collection_pb2_grpc as rpc
from atlas.type.v1 import type_pb2

from ..memories import Scope
from .memory import scope_message


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection."""

    name: str
    """Name, unique in the tenant."""
    memory_count: int
    """Memories in it."""
    in_search_all: bool
    """Whether "search all" includes it."""
    generation: str
    """Generation it points to."""
    spaces: tuple[type_pb2.VectorSpace, ...]
    """Its vector spaces, passed on as they came."""
    create_time: datetime
    """When it was created."""
    embedder_address: str = ""
    """Where the embedder is that made its vectors; empty if no migration made them."""

    @property
    def dense_fingerprint(self) -> str:
        """Fingerprint of its DENSE space; empty if it has none."""
        return next((space.fingerprint for space in self.spaces if space.kind == type_pb2.VECTOR_KIND_DENSE), "")


@dataclass(frozen=True, slots=True)
class CollectionPage:
    """A page of collections."""

    collections: tuple[Collection, ...]
    """By name."""
    next_page_token: str
    """Empty on the last page."""


class CollectionClient:
    """Calls memory's `CollectionService` over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = rpc.CollectionServiceStub(channel)

    async def get(self, scope: Scope, name: str, *, deadline: Deadline) -> Collection:
        """Describes a collection.

        Raises:
            NotFoundError: There is none of that name.
        """
        request = pb.GetCollectionRequest(scope=scope_message(scope), name=name)
        reply = await call(self._stub.GetCollection, request, deadline=deadline)
        return _collection(reply.collection)

    async def create(
        self, scope: Scope, name: str, dense_space: type_pb2.VectorSpace, *, in_search_all: bool, deadline: Deadline
    ) -> Collection:
        """Creates a collection with this DENSE space and memory's own lexical one.

        Raises:
            ConflictError: There is one of that name with other spaces or options.
        """
        dense = type_pb2.VectorSpace()
        dense.CopyFrom(dense_space)
        dense.name = dense.name or "dense"
        request = pb.CreateCollectionRequest(
            scope=scope_message(scope),
            collection=pb.Collection(name=name, in_search_all=in_search_all),
            spaces=[dense, type_pb2.VectorSpace(name="lexical", kind=type_pb2.VECTOR_KIND_SPARSE)],
        )
        reply = await call(self._stub.CreateCollection, request, deadline=deadline)
        return _collection(reply.collection)

    async def page(self, scope: Scope, *, page_size: int, page_token: str, deadline: Deadline) -> CollectionPage:
        """Lists a page of the tenant's collections."""
        request = pb.ListCollectionsRequest(scope=scope_message(scope), page_size=page_size, page_token=page_token)
        reply = await call(self._stub.ListCollections, request, deadline=deadline)
        return CollectionPage(tuple(_collection(message) for message in reply.collections), reply.next_page_token)

    async def delete(self, scope: Scope, name: str, confirm_name: str, *, request_id: str, deadline: Deadline) -> int:
        """Deletes a collection; returns how many memories went with it."""
        request = pb.DeleteCollectionRequest(scope=scope_message(scope), name=name, confirm_name=confirm_name, request_id=request_id)
        reply = await call(self._stub.DeleteCollection, request, deadline=deadline)
        return reply.memory_count


def _collection(message: pb.Collection) -> Collection:
    return Collection(
        name=message.name,
        memory_count=message.memory_count,
        in_search_all=message.in_search_all if message.HasField("in_search_all") else True,
        generation=message.generation.generation,
        spaces=tuple(message.generation.spaces),
        create_time=message.create_time.ToDatetime(UTC),
        embedder_address=message.generation.embedder_address,
    )
