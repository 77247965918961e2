"""The RPC edge of the reranker: checks, calls the backend, encodes."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.duration_pb2 import Duration

from atlas import deadlines, tensors
from atlas.deadlines import Deadline
from atlas.errors import InvalidInputError, SchemaMismatchError, UnsupportedError
from atlas.reranker.v1 import reranker_pb2 as pb
from atlas.reranker.v1 import reranker_pb2_grpc as rpc
from atlas.type.v1 import type_pb2

from .backend import Candidate, Float32Array, RerankerBackend, Score, ScoreKind, Scoring, Work
from .settings import RerankerSettings

_SCORE_KINDS = {
    ScoreKind.MAXSIM: type_pb2.SCORE_KIND_MAXSIM,
    ScoreKind.LOGIT: type_pb2.SCORE_KIND_LOGIT,
}
MAX_FORGOTTEN = 10_000
"""Most passages that one call drops."""
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_UNIT_TOLERANCE = 0.02
"""Allowed distance of a given token vector's L2 norm from 1: bfloat16 alone takes up to .004."""


class RerankerService(rpc.RerankerServiceServicer):
    """Serves `atlas.reranker.v1.RerankerService`."""

    def __init__(self, backend: RerankerBackend, *, settings: RerankerSettings) -> None:
        self._backend = backend
        self._settings = settings

    async def GetModelInfo(self, request: pb.GetModelInfoRequest, context: Any) -> pb.GetModelInfoResponse:
        """Describes the model."""
        model = self._backend.model
        space = type_pb2.VectorSpace(
            name="tokens",
            kind=type_pb2.VECTOR_KIND_TOKENS,
            dimension=model.record.dimension,
            dtype=type_pb2.D_TYPE_FLOAT16,
            distance=type_pb2.DISTANCE_MAX_SIM,
            fingerprint=model.fingerprint,
        )
        info = type_pb2.ModelInfo(
            model_id=model.record.model_id,
            revision=model.record.revision,
            spaces=[space],
            modalities=["text"],
            query_prompt=model.record.query_prompt,
            passage_prompt=model.record.passage_prompt,
            limits=type_pb2.ModelLimits(
                max_input_count=self._settings.max_input_count,
                max_input_tokens=model.record.max_tokens,
                max_request_tokens=(self._settings.max_input_count + 1) * model.record.max_tokens,
                max_message_bytes=self._settings.max_message_bytes,
            ),
            backend=model.runtime,
            device=model.device,
            precision=model.precision,
            attention=model.attention,
            licence=model.record.licence,
            verified_on="sha256 of every file at load",
        )
        return pb.GetModelInfoResponse(
            model=info,
            score_kind=_SCORE_KINDS[model.score_kind],
            calibration_version=model.calibration_version,
            token_cache_bytes=model.token_cache_bytes,
        )

    async def ForgetPassages(self, request: pb.ForgetPassagesRequest, context: Any) -> pb.ForgetPassagesResponse:
        """Drops passages from the cache."""
        if len(request.content_sha256s) > MAX_FORGOTTEN:
            raise InvalidInputError(
                f"content_sha256s holds {len(request.content_sha256s)} items; 0 to {MAX_FORGOTTEN} are allowed",
                field="content_sha256s",
                count=len(request.content_sha256s),
                max_count=MAX_FORGOTTEN,
            )
        hashes = [_sha256(digits, f"content_sha256s[{index}]") for index, digits in enumerate(request.content_sha256s)]
        return pb.ForgetPassagesResponse(forgotten_count=self._backend.forget(hashes))

    async def Rerank(self, request: pb.RerankRequest, context: Any) -> pb.RerankResponse:
        """Scores the candidates."""
        started_s = time.monotonic()
        work = self._work(request, deadlines.current())
        scoring = await self._backend.score(work)
        return self._response(request, scoring, total_s=time.monotonic() - started_s)

    def _work(self, request: pb.RerankRequest, deadline: Deadline) -> Work:
        limit = self._settings.max_input_count
        if len(request.candidates) > limit:
            raise InvalidInputError(
                f"candidates holds {len(request.candidates)} items; 0 to {limit} are allowed",
                field="candidates",
                candidate_count=len(request.candidates),
                max_input_count=limit,
            )
        _check_ids(request.candidates)
        return Work(
            query=self._text(request.query, "query"),
            candidates=[self._candidate(candidate, f"candidates[{index}]") for index, candidate in enumerate(request.candidates)],
            deadline=deadline,
            budget_end=_budget_end(request),
            max_tokens=_max_tokens(request),
            cut_long_texts=_cuts_long_texts(request.truncation),
            query_tokens=self._query_tokens(request),
        )

    def _query_tokens(self, request: pb.RerankRequest) -> Float32Array | None:
        if not request.HasField("query_tokens"):
            return None
        self._check_space(request.query_fingerprint, "query_fingerprint")
        return self._tokens(request.query_tokens, "query_tokens")

    def _candidate(self, candidate: pb.Candidate, field: str) -> Candidate:
        if candidate.HasField("tokens"):
            self._check_space(candidate.fingerprint, f"{field}.fingerprint")
            return Candidate(field, tokens=self._tokens(candidate.tokens, f"{field}.tokens"))
        return Candidate(f"{field}.content.text", text=self._text(candidate.content, f"{field}.content"))

    def _check_space(self, fingerprint: str, field: str) -> None:
        expected = self._backend.model.fingerprint
        if not fingerprint:
            raise InvalidInputError(f"{field} is empty; token vectors need one", field=field)
        if fingerprint != expected:
            raise SchemaMismatchError(
                f"{field} is {fingerprint}; the model's token vectors have {expected}",
                field=field,
                fingerprint=fingerprint,
                expected_fingerprint=expected,
            )

    def _tokens(self, message: type_pb2.Tensor, field: str) -> Float32Array:
        record = self._backend.model.record
        tokens: Float32Array = tensors.to_array(message, field=field, dtype=np.float32, ndim=2)
        if tokens.shape[1] != record.dimension or len(tokens) > record.max_tokens:
            raise InvalidInputError(
                f"{field} has shape {list(tokens.shape)}; [0 to {record.max_tokens}, {record.dimension}] is needed",
                field=field,
                shape=list(tokens.shape),
                max_tokens=record.max_tokens,
                dimension=record.dimension,
            )
        tensors.check_finite(tokens, field=field)
        _check_unit(tokens, field)
        return tokens

    def _text(self, content: type_pb2.Input, field: str) -> str:
        if content.HasField("image"):
            raise UnsupportedError(f"{field}.image is set; {self._backend.model.record.model_id} reads text alone", field=f"{field}.image")
        if not content.text.strip():
            raise InvalidInputError(f"{field}.text is empty or blank", field=f"{field}.text")
        size_bytes = len(content.text.encode())
        if size_bytes > self._settings.max_text_bytes:
            raise InvalidInputError(
                f"{field}.text has {size_bytes} bytes; {self._settings.max_text_bytes} are allowed",
                field=f"{field}.text",
                size_bytes=size_bytes,
                max_text_bytes=self._settings.max_text_bytes,
            )
        return content.text

    def _response(self, request: pb.RerankRequest, scoring: Scoring, *, total_s: float) -> pb.RerankResponse:
        model = self._backend.model
        kind = _SCORE_KINDS[model.score_kind]
        return pb.RerankResponse(
            scores=[_score(one.id, score, kind) for one, score in zip(request.candidates, scoring.scores, strict=True)],
            calibration_version=model.calibration_version,
            timing=type_pb2.ServerTiming(
                queue=_duration(scoring.queue_s), compute=_duration(max(0.0, total_s - scoring.queue_s)), total=_duration(total_s)
            ),
            usage=type_pb2.Usage(
                tokens=scoring.token_count,
                candidates=len(request.candidates),
                cache_hits=scoring.cache_hit_count,
                items=sum(score.raw is not None for score in scoring.scores),
            ),
        )


