"""Bad input, sent to four real processes: each line gets its status, field, value and limit, and changes nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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

from atlas import status, tensors
from atlas.embedder.v1 import embedder_pb2 as embedder
from atlas.errors import InvalidInputError
from atlas.gateway.v1 import gateway_pb2 as gateway
from atlas.gateway.v1 import ledger_pb2 as ledger
from atlas.memory.v1 import collection_pb2 as collections
from atlas.memory.v1 import memory_pb2 as memory
from atlas.memory.v1 import salience_pb2 as salience
from atlas.reranker.v1 import reranker_pb2 as reranker
from atlas.type.v1 import salience_pb2, type_pb2

from .conftest import System

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
ABORTED = grpc.StatusCode.ABORTED
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
Request = Message | bytes

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

    def call(self, method: str, request: Request, *, timeout_s: float = 20.0) -> bytes:
        """Calls `atlas.<part>.v1.<Service>/<Rpc>` on the part's own port."""
        part = method.split(".")[1]
        multicallable = self._channels[part].unary_unary(f"/{method}", request_serializer=bytes, response_deserializer=bytes)
        reply: bytes = multicallable(request if isinstance(request, bytes) else request.SerializeToString(), timeout=timeout_s)
        return reply

    def stream(self, method: str, requests: Sequence[Request]) -> Iterator[bytes]:
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
    search_id: str
    """Of a search whose pool was the first memory alone."""

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
LEDGER = "atlas.gateway.v1.LedgerService"
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
    narrow = wire.call(f"{GATEWAY}/Search", search("when does the ferry leave?", candidate_count=1))
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
        search_id=gateway.SearchResponse.FromString(narrow).search_id,
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


# ---------------------------------------------------------------- the table


@dataclass(frozen=True)
class Refusal:
    """A bad request and what it gets."""

    name: str
    request: Request | Callable[[Ground], Request]
    field: str
    """Path in `BadRequest`."""
    mentions: tuple[str, ...]
    """What the message says, value and limit; `{…}` stands for a value of the ground."""
    code: grpc.StatusCode


def refused(
    name: str, request: Request | Callable[[Ground], Request], field: str, *mentions: str, code: grpc.StatusCode = INVALID
) -> Refusal:
    return Refusal(name, request, field, mentions, code)


def say(ground: Ground, *kinds: str, search_id: str = "", memory_id: str = "", **fields: Any) -> gateway.FeedbackRequest:
    said = [gateway.HitFeedback(memory_id=memory_id or ground.ids[0], kind=f"FEEDBACK_KIND_{kind}", **fields) for kind in kinds]
    return gateway.FeedbackRequest(search_id=search_id or ground.search_id, feedback=said)


def report(ground: Ground, **fields: Any) -> gateway.ReportUsageRequest:
    return gateway.ReportUsageRequest(**{"search_id": ground.search_id, "answer": "At nine.", **fields})


