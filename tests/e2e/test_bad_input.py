"""Bad input, sent to four real processes: each line gets its status, field, value and limit, and changes nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from atlas import tensors
from atlas.embedder.v1 import embedder_pb2 as embedder
from atlas.gateway.v1 import gateway_pb2 as gateway
from atlas.memory.v1 import collection_pb2 as collections
from atlas.memory.v1 import memory_pb2 as memory
from atlas.memory.v1 import salience_pb2 as salience
from atlas.reranker.v1 import reranker_pb2 as reranker
from atlas.type.v1 import type_pb2

from .conftest import System

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
ABORTED = grpc.StatusCode.ABORTED
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
DEADLINE = grpc.StatusCode.DEADLINE_EXCEEDED

COLLECTION = "bad-input"
TEXTS = (
    "The ferry leaves the harbour at nine.",
    "The harbour master keeps the key of the crane.",
    "Fish is sold behind the harbour wall.",
)
DIMENSION = 384
LONG = "harbour " * 300
MEGABYTE = "x" * 1_000_000
STRANGER = "00000000-0000-4000-8000-000000000000"
PORTS = {"gateway": 0, "embedder": 1, "reranker": 2, "memory": 3}


class Wire:
    """One channel to each part; requests go out as the bytes they are."""

    def __init__(self, system: System) -> None:
        self._channels = {part: grpc.insecure_channel(system.address(offset)) for part, offset in PORTS.items()}

    def call(self, method: str, request: Message | bytes, *, timeout_s: float = 20.0) -> bytes:
        """Calls `atlas.<part>.v1.<Service>/<Rpc>` on the part's own port."""
        part = method.split(".")[1]
        multicallable = self._channels[part].unary_unary(f"/{method}", request_serializer=bytes, response_deserializer=bytes)
        reply: bytes = multicallable(request if isinstance(request, bytes) else request.SerializeToString(), timeout=timeout_s)
        return reply

    def stream(self, method: str, requests: Sequence[Message | bytes]) -> Iterator[bytes]:
        part = method.split(".")[1]
        multicallable = self._channels[part].stream_stream(f"/{method}", request_serializer=bytes, response_deserializer=bytes)
        sent = [request if isinstance(request, bytes) else request.SerializeToString() for request in requests]
        replies: Iterator[bytes] = multicallable(iter(sent), timeout=20.0)
        return replies

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()


@dataclass(frozen=True)
class Ground:
    """What is stored before anything bad comes, and what a bad request may point at."""

    wire: Wire
    ids: tuple[str, ...]
    fingerprint: str
    token_fingerprint: str
    page_token: str
    """Goes on with a listing of `COLLECTION`, one memory a page, without a filter."""
    request_id: str
    """Of the `Remember` that stored the memories."""

    def state(self) -> Any:
        """Everything that a refused request could have changed: collections, memories, and what was learnt."""
        listed = gateway.ListCollectionsResponse.FromString(
            self.wire.call(f"{GATEWAY}/ListCollections", gateway.ListCollectionsRequest(page_size=1_000))
        )
        stored = gateway.ListMemoriesResponse.FromString(
            self.wire.call(f"{GATEWAY}/ListMemories", gateway.ListMemoriesRequest(collection=COLLECTION, page_size=1_000))
        )
        count = memory.CountMemoriesResponse.FromString(
            self.wire.call(f"{MEMORY}/CountMemories", memory.CountMemoriesRequest(scope=SCOPE, collection=COLLECTION))
        )
        learnt = salience.GetSalienceResponse.FromString(
            self.wire.call(f"{SALIENCE}/GetSalience", salience.GetSalienceRequest(scope=SCOPE, memory_ids=self.ids))
        )
        return (
            {item.name: (item.memory_count, item.generation) for item in listed.collections},
            sorted((item.memory_id, item.etag, item.text, item.content_sha256) for item in stored.memories),
            count.memory_count,
            # What decays with time is left out: the events it follows from are here.
            [(item.memory_id, item.event_count, item.last_retrieved.ToNanoseconds()) for item in learnt.salience],
        )


GATEWAY = "atlas.gateway.v1.GatewayService"
EMBEDDER = "atlas.embedder.v1.EmbedderService"
RERANKER = "atlas.reranker.v1.RerankerService"
MEMORY = "atlas.memory.v1.MemoryService"
COLLECTIONS = "atlas.memory.v1.CollectionService"
SALIENCE = "atlas.memory.v1.SalienceService"
SCOPE = type_pb2.Scope(tenant="default")
NOBODY = type_pb2.Scope()


