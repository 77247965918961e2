"""Bad input, sent to four real processes: each line gets its status, field, value and limit, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from atlas import status
from atlas.embedder.v1 import embedder_pb2 as embedder
from atlas.errors import InvalidInputError
from atlas.gateway.v1 import gateway_pb2 as gateway
from atlas.type.v1 import type_pb2

from .bad_input.cases import CASES
from .bad_input.ground import COLLECTION, COLLECTIONS, EMBEDDER, GATEWAY, RERANKER, TEXTS, Ground, Request, Wire
from .bad_input.messages import BROKEN, LONG, NAN_METADATA, created, embed, remember, rerank, search
from .bad_input.refusal import INVALID, Refusal
from .conftest import System


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