TABLE: dict[str, list[Refusal]] = {
    f"{GATEWAY}/Feedback": [
        refused("no feedback", lambda ground: say(ground), "feedback", "0", "400"),
        refused("unknown search", lambda ground: say(ground, "USED", search_id="away"), "search_id", "away", code=NOT_FOUND),
        refused("stranger", lambda ground: say(ground, "USED", memory_id=STRANGER), "feedback[0].memory_id", STRANGER, code=NOT_FOUND),
        refused("out of the pool", lambda ground: say(ground, "USED", memory_id=ground.ids[1]), "feedback[0].memory_id", "{ids[1]}"),
        refused("NaN", lambda ground: say(ground, "OUTCOME", value=float("nan")), "feedback[0].value", "nan"),
        refused("helpful and wrong", lambda ground: say(ground, "HELPFUL", "WRONG"), "feedback[1]", "{ids[0]}"),
        refused("a pin among others", lambda ground: say(ground, "PIN", "USED"), "feedback"),
        refused("long search id", lambda ground: say(ground, "USED", search_id="x" * 129), "search_id", "129", "128"),
    ],
    f"{GATEWAY}/ReportUsage": [
        refused("no answer", lambda ground: report(ground, answer=" "), "answer"),
        refused("answer of 1 MB", lambda ground: report(ground, answer=MEGABYTE), "answer", "1000000", "65536"),
        refused("answer to an unknown search", lambda ground: report(ground, search_id="away"), "search_id", "away", code=NOT_FOUND),
        refused("hit out of the pool", lambda ground: report(ground, memory_ids=[ground.ids[1]]), "memory_ids[0]", "{ids[1]}"),
        refused("hit of no UUID", lambda ground: report(ground, memory_ids=["42"]), "memory_ids[0]", "42"),
    ],
    f"{LEDGER}/GetSalience": [refused("salience of nothing", ledger.GetSalienceRequest(), "memory_ids", "0", "1000")],
    f"{LEDGER}/ExplainSalience": [
        refused("explanation of a stranger", ledger.ExplainSalienceRequest(memory_id=STRANGER), "memory_id", STRANGER, code=NOT_FOUND),
        refused("explanation of no UUID", ledger.ExplainSalienceRequest(memory_id="42"), "memory_id", "42"),
    ],
    f"{LEDGER}/RevokeEvents": [refused("revocation of everything", ledger.RevokeEventsRequest(), "selector")],
    f"{LEDGER}/Erase": [
        refused("erasure of nothing", ledger.EraseRequest(), "selection"),
        refused(
            "erasure of no UUID",
            ledger.EraseRequest(selection=salience_pb2.ErasureSelection(ids={"memory_ids": ["42"]})),
            "selection.ids.memory_ids[0]",
            "42",
        ),
    ],
    f"{GATEWAY}/Search": [
        refused("empty query", search(""), "query.text"),
        refused("blank query", search(" \n\t "), "query.text"),
        refused("no query", b"", "query.text"),
        refused("query of 1 MB", search(MEGABYTE), "query.text", "1000000", "32768"),
        refused("query over the token limit", search(LONG), "query.text", "query.text", "302", "256"),
        refused("picture", search(query=type_pb2.Input(image=PICTURE)), "query.image", "text", code=UNIMPLEMENTED),
        refused("picture with text", search(query=type_pb2.Input(text="harbour", image=PICTURE)), "query.image", code=UNIMPLEMENTED),
        refused("unknown collection", search(collections=["away"]), "collections[0]", "away", code=NOT_FOUND),
        refused("collection without name", search(collections=[COLLECTION, ""]), "collections[1]", code=NOT_FOUND),
        refused("65 collections", search(collections=map(str, range(65))), "collections", "65", "64"),
        refused("long domain", search(domain="x" * 257), "domain", "257", "256"),
        refused("negative candidates", search(candidate_count=-1), "candidate_count", "-1", "200"),
        refused("no candidates", search(candidate_count=0), "candidate_count", "0", "200"),
        refused("201 candidates", search(candidate_count=201), "candidate_count", "201", "200"),
        refused("negative results", search(result_count=-5), "result_count", "-5", "20"),
        refused("more results than candidates", search(candidate_count=3, result_count=4), "result_count", "4", "3"),
        refused("negative min_relevance", search(min_relevance=-0.1), "min_relevance", "-0.1", "0 to 1"),
        refused("min_relevance above 1", search(min_relevance=1.5), "min_relevance", "1.5", "0 to 1"),
        refused("min_relevance NaN", search(min_relevance=float("nan")), "min_relevance", "nan"),
        refused("unknown salience_mode", search(salience_mode=9), "salience_mode", "9"),
        refused("unknown content kind", search(content_kinds=[9]), "content_kinds[0]", "9"),
        refused(
            "span that ends before it begins",
            search(event_time=gateway.TimeRange(begin=Timestamp(seconds=9), end=Timestamp(seconds=8))),
            "event_time.end",
        ),
        refused(
            "time beyond the year 9999", search(event_time=gateway.TimeRange(begin=Timestamp(seconds=10**15))), "event_time.begin", "9999"
        ),
        refused("filter on an unknown field", search(filter=has("colour")), "filter.condition.field", "colour", "metadata.<key>"),
        refused(
            "filter on an unknown field beside a domain", search(filter=has("colour"), domain="here"), "filter.condition.field", "colour"
        ),
        refused("empty filter", search(filter=type_pb2.Filter()), "filter"),
        refused("filter of 9 levels", search(filter=nested(9)), "filter", "8"),
        refused("filter with NaN", search(filter=has("metadata.n", float("nan"))), "filter.condition.equals"),
        refused("filter with a number for a text", search(filter=has("domain", 5)), "filter.condition.equals"),
        refused("long request_id", search(request_id="x" * 129), "request_id", "129", "128"),
    ],
    f"{GATEWAY}/Remember": [
        refused("nothing to remember", remember(), "memories", "0", "100"),
        refused("101 texts", remember(*map(str, range(101))), "memories", "101", "100"),
        refused("blank text", remember("A good text.", " \n"), "memories[1].text"),
        refused("edit of no UUID", remember("x", memory_id="42"), "memories[0].memory_id", "42"),
        refused("edit of nothing", remember("x", memory_id=STRANGER), "memories[0].memory_id", STRANGER, code=NOT_FOUND),
        refused("edit too long for one memory", lambda ground: remember(LONG * 3, memory_id=ground.ids[0]), "memories[0].text"),
        refused("unnameable collection", remember("x", collection="My Notes"), "memories[0].collection", "My Notes"),
        refused("long collection name", remember("x", collection="c" * 65), "memories[0].collection", "65", "64"),
        refused("long source", remember("x", source="s" * 2049), "memories[0].source", "2049", "2048"),
        refused("unknown kind", remember("x", content_kind=9), "memories[0].content_kind", "9"),
        refused("time of no year", remember("x", event_time=Timestamp(seconds=10**15)), "memories[0].event_time"),
        refused("negative nanoseconds", remember("x", event_time=Timestamp(nanos=-1)), "memories[0].event_time"),
        refused("NaN in metadata", remember("x", metadata=NAN_METADATA.metadata), "memories[0].metadata.deep[0]", "nan"),
        refused("metadata of 70 kB", remember("x", metadata={"k": "v" * 70000}), "memories[0].metadata", "65536"),
        refused("unknown durability", remember("x", durability=9), "durability", "9"),
        refused("long request_id of a write", remember("x", request_id="ä" * 65), "request_id", "130", "128"),
        refused(
            "request_id with other content",
            lambda ground: remember("Something else.", request_id=ground.request_id),
            "request_id",
            "{request_id}",
            code=ABORTED,
        ),
        refused(
            "request_id with another, new collection",
            lambda ground: remember("Something else.", collection="bad-unborn", request_id=ground.request_id),
            "request_id",
            "{request_id}",
            code=ABORTED,
        ),
        refused(
            "edit that would move a memory",
            lambda ground: remember("x", memory_id=ground.ids[0], collection="bad-unborn"),
            "memories[0].collection",
            "bad-unborn",
            COLLECTION,
        ),
    ],
    f"{GATEWAY}/GetMemory": [
        refused("no UUID", gateway.GetMemoryRequest(memory_id="nonsense"), "memory_id", "nonsense"),
        refused("no id", b"", "memory_id"),
        refused("unknown id", gateway.GetMemoryRequest(memory_id=STRANGER), "memory_id", STRANGER, code=NOT_FOUND),
    ],
    f"{GATEWAY}/ListMemories": [
        refused("list of an unknown collection", listing(collection="away"), "collection", "away", code=NOT_FOUND),
        refused("negative page", listing(page_size=-1), "page_size", "-1", "1000"),
        refused("page of 1001", listing(page_size=1001), "page_size", "1001", "1000"),
        refused("page token of nobody", listing(page_token="!!"), "page_token"),
        refused("page token of another request", lambda ground: listing(page_token=ground.page_token, filter=has("domain")), "page_token"),
        refused(
            "page token that was tampered with",
            lambda ground: listing(
                page_token=base64.urlsafe_b64encode(b"0" * 12 + base64.urlsafe_b64decode(ground.page_token)[12:]).decode()
            ),
            "page_token",
        ),
        refused("list with an unknown field", listing(filter=has("colour")), "filter.condition.field"),
    ],
    f"{GATEWAY}/ListCollections": [
        refused("negative page of collections", gateway.ListCollectionsRequest(page_size=-1), "page_size", "-1"),
        refused(
            "page token of memories for collections",
            lambda ground: gateway.ListCollectionsRequest(page_token=ground.page_token),
            "page_token",
        ),
    ],
    f"{GATEWAY}/DeleteMemories": [
        refused("delete of nothing said", deletion(), "selection"),
        refused("delete of no ids", deletion(ids={}), "ids.memory_ids", "0", "1000"),
        refused("delete of a bad id", lambda ground: deletion(ids={"memory_ids": [ground.ids[0], "42"]}), "ids.memory_ids[1]", "42"),
        refused("delete of an empty source", deletion(source=""), "source"),
        refused("delete by an empty filter", deletion(filter={}), "filter"),
        refused("delete by an unknown field", deletion(filter=has("colour")), "filter.condition.field"),
        refused("delete in an unknown collection", deletion(collection="away", source="s"), "collection", code=NOT_FOUND),
    ],
    f"{GATEWAY}/DeleteCollection": [
        refused(
            "collection and another one",
            gateway.DeleteCollectionRequest(name=COLLECTION, confirm_name="bad"),
            "confirm_name",
            COLLECTION,
            "bad",
        ),
        refused(
            "unknown collection to delete",
            gateway.DeleteCollectionRequest(name="away", confirm_name="away"),
            "name",
            "away",
            code=NOT_FOUND,
        ),
    ],
    f"{EMBEDDER}/Embed": [
        refused("no inputs", embed(), "inputs", "0"),
        refused("blank input", embed("good", "  "), "inputs[1].text"),
        refused("input of 1 MB", embed(MEGABYTE), "inputs[0].text", "1000000"),
        refused("input over the token limit", embed("good", LONG), "inputs[1].text", "302", "256"),
        refused("unspecified input_type", embed("good", input_type=0), "input_type", "QUERY", "PASSAGE"),
        refused("unknown input_type", embed("good", input_type=9), "input_type", "9"),
        refused("unknown truncation", embed("good", truncation=9), "truncation", "9"),
        refused("unknown output", embed("good", outputs=[9]), "outputs[0]", "9"),
        refused("output the model lacks", embed("good", outputs=[embedder.OUTPUT_SPARSE]), "outputs", code=UNIMPLEMENTED),
        refused("negative dimension", embed("good", dimension=-1), "dimension", "-1", "384"),
        refused("dimension too wide", embed("good", dimension=385), "dimension", "385", "384"),
        refused("picture to the embedder", embed(inputs=[type_pb2.Input(image=PICTURE)]), "inputs[0].image", code=UNIMPLEMENTED),
        refused(
            "foreign fingerprint expected",
            embed("good", expected_fingerprint="other/1"),
            "expected_fingerprint",
            "other/1",
            "{fingerprint}",
            code=PRECONDITION,
        ),
    ],
    f"{EMBEDDER}/CountTokens": [
        refused("nothing to count", b"", "texts", "0"),
    ],
    f"{RERANKER}/Rerank": [
        refused("blank question", rerank("text", query=" "), "query.text"),
        refused("empty candidate", rerank("text", ""), "candidates[1].content.text"),
        refused("321 candidates to score", rerank(*["text"] * 321), "candidates", "321"),
        refused("picture to the reranker", reranker.RerankRequest(query=type_pb2.Input(image=PICTURE)), "query.image", code=UNIMPLEMENTED),
        refused("negative token budget", rerank("text", budget=reranker.Budget(max_tokens=-1)), "budget.max_tokens", "-1"),
        refused("negative time budget", rerank("text", budget=reranker.Budget(max_time=Duration(seconds=-1))), "budget.max_time", "-1"),
        refused(
            "tokens that do not fit",
            lambda ground: given_tokens(SHORT_ROWS, ground.token_fingerprint),
            "candidates[0].tokens.data",
            "4",
            "1536",
        ),
        refused("tokens with NaN", lambda ground: given_tokens(tensor([NAN]), ground.token_fingerprint), "candidates[0].tokens"),
        refused("tokens of zeros", lambda ground: given_tokens(tensor([UNIT * 0]), ground.token_fingerprint), "candidates[0].tokens"),
        refused(
            "tokens too narrow",
            lambda ground: given_tokens(tensor([UNIT[:3]]), ground.token_fingerprint),
            "candidates[0].tokens",
            "3",
            "384",
        ),
        refused(
            "tokens of another model",
            given_tokens(tensor([UNIT]), "other/1"),
            "candidates[0].fingerprint",
            "other/1",
            "{token_fingerprint}",
            code=PRECONDITION,
        ),
        refused(
            "fewer vectors than word pieces",
            lambda ground: rerank("text", query="old harbour", query_tokens=tensor([UNIT]), query_fingerprint=ground.token_fingerprint),
            "query_tokens",
            "1",
            "2",
        ),
        refused(
            "question of another model",
            rerank("text", query_tokens=tensor([UNIT]), query_fingerprint="other/1"),
            "query_fingerprint",
            "other/1",
            "{token_fingerprint}",
            code=PRECONDITION,
        ),
    ],
    f"{MEMORY}/UpsertMemories": [
        refused("vector too short", lambda ground: upsert_vector(ground, dense=tensor(UNIT[:3])), "writes[0].vectors[0].dense", "3", "384"),
        refused("vector with NaN", lambda ground: upsert_vector(ground, dense=tensor(NAN)), "writes[0].vectors[0].dense", "NaN"),
        refused("vector of zeros", lambda ground: upsert_vector(ground, dense=tensor(UNIT * 0)), "writes[0].vectors[0].dense", "zero"),
        refused("bytes that do not fit", lambda ground: upsert_vector(ground, dense=SHORT), "writes[0].vectors[0].dense.data", "4", "1536"),
        refused("negative shape", lambda ground: upsert_vector(ground, dense=NEGATIVE), "writes[0].vectors[0].dense.shape", "-1"),
        refused(
            "vector of another model",
            lambda ground: upsert_vector(ground, fingerprint="other/1"),
            "writes[0].vectors[0].fingerprint",
            "other/1",
            "{fingerprint}",
            code=PRECONDITION,
        ),
        refused(
            "vector of an unknown space", lambda ground: upsert_vector(ground, space="moon"), "writes[0].vectors[0].space", "moon", "dense"
        ),
        refused(
            "write into an unknown collection",
            lambda ground: upsert(ground, collection="away"),
            "writes[0].memory.collection",
            code=NOT_FOUND,
        ),
        refused("write of a blank text", lambda ground: upsert(ground, text=" "), "writes[0].memory.text"),
        refused("write of no UUID", lambda ground: upsert(ground, memory_id="42"), "writes[0].memory.memory_id", "42"),
        refused(
            "negative ordinal", lambda ground: upsert(ground, chunk=type_pb2.Chunk(ordinal=-1)), "writes[0].memory.chunk.ordinal", "-1"
        ),
        refused(
            "request_id of a write with other content",
            lambda ground: upsert(ground, request_id=ground.request_id),
            "request_id",
            "{request_id}",
            code=ABORTED,
        ),
    ],
    f"{MEMORY}/QueryMemories": [
        refused(
            "query vector too short",
            lambda ground: query(ground, vectors=[vector(ground, tensor(UNIT[:3]))]),
            "vectors[0].dense",
            "3",
            "384",
        ),
        refused("query vector with NaN", lambda ground: query(ground, vectors=[vector(ground, tensor(NAN))]), "vectors[0].dense"),
        refused("query vector of zeros", lambda ground: query(ground, vectors=[vector(ground, tensor(UNIT * 0))]), "vectors[0].dense"),
        refused(
            "query bytes that do not fit",
            lambda ground: query(ground, vectors=[vector(ground, SHORT)]),
            "vectors[0].dense.data",
            "4",
            "1536",
        ),
        refused(
            "query of another model",
            lambda ground: query(ground, vectors=[vector(ground, fingerprint="other/1")]),
            "vectors[0].fingerprint",
            "other/1",
            "{fingerprint}",
            code=PRECONDITION,
        ),
        refused("neither text nor vector", lambda ground: query(ground, text=" "), "text"),
        refused("query of 1 MB at memory", lambda ground: query(ground, text=MEGABYTE), "text", "1000000", "32768"),
        refused(
            "query of an unknown collection", lambda ground: query(ground, collections=["away"]), "collections[0]", "away", code=NOT_FOUND
        ),
        refused("negative pool", lambda ground: query(ground, candidate_count=-1), "candidate_count", "-1", "200"),
        refused("unknown salience_mode at memory", lambda ground: query(ground, salience_mode=9), "salience_mode", "9"),
        refused("fragmentation above 1", lambda ground: query(ground, query_fragmentation=2), "query_fragmentation", "2"),
    ],
    f"{COLLECTIONS}/CreateCollection": [
        refused("unnameable collection to create", created("Büro"), "collection.name", "Büro", "64"),
        refused("negative dimension to store", created(dimension=-1), "spaces[0].dimension", "-1"),
        refused("no spaces", created(spaces=[]), "spaces"),
        refused("collection with other spaces", created(COLLECTION), "spaces", "other/1", "{fingerprint}", code=ABORTED),
    ],
    f"{SALIENCE}/RecordEvents": [
        refused("evidence without a search", lambda ground: events(ground, search_id=""), "search_id", "128"),
        refused("evidence with NaN in its query", lambda ground: events(ground, query=tensor(NAN)), "query"),
        refused("evidence with a zero query", lambda ground: events(ground, query=tensor(UNIT * 0)), "query"),
        refused("evidence with a query that does not fit", lambda ground: events(ground, query=SHORT), "query.data", "4", "1536"),
        refused(
            "evidence of an unknown kind", lambda ground: events(ground, events=[salience.Event(memory_id=ground.ids[0])]), "events[0].kind"
        ),
        refused("evidence of tomorrow", lambda ground: events(ground, search_time=Timestamp(seconds=2**34)), "search_time", "300"),
        refused("evidence with an unknown durability", lambda ground: events(ground, durability=9), "durability", "9"),
        refused(
            "pool with a negative rank",
            lambda ground: events(ground, pool=[salience.PoolEntry(memory_id=ground.ids[0], rank=-1)]),
            "pool[0].rank",
            "-1",
        ),
        refused(
            "pool with a propensity of NaN",
            lambda ground: events(ground, pool=[salience.PoolEntry(memory_id=ground.ids[0], rank=1, propensity=float("nan"))]),
            "pool[0].propensity",
            "nan",
        ),
        refused(
            "pool of no UUID", lambda ground: events(ground, pool=[salience.PoolEntry(memory_id="42", rank=1)]), "pool[0].memory_id", "42"
        ),
    ],
    f"{SALIENCE}/GetSalience": [
        refused("salience of nothing", salience.GetSalienceRequest(scope=SCOPE), "memory_ids", "0", "1000"),
    ],
}

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