@pytest.fixture(scope="module")
def ground(system: System) -> Iterator[Ground]:
    wire = Wire(system)
    request_id = f"bad-input-{uuid4()}"
    stored = gateway.RememberResponse.FromString(wire.call(f"{GATEWAY}/Remember", remember(*TEXTS, request_id=request_id)))
    wire.call(f"{GATEWAY}/Search", search("when does the ferry leave?", collections=[COLLECTION]))
    page = gateway.ListMemoriesResponse.FromString(
        wire.call(f"{GATEWAY}/ListMemories", gateway.ListMemoriesRequest(collection=COLLECTION, page_size=1))
    )
    spaces = embedder.GetModelInfoResponse.FromString(wire.call(f"{EMBEDDER}/GetModelInfo", b"")).model.spaces
    fingerprints = {space.kind: space.fingerprint for space in spaces}
    yield Ground(
        wire,
        ids=tuple(memory_id for item in stored.memories for memory_id in item.memory_ids),
        fingerprint=fingerprints[type_pb2.VECTOR_KIND_DENSE],
        token_fingerprint=fingerprints[type_pb2.VECTOR_KIND_TOKENS],
        page_token=page.next_page_token,
        request_id=request_id,
    )
    wire.close()


# ---------------------------------------------------------------- how requests are written in the table


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
    event = salience.Event(memory_id=ground.ids[0], kind=salience.EVENT_KIND_RERANK, relevance=0.5, calibration_version="1")
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


# ---------------------------------------------------------------- the table


@dataclass(frozen=True)
class Case:
    """A bad request and its refusal."""

    name: str
    method: str
    request: Callable[[Ground], Message | bytes]
    code: grpc.StatusCode
    field: str | None
    """Path in `BadRequest`; None where no single field is wrong."""
    mentions: Sequence[str | Callable[[Ground], str]] = field(default=())
    """What the message says: value and limit."""


