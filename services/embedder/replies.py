"""Encodes what was computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from google.protobuf.duration_pb2 import Duration

from atlas import tensors
from atlas.embedder.v1 import embedder_pb2 as pb
from atlas.encoder import Encoding, ModelRecord, Output
from atlas.type.v1 import type_pb2

from .backend import Device, Encoded, Float32Array
from .requests import Asked, Limits, TokenType

_BITS = {type_pb2.D_TYPE_FLOAT32: 32, type_pb2.D_TYPE_FLOAT16: 16, type_pb2.D_TYPE_INT8: 8, type_pb2.D_TYPE_BITS: 1}
_INT8_SCALE = 127


def reply_bytes(asked: Asked, ids: Sequence[Sequence[int]], record: ModelRecord, special_count: int) -> int:
    """Returns the size of the vectors that a request asks for."""
    dense = 4 * record.dense_dimension * len(ids) if Output.DENSE in asked.outputs else 0
    if Output.TOKENS not in asked.outputs:
        return dense
    return dense + sum(len(row) - special_count for row in ids) * record.dimension * _BITS[asked.token_type] // 8


def embed_response(asked: Asked, encodings: Sequence[Encoding], encoded: Encoded, record: ModelRecord) -> pb.EmbedResponse:
    """Returns the reply without its timing."""
    response = pb.EmbedResponse(reports=[_report(encoding, record.max_tokens) for encoding in encodings])
    if Output.DENSE in asked.outputs:
        response.dense.CopyFrom(tensors.to_message(encoded.dense))
        response.fingerprint = record.fingerprint(Output.DENSE)
    if Output.TOKENS in asked.outputs:
        response.tokens.CopyFrom(_ragged(encoded.tokens, asked.token_type))
        response.token_fingerprint = record.fingerprint(Output.TOKENS)
    return response


def count_response(encodings: Sequence[Encoding], special_count: int) -> pb.CountTokensResponse:
    """Returns counts and ends without timing."""
    return pb.CountTokensResponse(
        counts=[
            pb.TokenCounts(
                token_count=len(encoding.end_offsets),
                special_token_count=special_count,
                ends=tensors.to_message(np.array(encoding.end_offsets, np.int64)),
            )
            for encoding in encodings
        ]
    )


def model_info(record: ModelRecord, device: Device, limits: Limits) -> type_pb2.ModelInfo:
    """Returns the description of a model as it is served."""
    return type_pb2.ModelInfo(
        model_id=record.model_id,
        revision=record.revision,
        spaces=[
            type_pb2.VectorSpace(
                name="dense",
                kind=type_pb2.VECTOR_KIND_DENSE,
                dimension=record.dense_dimension,
                dtype=type_pb2.D_TYPE_FLOAT32,
                distance=type_pb2.DISTANCE_COSINE,
                fingerprint=record.fingerprint(Output.DENSE),
            ),
            type_pb2.VectorSpace(
                name="tokens",
                kind=type_pb2.VECTOR_KIND_TOKENS,
                dimension=record.dimension,
                dtype=type_pb2.D_TYPE_FLOAT16,
                distance=type_pb2.DISTANCE_MAX_SIM,
                fingerprint=record.fingerprint(Output.TOKENS),
            ),
        ],
        modalities=["text"],
        query_prompt=record.query_prompt,
        passage_prompt=record.passage_prompt,
        limits=type_pb2.ModelLimits(
            max_input_count=limits.input_count,
            max_input_tokens=record.max_tokens,
            max_request_tokens=limits.request_tokens,
            max_message_bytes=limits.message_bytes,
        ),
        backend=device.backend,
        device=device.name,
        precision=device.precision,
        attention=device.attention,
        licence=record.licence,
        verified_on="sha256 at load; vectors against transformers on the real weights",
    )


def timing_message(queue_s: float, compute_s: float, total_s: float) -> type_pb2.ServerTiming:
    """Returns the message of three durations in seconds."""
    return type_pb2.ServerTiming(queue=_duration(queue_s), compute=_duration(compute_s), total=_duration(total_s))


def _report(encoding: Encoding, max_tokens: int) -> pb.InputReport:
    used = min(encoding.token_count, max_tokens)
    return pb.InputReport(
        token_count=encoding.token_count,
        used_token_count=used,
        truncated=used < encoding.token_count,
        fragmentation=encoding.fragmentation,
    )


def _ragged(rows: Sequence[Float32Array], token_type: TokenType) -> type_pb2.RaggedTensor:
    splits = [0, *np.cumsum([len(row) for row in rows]).tolist()]
    return type_pb2.RaggedTensor(values=_quantised(np.concatenate(rows), token_type), row_splits=splits)


def _quantised(vectors: Float32Array, token_type: TokenType) -> type_pb2.Tensor:
    match token_type:
        case type_pb2.D_TYPE_INT8:
            return tensors.to_message(np.rint(vectors * _INT8_SCALE).astype(np.int8))
        case type_pb2.D_TYPE_BITS:
            return tensors.to_bits(vectors >= 0)
        case type_pb2.D_TYPE_FLOAT16:
            return tensors.to_message(vectors.astype(np.float16))
        case _:
            return tensors.to_message(vectors)


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
