"""Vector spaces as the contract says them: checked on the way in, complete on the way out."""

from __future__ import annotations

from collections.abc import Sequence

from atlas.errors import InvalidInputError
from atlas.type.v1 import type_pb2

from ..limits import check_bytes
from ..memories.validation import MAX_FINGERPRINT_BYTES
from ..search.analyzer import Analyzer, AnalyzerParameters
from .spaces import DENSE, LEXICAL, DenseSpace, LexicalSpace, Spaces

MAX_DIMENSION = 65_536
"""Widest dense vector."""
MAX_SPACE_NAME_BYTES = 64
"""Longest name of a space."""


def checked_spaces(spaces: Sequence[type_pb2.VectorSpace], analyzer: Analyzer, parameters: AnalyzerParameters) -> Spaces:
    """Returns the spaces of a new collection.

    Raises:
        InvalidInputError: There is not exactly one DENSE and one SPARSE space, or one of them cannot be stored.
    """
    places = {type_pb2.VECTOR_KIND_DENSE: _index_of(spaces, "DENSE"), type_pb2.VECTOR_KIND_SPARSE: _index_of(spaces, "SPARSE")}
    for index, space in enumerate(spaces):
        if index not in places.values():
            raise InvalidInputError(
                f"spaces[{index}].kind is {space.kind}, which cannot be stored; one DENSE and one SPARSE space are needed",
                field=f"spaces[{index}].kind",
                kind=space.kind,
            )
        check_bytes(space.name, f"spaces[{index}].name", MAX_SPACE_NAME_BYTES)
        check_bytes(space.fingerprint, f"spaces[{index}].fingerprint", MAX_FINGERPRINT_BYTES)
    dense, sparse = places[type_pb2.VECTOR_KIND_DENSE], places[type_pb2.VECTOR_KIND_SPARSE]
    return Spaces(
        _dense(spaces[dense], f"spaces[{dense}]"), _lexical(spaces[sparse], f"spaces[{sparse}]", analyzer, parameters.average_length_text)
    )


def space_messages(spaces: Spaces) -> list[type_pb2.VectorSpace]:
    """Returns the messages of a generation's spaces."""
    return [
        type_pb2.VectorSpace(
            name=spaces.dense.name,
            kind=type_pb2.VECTOR_KIND_DENSE,
            dimension=spaces.dense.dimension,
            dtype=type_pb2.D_TYPE_FLOAT32,
            distance=type_pb2.DISTANCE_COSINE,
            fingerprint=spaces.dense.fingerprint,
        ),
        type_pb2.VectorSpace(
            name=spaces.lexical.name,
            kind=type_pb2.VECTOR_KIND_SPARSE,
            dtype=type_pb2.D_TYPE_FLOAT32,
            distance=type_pb2.DISTANCE_DOT,
            fingerprint=spaces.lexical.fingerprint,
            analyzer=type_pb2.Analyzer(language="auto", split_identifiers=True, average_length=spaces.lexical.average_length),
        ),
    ]


def _index_of(spaces: Sequence[type_pb2.VectorSpace], kind: str) -> int:
    wanted = {type_pb2.VectorKind.Value(f"VECTOR_KIND_{kind}")}
    if kind == "DENSE":
        wanted.add(type_pb2.VECTOR_KIND_UNSPECIFIED)
    found = [index for index, space in enumerate(spaces) if space.kind in wanted]
    if len(found) != 1:
        raise InvalidInputError(
            f"spaces holds {len(found)} {kind} spaces; one DENSE and one SPARSE space are needed",
            field="spaces",
            kind=kind,
            count=len(found),
        )
    return found[0]


def _dense(space: type_pb2.VectorSpace, field: str) -> DenseSpace:
    if not 1 <= space.dimension <= MAX_DIMENSION:
        raise InvalidInputError(
            f"{field}.dimension is {space.dimension}; 1 to {MAX_DIMENSION} are allowed", field=f"{field}.dimension", value=space.dimension
        )
    if space.dtype not in {type_pb2.D_TYPE_UNSPECIFIED, type_pb2.D_TYPE_FLOAT32}:
        raise InvalidInputError(
            f"{field}.dtype is {space.dtype}; vectors are stored from FLOAT32", field=f"{field}.dtype", value=space.dtype
        )
    if space.distance not in {type_pb2.DISTANCE_UNSPECIFIED, type_pb2.DISTANCE_COSINE}:
        raise InvalidInputError(
            f"{field}.distance is {space.distance}; DENSE vectors are compared by COSINE", field=f"{field}.distance", value=space.distance
        )
    if not space.fingerprint:
        raise InvalidInputError(f"{field}.fingerprint is empty; a DENSE space needs it", field=f"{field}.fingerprint")
    return DenseSpace(space.name or DENSE, space.dimension, space.fingerprint)


def _lexical(space: type_pb2.VectorSpace, field: str, analyzer: Analyzer, average_length: float) -> LexicalSpace:
    if space.fingerprint not in {"", analyzer.fingerprint}:
        raise InvalidInputError(
            f"{field}.fingerprint is {space.fingerprint!r}; memory's own analyzer is {analyzer.fingerprint!r}",
            reason="FOREIGN_FINGERPRINT",
            field=f"{field}.fingerprint",
            fingerprint=space.fingerprint,
            own_fingerprint=analyzer.fingerprint,
        )
    asked = space.analyzer
    if asked.language not in {"", "auto"} or asked.average_length not in {0.0, average_length}:
        raise InvalidInputError(
            f"{field}.analyzer asks for language {asked.language!r} and average_length {asked.average_length:g}; "
            f"memory's own has 'auto' and {average_length:g}",
            field=f"{field}.analyzer",
            language=asked.language,
            average_length=asked.average_length,
        )
    return LexicalSpace(space.name or LEXICAL, analyzer.fingerprint, average_length)