SEARCH = [
    Case("empty query", f"{GATEWAY}/Search", lambda _: search(""), INVALID, "query.text"),
    Case("blank query", f"{GATEWAY}/Search", lambda _: search(" \n\t "), INVALID, "query.text"),
    Case("no query", f"{GATEWAY}/Search", lambda _: b"", INVALID, "query.text"),
    Case("query of 1 MB", f"{GATEWAY}/Search", lambda _: search(MEGABYTE), INVALID, "query.text", ["1000000", "32768"]),
    Case("query over the token limit", f"{GATEWAY}/Search", lambda _: search(LONG), INVALID, "query.text", ["query.text", "302", "256"]),
    Case("picture", f"{GATEWAY}/Search", lambda _: search(query=type_pb2.Input(image=PICTURE)), UNIMPLEMENTED, "query.image", ["text"]),
    Case(
        "picture with text",
        f"{GATEWAY}/Search",
        lambda _: search(query=type_pb2.Input(text="harbour", image=PICTURE)),
        UNIMPLEMENTED,
        "query.image",
    ),
    Case("unknown collection", f"{GATEWAY}/Search", lambda _: search(collections=["away"]), NOT_FOUND, "collections[0]", ["away"]),
    Case("collection without name", f"{GATEWAY}/Search", lambda _: search(collections=[COLLECTION, ""]), NOT_FOUND, "collections[1]"),
    Case(
        "65 collections", f"{GATEWAY}/Search", lambda _: search(collections=map(str, range(65))), INVALID, "collections", ["65", "64"]
    ),
    Case("long domain", f"{GATEWAY}/Search", lambda _: search(domain="x" * 257), INVALID, "domain", ["257", "256"]),
    Case("negative candidates", f"{GATEWAY}/Search", lambda _: search(candidate_count=-1), INVALID, "candidate_count", ["-1", "200"]),
    Case("no candidates", f"{GATEWAY}/Search", lambda _: search(candidate_count=0), INVALID, "candidate_count", ["0", "200"]),
    Case("201 candidates", f"{GATEWAY}/Search", lambda _: search(candidate_count=201), INVALID, "candidate_count", ["201", "200"]),
    Case("negative results", f"{GATEWAY}/Search", lambda _: search(result_count=-5), INVALID, "result_count", ["-5", "20"]),
    Case(
        "more results than candidates",
        f"{GATEWAY}/Search",
        lambda _: search(candidate_count=3, result_count=4),
        INVALID,
        "result_count",
        ["4", "3"],
    ),
    Case("negative min_relevance", f"{GATEWAY}/Search", lambda _: search(min_relevance=-0.1), INVALID, "min_relevance", ["-0.1", "0 to 1"]),
    Case("min_relevance above 1", f"{GATEWAY}/Search", lambda _: search(min_relevance=1.5), INVALID, "min_relevance", ["1.5", "0 to 1"]),
    Case("min_relevance NaN", f"{GATEWAY}/Search", lambda _: search(min_relevance=float("nan")), INVALID, "min_relevance", ["nan"]),
    Case("unknown salience_mode", f"{GATEWAY}/Search", lambda _: search(salience_mode=9), INVALID, "salience_mode", ["9"]),
    Case("unknown content kind", f"{GATEWAY}/Search", lambda _: search(content_kinds=[9]), INVALID, "content_kinds[0]", ["9"]),
    Case(
        "span that ends before it begins",
        f"{GATEWAY}/Search",
        lambda _: search(event_time=gateway.TimeRange(begin=Timestamp(seconds=9), end=Timestamp(seconds=8))),
        INVALID,
        "event_time.end",
    ),
    Case(
        "time beyond the year 9999",
        f"{GATEWAY}/Search",
        lambda _: search(event_time=gateway.TimeRange(begin=Timestamp(seconds=10**15))),
        INVALID,
        "event_time.begin",
        ["9999"],
    ),
    Case("filter on an unknown field", f"{GATEWAY}/Search", lambda _: search(filter=has("colour")), INVALID, "filter.condition.field", ["colour", "metadata.<key>"]),
    Case(
        "filter on an unknown field beside a domain",
        f"{GATEWAY}/Search",
        lambda _: search(filter=has("colour"), domain="here"),
        INVALID,
        "filter.condition.field",
        ["colour"],
    ),
    Case("empty filter", f"{GATEWAY}/Search", lambda _: search(filter=type_pb2.Filter()), INVALID, "filter"),
    Case("filter of 9 levels", f"{GATEWAY}/Search", lambda _: search(filter=nested(9)), INVALID, "filter", ["8"]),
    Case("filter with NaN", f"{GATEWAY}/Search", lambda _: search(filter=has("metadata.n", float("nan"))), INVALID, "filter.condition.equals"),
    Case("filter with a number for a text", f"{GATEWAY}/Search", lambda _: search(filter=has("domain", 5)), INVALID, "filter.condition.equals"),
    Case("long request_id", f"{GATEWAY}/Search", lambda _: search(request_id="x" * 129), INVALID, "request_id", ["129", "128"]),
]

REMEMBER = [
    Case("nothing to remember", f"{GATEWAY}/Remember", lambda _: remember(), INVALID, "memories", ["0", "100"]),
    Case("101 texts", f"{GATEWAY}/Remember", lambda _: remember(*map(str, range(101))), INVALID, "memories", ["101", "100"]),
    Case("blank text", f"{GATEWAY}/Remember", lambda _: remember("A good text.", " \n"), INVALID, "memories[1].text"),
    Case("edit of no UUID", f"{GATEWAY}/Remember", lambda _: remember("x", memory_id="42"), INVALID, "memories[0].memory_id", ["42"]),
    Case("edit of nothing", f"{GATEWAY}/Remember", lambda _: remember("x", memory_id=STRANGER), NOT_FOUND, "memories[0].memory_id", [STRANGER]),
    Case(
        "edit too long for one memory",
        f"{GATEWAY}/Remember",
        lambda ground: remember(LONG * 3, memory_id=ground.ids[0]),
        INVALID,
        "memories[0].text",
    ),
    Case("unnameable collection", f"{GATEWAY}/Remember", lambda _: remember("x", collection="My Notes"), INVALID, "memories[0].collection", ["My Notes"]),
    Case("long collection name", f"{GATEWAY}/Remember", lambda _: remember("x", collection="c" * 65), INVALID, "memories[0].collection", ["65", "64"]),
    Case("long source", f"{GATEWAY}/Remember", lambda _: remember("x", source="s" * 2049), INVALID, "memories[0].source", ["2049", "2048"]),
    Case("unknown kind", f"{GATEWAY}/Remember", lambda _: remember("x", content_kind=9), INVALID, "memories[0].content_kind", ["9"]),
    Case("time of no year", f"{GATEWAY}/Remember", lambda _: remember("x", event_time=Timestamp(seconds=10**15)), INVALID, "memories[0].event_time"),
    Case("negative nanoseconds", f"{GATEWAY}/Remember", lambda _: remember("x", event_time=Timestamp(nanos=-1)), INVALID, "memories[0].event_time"),
    Case("NaN in metadata", f"{GATEWAY}/Remember", lambda _: remember("x", metadata=NAN_METADATA.metadata), INVALID, "memories[0].metadata.deep[0]", ["nan"]),
    Case("metadata of 70 kB", f"{GATEWAY}/Remember", lambda _: remember("x", metadata={"k": "v" * 70_000}), INVALID, "memories[0].metadata", ["65536"]),
    Case("unknown durability", f"{GATEWAY}/Remember", lambda _: remember("x", durability=9), INVALID, "durability", ["9"]),
    Case("long request_id of a write", f"{GATEWAY}/Remember", lambda _: remember("x", request_id="ä" * 65), INVALID, "request_id", ["130", "128"]),
    Case(
        "request_id with other content",
        f"{GATEWAY}/Remember",
        lambda ground: remember("Something else.", request_id=ground.request_id),
        ABORTED,
        "request_id",
        [lambda ground: ground.request_id],
    ),
]