@pytest.mark.parametrize(("method", "refusal"), [pytest.param(*case, id=f"{case[0].split('.')[-1]}: {case[1].name}") for case in CASES])
def test_bad_input_gets_a_clear_status_and_leaves_everything_as_it_was(ground: Ground, method: str, refusal: Refusal) -> None:
    before = ground.state()
    request = refusal.request(ground) if callable(refusal.request) else refusal.request
    with pytest.raises(grpc.RpcError) as caught:
        ground.wire.call(method, request)
    error: Any = caught.value
    message = error.details()
    assert error.code() is refusal.code, message
    assert detail(error, ErrorInfo).domain == "atlas"
    assert [violation.field for violation in detail(error, BadRequest).field_violations] == [refusal.field], message
    for wanted in refusal.mentions:
        assert wanted.format_map(vars(ground)) in message
    assert ground.state() == before


# ---------------------------------------------------------------- what no single row can say


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        (f"{GATEWAY}/Search", search()),
        (f"{GATEWAY}/Remember", remember("Too late to be remembered.")),
        (f"{EMBEDDER}/Embed", embed("harbour")),
        (f"{RERANKER}/Rerank", rerank("harbour")),
    ],
    ids=lambda value: value.split(".")[-1] if isinstance(value, str) else "",
)
def test_an_expired_deadline_changes_nothing(ground: Ground, method: str, request_: Request) -> None:
    # On the wire the shortest deadline is a millisecond: enough for a write without a model, so none is asked for here.
    before = ground.state()
    with pytest.raises(grpc.RpcError) as caught:
        ground.wire.call(method, request_, timeout_s=1e-6)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert ground.state() == before


