"""The reranker over gRPC, with the real model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from prometheus_client import CollectorRegistry

from atlas import tensors
from atlas.batching import BatchObserver
from atlas.channel import call, open_channel
from atlas.deadlines import Deadline
from atlas.encoder.models import MINILM, Output
from atlas.encoder.openvino import OpenVinoEncoder
from atlas.errors import (
    AtlasError,
    DeadlineError,
    InvalidInputError,
    ModelFaultError,
    OverloadedError,
    SchemaMismatchError,
    UnsupportedError,
)
from atlas.passages import content_sha256
from atlas.ranking import MINILM_MAXSIM, relevance
from atlas.reranker.v1 import reranker_pb2 as pb
from atlas.reranker.v1 import reranker_pb2_grpc as rpc
from atlas.server import Registration, RunningServer, serving
from atlas.type.v1 import type_pb2
from services.reranker.__main__ import running
from services.reranker.backend import Candidate, Work
from services.reranker.backends.maxsim import MaxSimBackend
from services.reranker.maxsim import piece_weights, query_weights
from services.reranker.service import RerankerService
from services.reranker.settings import RerankerSettings
from services.reranker.token_cache import PassageTokens, TokenCache
from services.reranker.word_piece_idf import load_idf
from tests.fakes.counted_reading import count_reading
from tests.fakes.reranker_backend import FakeReranker

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "where is the old lantern kept?"
PASSAGES = (
    "The old lantern is kept on the shelf above the harbour door.",
    "Every spring the gardeners plant tulips along the northern wall.",
    "Lanterns were once lit with whale oil.",
)
FINGERPRINT = MINILM.fingerprint(Output.TOKENS)


@pytest.fixture(scope="module")
def encoder() -> OpenVinoEncoder:
    return OpenVinoEncoder.open(MINILM)


SETTINGS = RerankerSettings(port=0, metrics_port=-1, lame_duck_ms=0, max_input_count=32)


@asynccontextmanager
async def connected(server: RunningServer) -> AsyncIterator[rpc.RerankerServiceAsyncStub]:
    await server.until_ready()
    async with open_channel(server.address, service_names=["atlas.reranker.v1.RerankerService"]) as channel:
        yield rpc.RerankerServiceStub(channel)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub() -> AsyncIterator[rpc.RerankerServiceAsyncStub]:
    async with running(SETTINGS) as server, connected(server) as stub:
        yield stub


def text(content: str) -> type_pb2.Input:
    return type_pb2.Input(text=content)


def asked(*passages: str, query: str = QUESTION, **fields: object) -> pb.RerankRequest:
    candidates = [pb.Candidate(id=f"m{index}", content=text(passage)) for index, passage in enumerate(passages)]
    return pb.RerankRequest(query=text(query), candidates=candidates, **fields)


async def rerank(stub: rpc.RerankerServiceAsyncStub, request: pb.RerankRequest, *, seconds: float = 10.0) -> pb.RerankResponse:
    return await call(stub.Rerank, request, deadline=Deadline.after(seconds))


def tokens_of(encoder: OpenVinoEncoder, *contents: str) -> list[np.ndarray]:
    encodings = encoder.tokenizer.encode(contents)
    return list(encoder.encode_batch([encoding.ids for encoding in encodings], want_tokens=True).tokens)


def by_hand(encoder: OpenVinoEncoder, query: str, passage: str) -> float:
    [encoding] = encoder.tokenizer.encode([query])
    shares = query_weights(encoding.piece_ids, piece_weights(encoder.tokenizer.vocabulary, load_idf()))
    ours, theirs = tokens_of(encoder, query, passage)
    return float(shares @ (ours @ theirs.T).max(axis=1))


async def test_scores_are_the_weighted_late_interaction_of_the_encoder(
    stub: rpc.RerankerServiceAsyncStub, encoder: OpenVinoEncoder
) -> None:
    reply = await rerank(stub, asked(*PASSAGES))
    assert [score.id for score in reply.scores] == ["m0", "m1", "m2"]
    assert [score.raw_score for score in reply.scores] == pytest.approx([by_hand(encoder, QUESTION, one) for one in PASSAGES], abs=5e-3)
    assert all(score.scored and score.score_kind == type_pb2.SCORE_KIND_MAXSIM for score in reply.scores)
    assert reply.scores[0].raw_score > reply.scores[2].raw_score > reply.scores[1].raw_score


async def test_relevance_is_the_calibrated_probability_of_the_raw_score(stub: rpc.RerankerServiceAsyncStub) -> None:
    reply = await rerank(stub, asked(*PASSAGES))
    assert [score.relevance for score in reply.scores] == pytest.approx([relevance(score.raw_score) for score in reply.scores])
    assert reply.calibration_version == MINILM_MAXSIM.calibration.version
    assert reply.scores[0].relevance > 0.5 > reply.scores[1].relevance


async def test_no_candidates_give_no_scores(stub: rpc.RerankerServiceAsyncStub) -> None:
    reply = await rerank(stub, asked())
    assert not reply.scores
    assert reply.calibration_version


async def test_a_single_candidate_is_scored(stub: rpc.RerankerServiceAsyncStub) -> None:
    assert (await rerank(stub, asked(PASSAGES[0]))).scores[0].scored


async def test_known_passages_cost_only_the_query_and_score_the_same(stub: rpc.RerankerServiceAsyncStub, encoder: OpenVinoEncoder) -> None:
    passages = ("Ships wait outside the harbour at low tide.", "A ferry crosses twice a day.")
    first, second = [await rerank(stub, asked(*passages)) for _ in range(2)]
    query, *contents = encoder.tokenizer.encode([QUESTION, *passages])
    assert (first.usage.cache_hits, second.usage.cache_hits) == (0, 2)
    assert first.usage.tokens == query.token_count + sum(one.token_count for one in contents)
    assert second.usage.tokens == query.token_count
    assert [one.raw_score for one in second.scores] == pytest.approx([one.raw_score for one in first.scores], abs=1e-4)
    assert [one.token_count for one in second.scores] == [one.token_count for one in contents]


async def test_a_text_that_comes_twice_is_encoded_once(stub: rpc.RerankerServiceAsyncStub, encoder: OpenVinoEncoder) -> None:
    passage = "The lighthouse keeper writes the weather down every hour."
    reply = await rerank(stub, asked(passage, passage))
    assert reply.usage.tokens == sum(one.token_count for one in encoder.tokenizer.encode([QUESTION, passage]))
    assert reply.scores[0].raw_score == reply.scores[1].raw_score


@pytest.mark.parametrize("encode", [tensors.to_message, tensors.to_bfloat16, lambda array: tensors.to_message(array.astype(np.float16))])
async def test_given_token_vectors_are_scored_as_they_are(
    stub: rpc.RerankerServiceAsyncStub, encoder: OpenVinoEncoder, encode: object
) -> None:
    [vectors] = tokens_of(encoder, PASSAGES[0])
    candidate = pb.Candidate(id="given", content=text("another text, which is not read"), tokens=encode(vectors), fingerprint=FINGERPRINT)
    reply = await rerank(stub, pb.RerankRequest(query=text(QUESTION), candidates=[candidate]))
    assert reply.scores[0].raw_score == pytest.approx(by_hand(encoder, QUESTION, PASSAGES[0]), abs=5e-3)
    assert reply.scores[0].token_count == len(vectors)
    assert reply.usage.tokens == encoder.tokenizer.encode([QUESTION])[0].token_count


async def test_a_foreign_fingerprint_is_refused_naming_both(stub: rpc.RerankerServiceAsyncStub) -> None:
    candidate = pb.Candidate(id="a", tokens=tensors.to_message(unit(3, 384)), fingerprint="another/space")
    with pytest.raises(SchemaMismatchError) as refused:
        await rerank(stub, pb.RerankRequest(query=text(QUESTION), candidates=[candidate]))
    assert "another/space" in refused.value.message
    assert FINGERPRINT in refused.value.message


def unit(rows: int, dimension: int) -> np.ndarray:
    vectors = np.ones((rows, dimension), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def bad_tokens() -> Iterator[tuple[str, type_pb2.Tensor]]:
    broken = unit(3, 384)
    broken[1, 5] = np.nan
    yield "wrong width", tensors.to_message(unit(3, 383))
    yield "one axis", tensors.to_message(unit(3, 384)[0])
    yield "not finite", tensors.to_message(broken)
    yield "not of unit length", tensors.to_message(3 * unit(3, 384))
    yield "zero", tensors.to_message(0 * unit(3, 384))
    yield "too many rows", tensors.to_message(unit(257, 384))
    yield "bytes that do not fit", type_pb2.Tensor(shape=[3, 384], data=b"1234")
    yield "integers", tensors.to_message(np.ones((3, 384), np.int8))


@pytest.mark.parametrize(("tensor"), [pytest.param(tensor, id=name) for name, tensor in bad_tokens()])
async def test_token_vectors_that_do_not_fit_are_refused_by_field(stub: rpc.RerankerServiceAsyncStub, tensor: type_pb2.Tensor) -> None:
    candidate = pb.Candidate(id="a", tokens=tensor, fingerprint=FINGERPRINT)
    with pytest.raises(InvalidInputError) as refused:
        await rerank(stub, pb.RerankRequest(query=text(QUESTION), candidates=[candidate]))
    assert (refused.value.field or "").startswith("candidates[0].tokens")


async def test_a_token_budget_leaves_the_last_candidates_unscored(stub: rpc.RerankerServiceAsyncStub, encoder: OpenVinoEncoder) -> None:
    passages = ("Salt is carried up the river in spring.", "The miller counts the sacks at noon.", "Rain fills the cistern.")
    count = encoder.tokenizer.encode([passages[0]])[0].token_count
    reply = await rerank(stub, asked(*passages, budget=pb.Budget(max_tokens=count)))
    assert [score.scored for score in reply.scores] == [True, False, False]
    assert not reply.scores[1].HasField("raw_score")
    assert not reply.scores[1].HasField("relevance")
    assert reply.usage.items == 1


async def test_known_passages_are_scored_beyond_the_token_budget(stub: rpc.RerankerServiceAsyncStub) -> None:
    known, new = "The baker's bell rings at six.", "Nobody has crossed the marsh since autumn."
    await rerank(stub, asked(known))
    reply = await rerank(stub, asked(new, known, budget=pb.Budget(max_tokens=1)))
    assert [score.scored for score in reply.scores] == [False, True]


async def test_a_time_budget_that_is_over_leaves_candidates_unscored_and_does_not_fail(stub: rpc.RerankerServiceAsyncStub) -> None:
    reply = await rerank(stub, asked("A passage nobody has read yet.", budget=pb.Budget(max_time=Duration(nanos=1000))))
    assert [score.scored for score in reply.scores] == [False]


async def test_a_time_budget_that_suffices_scores_everything(stub: rpc.RerankerServiceAsyncStub) -> None:
    reply = await rerank(stub, asked(*PASSAGES, budget=pb.Budget(max_time=Duration(seconds=5))))
    assert all(score.scored for score in reply.scores)


async def test_a_long_text_loses_its_end_and_says_so(stub: rpc.RerankerServiceAsyncStub) -> None:
    for _ in ("encoded", "known"):
        score = (await rerank(stub, asked("harbour " * 400))).scores[0]
        assert (score.truncated, score.token_count) == (True, 402)


async def test_a_long_text_is_refused_where_its_end_may_not_be_cut(stub: rpc.RerankerServiceAsyncStub) -> None:
    with pytest.raises(InvalidInputError, match=r"candidates\[1\].content.text has 302 tokens; 256 are allowed"):
        await rerank(stub, asked(PASSAGES[0], "quay " * 300, truncation=type_pb2.TRUNCATION_ERROR))


async def test_a_known_long_text_is_refused_too_where_its_end_may_not_be_cut(stub: rpc.RerankerServiceAsyncStub) -> None:
    await rerank(stub, asked("pier " * 300))
    with pytest.raises(InvalidInputError, match="302 tokens; 256 are allowed"):
        await rerank(stub, asked("pier " * 300, truncation=type_pb2.TRUNCATION_ERROR))


def with_query_tokens(vectors: np.ndarray, *passages: str, fingerprint: str = FINGERPRINT) -> pb.RerankRequest:
    return asked(*passages, query_tokens=tensors.to_message(vectors), query_fingerprint=fingerprint)


async def test_a_query_that_brings_its_token_vectors_scores_as_one_that_is_read(
    stub: rpc.RerankerServiceAsyncStub, encoder: OpenVinoEncoder
) -> None:
    passages = (*PASSAGES, "A harbour door has two locks.", "The shelf holds a lantern and an old map.")
    [vectors] = tokens_of(encoder, QUESTION)
    read = await rerank(stub, asked(*passages))
    given = await rerank(stub, with_query_tokens(vectors.astype(np.float16), *passages))
    ours, theirs = [[score.raw_score for score in reply.scores] for reply in (given, read)]
    assert ours == pytest.approx(theirs, abs=1e-2)
    assert np.argsort(ours).tolist() == np.argsort(theirs).tolist()


async def test_only_what_was_read_is_counted_where_the_query_brings_its_token_vectors(
    stub: rpc.RerankerServiceAsyncStub, encoder: OpenVinoEncoder
) -> None:
    passage = "The ferryman sells tickets until dusk."
    request = with_query_tokens(tokens_of(encoder, QUESTION)[0], passage)
    first, second = [await rerank(stub, request) for _ in range(2)]
    assert first.usage.tokens == encoder.tokenizer.encode([passage])[0].token_count
    assert (second.usage.tokens, second.usage.cache_hits) == (0, 1)
    assert second.timing.queue.ToNanoseconds() == 0


@pytest.mark.parametrize(("tensor"), [pytest.param(tensor, id=name) for name, tensor in bad_tokens()])
async def test_token_vectors_of_a_query_that_do_not_fit_are_refused_by_field(
    stub: rpc.RerankerServiceAsyncStub, tensor: type_pb2.Tensor
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await rerank(stub, asked(PASSAGES[0], query_tokens=tensor, query_fingerprint=FINGERPRINT))
    assert (refused.value.field or "").startswith("query_tokens")


@pytest.mark.parametrize("count", [0, 3, 8])
async def test_another_number_of_vectors_than_word_pieces_of_the_query_is_refused_naming_both(
    stub: rpc.RerankerServiceAsyncStub, count: int
) -> None:
    with pytest.raises(InvalidInputError, match=f"query_tokens holds {count} vectors; the query has 7 word pieces") as refused:
        await rerank(stub, with_query_tokens(unit(count, 384), PASSAGES[0]))
    assert refused.value.field == "query_tokens"


async def test_a_query_of_a_foreign_space_is_refused_naming_both(stub: rpc.RerankerServiceAsyncStub) -> None:
    with pytest.raises(SchemaMismatchError, match="another/space") as refused:
        await rerank(stub, with_query_tokens(unit(7, 384), PASSAGES[0], fingerprint="another/space"))
    assert FINGERPRINT in refused.value.message
    assert refused.value.field == "query_fingerprint"


def bad_requests() -> Iterator[tuple[str, pb.RerankRequest]]:
    yield "query.text", asked(PASSAGES[0], query=" \n\t")
    yield "query.text", asked(PASSAGES[0], query="\u200b")
    yield "query.text", asked(PASSAGES[0], query="x" * (1024 * 1024 + 1))
    yield "query.text", pb.RerankRequest()
    yield "candidates", asked(*PASSAGES * 11)
    yield "candidates[1].content.text", asked(PASSAGES[0], "  ")
    yield "candidates[0].content.text", pb.RerankRequest(query=text(QUESTION), candidates=[pb.Candidate(id="a")])
    yield "candidates[0].id", pb.RerankRequest(query=text(QUESTION), candidates=[pb.Candidate(content=text("a"))])
    yield "candidates[1].id", pb.RerankRequest(query=text(QUESTION), candidates=[pb.Candidate(id="a", content=text("a"))] * 2)
    yield (
        "candidates[0].fingerprint",
        pb.RerankRequest(query=text(QUESTION), candidates=[pb.Candidate(id="a", tokens=tensors.to_message(unit(1, 384)))]),
    )
    yield "query_fingerprint", with_query_tokens(unit(7, 384), PASSAGES[0], fingerprint="")
    yield "query.text", asked(PASSAGES[0], query=" ", query_tokens=tensors.to_message(unit(7, 384)), query_fingerprint=FINGERPRINT)
    yield "budget.max_tokens", asked(PASSAGES[0], budget=pb.Budget(max_tokens=-1))
    yield "budget.max_time", asked(PASSAGES[0], budget=pb.Budget(max_time=Duration(seconds=-1)))
    yield "truncation", asked(PASSAGES[0], truncation=7)


@pytest.mark.parametrize(("field", "request_"), list(bad_requests()))
async def test_a_wrong_request_is_refused_by_field(stub: rpc.RerankerServiceAsyncStub, field: str, request_: pb.RerankRequest) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await rerank(stub, request_)
    assert refused.value.field == field


async def test_a_picture_is_not_read(stub: rpc.RerankerServiceAsyncStub) -> None:
    picture = type_pb2.Input(text="a chart", image=type_pb2.Image(data=b"png", media_type="image/png"))
    with pytest.raises(UnsupportedError, match=r"query\.image"):
        await rerank(stub, pb.RerankRequest(query=picture))
    with pytest.raises(UnsupportedError, match=r"candidates\[0\]\.content\.image"):
        await rerank(stub, pb.RerankRequest(query=text(QUESTION), candidates=[pb.Candidate(id="a", content=picture)]))


async def test_a_deadline_that_passes_fails_the_call(stub: rpc.RerankerServiceAsyncStub) -> None:
    with pytest.raises(DeadlineError):
        await rerank(stub, asked(*(f"Passage {number} " + "about boats " * 90 for number in range(32))), seconds=0.02)


async def test_the_model_is_described(stub: rpc.RerankerServiceAsyncStub) -> None:
    reply = await call(stub.GetModelInfo, pb.GetModelInfoRequest(), deadline=Deadline.after(5.0))
    assert reply.model.model_id == "all-MiniLM-L6-v2"
    assert [space.fingerprint for space in reply.model.spaces] == [FINGERPRINT]
    assert reply.model.limits.max_input_count == 32
    assert reply.score_kind == type_pb2.SCORE_KIND_MAXSIM
    assert reply.calibration_version == MINILM_MAXSIM.calibration.version
    assert reply.token_cache_bytes == 256 * 1024 * 1024


async def test_timing_covers_the_call(stub: rpc.RerankerServiceAsyncStub) -> None:
    timing = (await rerank(stub, asked(*PASSAGES))).timing
    assert timing.total.ToTimedelta() >= timing.compute.ToTimedelta() > timing.queue.ToTimedelta() * 0


async def test_a_score_that_is_not_finite_is_a_fault_of_the_model(encoder: OpenVinoEncoder) -> None:
    cache = TokenCache(fingerprint=FINGERPRINT, max_bytes=1_000_000, registry=CollectorRegistry())
    cache.keep(cache.key(PASSAGES[0]), PassageTokens(np.full((3, 384), np.nan, np.float16), token_count=5, truncated=False))
    async with MaxSimBackend(encoder, cache, max_queue_tokens=10_000, observer=BatchObserver()) as backend:
        with pytest.raises(ModelFaultError, match="not finite"):
            await backend.score(Work(QUESTION, [Candidate("candidates[0].content.text", PASSAGES[0])], Deadline.after(10.0)))


async def test_what_has_no_room_is_refused_before_its_passages_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked(stub: rpc.RerankerServiceAsyncStub, number: int) -> object:
        passages = [pb.Candidate(id=str(index), content=text(f"{number} {index} {'word ' * 150}")) for index in range(30)]
        try:
            return await call(stub.Rerank, pb.RerankRequest(query=text(QUESTION), candidates=passages), deadline=Deadline.after(60.0))
        except OverloadedError as error:
            return error

    async with running(SETTINGS.model_copy(update={"max_queue_tokens": 5_000})) as server, connected(server) as stub:
        read = count_reading(monkeypatch)
        outcomes = await asyncio.gather(*(asked(stub, number) for number in range(20)))
        monkeypatch.undo()
        answered = [outcome for outcome in outcomes if isinstance(outcome, pb.RerankResponse)]
        assert 1 <= len(answered) <= read.count(31) < 10
        assert len(answered) + sum(isinstance(outcome, OverloadedError) for outcome in outcomes) == 20
        assert isinstance(await asked(stub, 20), pb.RerankResponse)


@pytest.mark.parametrize("error", [ModelFaultError("a score is NaN"), OverloadedError("the queue is full", retry_after_ms=250)], ids=repr)
async def test_a_failure_of_the_model_reaches_the_caller_as_such(error: AtlasError) -> None:
    backend = FakeReranker()
    backend.error = error
    service = RerankerService(backend, settings=SETTINGS)
    registration = Registration.of(pb.DESCRIPTOR, "RerankerService", rpc.add_RerankerServiceServicer_to_server, service)
    async with serving(SETTINGS, [registration], readiness=backend.warm_up) as server, connected(server) as stub:
        with pytest.raises(type(error)) as failed:
            await rerank(stub, asked(*PASSAGES))
    assert failed.value.retry_after_ms == error.retry_after_ms


async def test_an_erased_passage_is_dropped_from_the_cache_by_the_hash_of_its_text(stub: rpc.RerankerServiceAsyncStub) -> None:
    passage = "what was said in confidence under the crooked oak"
    request = pb.RerankRequest(query=text("crooked oak"), candidates=[pb.Candidate(id="1", content=text(passage))])
    await rerank(stub, request)
    assert (await rerank(stub, request)).usage.cache_hits == 1
    hashes = [content_sha256(passage).upper(), content_sha256("unknown")]
    assert (await forgotten(stub, hashes)).forgotten_count == 1
    assert (await rerank(stub, request)).usage.cache_hits == 0


async def test_a_hash_that_is_none_and_too_many_hashes_are_refused_by_field(stub: rpc.RerankerServiceAsyncStub) -> None:
    for hashes, field in ((["ab"], "content_sha256s[0]"), (["0" * 64] * 10_001, "content_sha256s")):
        with pytest.raises(InvalidInputError) as refused:
            await forgotten(stub, hashes)
        assert refused.value.field == field


async def forgotten(stub: rpc.RerankerServiceAsyncStub, hashes: list[str]) -> pb.ForgetPassagesResponse:
    return await call(stub.ForgetPassages, pb.ForgetPassagesRequest(content_sha256s=hashes), deadline=Deadline.after(30))