READ_AND_DELETE = [
    Case("no UUID", f"{GATEWAY}/GetMemory", lambda _: gateway.GetMemoryRequest(memory_id="nonsense"), INVALID, "memory_id", ["nonsense"]),
    Case("no id", f"{GATEWAY}/GetMemory", lambda _: b"", INVALID, "memory_id"),
    Case("unknown id", f"{GATEWAY}/GetMemory", lambda _: gateway.GetMemoryRequest(memory_id=STRANGER), NOT_FOUND, "memory_id", [STRANGER]),
    Case("list of an unknown collection", f"{GATEWAY}/ListMemories", lambda _: listing(collection="away"), NOT_FOUND, "collection", ["away"]),
    Case("negative page", f"{GATEWAY}/ListMemories", lambda _: listing(page_size=-1), INVALID, "page_size", ["-1", "1000"]),
    Case("page of 1001", f"{GATEWAY}/ListMemories", lambda _: listing(page_size=1001), INVALID, "page_size", ["1001", "1000"]),
    Case("page token of nobody", f"{GATEWAY}/ListMemories", lambda _: listing(page_token="!!"), INVALID, "page_token"),
    Case(
        "page token of another request",
        f"{GATEWAY}/ListMemories",
        lambda ground: listing(page_token=ground.page_token, filter=has("domain")),
        INVALID,
        "page_token",
    ),
    Case(
        "page token that was tampered with",
        f"{GATEWAY}/ListMemories",
        lambda ground: listing(page_token=base64.urlsafe_b64encode(b"0" * 12 + base64.urlsafe_b64decode(ground.page_token)[12:]).decode()),
        INVALID,
        "page_token",
    ),
    Case("list with an unknown field", f"{GATEWAY}/ListMemories", lambda _: listing(filter=has("colour")), INVALID, "filter.condition.field"),
    Case("negative page of collections", f"{GATEWAY}/ListCollections", lambda _: gateway.ListCollectionsRequest(page_size=-1), INVALID, "page_size", ["-1"]),
    Case(
        "page token of memories for collections",
        f"{GATEWAY}/ListCollections",
        lambda ground: gateway.ListCollectionsRequest(page_token=ground.page_token),
        INVALID,
        "page_token",
    ),
    Case("delete of nothing said", f"{GATEWAY}/DeleteMemories", lambda _: deletion(), INVALID, "selection"),
    Case("delete of no ids", f"{GATEWAY}/DeleteMemories", lambda _: deletion(ids={}), INVALID, "ids.memory_ids", ["0", "1000"]),
    Case(
        "delete of a bad id",
        f"{GATEWAY}/DeleteMemories",
        lambda ground: deletion(ids={"memory_ids": [ground.ids[0], "42"]}),
        INVALID,
        "ids.memory_ids[1]",
        ["42"],
    ),
    Case("delete of an empty source", f"{GATEWAY}/DeleteMemories", lambda _: deletion(source=""), INVALID, "source"),
    Case("delete by an empty filter", f"{GATEWAY}/DeleteMemories", lambda _: deletion(filter={}), INVALID, "filter"),
    Case("delete by an unknown field", f"{GATEWAY}/DeleteMemories", lambda _: deletion(filter=has("colour")), INVALID, "filter.condition.field"),
    Case("delete in an unknown collection", f"{GATEWAY}/DeleteMemories", lambda _: deletion(collection="away", source="s"), NOT_FOUND, "collection"),
    Case(
        "collection and another one",
        f"{GATEWAY}/DeleteCollection",
        lambda _: gateway.DeleteCollectionRequest(name=COLLECTION, confirm_name="bad"),
        INVALID,
        "confirm_name",
        [COLLECTION, "bad"],
    ),
    Case(
        "unknown collection to delete",
        f"{GATEWAY}/DeleteCollection",
        lambda _: gateway.DeleteCollectionRequest(name="away", confirm_name="away"),
        NOT_FOUND,
        "name",
        ["away"],
    ),
]