def test_a_search_id_with_another_answer_says_so_and_counts_no_evidence(ground: Ground) -> None:
    search_id = str(uuid4())
    first = gateway.SearchResponse.FromString(ground.wire.call(f"{GATEWAY}/Search", search("ferry at nine", request_id=search_id)))
    assert first.salience_write.accepted_count == 3
    before = ground.state()
    other = search("who sells fish?", request_id=search_id, candidate_count=1)
    second = gateway.SearchResponse.FromString(ground.wire.call(f"{GATEWAY}/Search", other))
    assert second.salience_write.error.code == grpc.StatusCode.ABORTED.value[0]
    assert search_id in second.salience_write.error.message
    assert ground.state() == before


def test_bad_documents_fail_alone_each_with_its_status(ground: Ground) -> None:
    before = ground.state()
    bad = [
        (gateway.IngestDocument(text="No source."), "document.source"),
        (gateway.IngestDocument(source="s" * 2049, text="x"), "document.source"),
        (gateway.IngestDocument(source="s", text="x", content_kind=9), "document.content_kind"),  # type: ignore[arg-type]
        (gateway.IngestDocument(source="s", text="x", event_time=Timestamp(seconds=10**15)), "document.event_time"),
        (gateway.IngestDocument(source="s", text="x", metadata=NAN_METADATA.metadata), "document.metadata.deep[0]"),
        (gateway.IngestDocument(source="s", text="x", metadata={"k": "v" * 70_000}), "document.metadata"),
    ]
    requests = [
        gateway.IngestRequest(sequence=number, collection=COLLECTION, document=document) for number, (document, _) in enumerate(bad)
    ]
    replies = [gateway.IngestResponse.FromString(body) for body in ground.wire.stream(f"{GATEWAY}/Ingest", requests)]
    assert [reply.sequence for reply in replies] == list(range(len(bad)))
    errors = [status.from_status(reply.error) for reply in replies]
    assert [(type(error), error.field) for error in errors] == [(InvalidInputError, path) for _, path in bad]
    assert ground.state() == before


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (BROKEN, "request"),
        (gateway.IngestRequest(collection="My Notes", document=gateway.IngestDocument(source="s", text="x")), "collection"),
        (gateway.IngestRequest(durability=9, document=gateway.IngestDocument(source="s", text="x")), "durability"),  # type: ignore[arg-type]
    ],
    ids=["malformed message", "unnameable collection", "unknown durability"],
)
def test_a_stream_that_begins_badly_ends_with_its_status(ground: Ground, request_: Request, field: str) -> None:
    before = ground.state()
    with pytest.raises(grpc.RpcError) as caught:
        list(ground.wire.stream(f"{GATEWAY}/Ingest", [request_]))
    error: Any = caught.value
    assert error.code() is INVALID
    assert [violation.field for violation in detail(error, BadRequest).field_violations] == [field]
    assert ground.state() == before


