"""What every encoder backend promises, and that the real ones compute what transformers computes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from safetensors.numpy import load_file

from atlas.deadlines import Deadline
from atlas.errors import DeadlineError, StartupError
from atlas.lanes import Lane
from services.embedder.backend import EncoderBackend, Work
from services.embedder.backends import open_backend
from services.embedder.settings import EmbedderSettings
from tests.fakes.encoder_backend import FakeBackend

GOLDEN = Path(__file__).resolve().parent / "golden"
MIN_COSINE = 0.9999


REAL = ["openvino-bf16", "openvino-f32"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def opened(kind: str) -> AsyncIterator[EncoderBackend]:
    if kind == "fake":
        yield FakeBackend()
        return
    async with AsyncExitStack() as stack:
        try:
            yield await stack.enter_async_context(
                open_backend(EmbedderSettings(precision=kind.removeprefix("openvino-")), CollectorRegistry())
            )
        except StartupError as error:
            pytest.skip(f"{kind}: {error}")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[*REAL, "fake"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[EncoderBackend]:
    async with opened(request.param) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=REAL)
async def real_backend(request: pytest.FixtureRequest) -> AsyncIterator[EncoderBackend]:
    async with opened(request.param) as one:
        yield one


def work(ids: list[tuple[int, ...]], *, want_tokens: bool = False, seconds: float = 60.0) -> Work:
    return Work(ids=ids, want_tokens=want_tokens, lane=Lane.INTERACTIVE, deadline=Deadline.after(seconds))


async def ids_of(backend: EncoderBackend, texts: list[str]) -> list[tuple[int, ...]]:
    return [encoding.truncated(backend.record.max_tokens) for encoding in await backend.tokenize(texts)]


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    return (left * right).sum(axis=-1) / lengths


TEXTS = ["a short one", "and one that is quite a bit longer than the first, with many more words in it " * 3, "mittel lang ist dieser"]


async def test_every_row_has_length_one(backend: EncoderBackend) -> None:
    encoded = await backend.encode(work(await ids_of(backend, TEXTS), want_tokens=True))
    assert encoded.dense.dtype == np.float32
    assert encoded.dense.shape == (3, backend.record.dimension)
    for rows in (encoded.dense, *encoded.tokens):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


async def test_token_vectors_leave_the_special_tokens_out(backend: EncoderBackend) -> None:
    encodings = await backend.tokenize(TEXTS)
    encoded = await backend.encode(work([encoding.ids for encoding in encodings], want_tokens=True))
    assert [rows.shape for rows in encoded.tokens] == [(len(encoding.piece_ids), backend.record.dimension) for encoding in encodings]


async def test_token_vectors_come_only_when_asked_for(backend: EncoderBackend) -> None:
    encoded = await backend.encode(work(await ids_of(backend, TEXTS)))
    assert encoded.tokens == ()


async def test_rows_follow_the_order_of_the_texts(backend: EncoderBackend) -> None:
    ids = await ids_of(backend, TEXTS)
    forward = await backend.encode(work(ids))
    backward = await backend.encode(work(ids[::-1]))
    assert cosines(forward.dense, backward.dense[::-1]).min() >= MIN_COSINE


async def test_a_text_has_the_same_vectors_alone_and_in_company(backend: EncoderBackend) -> None:
    ids = await ids_of(backend, TEXTS)
    together = await backend.encode(work(ids, want_tokens=True))
    for index, row in enumerate(ids):
        alone = await backend.encode(work([row], want_tokens=True))
        assert cosines(alone.dense[0], together.dense[index]) >= MIN_COSINE
        assert cosines(alone.tokens[0], together.tokens[index]).min() >= MIN_COSINE


async def test_calls_at_the_same_time_do_not_mix_their_rows(backend: EncoderBackend) -> None:
    ids = await ids_of(backend, [f"text number {number} " * (1 + number % 7) for number in range(24)])
    one_by_one = [(await backend.encode(work([row]))).dense[0] for row in ids]
    at_once = await asyncio.gather(*(backend.encode(work([row], want_tokens=bool(index % 2))) for index, row in enumerate(ids)))
    assert cosines(np.stack(one_by_one), np.stack([encoded.dense[0] for encoded in at_once])).min() >= MIN_COSINE
    assert [len(encoded.tokens) for encoded in at_once] == [index % 2 for index in range(24)]


async def test_a_text_at_the_limit_is_encoded(backend: EncoderBackend) -> None:
    ids = await ids_of(backend, ["word " * 400])
    assert len(ids[0]) == backend.record.max_tokens
    encoded = await backend.encode(work(ids, want_tokens=True))
    assert encoded.tokens[0].shape == (backend.record.max_tokens - 2, backend.record.dimension)


async def test_late_work_is_refused(real_backend: EncoderBackend) -> None:
    with pytest.raises(DeadlineError):
        await real_backend.encode(work(await ids_of(real_backend, TEXTS), seconds=-1.0))


async def test_long_texts_are_tokenized_beside_the_event_loop(real_backend: EncoderBackend) -> None:
    text = "naïve words 词 " * 20_000
    encoding = (await real_backend.tokenize([text]))[0]
    assert encoding.end_offsets[-1] == len(text.rstrip().encode())
    assert list(encoding.end_offsets) == sorted(encoding.end_offsets)


async def test_vectors_agree_with_transformers(real_backend: EncoderBackend) -> None:
    texts: dict[str, str] = json.loads((GOLDEN / "texts.json").read_text("utf-8"))
    golden = load_file(GOLDEN / "vectors.safetensors")
    ids = await ids_of(real_backend, list(texts.values()))
    assert {name: list(row) for name, row in zip(texts, ids, strict=True)} == {name: golden[f"ids/{name}"].tolist() for name in texts}
    encoded = await real_backend.encode(work(ids, want_tokens=True))
    found = dict(zip(texts, cosines(encoded.dense, golden["dense"]), strict=True))
    assert min(found.values()) >= MIN_COSINE, found
    token_rows = dict(zip(texts, encoded.tokens, strict=True))
    for name in (key.removeprefix("tokens/") for key in golden if key.startswith("tokens/")):
        reference = golden[f"tokens/{name}"].astype(np.float32)
        assert cosines(token_rows[name], reference).min() >= MIN_COSINE, name


async def test_a_query_finds_its_passage_first(real_backend: EncoderBackend) -> None:
    passages = [
        "Choose Security in the settings to set a new password.",
        "The bowl is painted black and white.",
        "El partido terminó en empate.",
    ]
    ids = await ids_of(real_backend, ["how do I reset my password?", *passages])
    dense = (await real_backend.encode(work(ids))).dense
    assert int(np.argmax(dense[1:] @ dense[0])) == 0