EMBED = [
    Case("no inputs", f"{EMBEDDER}/Embed", lambda _: embed(), INVALID, "inputs", ["0"]),
    Case("blank input", f"{EMBEDDER}/Embed", lambda _: embed("good", "  "), INVALID, "inputs[1].text"),
    Case("input of 1 MB", f"{EMBEDDER}/Embed", lambda _: embed(MEGABYTE), INVALID, "inputs[0].text", ["1000000"]),
    Case("input over the token limit", f"{EMBEDDER}/Embed", lambda _: embed("good", LONG), INVALID, "inputs[1].text", ["302", "256"]),
    Case("unspecified input_type", f"{EMBEDDER}/Embed", lambda _: embed("good", input_type=0), INVALID, "input_type", ["QUERY", "PASSAGE"]),
    Case("unknown input_type", f"{EMBEDDER}/Embed", lambda _: embed("good", input_type=9), INVALID, "input_type", ["9"]),
    Case("unknown truncation", f"{EMBEDDER}/Embed", lambda _: embed("good", truncation=9), INVALID, "truncation", ["9"]),
    Case("unknown output", f"{EMBEDDER}/Embed", lambda _: embed("good", outputs=[9]), INVALID, "outputs[0]", ["9"]),
    Case("output the model lacks", f"{EMBEDDER}/Embed", lambda _: embed("good", outputs=[embedder.OUTPUT_SPARSE]), UNIMPLEMENTED, "outputs"),
    Case("negative dimension", f"{EMBEDDER}/Embed", lambda _: embed("good", dimension=-1), INVALID, "dimension", ["-1", "384"]),
    Case("dimension too wide", f"{EMBEDDER}/Embed", lambda _: embed("good", dimension=385), INVALID, "dimension", ["385", "384"]),
    Case(
        "picture to the embedder",
        f"{EMBEDDER}/Embed",
        lambda _: embed(inputs=[type_pb2.Input(image=PICTURE)]),
        UNIMPLEMENTED,
        "inputs[0].image",
    ),
    Case(
        "foreign fingerprint expected",
        f"{EMBEDDER}/Embed",
        lambda _: embed("good", expected_fingerprint="other/1"),
        PRECONDITION,
        "expected_fingerprint",
        ["other/1", lambda ground: ground.fingerprint],
    ),
    Case("nothing to count", f"{EMBEDDER}/CountTokens", lambda _: b"", INVALID, "texts", ["0"]),
]

