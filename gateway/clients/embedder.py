"""The embedder as the gateway calls it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import grpc.aio
import numpy as np
from numpy.typing import NDArray

from atlas import tensors
from atlas.channel import call
from atlas.deadlines import Deadline
from atlas.embedder.v1 import embedder_pb2 as pb
from atlas.embedder.v1 import embedder_pb2_grpc as rpc
from atlas.errors import InvalidInputError, ModelFaultError
from atlas.type.v1 import type_pb2

from .questions import Question, question_message
from .renaming import renamed
from .replies import ServerTime, reply_of, server_time

Float32Array = NDArray[np.float32]
Int64Array = NDArray[np.int64]

_PART = "embedder"
_NORM_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True)
class EmbedderModel:
    """The embedder's model and what it takes in one call."""

    model_id: str
    """Name of the model."""
    revision: str
    """Exact version."""
    fingerprint: str
    """Fingerprint of its DENSE space."""
    token_fingerprint: str
    """Fingerprint of its TOKENS space; empty if it has none."""
    max_input_count: int
    """Texts of a call."""
    max_input_tokens: int
    """Word pieces of a text, special tokens included."""
    dense_space: type_pb2.VectorSpace
    """Its DENSE space as it was described; passed on when a collection is created."""
    described: type_pb2.ModelInfo
    """All that it says of itself; passed on as it came."""


@dataclass(frozen=True, slots=True)
class QueryTokens:
    """Token vectors of a query, on their way to the reranker."""

    vectors: type_pb2.Tensor
    """[T, D]; passed on as it came."""
    fingerprint: str
    """Fingerprint of their space."""


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A query, as the encoder sees it."""

    vector: Float32Array
    """[D], L2 norm 1."""
    fingerprint: str
    """Fingerprint of its space."""
    fragmentation: float
    """Share of word pieces that only continue a word or are unknown, [0, 1]."""
    token_count: int
    """Word pieces read."""
    time: ServerTime
    """Where the time went."""
    tokens: QueryTokens | None = None
    """What the same reading gave each word piece; None unless it was asked for, and came."""
    others: tuple[QueryVector, ...] = ()
    """The same query in the spaces of further models: collections may hold vectors of different ones."""


@dataclass(frozen=True, slots=True)
class PassageVectors:
    """Texts to store, as the encoder sees them."""

    vectors: Float32Array
    """[B, D], L2 norms 1, in the order of the texts."""
    fingerprint: str
    """Fingerprint of their space."""
    token_counts: tuple[int, ...]
    """Word pieces read of each text."""


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Word pieces of a text."""

    count: int
    """Without special tokens."""
    special_count: int
    """Special tokens that embedding adds."""
    ends: Int64Array
    """UTF-8 byte offset behind each word piece."""