def _sha256(digits: str, field: str) -> bytes:
    if not _SHA256.fullmatch(digits):
        raise InvalidInputError(f"{field} is {digits[:80]!r}; 64 hexadecimal digits are needed", field=field, value=digits[:80])
    return bytes.fromhex(digits)


def _check_ids(candidates: Sequence[pb.Candidate]) -> None:
    seen: set[str] = set()
    for index, candidate in enumerate(candidates):
        if not candidate.id:
            raise InvalidInputError(f"candidates[{index}].id is empty", field=f"candidates[{index}].id")
        if candidate.id in seen:
            raise InvalidInputError(
                f"candidates[{index}].id is {candidate.id}, which an earlier candidate has",
                field=f"candidates[{index}].id",
                id=candidate.id,
            )
        seen.add(candidate.id)


def _check_unit(tokens: Float32Array, field: str) -> None:
    norms = np.linalg.norm(tokens, axis=1)
    wrong = np.flatnonzero(np.abs(norms - 1) > _UNIT_TOLERANCE)
    if len(wrong):
        row, norm = int(wrong[0]), float(norms[wrong[0]])
        raise InvalidInputError(f"row {row} of {field} has L2 norm {norm:g}; 1 is needed", field=field, row=row, norm=norm)


def _budget_end(request: pb.RerankRequest) -> Deadline | None:
    if not request.HasField("budget") or not request.budget.HasField("max_time"):
        return None
    seconds = request.budget.max_time.seconds + request.budget.max_time.nanos * 1e-9
    if seconds <= 0:
        raise InvalidInputError(f"budget.max_time is {seconds:g} s; more than 0 is needed", field="budget.max_time", max_time_s=seconds)
    return Deadline.after(seconds)


def _max_tokens(request: pb.RerankRequest) -> int | None:
    if not request.HasField("budget") or not request.budget.HasField("max_tokens"):
        return None
    if request.budget.max_tokens <= 0:
        raise InvalidInputError(
            f"budget.max_tokens is {request.budget.max_tokens}; more than 0 is needed",
            field="budget.max_tokens",
            max_tokens=request.budget.max_tokens,
        )
    return request.budget.max_tokens


def _cuts_long_texts(truncation: int) -> bool:
    match truncation:
        case type_pb2.TRUNCATION_UNSPECIFIED | type_pb2.TRUNCATION_END:
            return True
        case type_pb2.TRUNCATION_ERROR:
            return False
        case _:
            raise InvalidInputError(f"truncation is {truncation}, which names no rule", field="truncation", truncation=truncation)


def _score(candidate_id: str, score: Score, kind: type_pb2.ScoreKind) -> pb.CandidateScore:
    return pb.CandidateScore(
        id=candidate_id,
        scored=score.raw is not None,
        raw_score=score.raw,
        score_kind=kind,
        relevance=score.relevance,
        token_count=score.token_count,
        truncated=score.truncated,
    )


def _duration(seconds: float) -> Duration:
    nanos = round(seconds * 1e9)
    return Duration(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)
