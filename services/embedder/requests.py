"""Checks requests before anything is computed for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from atlas.embedder.v1 import embedder_pb2 as pb
from atlas.encoder import Encoding, ModelRecord, Output
from atlas.errors import InvalidInputError, SchemaMismatchError, UnsupportedError
from atlas.lanes import Lane
from atlas.type.v1 import type_pb2

Value = TypeVar("Value")
TokenType: TypeAlias = "type_pb2.DType"

_OUTPUTS = {pb.OUTPUT_UNSPECIFIED: Output.DENSE, pb.OUTPUT_DENSE: Output.DENSE, pb.OUTPUT_TOKENS: Output.TOKENS}
_LANES = {pb.LANE_INTERACTIVE: Lane.INTERACTIVE, pb.LANE_BULK: Lane.BULK}
_TOKEN_TYPES = {
    type_pb2.D_TYPE_UNSPECIFIED: type_pb2.D_TYPE_FLOAT16,
    type_pb2.D_TYPE_FLOAT32: type_pb2.D_TYPE_FLOAT32,
    type_pb2.D_TYPE_FLOAT16: type_pb2.D_TYPE_FLOAT16,
    type_pb2.D_TYPE_INT8: type_pb2.D_TYPE_INT8,
    type_pb2.D_TYPE_BITS: type_pb2.D_TYPE_BITS,
}
_TRUNCATIONS = {type_pb2.TRUNCATION_UNSPECIFIED: False, type_pb2.TRUNCATION_ERROR: False, type_pb2.TRUNCATION_END: True}


@dataclass(frozen=True, slots=True)
class Limits:
    """Most that one call may ask for."""

    input_count: int
    text_bytes: int
    request_tokens: int
    message_bytes: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose fields are all meaningful; its texts are not yet tokenized."""

    texts: Sequence[str]
    """Texts with the prompt of their side in front."""
    truncate: bool
    """Whether the end of a long text is cut off; else it is an error."""
    outputs: frozenset[Output]
    lane: Lane
    token_type: TokenType


def checked_request(request: pb.EmbedRequest, record: ModelRecord, limits: Limits, *, default_lane: Lane) -> Asked:
    """Returns what is asked, or says which field is wrong.

    Raises:
        InvalidInputError: A field is missing, empty, too large or has a value that means nothing.
        UnsupportedError: The model cannot do it.
        SchemaMismatchError: The caller relies on another vector space.
    """
    _check_count("inputs", len(request.inputs), limits.input_count)
    prompt = _prompt(request.input_type, record)
    texts = [prompt + _text(index, item, limits.text_bytes) for index, item in enumerate(request.inputs)]
    _check_dimension(request, record)
    _check_fingerprint(request.expected_fingerprint, record)
    return Asked(
        texts=texts,
        truncate=_known("truncation", request.truncation, _TRUNCATIONS),
        outputs=_outputs(request.outputs, record),
        lane=_known("lane", request.lane, {pb.LANE_UNSPECIFIED: default_lane, **_LANES}),
        token_type=_known("token_dtype", request.token_dtype, _TOKEN_TYPES),
    )


def checked_ids(asked: Asked, encodings: Sequence[Encoding], record: ModelRecord, limits: Limits) -> list[tuple[int, ...]]:
    """Returns the ids that the model reads of each text.

    Raises:
        InvalidInputError: A text is over the model's limit and may not be cut, has no word piece at all, or all together are too many.
    """
    for index, encoding in enumerate(encodings):
        if encoding.token_count > record.max_tokens and not asked.truncate:
            raise InvalidInputError(
                f"inputs[{index}].text has {encoding.token_count} tokens; {record.max_tokens} are allowed",
                reason="TOO_MANY_TOKENS",
                field=f"inputs[{index}].text",
                token_count=encoding.token_count,
                max_tokens=record.max_tokens,
            )
        if not encoding.piece_ids:
            raise InvalidInputError(f"inputs[{index}].text has nothing that the model reads", reason="EMPTY", field=f"inputs[{index}].text")
    ids = [encoding.truncated(record.max_tokens) for encoding in encodings]
    total = sum(map(len, ids))
    if total > limits.request_tokens:
        raise InvalidInputError(
            f"inputs hold {total} tokens together; {limits.request_tokens} are allowed",
            reason="TOO_MANY_TOKENS",
            field="inputs",
            token_count=total,
            max_request_tokens=limits.request_tokens,
        )
    return ids