RERANK = [
    Case("blank question", f"{RERANKER}/Rerank", lambda _: rerank("text", query=" "), INVALID, "query.text"),
    Case("empty candidate", f"{RERANKER}/Rerank", lambda _: rerank("text", ""), INVALID, "candidates[1].content.text"),
    Case("201 candidates to score", f"{RERANKER}/Rerank", lambda _: rerank(*["text"] * 257), INVALID, "candidates", ["257"]),
    Case("picture to the reranker", f"{RERANKER}/Rerank", lambda _: reranker.RerankRequest(query=type_pb2.Input(image=PICTURE)), UNIMPLEMENTED, "query.image"),
    Case("negative token budget", f"{RERANKER}/Rerank", lambda _: rerank("text", budget=reranker.Budget(max_tokens=-1)), INVALID, "budget.max_tokens", ["-1"]),
    Case(
        "negative time budget",
        f"{RERANKER}/Rerank",
        lambda _: rerank("text", budget=reranker.Budget(max_time=Duration(seconds=-1))),
        INVALID,
        "budget.max_time",
        ["-1"],
    ),
    Case("tokens that do not fit", f"{RERANKER}/Rerank", lambda ground: given_tokens(SHORT_ROWS, ground.token_fingerprint), INVALID, "candidates[0].tokens.data", ["4", "1536"]),
    Case("tokens with NaN", f"{RERANKER}/Rerank", lambda ground: given_tokens(tensor([NAN]), ground.token_fingerprint), INVALID, "candidates[0].tokens"),
    Case("tokens of zeros", f"{RERANKER}/Rerank", lambda ground: given_tokens(tensor([UNIT * 0]), ground.token_fingerprint), INVALID, "candidates[0].tokens"),
    Case("tokens too narrow", f"{RERANKER}/Rerank", lambda ground: given_tokens(tensor([UNIT[:3]]), ground.token_fingerprint), INVALID, "candidates[0].tokens", ["3", "384"]),
    Case(
        "tokens of another model",
        f"{RERANKER}/Rerank",
        lambda _: given_tokens(tensor([UNIT]), "other/1"),
        PRECONDITION,
        "candidates[0].fingerprint",
        ["other/1", lambda ground: ground.token_fingerprint],
    ),
]

EMPTY_TENANT = [
    Case(f"empty tenant: {method.rsplit('/')[1]}", method, request, INVALID, "scope.tenant")
    for method, request in (
        (f"{MEMORY}/UpsertMemories", lambda ground: upsert(ground, scope=NOBODY)),
        (f"{MEMORY}/GetMemory", lambda ground: memory.GetMemoryRequest(memory_id=ground.ids[0])),
        (f"{MEMORY}/BatchGetMemories", lambda ground: memory.BatchGetMemoriesRequest(memory_ids=ground.ids)),
        (f"{MEMORY}/ListMemories", lambda _: memory.ListMemoriesRequest(collection=COLLECTION)),
        (f"{MEMORY}/DeleteMemories", lambda ground: memory.DeleteMemoriesRequest(ids={"memory_ids": ground.ids})),
        (f"{MEMORY}/CountMemories", lambda _: memory.CountMemoriesRequest(collection=COLLECTION)),
        (f"{MEMORY}/QueryMemories", lambda ground: query(ground, scope=NOBODY)),
        (f"{COLLECTIONS}/CreateCollection", lambda _: created(scope=NOBODY)),
        (f"{COLLECTIONS}/GetCollection", lambda _: collections.GetCollectionRequest(name=COLLECTION)),
        (f"{COLLECTIONS}/ListCollections", lambda _: collections.ListCollectionsRequest()),
        (f"{COLLECTIONS}/DeleteCollection", lambda _: collections.DeleteCollectionRequest(name=COLLECTION, confirm_name=COLLECTION)),
        (f"{SALIENCE}/RecordEvents", lambda ground: events(ground, scope=NOBODY)),
        (f"{SALIENCE}/GetSalience", lambda ground: salience.GetSalienceRequest(memory_ids=ground.ids)),
    )
]

VECTORS = [
    Case("vector too short", f"{MEMORY}/UpsertMemories", lambda ground: upsert_vector(ground, dense=tensor(UNIT[:3])), INVALID, "writes[0].vectors[0].dense", ["3", "384"]),
    Case("vector with NaN", f"{MEMORY}/UpsertMemories", lambda ground: upsert_vector(ground, dense=tensor(NAN)), INVALID, "writes[0].vectors[0].dense", ["NaN"]),
    Case("vector of zeros", f"{MEMORY}/UpsertMemories", lambda ground: upsert_vector(ground, dense=tensor(UNIT * 0)), INVALID, "writes[0].vectors[0].dense", ["zero"]),
    Case("bytes that do not fit", f"{MEMORY}/UpsertMemories", lambda ground: upsert_vector(ground, dense=SHORT), INVALID, "writes[0].vectors[0].dense.data", ["4", "1536"]),
    Case("negative shape", f"{MEMORY}/UpsertMemories", lambda ground: upsert_vector(ground, dense=NEGATIVE), INVALID, "writes[0].vectors[0].dense.shape", ["-1"]),
    Case(
        "vector of another model",
        f"{MEMORY}/UpsertMemories",
        lambda ground: upsert_vector(ground, fingerprint="other/1"),
        PRECONDITION,
        "writes[0].vectors[0].fingerprint",
        ["other/1", lambda ground: ground.fingerprint],
    ),
    Case("vector of an unknown space", f"{MEMORY}/UpsertMemories", lambda ground: upsert_vector(ground, space="moon"), INVALID, "writes[0].vectors[0].space", ["moon", "dense"]),
    Case("query vector too short", f"{MEMORY}/QueryMemories", lambda ground: query(ground, vectors=[vector(ground, tensor(UNIT[:3]))]), INVALID, "vectors[0].dense", ["3", "384"]),
    Case("query vector with NaN", f"{MEMORY}/QueryMemories", lambda ground: query(ground, vectors=[vector(ground, tensor(NAN))]), INVALID, "vectors[0].dense"),
    Case("query vector of zeros", f"{MEMORY}/QueryMemories", lambda ground: query(ground, vectors=[vector(ground, tensor(UNIT * 0))]), INVALID, "vectors[0].dense"),
    Case("query bytes that do not fit", f"{MEMORY}/QueryMemories", lambda ground: query(ground, vectors=[vector(ground, SHORT)]), INVALID, "vectors[0].dense.data", ["4", "1536"]),
    Case(
        "query of another model",
        f"{MEMORY}/QueryMemories",
        lambda ground: query(ground, vectors=[vector(ground, fingerprint="other/1")]),
        PRECONDITION,
        "vectors[0].fingerprint",
        ["other/1", lambda ground: ground.fingerprint],
    ),
]

