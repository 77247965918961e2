"""Every bad request, by the method that it is sent to."""

from __future__ import annotations

from collections.abc import Callable

from atlas.memory.v1 import collection_pb2 as collections
from atlas.memory.v1 import memory_pb2 as memory
from atlas.memory.v1 import salience_pb2 as salience

from . import at_the_gateway, at_the_parts
from .ground import COLLECTION, COLLECTIONS, EMBEDDER, GATEWAY, MEMORY, NOBODY, RERANKER, SALIENCE, Ground, Request
from .messages import (
    BROKEN,
    NESTED_NOT_UTF8,
    NOT_UTF8,
    created,
    events,
    query,
    upsert,
)
from .refusal import refused

TABLE = {**at_the_gateway.TABLE, **at_the_parts.TABLE}
WITHOUT_TENANT: dict[str, Request | Callable[[Ground], Request]] = {
    f"{MEMORY}/UpsertMemories": lambda ground: upsert(ground, scope=NOBODY),
    f"{MEMORY}/GetMemory": lambda ground: memory.GetMemoryRequest(memory_id=ground.ids[0]),
    f"{MEMORY}/BatchGetMemories": lambda ground: memory.BatchGetMemoriesRequest(memory_ids=ground.ids),
    f"{MEMORY}/ListMemories": memory.ListMemoriesRequest(collection=COLLECTION),
    f"{MEMORY}/DeleteMemories": lambda ground: memory.DeleteMemoriesRequest(ids={"memory_ids": ground.ids}),
    f"{MEMORY}/CountMemories": memory.CountMemoriesRequest(collection=COLLECTION),
    f"{MEMORY}/QueryMemories": lambda ground: query(ground, scope=NOBODY),
    f"{COLLECTIONS}/CreateCollection": created(scope=NOBODY),
    f"{COLLECTIONS}/GetCollection": collections.GetCollectionRequest(name=COLLECTION),
    f"{COLLECTIONS}/ListCollections": collections.ListCollectionsRequest(),
    f"{COLLECTIONS}/DeleteCollection": collections.DeleteCollectionRequest(name=COLLECTION, confirm_name=COLLECTION),
    f"{SALIENCE}/RecordEvents": lambda ground: events(ground, scope=NOBODY),
    f"{SALIENCE}/GetSalience": lambda ground: salience.GetSalienceRequest(memory_ids=ground.ids),
}
NO_UTF8 = {
    f"{GATEWAY}/Search": NESTED_NOT_UTF8,
    f"{GATEWAY}/Remember": NESTED_NOT_UTF8,
    f"{GATEWAY}/GetMemory": NOT_UTF8,
    f"{EMBEDDER}/Embed": NESTED_NOT_UTF8,
    f"{RERANKER}/Rerank": NESTED_NOT_UTF8,
    f"{MEMORY}/QueryMemories": NESTED_NOT_UTF8,
}
CASES = [
    *((method, refusal) for method, refusals in TABLE.items() for refusal in refusals),
    *((method, refused("empty tenant", request, "scope.tenant")) for method, request in WITHOUT_TENANT.items()),
    *((method, refused("invalid UTF-8", body, "request", str(len(body)), "UTF-8")) for method, body in NO_UTF8.items()),
    *((method, refused("malformed message", BROKEN, "request", str(len(BROKEN)))) for method in (*TABLE, *WITHOUT_TENANT)),
]
