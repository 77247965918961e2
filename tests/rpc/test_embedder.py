"""The embedder over gRPC: statuses and wire shapes, on the real model; faults come from a fake backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from atlas import tensors
from atlas.channel import call, open_channel, open_stream
from atlas.deadlines import Deadline
from atlas.embedder.v1 import embedder_pb2 as pb
from atlas.embedder.v1 import embedder_pb2_grpc as rpc
from atlas.encoder import MINILM, Output
from atlas.errors import (
    AtlasError,
    DeadlineError,
    InvalidInputError,
    ModelFaultError,
    OverloadedError,
    SchemaMismatchError,
    UnsupportedError,
)
from atlas.server import Registration, serving
from atlas.status import from_status
from atlas.type.v1 import type_pb2
from services.embedder.backend import EncoderBackend
from services.embedder.backends import open_backend
from services.embedder.service import EmbedderService
from services.embedder.settings import EmbedderSettings
from tests.fakes.counted_reading import count_reading
from tests.fakes.encoder_backend import FakeBackend

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICE = "atlas.embedder.v1.EmbedderService"
QUERY = type_pb2.INPUT_TYPE_QUERY
PASSAGE = type_pb2.INPUT_TYPE_PASSAGE


def settings(**changed: Any) -> EmbedderSettings:
    return EmbedderSettings(port=0, metrics_port=-1, lame_duck_ms=0, **changed)


@asynccontextmanager
async def served(backend: EncoderBackend, **changed: Any) -> AsyncIterator[rpc.EmbedderServiceAsyncStub]:
    configured = settings(**changed)
    service = EmbedderService(backend, configured)
    registration = Registration.of(pb.DESCRIPTOR, "EmbedderService", rpc.add_EmbedderServiceServicer_to_server, service)
    async with serving(configured, [registration], readiness=backend.warm_up) as server:
        await server.until_ready()
        async with open_channel(server.address, service_names=[SERVICE]) as channel:
            yield rpc.EmbedderServiceStub(channel)  # type: ignore[misc]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend() -> AsyncIterator[EncoderBackend]:
    async with open_backend(settings(), CollectorRegistry()) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub(backend: EncoderBackend) -> AsyncIterator[Any]:
    async with served(backend) as opened:
        yield opened


def soon() -> Deadline:
    return Deadline.after(30.0)


def inputs(*texts: str) -> list[type_pb2.Input]:
    return [type_pb2.Input(text=text) for text in texts]


def query(*texts: str, **fields: Any) -> pb.EmbedRequest:
    return pb.EmbedRequest(inputs=inputs(*texts), **{"input_type": QUERY, **fields})


async def embed(stub: Any, request: pb.EmbedRequest) -> pb.EmbedResponse:
    response: pb.EmbedResponse = await call(stub.Embed, request, deadline=soon())
    return response


async def refusal(stub: Any, request: pb.EmbedRequest, kind: type[AtlasError]) -> AtlasError:
    with pytest.raises(kind) as refused:
        await embed(stub, request)
    assert type(refused.value) is kind
    return refused.value


# ---------------------------------------------------------------- GetModelInfo


async def test_the_model_describes_itself_and_its_limits(stub: Any) -> None:
    model = (await call(stub.GetModelInfo, pb.GetModelInfoRequest(), deadline=soon())).model
    assert (model.model_id, model.backend, model.device) == ("all-MiniLM-L6-v2", "openvino", "CPU")
    assert model.precision in {"bf16", "f32"}
    assert [(space.name, space.dimension) for space in model.spaces] == [("dense", 384), ("tokens", 384)]
    assert [space.fingerprint for space in model.spaces] == [MINILM.fingerprint(Output.DENSE), MINILM.fingerprint(Output.TOKENS)]
    assert list(model.modalities) == ["text"]
    assert (model.limits.max_input_count, model.limits.max_input_tokens, model.limits.max_request_tokens) == (256, 256, 16_384)
    assert model.limits.max_message_bytes > 0
    assert not model.HasField("memory_share")


# ---------------------------------------------------------------- Embed


async def test_a_batch_comes_back_in_order_with_unit_rows(stub: Any) -> None:
    response = await embed(stub, query("how do I reset my password?", "密码"))
    dense = tensors.to_array(response.dense, field="dense", dtype=np.float32, ndim=2)
    assert dense.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(dense, axis=1), 1, atol=1e-5)
    assert response.fingerprint == MINILM.fingerprint(Output.DENSE)
    assert not response.HasField("tokens")
    assert not response.HasField("sparse")
    assert [(report.token_count, report.used_token_count, report.truncated) for report in response.reports] == [
        (9, 9, False),
        (4, 4, False),
    ]
    assert [report.fragmentation for report in response.reports] == [0.0, 1.0]


async def test_the_timing_adds_up(stub: Any) -> None:
    timing = (await embed(stub, query("a query"))).timing
    total, parts = timing.total.ToNanoseconds(), timing.queue.ToNanoseconds() + timing.compute.ToNanoseconds()
    assert total > 0
    assert abs(total - parts) <= 2


async def test_token_vectors_come_as_float16_by_default(stub: Any) -> None:
    request = query("reset my password", "one", outputs=[pb.OUTPUT_TOKENS])
    response = await embed(stub, request)
    assert not response.HasField("dense")
    assert response.tokens.values.dtype == type_pb2.D_TYPE_FLOAT16
    rows = tensors.from_ragged(response.tokens, field="tokens")
    assert [row.shape for row in rows] == [(3, 384), (1, 384)]
    assert response.token_fingerprint == MINILM.fingerprint(Output.TOKENS)
    assert response.fingerprint == ""


async def test_token_dtypes_hold_the_same_vectors(stub: Any) -> None:
    def asked(dtype: int) -> pb.EmbedRequest:
        return query("the journal is the only truth", outputs=[pb.OUTPUT_DENSE, pb.OUTPUT_TOKENS], token_dtype=dtype)

    exact = tensors.from_ragged((await embed(stub, asked(type_pb2.D_TYPE_FLOAT32))).tokens, field="tokens")[0]
    half = tensors.from_ragged((await embed(stub, asked(type_pb2.D_TYPE_FLOAT16))).tokens, field="tokens")[0]
    int8 = tensors.from_ragged((await embed(stub, asked(type_pb2.D_TYPE_INT8))).tokens, field="tokens", dtype=np.int8)[0]
    bits = tensors.from_ragged((await embed(stub, asked(type_pb2.D_TYPE_BITS))).tokens, field="tokens", dtype=None)[0]
    np.testing.assert_allclose(half, exact, atol=2e-4)
    np.testing.assert_array_equal(int8, np.rint(127 * exact).astype(np.int8))
    np.testing.assert_array_equal(bits, exact >= 0)


async def test_both_outputs_come_from_one_call_and_repeating_one_changes_nothing(stub: Any) -> None:
    response = await embed(stub, query("a text", outputs=[pb.OUTPUT_TOKENS, pb.OUTPUT_DENSE, pb.OUTPUT_TOKENS]))
    assert list(response.dense.shape) == [1, 384]
    assert list(response.tokens.row_splits) == [0, 2]


async def test_the_models_own_dimension_and_fingerprint_are_accepted(stub: Any) -> None:
    response = await embed(stub, query("a text", dimension=384, expected_fingerprint=MINILM.fingerprint(Output.DENSE)))
    assert list(response.dense.shape) == [1, 384]


async def test_a_long_text_is_cut_only_on_request(stub: Any) -> None:
    text = "word " * 300
    error = await refusal(stub, query("short", text), InvalidInputError)
    assert error.field == "inputs[1].text"
    assert error.values == {"token_count": "302", "max_tokens": "256"}
    assert "302" in error.message
    assert "256" in error.message
    response = await embed(stub, query(text, truncation=type_pb2.TRUNCATION_END))
    report = response.reports[0]
    assert (report.token_count, report.used_token_count, report.truncated) == (302, 256, True)


@pytest.mark.parametrize("text", ["", "   ", "\n\t ", "\u200b"])
async def test_an_empty_text_is_refused_with_its_index(stub: Any, text: str) -> None:
    error = await refusal(stub, query("fine", "fine", "fine", text), InvalidInputError)
    assert error.field == "inputs[3].text"


async def test_an_input_without_text_is_refused(stub: Any) -> None:
    error = await refusal(stub, pb.EmbedRequest(inputs=[type_pb2.Input()], input_type=PASSAGE), InvalidInputError)
    assert error.field == "inputs[0].text"


async def test_a_text_of_a_megabyte_is_refused_with_both_sizes(stub: Any) -> None:
    error = await refusal(stub, query("a" * 1_000_000), InvalidInputError)
    assert error.values == {"size_bytes": "1000000", "max_text_bytes": "65536"}


@pytest.mark.parametrize("text", [None, "with a caption"])
async def test_a_picture_is_unimplemented(stub: Any, text: str | None) -> None:
    picture = type_pb2.Input(text=text, image=type_pb2.Image(data=b"\x89PNG", media_type="image/png"))
    error = await refusal(stub, pb.EmbedRequest(inputs=[*inputs("fine"), picture], input_type=PASSAGE), UnsupportedError)
    assert error.field == "inputs[1].image"


async def test_the_input_type_is_required(stub: Any) -> None:
    error = await refusal(stub, pb.EmbedRequest(inputs=inputs("a text")), InvalidInputError)
    assert error.field == "input_type"


@pytest.mark.parametrize(
    ("fields", "field", "kind"),
    [
        ({"input_type": 9}, "input_type", InvalidInputError),
        ({"truncation": 9}, "truncation", InvalidInputError),
        ({"lane": 9}, "lane", InvalidInputError),
        ({"outputs": [1, 9]}, "outputs[1]", InvalidInputError),
        ({"outputs": [pb.OUTPUT_SPARSE]}, "outputs", UnsupportedError),
        ({"token_dtype": type_pb2.D_TYPE_INT64}, "token_dtype", InvalidInputError),
        ({"dimension": 0}, "dimension", InvalidInputError),
        ({"dimension": -1}, "dimension", InvalidInputError),
        ({"dimension": 385}, "dimension", InvalidInputError),
        ({"dimension": 128}, "dimension", UnsupportedError),
    ],
)
async def test_a_field_that_means_nothing_here_is_named(stub: Any, fields: dict[str, Any], field: str, kind: type[AtlasError]) -> None:
    assert (await refusal(stub, query("a text", **fields), kind)).field == field


async def test_a_foreign_fingerprint_is_refused_naming_both(stub: Any) -> None:
    error = await refusal(stub, query("a text", expected_fingerprint="another/dense/384/abc"), SchemaMismatchError)
    assert "another/dense/384/abc" in error.message
    assert MINILM.fingerprint(Output.DENSE) in error.message


@pytest.mark.parametrize("count", [0, 257])
async def test_the_number_of_inputs_is_bounded(stub: Any, count: int) -> None:
    error = await refusal(stub, query(*["a text"] * count), InvalidInputError)
    assert error.values == {"input_count": str(count), "max_input_count": "256"}


async def test_the_tokens_of_a_call_are_bounded(stub: Any) -> None:
    error = await refusal(stub, query(*["word " * 200] * 90), InvalidInputError)
    assert error.values == {"token_count": "18180", "max_request_tokens": "16384"}


async def test_a_reply_that_would_not_fit_is_refused_before_it_is_computed(stub: Any) -> None:
    request = query(*["word " * 200] * 80, outputs=[pb.OUTPUT_TOKENS], token_dtype=type_pb2.D_TYPE_FLOAT32)
    error = await refusal(stub, request, InvalidInputError)
    assert error.reason == "REPLY_TOO_LARGE"


# ---------------------------------------------------------------- load and faults


async def test_a_full_queue_refuses_calls_and_serves_the_others() -> None:
    small = settings(max_queue_tokens=256, stream_count=1)
    async with open_backend(small, CollectorRegistry()) as backend, served(backend, max_queue_tokens=256) as stub:
        requests = [embed(stub, query(*["word " * 100] * 8)) for _ in range(12)]
        outcomes: Sequence[Any] = await asyncio.gather(*requests, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert refused
    assert len(refused) < len(outcomes)
    assert all(isinstance(error, OverloadedError) and error.retry_after_ms and error.retry_after_ms >= 10 for error in refused)


async def test_what_has_no_room_is_refused_before_its_texts_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    small = settings(max_queue_tokens=256, stream_count=1)
    async with open_backend(small, CollectorRegistry()) as backend, served(backend, max_queue_tokens=256) as stub:
        read = count_reading(monkeypatch)
        requests = [embed(stub, query(*["word " * 100] * 40)) for _ in range(30)]
        outcomes: Sequence[Any] = await asyncio.gather(*requests, return_exceptions=True)
        answered = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        refused = [outcome for outcome in outcomes if isinstance(outcome, OverloadedError)]
        assert len(answered) + len(refused) == 30
        # A call that was read just before the queue filled may still be refused by its true size.
        assert 1 <= len(answered) <= read.count(40) <= len(answered) + 1
        assert {(error.values["tokens"], error.values["max_queue_tokens"]) for error in refused} == {("4080", "256")}
        assert len((await embed(stub, query("a text"))).dense.shape) == 2


async def test_a_model_fault_is_internal() -> None:
    backend = FakeBackend()
    backend.error = ModelFaultError("the model gave a dense vector that is zero", kind="dense")
    async with served(backend) as stub:
        await refusal(stub, query("a text"), ModelFaultError)


async def test_the_lane_and_the_deadline_of_the_caller_reach_the_backend() -> None:
    backend = FakeBackend()
    async with served(backend) as stub:
        await call(stub.Embed, query("a text"), deadline=Deadline.after(5.0))
        await call(stub.Embed, query("a text", lane=pb.LANE_BULK), deadline=Deadline.after(5.0))
    assert [work.lane.value for work in backend.works] == ["interactive", "bulk"]
    assert all(0 < work.deadline.remaining_s < 9.0 for work in backend.works)
    assert not any(work.wait for work in backend.works)


async def test_a_call_that_takes_too_long_ends_with_its_deadline() -> None:
    backend = FakeBackend()
    async with served(backend) as stub:
        backend.gate.clear()
        with pytest.raises(DeadlineError):
            await call(stub.Embed, query("a text"), deadline=Deadline.after(0.2))
        backend.gate.set()
        await embed(stub, query("a text"))


# ---------------------------------------------------------------- EmbedStream


async def test_frames_are_answered_once_each_and_fail_alone(stub: Any) -> None:
    frames = [pb.EmbedStreamRequest(sequence=number, request=query(f"text {number}" if number != 3 else " ")) for number in range(10)]
    answers = await streamed(stub, frames)
    assert sorted(answers) == list(range(10))
    failed = from_status(answers[3].error)
    assert isinstance(failed, InvalidInputError)
    assert failed.field == "inputs[0].text"
    for number in set(range(10)) - {3}:
        assert list(answers[number].response.dense.shape) == [1, 384]


async def test_a_stream_gives_the_vectors_of_single_calls(stub: Any) -> None:
    answers = await streamed(stub, [pb.EmbedStreamRequest(sequence=7, request=query("one and the same text"))])
    single = await embed(stub, query("one and the same text"))
    left, right = (tensors.to_array(one.dense, field="dense")[0] for one in (answers[7].response, single))
    assert float(left @ right) >= 0.9999


async def test_a_frame_without_a_request_fails_alone(stub: Any) -> None:
    answers = await streamed(stub, [pb.EmbedStreamRequest(sequence=1), pb.EmbedStreamRequest(sequence=2, request=query("a text"))])
    assert answers[1].WhichOneof("outcome") == "error"
    assert answers[2].WhichOneof("outcome") == "response"


async def test_a_frame_above_four_megabytes_fails_alone(stub: Any) -> None:
    large = pb.EmbedStreamRequest(sequence=1, request=query(*["x" * 60_000] * 80))
    answers = await streamed(stub, [large, pb.EmbedStreamRequest(sequence=2, request=query("a text"))])
    error = from_status(answers[1].error)
    assert error.values["max_frame_bytes"] == str(4 * 1024 * 1024)
    assert answers[2].WhichOneof("outcome") == "response"


async def test_a_stream_is_bulk_work_that_waits_and_reads_no_more_frames_than_it_works_on() -> None:
    backend = FakeBackend()
    async with served(backend, stream_frame_count=2) as stub, open_stream(stub.EmbedStream, deadline=soon()) as stream:
        backend.gate.clear()
        for number in range(6):
            await stream.write(pb.EmbedStreamRequest(sequence=number, request=query(f"text {number}")))
        await until(lambda: len(backend.works) == 2)
        # Time for a server that reads ahead to show it.
        for _ in range(20):
            await call(stub.GetModelInfo, pb.GetModelInfoRequest(), deadline=soon())
        assert len(backend.works) == 2
        assert {(work.lane.value, work.wait) for work in backend.works} == {("bulk", True)}
        backend.gate.set()
        await stream.done_writing()
        assert sorted([answer.sequence async for answer in stream]) == list(range(6))


async def test_a_caller_that_leaves_a_stream_ends_its_work() -> None:
    backend = FakeBackend()
    async with served(backend) as stub:
        backend.gate.clear()
        async with open_stream(stub.EmbedStream, deadline=soon()) as stream:
            await stream.write(pb.EmbedStreamRequest(sequence=1, request=query("a text")))
            await until(lambda: len(backend.works) == 1)
        await until(lambda: not any("_answered" in repr(task) for task in asyncio.all_tasks()))
        backend.gate.set()


async def streamed(stub: Any, frames: Sequence[pb.EmbedStreamRequest]) -> dict[int, pb.EmbedStreamResponse]:
    answers: dict[int, pb.EmbedStreamResponse] = {}
    async with open_stream(stub.EmbedStream, deadline=soon()) as stream:
        for frame in frames:
            await stream.write(frame)
        await stream.done_writing()
        async for answer in stream:
            assert answer.sequence not in answers
            answers[answer.sequence] = answer
    return answers


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what is waited for happens inside gRPC)
            await asyncio.sleep(0.005)


# ---------------------------------------------------------------- CountTokens


async def test_tokens_are_counted_with_their_ends_in_bytes(stub: Any) -> None:
    text = "naïve 日本 unaffable"
    response = await call(stub.CountTokens, pb.CountTokensRequest(texts=[text, "", "word " * 1000]), deadline=soon())
    first, empty, long = response.counts
    ends = tensors.to_array(first.ends, field="ends", dtype=np.int64, ndim=1).tolist()
    pieces = [text.encode()[begin:end].decode() for begin, end in zip([0, *ends], ends, strict=False)]
    assert pieces == ["naïve", " 日", "本", " una", "ffa", "ble"]
    assert (first.token_count, first.special_token_count) == (6, 2)
    assert (empty.token_count, long.token_count) == (0, 1000)
    assert response.timing.total.ToNanoseconds() > 0


@pytest.mark.parametrize("count", [0, 257])
async def test_the_number_of_texts_is_bounded(stub: Any, count: int) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await call(stub.CountTokens, pb.CountTokensRequest(texts=["a"] * count), deadline=soon())
    assert refused.value.field == "texts"


async def test_a_document_is_counted_in_one_call(stub: Any) -> None:
    document = "Every change is one transaction in the journal. " * 20_000
    response = await call(stub.CountTokens, pb.CountTokensRequest(texts=[document]), deadline=soon())
    assert response.counts[0].token_count == 9 * 20_000