def checked_texts(texts: Sequence[str], limits: Limits) -> Sequence[str]:
    """Returns the texts whose tokens shall be counted.

    Raises:
        InvalidInputError: There are none or too many.
    """
    _check_count("texts", len(texts), limits.input_count)
    return texts


def check_reply(size_bytes: int, limits: Limits, field: str) -> None:
    """Refuses a request whose reply would not fit into a message.

    Raises:
        InvalidInputError: Names both sizes.
    """
    if size_bytes > limits.message_bytes:
        raise InvalidInputError(
            f"{field} would need a reply of {size_bytes} bytes; {limits.message_bytes} are allowed, so ask for less at once",
            reason="REPLY_TOO_LARGE",
            field=field,
            size_bytes=size_bytes,
            max_message_bytes=limits.message_bytes,
        )


def _check_count(field: str, count: int, limit: int) -> None:
    if not 1 <= count <= limit:
        raise InvalidInputError(
            f"{field} holds {count} items; 1 to {limit} are allowed", field=field, input_count=count, max_input_count=limit
        )


def _prompt(input_type: int, record: ModelRecord) -> str:
    prompts = {type_pb2.INPUT_TYPE_QUERY: record.query_prompt, type_pb2.INPUT_TYPE_PASSAGE: record.passage_prompt}
    if input_type == type_pb2.INPUT_TYPE_UNSPECIFIED:
        raise InvalidInputError("input_type is unspecified; QUERY or PASSAGE is required", field="input_type")
    return _known("input_type", input_type, prompts)


def _text(index: int, item: type_pb2.Input, max_bytes: int) -> str:
    if item.HasField("image"):
        raise UnsupportedError(f"inputs[{index}].image: this model reads text alone", field=f"inputs[{index}].image")
    field = f"inputs[{index}].text"
    if not item.text or item.text.isspace():
        raise InvalidInputError(f"{field} is empty or blank; a text is required", reason="EMPTY", field=field)
    # Bytes are at least as many as characters: most texts need no count.
    size = len(item.text) if len(item.text) * 4 <= max_bytes else len(item.text.encode())
    if size > max_bytes:
        raise InvalidInputError(
            f"{field} has {size} bytes; {max_bytes} are allowed", reason="TOO_LARGE", field=field, size_bytes=size, max_text_bytes=max_bytes
        )
    return item.text


def _check_dimension(request: pb.EmbedRequest, record: ModelRecord) -> None:
    if not request.HasField("dimension") or request.dimension == record.dense_dimension:
        return
    kind = UnsupportedError if 1 <= request.dimension < record.dense_dimension else InvalidInputError
    raise kind(
        f"dimension is {request.dimension}; the vectors of {record.model_id} have {record.dense_dimension} and cannot be cut",
        field="dimension",
        dimension=request.dimension,
        model_dimension=record.dense_dimension,
    )


def _check_fingerprint(expected: str, record: ModelRecord) -> None:
    own = record.fingerprint(Output.DENSE)
    if expected and expected != own:
        raise SchemaMismatchError(
            f"expected_fingerprint is {expected}; this model's vectors are {own}",
            reason="FINGERPRINT_MISMATCH",
            field="expected_fingerprint",
            expected_fingerprint=expected,
            fingerprint=own,
        )


def _outputs(asked: Sequence[int], record: ModelRecord) -> frozenset[Output]:
    if pb.OUTPUT_SPARSE in asked:
        raise UnsupportedError(f"outputs asks for SPARSE; {record.model_id} has no learnt term weights", field="outputs")
    return frozenset(_known(f"outputs[{index}]", output, _OUTPUTS) for index, output in enumerate(asked)) or frozenset({Output.DENSE})


def _known(field: str, number: int, values: Mapping[Any, Value]) -> Value:
    if number not in values:
        allowed = ", ".join(str(known) for known in values)
        raise InvalidInputError(f"{field} is {number}; the numbers {allowed} are allowed", field=field, value=number)
    return values[number]