def test_bad_frames_of_the_embedder_fail_alone(ground: Ground) -> None:
    bad = [
        (embed(" "), "inputs[0].text"),
        (embed("good", input_type=0), "input_type"),
        (embed(LONG), "inputs[0].text"),
    ]
    frames = [embedder.EmbedStreamRequest(sequence=number, request=request) for number, (request, _) in enumerate(bad)]
    frames.append(embedder.EmbedStreamRequest(sequence=99, request=embed("good")))
    replies = [embedder.EmbedStreamResponse.FromString(body) for body in ground.wire.stream(f"{EMBEDDER}/EmbedStream", frames)]
    fields = {reply.sequence: status.from_status(reply.error).field for reply in replies if reply.HasField("error")}
    assert fields == {number: path for number, (_, path) in enumerate(bad)}
    assert [reply.sequence for reply in replies if reply.HasField("response")] == [99]


def test_refused_collections_leave_no_index_in_the_data_folder(ground: Ground, system: System) -> None:
    before = sorted(path.name for path in (system.data_dir / "memory" / "engine").iterdir())
    for request in (created(COLLECTION, fingerprint="stranger/1"), created("x" * 65, fingerprint="stranger/2")):
        with pytest.raises(grpc.RpcError):
            ground.wire.call(f"{COLLECTIONS}/CreateCollection", request)
    assert sorted(path.name for path in (system.data_dir / "memory" / "engine").iterdir()) == before


def detail(error: Any, kind: Any) -> Any:
    refusal = rpc_status.from_call(error)
    assert refusal is not None, error
    message = kind()
    assert any(item.Unpack(message) for item in refusal.details), (kind, error)
    return message
