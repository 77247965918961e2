"""CollectionService over gRPC on the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from atlas.memory.v1 import collection_pb2 as pb
from atlas.memory.v1 import memory_pb2
from atlas.type.v1 import type_pb2
from tests.rpc.memory_part import DIMENSION, FINGERPRINT, Memory, create, failure_of, id_of, memory_service, scope, spaces, upsert, write

pytestmark = pytest.mark.asyncio(loop_scope="module")
Code = grpc.StatusCode


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def memory(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Memory]:
    """One service for the module; each test uses a tenant of its own."""
    async with memory_service(tmp_path_factory.mktemp("memory")) as memory:
        yield memory


async def listed(memory: Memory, tenant: str, **fields: Any) -> pb.ListCollectionsResponse:
    return await memory.collections.ListCollections(pb.ListCollectionsRequest(scope=scope(tenant), **fields))


async def deleted(memory: Memory, tenant: str, name: str, **fields: Any) -> pb.DeleteCollectionResponse:
    request = pb.DeleteCollectionRequest(scope=scope(tenant), **{"name": name, "confirm_name": name, **fields})
    return await memory.collections.DeleteCollection(request)


async def test_creating_a_collection_twice_gives_the_same_one(memory: Memory) -> None:
    first = await create(memory, "notes", tenant="twice")
    again = await create(memory, "notes", tenant="twice")
    assert (first.created, again.created) == (True, False)
    assert first.collection == again.collection
    assert first.collection.in_search_all
    assert first.collection.generation.state == pb.GENERATION_STATE_ACTIVE
    dense, lexical = first.collection.generation.spaces
    assert (dense.name, dense.dimension, dense.fingerprint) == ("dense", DIMENSION, FINGERPRINT)
    assert lexical.kind == type_pb2.VECTOR_KIND_SPARSE
    assert lexical.fingerprint.startswith("atlas-bm25/")


async def test_the_lexical_fingerprint_may_be_said(memory: Memory) -> None:
    first = await create(memory, "notes", tenant="said")
    again = await create(memory, "notes", tenant="said", spaces=first.collection.generation.spaces)
    assert not again.created


@pytest.mark.parametrize(
    "change",
    [{"in_search_all": False}, {"spaces": spaces(dimension=8)}, {"spaces": spaces(fingerprint="other-encoder/1")}],
)
async def test_another_collection_of_that_name_is_a_conflict(memory: Memory, change: dict[str, Any]) -> None:
    await create(memory, "notes", tenant="conflict")
    failure = await failure_of(create(memory, "notes", tenant="conflict", **change))
    assert (failure.code, failure.reason) == (Code.ABORTED, "COLLECTION_EXISTS")


@pytest.mark.parametrize("name", ["", "-a", "Notes", "a" * 65, "a b", "ä"])
async def test_a_bad_name_is_refused(memory: Memory, name: str) -> None:
    failure = await failure_of(create(memory, name, tenant="names"))
    assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, ("collection.name",))


SPARSE = type_pb2.VectorSpace(kind=type_pb2.VECTOR_KIND_SPARSE)
DENSE = spaces()[0]


def dense(**changes: Any) -> type_pb2.VectorSpace:
    space = type_pb2.VectorSpace()
    space.CopyFrom(DENSE)
    for name, value in changes.items():
        setattr(space, name, value)
    return space


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ([], "spaces"),
        ([DENSE], "spaces"),
        ([SPARSE], "spaces"),
        ([DENSE, DENSE, SPARSE], "spaces"),
        ([DENSE, SPARSE, type_pb2.VectorSpace(kind=type_pb2.VECTOR_KIND_TOKENS, dimension=8)], "spaces[2].kind"),
        ([dense(dimension=0), SPARSE], "spaces[0].dimension"),
        ([dense(dimension=-4), SPARSE], "spaces[0].dimension"),
        ([dense(fingerprint=""), SPARSE], "spaces[0].fingerprint"),
        ([dense(distance=type_pb2.DISTANCE_DOT), SPARSE], "spaces[0].distance"),
        ([dense(dtype=type_pb2.D_TYPE_INT8), SPARSE], "spaces[0].dtype"),
        ([DENSE, type_pb2.VectorSpace(kind=type_pb2.VECTOR_KIND_SPARSE, fingerprint="other/1")], "spaces[1].fingerprint"),
    ],
)
async def test_spaces_that_cannot_be_stored_are_refused(memory: Memory, wanted: list[Any], field: str) -> None:
    failure = await failure_of(create(memory, "notes", tenant="spaces", spaces=wanted))
    assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, (field,))
    assert not (await listed(memory, "spaces")).collections


async def test_a_repeated_request_gets_the_first_answer(memory: Memory) -> None:
    first = await create(memory, "notes", tenant="replay", request_id="r1")
    assert await create(memory, "notes", tenant="replay", request_id="r1") == first
    failure = await failure_of(create(memory, "other", tenant="replay", request_id="r1"))
    assert (failure.code, failure.reason) == (Code.ABORTED, "REQUEST_ID_REUSED")


async def test_collections_are_listed_by_name_page_by_page(memory: Memory) -> None:
    for name in ("c", "a", "b"):
        await create(memory, name, tenant="pages")
    first = await listed(memory, "pages", page_size=2)
    rest = await listed(memory, "pages", page_size=2, page_token=first.next_page_token)
    assert [one.name for one in (*first.collections, *rest.collections)] == ["a", "b", "c"]
    assert rest.next_page_token == ""
    failure = await failure_of(listed(memory, "strangers", page_token=first.next_page_token))
    assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, ("page_token",))
    for size in (-1, 1001):
        assert (await failure_of(listed(memory, "pages", page_size=size))).code == Code.INVALID_ARGUMENT


async def test_an_unknown_collection_is_not_found(memory: Memory) -> None:
    request = pb.GetCollectionRequest(scope=scope("nobody"), name="notes")
    failure = await failure_of(memory.collections.GetCollection(request))
    assert (failure.code, failure.values["collection"]) == (Code.NOT_FOUND, "notes")
    assert (await failure_of(deleted(memory, "nobody", "notes"))).code == Code.NOT_FOUND


async def test_a_tenant_is_needed_everywhere(memory: Memory) -> None:
    failure = await failure_of(memory.collections.ListCollections(pb.ListCollectionsRequest()))
    assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, ("scope.tenant",))


async def test_counts_and_languages_follow_the_writes(memory: Memory) -> None:
    await create(memory, tenant="counts")
    writes = [
        write("1", "the weather is fine and we are going to the sea", domain="a"),
        write("2", "das Wetter ist schön und wir gehen an die See", domain="b"),
        write("3", "what was it that they have seen there", domain="b"),
    ]
    await memory.memories.UpsertMemories(upsert(*writes, tenant="counts"))
    collection = (await listed(memory, "counts")).collections[0]
    assert collection.memory_count == 3
    assert dict(collection.languages) == {"en": 2, "de": 1}
    narrow = pb.GetCollectionRequest(scope=scope("counts", ["a"]), name="notes")
    assert (await memory.collections.GetCollection(narrow)).collection.memory_count == 1


async def test_a_deleted_collection_is_gone_with_its_memories_and_may_come_again(memory: Memory) -> None:
    await create(memory, tenant="gone")
    await memory.memories.UpsertMemories(upsert(write("1", "one"), write("2", "two"), tenant="gone"))
    assert (await deleted(memory, "gone", "notes", request_id="d1")).memory_count == 2
    assert (await deleted(memory, "gone", "notes", request_id="d1")).memory_count == 2
    assert (await failure_of(deleted(memory, "gone", "notes"))).code == Code.NOT_FOUND
    got = await memory.memories.BatchGetMemories(memory_pb2.BatchGetMemoriesRequest(scope=scope("gone"), memory_ids=[id_of("1")]))
    assert list(got.missing_ids) == [id_of("1")]
    again = await create(memory, tenant="gone")
    assert again.created
    counted = await memory.memories.CountMemories(memory_pb2.CountMemoriesRequest(scope=scope("gone"), collection="notes"))
    assert counted.memory_count == 0


async def test_a_deletion_asks_for_the_name_twice_and_for_all_domains(memory: Memory) -> None:
    await create(memory, tenant="careful")
    failure = await failure_of(deleted(memory, "careful", "notes", confirm_name="note"))
    assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, ("confirm_name",))
    request = pb.DeleteCollectionRequest(scope=scope("careful", ["a"]), name="notes", confirm_name="notes")
    assert (await failure_of(memory.collections.DeleteCollection(request))).fields == ("scope.domains",)
    assert len((await listed(memory, "careful")).collections) == 1
