"""How requests are written in the tables."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import numpy as np
from google.protobuf.struct_pb2 import ListValue, Value

from atlas import tensors
from atlas.embedder.v1 import embedder_pb2 as embedder
from atlas.gateway.v1 import gateway_pb2 as gateway
from atlas.memory.v1 import collection_pb2 as collections
from atlas.memory.v1 import memory_pb2 as memory
from atlas.memory.v1 import salience_pb2 as salience
from atlas.reranker.v1 import reranker_pb2 as reranker
from atlas.type.v1 import salience_pb2, type_pb2

from .ground import COLLECTION, SCOPE, Ground

DIMENSION = 384
LONG = "harbour " * 300
MEGABYTE = "x" * 1_000_000
STRANGER = "00000000-0000-4000-8000-000000000000"


def say(ground: Ground, *kinds: str, search_id: str = "", memory_id: str = "", **fields: Any) -> gateway.FeedbackRequest:
    said = [gateway.HitFeedback(memory_id=memory_id or ground.ids[0], kind=f"FEEDBACK_KIND_{kind}", **fields) for kind in kinds]
    return gateway.FeedbackRequest(search_id=search_id or ground.search_id, feedback=said)


def report(ground: Ground, **fields: Any) -> gateway.ReportUsageRequest:
    return gateway.ReportUsageRequest(**{"search_id": ground.search_id, "answer": "At nine.", **fields})


def search(text: str = "harbour", **fields: Any) -> gateway.SearchRequest:
    return gateway.SearchRequest(**{"query": type_pb2.Input(text=text), "collections": [COLLECTION], **fields})


def remember(*texts: str, request_id: str = "", durability: int = 0, **fields: Any) -> gateway.RememberRequest:
    memories = [gateway.NewMemory(text=text, **{"collection": COLLECTION, **fields}) for text in texts]
    return gateway.RememberRequest(memories=memories, request_id=request_id, durability=durability)  # type: ignore[arg-type]


def embed(*texts: str, **fields: Any) -> embedder.EmbedRequest:
    inputs = [type_pb2.Input(text=text) for text in texts]
    return embedder.EmbedRequest(**{"inputs": inputs, "input_type": type_pb2.INPUT_TYPE_QUERY, **fields})


def rerank(*texts: str, query: str = "harbour", **fields: Any) -> reranker.RerankRequest:
    candidates = [reranker.Candidate(id=str(number), content=type_pb2.Input(text=text)) for number, text in enumerate(texts)]
    return reranker.RerankRequest(**{"query": type_pb2.Input(text=query), "candidates": candidates, **fields})


def given_tokens(tensor: type_pb2.Tensor, fingerprint: str) -> reranker.RerankRequest:
    return rerank(candidates=[reranker.Candidate(id="0", tokens=tensor, fingerprint=fingerprint)])


def upsert(ground: Ground, *, scope: type_pb2.Scope = SCOPE, request_id: str = "", **fields: Any) -> memory.UpsertMemoriesRequest:
    stored = type_pb2.Memory(**{"memory_id": STRANGER, "collection": COLLECTION, "text": "A new text.", **fields})
    return memory.UpsertMemoriesRequest(
        scope=scope, writes=[memory.MemoryWrite(memory=stored, vectors=[vector(ground)])], request_id=request_id
    )


def upsert_vector(ground: Ground, **fields: Any) -> memory.UpsertMemoriesRequest:
    request = upsert(ground)
    request.writes[0].vectors[0].CopyFrom(vector(ground, **fields))
    return request


def query(ground: Ground, **fields: Any) -> memory.QueryMemoriesRequest:
    return memory.QueryMemoriesRequest(**{"scope": SCOPE, "collections": [COLLECTION], "text": "harbour", **fields})


def vector(ground: Ground, dense: type_pb2.Tensor | None = None, fingerprint: str = "", space: str = "") -> type_pb2.NamedVector:
    return type_pb2.NamedVector(space=space, fingerprint=fingerprint or ground.fingerprint, dense=dense or tensor(UNIT))


def events(ground: Ground, **fields: Any) -> salience.RecordEventsRequest:
    entry = salience.PoolEntry(memory_id=ground.ids[0], collection=COLLECTION, rank=1)
    event = salience.Event(
        memory_id=ground.ids[0], kind=salience_pb2.EVENT_KIND_RERANK, relevance=0.5, calibration_version="minilm-maxsim-1"
    )
    given = {"scope": SCOPE, "search_id": str(uuid4()), "query": tensor(UNIT), "fingerprint": ground.fingerprint}
    return salience.RecordEventsRequest(**{**given, "pool": [entry], "events": [event], **fields})


def created(name: str = "bad-new", *, dimension: int = DIMENSION, fingerprint: str = "other/1", **fields: Any) -> Any:
    spaces = [
        type_pb2.VectorSpace(name="dense", kind=type_pb2.VECTOR_KIND_DENSE, dimension=dimension, fingerprint=fingerprint),
        type_pb2.VectorSpace(name="lexical", kind=type_pb2.VECTOR_KIND_SPARSE),
    ]
    return collections.CreateCollectionRequest(
        **{"scope": SCOPE, "collection": collections.Collection(name=name), "spaces": spaces, **fields}
    )


def listing(**fields: Any) -> gateway.ListMemoriesRequest:
    return gateway.ListMemoriesRequest(**{"collection": COLLECTION, **fields})


def deletion(**fields: Any) -> gateway.DeleteMemoriesRequest:
    return gateway.DeleteMemoriesRequest(**{"collection": COLLECTION, **fields})


def tensor(array: Any) -> type_pb2.Tensor:
    return tensors.to_message(np.asarray(array, np.float32))


def has(name: str, value: Any = "x") -> type_pb2.Filter:
    operand = Value(string_value=value) if isinstance(value, str) else Value(number_value=value)
    return type_pb2.Filter(condition=type_pb2.Condition(field=name, equals=operand))


def nested(levels: int) -> type_pb2.Filter:
    return has("domain") if levels == 1 else type_pb2.Filter(all_of=type_pb2.Filter.List(filters=[nested(levels - 1)]))


UNIT = np.eye(DIMENSION, dtype=np.float32)[0]
NAN = np.where(UNIT > 0, np.nan, UNIT)
PICTURE = type_pb2.Image(data=b"\x89PNG", media_type="image/png")
SHORT = type_pb2.Tensor(dtype=type_pb2.D_TYPE_FLOAT32, shape=[DIMENSION], data=b"1234")
SHORT_ROWS = type_pb2.Tensor(dtype=type_pb2.D_TYPE_FLOAT32, shape=[1, DIMENSION], data=b"1234")
NEGATIVE = type_pb2.Tensor(dtype=type_pb2.D_TYPE_FLOAT32, shape=[-1], data=b"")
NAN_METADATA = type_pb2.Memory()
NAN_METADATA.metadata.fields["deep"].list_value.CopyFrom(ListValue(values=[Value(number_value=float("nan"))]))
BROKEN = b"\xff\xff\xff\xff"
NOT_UTF8 = b"\x0a\x02\xff\xfe"  # field 1, a string of two bytes
NESTED_NOT_UTF8 = b"\x0a\x04" + NOT_UTF8  # field 1, a message whose field 1 is that string