class EmbedderClient:
    """Calls the embedder over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = rpc.EmbedderServiceStub(channel)

    async def model(self, *, deadline: Deadline) -> EmbedderModel:
        """Asks for the model."""
        reply = await call(self._stub.GetModelInfo, pb.GetModelInfoRequest(), deadline=deadline)
        return _model(reply.model)

    async def embed_query(self, question: Question, *, deadline: Deadline, token_fingerprint: str = "") -> QueryVector:
        """Embeds a query, ahead of bulk work; with a `token_fingerprint` also its word pieces, if they are of that space.

        Raises:
            ModelFaultError: The reply has no vector of norm 1.
        """
        request = pb.EmbedRequest(inputs=[question_message(question)], input_type=type_pb2.INPUT_TYPE_QUERY, lane=pb.LANE_INTERACTIVE)
        if token_fingerprint:
            request.outputs.extend((pb.OUTPUT_DENSE, pb.OUTPUT_TOKENS))
            request.token_dtype = type_pb2.D_TYPE_FLOAT16
        with renamed("inputs[0]", "query"):
            reply = await call(self._stub.Embed, request, deadline=deadline)
        vectors = _vectors(reply, 1)
        report = reply.reports[0]
        return QueryVector(
            vector=vectors[0],
            fingerprint=reply.fingerprint,
            fragmentation=min(1.0, max(0.0, report.fragmentation)),
            token_count=report.used_token_count,
            time=server_time(reply.timing),
            tokens=_query_tokens(reply, token_fingerprint),
        )

    async def embed_passages(
        self, texts: Sequence[str], *, bulk: bool, deadline: Deadline, expected_fingerprint: str = "", truncate: bool = False
    ) -> PassageVectors:
        """Embeds texts to store; a text over the token limit fails the call, or is cut with `truncate`.

        Raises:
            SchemaMismatchError: The model is not that of `expected_fingerprint`, where one is given.
            ModelFaultError: The reply does not have one vector of norm 1 for each text.
        """
        request = pb.EmbedRequest(
            inputs=[type_pb2.Input(text=text) for text in texts],
            input_type=type_pb2.INPUT_TYPE_PASSAGE,
            lane=pb.LANE_BULK if bulk else pb.LANE_INTERACTIVE,
            expected_fingerprint=expected_fingerprint,
            truncation=type_pb2.TRUNCATION_END if truncate else type_pb2.TRUNCATION_ERROR,
        )
        reply = await call(self._stub.Embed, request, deadline=deadline)
        return PassageVectors(
            vectors=_vectors(reply, len(texts)),
            fingerprint=reply.fingerprint,
            token_counts=tuple(report.used_token_count for report in reply.reports),
        )

    async def count_tokens(self, texts: Sequence[str], *, deadline: Deadline) -> list[TokenCount]:
        """Counts the word pieces of texts of any length."""
        reply = await call(self._stub.CountTokens, pb.CountTokensRequest(texts=texts), deadline=deadline)
        if len(reply.counts) != len(texts):
            raise ModelFaultError(
                f"the embedder counted {len(reply.counts)} of {len(texts)} texts", counted=len(reply.counts), text_count=len(texts)
            )
        return list(_counts(reply.counts))


def _model(info: type_pb2.ModelInfo) -> EmbedderModel:
    dense = next((space for space in info.spaces if space.kind in (type_pb2.VECTOR_KIND_DENSE, type_pb2.VECTOR_KIND_UNSPECIFIED)), None)
    if dense is None:
        raise ModelFaultError(f"the embedder's model {info.model_id} names no DENSE space", model_id=info.model_id)
    return EmbedderModel(
        model_id=info.model_id,
        revision=info.revision,
        fingerprint=dense.fingerprint,
        token_fingerprint=next((space.fingerprint for space in info.spaces if space.kind == type_pb2.VECTOR_KIND_TOKENS), ""),
        max_input_count=info.limits.max_input_count,
        max_input_tokens=info.limits.max_input_tokens,
        dense_space=dense,
        described=info,
    )


def _vectors(reply: pb.EmbedResponse, count: int) -> Float32Array:
    with reply_of(_PART):
        vectors = tensors.to_array(reply.dense, field="dense", dtype=np.float32, ndim=2)
        tensors.check_finite(vectors, field="dense")
        if len(vectors) != count or len(reply.reports) != count or not reply.fingerprint:
            raise InvalidInputError(f"{len(vectors)} vectors and {len(reply.reports)} reports for {count} texts")
        norms = np.linalg.norm(vectors, axis=1)
        if np.any(np.abs(norms - 1.0) > _NORM_TOLERANCE):
            raise InvalidInputError(f"a vector has norm {norms[np.argmax(np.abs(norms - 1.0))]:.4g}, not 1")
    return vectors


def _query_tokens(reply: pb.EmbedResponse, fingerprint: str) -> QueryTokens | None:
    if not fingerprint or not reply.HasField("tokens") or reply.token_fingerprint != fingerprint:
        return None
    return QueryTokens(reply.tokens.values, fingerprint)


def _counts(messages: Iterable[pb.TokenCounts]) -> Iterable[TokenCount]:
    for message in messages:
        with reply_of(_PART):
            ends = tensors.to_array(message.ends, field="ends", dtype=np.int64, ndim=1)
        yield TokenCount(count=message.token_count, special_count=message.special_token_count, ends=ends)
