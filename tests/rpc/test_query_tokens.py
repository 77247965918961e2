"""One reading of the query for both models: when the gateway asks the embedder for token vectors, and passes them on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from atlas import tensors
from atlas.embedder.v1 import embedder_pb2
from atlas.errors import AtlasError, DependencyDownError, InvalidInputError, SchemaMismatchError, UnsupportedError
from atlas.type.v1 import type_pb2
from tests.rpc.gateway_stubs import FINGERPRINT, QUERY_TOKENS, TOKEN_FINGERPRINT, House, changed, failing, open_house

BOTH = [embedder_pb2.OUTPUT_DENSE, embedder_pb2.OUTPUT_TOKENS]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Both models share the space of their token vectors."""
    async with open_house() as opened:
        opened.embedder.token_fingerprint = opened.reranker.token_fingerprint = TOKEN_FINGERPRINT
        yield opened


def outputs(house: House) -> list[list[int]]:
    """What each search asked the embedder for."""
    return [list(request.outputs) for request in house.embedder.requests["Embed"]]


def passed_on(house: House) -> list[bool]:
    """Whether each call of the reranker brought the query's token vectors."""
    return [request.HasField("query_tokens") for request in house.reranker.requests["Rerank"]]


def calls(house: House) -> list[tuple[int, int]]:
    """Calls of work and of descriptions, of the embedder and of the reranker."""
    return [
        (house.embedder.calls["Embed"], house.embedder.calls["GetModelInfo"]),
        (house.reranker.calls["Rerank"], house.reranker.calls["GetModelInfo"]),
    ]


async def test_from_the_second_search_on_the_query_is_read_once(house: House) -> None:
    for _ in range(3):
        response = await house.search()
        assert not response.degraded
    assert outputs(house) == [[], BOTH, BOTH]
    assert passed_on(house) == [False, True, True]
    assert calls(house) == [(3, 1), (3, 1)]
    assert house.embedder.requests["Embed"][1].token_dtype == type_pb2.D_TYPE_FLOAT16
    request = house.reranker.requests["Rerank"][1]
    assert request.query.text
    assert request.query_fingerprint == TOKEN_FINGERPRINT
    np.testing.assert_array_equal(tensors.to_array(request.query_tokens, field="query_tokens"), QUERY_TOKENS)


@pytest.mark.parametrize(("embedder", "reranker"), [("a/1", "b/1"), ("a/1", ""), ("", "b/1"), ("", "")])
async def test_models_without_a_common_space_each_read_the_query(house: House, embedder: str, reranker: str) -> None:
    house.embedder.token_fingerprint, house.reranker.token_fingerprint = embedder, reranker
    for _ in range(3):
        assert not (await house.search()).degraded
    assert outputs(house) == [[], [], []]
    assert passed_on(house) == [False, False, False]
    assert calls(house) == [(3, 1), (3, 1)]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda reply: setattr(reply, "token_fingerprint", "other/2"), id="another space"),
        pytest.param(lambda reply: reply.ClearField("token_fingerprint"), id="no space"),
        pytest.param(lambda reply: reply.ClearField("tokens"), id="no token vectors"),
    ],
)
async def test_token_vectors_that_did_not_come_as_asked_are_not_passed_on(house: House, spoil: Any) -> None:
    await house.search()
    house.embedder.behaviour["Embed"] = changed(house.embedder.embedded, spoil)
    assert not (await house.search()).degraded
    assert passed_on(house) == [False, False]
    assert calls(house) == [(2, 1), (2, 1)]


async def test_a_picture_is_not_asked_for_token_vectors(house: House) -> None:
    await house.search()
    await house.search(query=type_pb2.Input(text="a chart", image=type_pb2.Image(data=b"png", media_type="image/png")))
    assert outputs(house) == [[], []]
    assert passed_on(house) == [False, False]


async def test_while_the_embedder_is_away_the_reranker_reads_the_query(house: House) -> None:
    await house.search()
    house.embedder.behaviour["Embed"] = failing(DependencyDownError("away"))
    assert [item.stage for item in (await house.search()).degraded] == ["embed"]
    assert passed_on(house) == [False, False]


async def test_after_the_reranker_was_away_its_model_is_asked_for_before_token_vectors_are(house: House) -> None:
    await house.search()
    house.reranker.behaviour["Rerank"] = failing(DependencyDownError("away"))
    await house.search()
    house.reranker.behaviour.clear()
    for _ in range(2):
        await house.search()
    assert outputs(house) == [[], BOTH, [], BOTH]
    assert passed_on(house)[-2:] == [False, True]


def refusing(refusal: AtlasError, field: str, usual: Any) -> Any:
    """Refuses requests that have `field`, answers the others."""

    async def behave(request: Any, context: Any) -> Any:
        if any(descriptor.name == field for descriptor, _ in request.ListFields()):
            return await failing(refusal)(request, context)
        return usual(request)

    return behave


@pytest.mark.parametrize(
    "refusal", [SchemaMismatchError("another space"), InvalidInputError("another count", field="query_tokens")], ids=repr
)
async def test_a_reranker_that_was_replaced_reads_the_query_itself(house: House, refusal: AtlasError) -> None:
    await house.search()
    house.reranker.token_fingerprint = "other/2"
    house.reranker.behaviour["Rerank"] = refusing(refusal, "query_tokens", house.reranker.reranked)
    for _ in range(2):
        response = await house.search(require_complete=True)
    assert response.models[1].fingerprint == "other/2"
    assert passed_on(house) == [False, True, False, False]
    assert outputs(house) == [[], BOTH, []]


async def test_an_embedder_that_was_replaced_by_one_without_token_vectors_is_asked_without(house: House) -> None:
    await house.search()
    house.embedder.token_fingerprint = ""
    house.embedder.behaviour["Embed"] = refusing(UnsupportedError("no token vectors"), "outputs", house.embedder.embedded)
    for _ in range(2):
        response = await house.search(require_complete=True)
    assert response.models[0].fingerprint == FINGERPRINT
    assert outputs(house) == [[], BOTH, [], []]
    assert passed_on(house) == [False, False, False]