MEMORY_REQUESTS = [
    Case("neither text nor vector", f"{MEMORY}/QueryMemories", lambda ground: query(ground, text=" "), INVALID, "text"),
    Case("query of 1 MB at memory", f"{MEMORY}/QueryMemories", lambda ground: query(ground, text=MEGABYTE), INVALID, "text", ["1000000", "32768"]),
    Case("query of an unknown collection", f"{MEMORY}/QueryMemories", lambda ground: query(ground, collections=["away"]), NOT_FOUND, "collections[0]", ["away"]),
    Case("negative pool", f"{MEMORY}/QueryMemories", lambda ground: query(ground, candidate_count=-1), INVALID, "candidate_count", ["-1", "200"]),
    Case("unknown salience_mode at memory", f"{MEMORY}/QueryMemories", lambda ground: query(ground, salience_mode=9), INVALID, "salience_mode", ["9"]),
    Case("fragmentation above 1", f"{MEMORY}/QueryMemories", lambda ground: query(ground, query_fragmentation=2), INVALID, "query_fragmentation", ["2"]),
    Case("write into an unknown collection", f"{MEMORY}/UpsertMemories", lambda ground: upsert(ground, collection="away"), NOT_FOUND, "writes[0].memory.collection"),
    Case("write of a blank text", f"{MEMORY}/UpsertMemories", lambda ground: upsert(ground, text=" "), INVALID, "writes[0].memory.text"),
    Case("write of no UUID", f"{MEMORY}/UpsertMemories", lambda ground: upsert(ground, memory_id="42"), INVALID, "writes[0].memory.memory_id", ["42"]),
    Case("negative ordinal", f"{MEMORY}/UpsertMemories", lambda ground: upsert(ground, chunk=type_pb2.Chunk(ordinal=-1)), INVALID, "writes[0].memory.chunk.ordinal", ["-1"]),
    Case(
        "request_id of a write with other content",
        f"{MEMORY}/UpsertMemories",
        lambda ground: upsert(ground, request_id=ground.request_id),
        ABORTED,
        "request_id",
        [lambda ground: ground.request_id],
    ),
    Case("unnameable collection to create", f"{COLLECTIONS}/CreateCollection", lambda _: created("Büro"), INVALID, "collection.name", ["Büro", "64"]),
    Case("negative dimension to store", f"{COLLECTIONS}/CreateCollection", lambda _: created(dimension=-1), INVALID, "spaces[0].dimension", ["-1"]),
    Case("no spaces", f"{COLLECTIONS}/CreateCollection", lambda _: created(spaces=[]), INVALID, "spaces"),
    Case("collection with other spaces", f"{COLLECTIONS}/CreateCollection", lambda _: created(COLLECTION), ABORTED, "spaces", ["other/1", lambda ground: ground.fingerprint]),
    Case("evidence without a search", f"{SALIENCE}/RecordEvents", lambda ground: events(ground, search_id=""), INVALID, "search_id", ["128"]),
    Case("evidence with NaN in its query", f"{SALIENCE}/RecordEvents", lambda ground: events(ground, query=tensor(NAN)), INVALID, "query"),
    Case("evidence with a zero query", f"{SALIENCE}/RecordEvents", lambda ground: events(ground, query=tensor(UNIT * 0)), INVALID, "query"),
    Case("evidence with a query that does not fit", f"{SALIENCE}/RecordEvents", lambda ground: events(ground, query=SHORT), INVALID, "query.data", ["4", "1536"]),
    Case("evidence of an unknown kind", f"{SALIENCE}/RecordEvents", lambda ground: events(ground, events=[salience.Event(memory_id=ground.ids[0])]), INVALID, "events[0].kind"),
    Case("evidence of tomorrow", f"{SALIENCE}/RecordEvents", lambda ground: events(ground, search_time=Timestamp(seconds=2**34)), INVALID, "search_time", ["300"]),
    Case("evidence with an unknown durability", f"{SALIENCE}/RecordEvents", lambda ground: events(ground, durability=9), INVALID, "durability", ["9"]),
    Case("pool with a negative rank", f"{SALIENCE}/RecordEvents", lambda ground: events(ground, pool=[salience.PoolEntry(memory_id=ground.ids[0], rank=-1)]), INVALID, "pool[0].rank", ["-1"]),
    Case(
        "pool with a propensity of NaN",
        f"{SALIENCE}/RecordEvents",
        lambda ground: events(ground, pool=[salience.PoolEntry(memory_id=ground.ids[0], rank=1, propensity=float("nan"))]),
        INVALID,
        "pool[0].propensity",
        ["nan"],
    ),
    Case("pool of no UUID", f"{SALIENCE}/RecordEvents", lambda ground: events(ground, pool=[salience.PoolEntry(memory_id="42", rank=1)]), INVALID, "pool[0].memory_id", ["42"]),
    Case("salience of nothing", f"{SALIENCE}/GetSalience", lambda _: salience.GetSalienceRequest(scope=SCOPE), INVALID, "memory_ids", ["0", "1000"]),
]

