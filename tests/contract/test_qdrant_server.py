"""What a Qdrant server is told beside the seam: names of generations, the index that keeps them apart."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from qdrant_client import AsyncQdrantClient

from services.memory.store import DeleteGeneration, Store, UpsertPoints
from tests.contract.store_cases import SERVER_VARIABLE, filled, opened, point, spec

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store() -> AsyncIterator[Store]:
    async with opened("qdrant", Path()) as store:
        yield store


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(store: Store) -> AsyncIterator[AsyncQdrantClient]:
    host, _, port = os.environ[SERVER_VARIABLE].rpartition(":")
    client = AsyncQdrantClient(host=host, grpc_port=int(port), prefer_grpc=True, check_compatibility=False)
    yield client
    await client.close()


async def aliases(client: AsyncQdrantClient, index: str) -> set[str]:
    return {each.alias_name for each in (await client.get_collection_aliases(index)).aliases}


async def test_each_generation_with_points_has_a_name_on_the_server(store: Store, client: AsyncQdrantClient) -> None:
    index = await filled(store, point(1), point(1, generation="g2"))
    assert await aliases(client, index) == {f"{index}.g1", f"{index}.g2"}
    await store.apply([DeleteGeneration(index, "g1")])
    assert await aliases(client, index) == {f"{index}.g2"}
    await store.apply([DeleteGeneration(index, "g1"), UpsertPoints(index, (point(2),))])
    assert await aliases(client, index) == {f"{index}.g1", f"{index}.g2"}


async def test_names_that_are_there_are_known_to_the_next_process(store: Store, client: AsyncQdrantClient) -> None:
    index = spec()
    await filled(store, point(1), index=index)
    async with opened("qdrant", Path()) as second:
        await second.ensure_index(index)
        await second.apply([DeleteGeneration(index.name, "g1")])
    assert await aliases(client, index.name) == set()


async def test_the_generation_is_the_tenant_key(store: Store, client: AsyncQdrantClient) -> None:
    index = await filled(store, point(1))
    schema = (await client.get_collection(index)).payload_schema
    assert schema["generation"].params is not None
    assert schema["generation"].params.is_tenant is True  # type: ignore[union-attr]