MALFORMED = [
    Case(f"{kind}: {method.split('.')[1]} {method.rsplit('/')[1]}", method, lambda _, body=body: body, INVALID, "request", [str(len(body))])  # type: ignore[misc]
    for kind, method, body in (
        *(
            ("broken message", method, BROKEN)
            for method in (
                f"{GATEWAY}/Search",
                f"{GATEWAY}/Remember",
                f"{EMBEDDER}/Embed",
                f"{RERANKER}/Rerank",
                f"{MEMORY}/UpsertMemories",
                f"{COLLECTIONS}/CreateCollection",
                f"{SALIENCE}/RecordEvents",
            )
        ),
        ("invalid UTF-8", f"{GATEWAY}/Search", NESTED_NOT_UTF8),
        ("invalid UTF-8", f"{GATEWAY}/Remember", NESTED_NOT_UTF8),
        ("invalid UTF-8", f"{GATEWAY}/GetMemory", NOT_UTF8),
        ("invalid UTF-8", f"{EMBEDDER}/Embed", NESTED_NOT_UTF8),
        ("invalid UTF-8", f"{RERANKER}/Rerank", NESTED_NOT_UTF8),
        ("invalid UTF-8", f"{MEMORY}/QueryMemories", NESTED_NOT_UTF8),
    )
]

CASES = [*SEARCH, *REMEMBER, *READ_AND_DELETE, *EMBED, *RERANK, *EMPTY_TENANT, *VECTORS, *MEMORY_REQUESTS, *MALFORMED]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_gets_a_clear_status_and_leaves_everything_as_it_was(ground: Ground, case: Case) -> None:
    before = ground.state()
    with pytest.raises(grpc.RpcError) as caught:
        ground.wire.call(case.method, case.request(ground))
    error: Any = caught.value
    message = error.details()
    assert error.code() is case.code, message
    assert detail(error, ErrorInfo).domain == "atlas"
    if case.field is not None:
        violations = detail(error, BadRequest).field_violations
        assert [violation.field for violation in violations] == [case.field], message
    for wanted in case.mentions:
        word = wanted if isinstance(wanted, str) else wanted(ground)
        assert word in message
    assert ground.state() == before


def detail(error: Any, kind: Any) -> Any:
    status = rpc_status.from_call(error)
    assert status is not None, error
    message = kind()
    assert any(item.Unpack(message) for item in status.details), (kind, error)
    return message
