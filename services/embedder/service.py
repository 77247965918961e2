"""Serves the embedder over gRPC: checks, calls the backend, encodes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from grpc import aio

from atlas import deadlines, status
from atlas.deadlines import Deadline
from atlas.embedder.v1 import embedder_pb2 as pb
from atlas.embedder.v1 import embedder_pb2_grpc as rpc
from atlas.encoder import Output, Tokenizer
from atlas.errors import AtlasError, InvalidInputError
from atlas.lanes import Lane

from .backend import EncoderBackend, Work
from .pipeline import pipelined
from .replies import count_response, embed_response, model_info, reply_bytes, timing_message
from .requests import Limits, check_reply, checked_ids, checked_request, checked_texts
from .settings import EmbedderSettings

MAX_FRAME_BYTES = 4 * 1024 * 1024
"""Largest frame of `EmbedStream`; the contract states it."""

_REPLY_SLACK_BYTES = 65_536
_OFFSET_BYTES = 8
_SPECIAL_COUNT = Tokenizer.special_token_count


class EmbedderService(rpc.EmbedderServiceServicer):
    """Turns texts into vectors of one model."""

    def __init__(self, backend: EncoderBackend, settings: EmbedderSettings) -> None:
        """Serves `backend` within the limits of `settings`."""
        self._backend = backend
        self._settings = settings
        self._limits = Limits(
            input_count=settings.max_input_count,
            text_bytes=settings.max_text_bytes,
            request_tokens=settings.max_request_tokens,
            message_bytes=settings.max_message_bytes,
        )

    async def GetModelInfo(
        self, request: pb.GetModelInfoRequest, context: aio.ServicerContext[pb.GetModelInfoRequest, pb.GetModelInfoResponse]
    ) -> pb.GetModelInfoResponse:
        """Describes the model."""
        return pb.GetModelInfoResponse(model=model_info(self._backend.record, self._backend.device, self._limits))

    async def Embed(self, request: pb.EmbedRequest, context: aio.ServicerContext[pb.EmbedRequest, pb.EmbedResponse]) -> pb.EmbedResponse:
        """Embeds one batch, all or nothing."""
        return await self._embed(request, Lane.INTERACTIVE, deadlines.current(), wait=False)

    async def EmbedStream(
        self,
        requests: AsyncIterator[pb.EmbedStreamRequest],
        context: aio.ServicerContext[pb.EmbedStreamRequest, pb.EmbedStreamResponse],
    ) -> AsyncIterator[pb.EmbedStreamResponse]:
        """Embeds frames a few at a time, answered in order of completion."""
        async for answer in pipelined(requests, self._frame, in_flight_count=self._settings.stream_frame_count):
            yield answer

    async def CountTokens(
        self, request: pb.CountTokensRequest, context: aio.ServicerContext[pb.CountTokensRequest, pb.CountTokensResponse]
    ) -> pb.CountTokensResponse:
        """Counts word pieces and tells where each ends."""
        begin_s = time.monotonic()
        encodings = await self._backend.tokenize(checked_texts(request.texts, self._limits))
        piece_count = sum(len(encoding.end_offsets) for encoding in encodings)
        check_reply(piece_count * _OFFSET_BYTES + _REPLY_SLACK_BYTES, self._limits, "texts")
        response = count_response(encodings, _SPECIAL_COUNT)
        took_s = time.monotonic() - begin_s
        response.timing.CopyFrom(timing_message(0.0, took_s, took_s))
        return response

    async def _frame(self, frame: pb.EmbedStreamRequest) -> pb.EmbedStreamResponse:
        deadline = deadlines.current().child(cap_s=self._settings.stream_frame_deadline_ms / 1000)
        try:
            _check_frame(frame)
            response = await self._embed(frame.request, Lane.BULK, deadline, wait=True)
        except AtlasError as error:
            # The contract: a frame fails alone, its answer is the status.
            return pb.EmbedStreamResponse(sequence=frame.sequence, error=status.to_status(error))
        return pb.EmbedStreamResponse(sequence=frame.sequence, response=response)

    async def _embed(self, request: pb.EmbedRequest, default_lane: Lane, deadline: Deadline, *, wait: bool) -> pb.EmbedResponse:
        begin_s = time.monotonic()
        record = self._backend.record
        asked = checked_request(request, record, self._limits, default_lane=default_lane)
        encodings = await self._backend.tokenize(asked.texts, lane=None if wait else asked.lane)
        ids = checked_ids(asked, encodings, record, self._limits)
        check_reply(reply_bytes(asked, ids, record, _SPECIAL_COUNT) + _REPLY_SLACK_BYTES, self._limits, "inputs")
        work = Work(ids=ids, want_tokens=Output.TOKENS in asked.outputs, lane=asked.lane, deadline=deadline, wait=wait)
        encoded = await self._backend.encode(work)
        response = embed_response(asked, encodings, encoded, record)
        total_s = time.monotonic() - begin_s
        # Everything but waiting is work: reading the request, tokenizing, encoding the reply.
        response.timing.CopyFrom(timing_message(encoded.queue_s, total_s - encoded.queue_s, total_s))
        return response


def _check_frame(frame: pb.EmbedStreamRequest) -> None:
    size_bytes = frame.ByteSize()
    if size_bytes > MAX_FRAME_BYTES:
        raise InvalidInputError(
            f"the frame has {size_bytes} bytes; {MAX_FRAME_BYTES} are allowed",
            reason="TOO_LARGE",
            field="request",
            size_bytes=size_bytes,
            max_frame_bytes=MAX_FRAME_BYTES,
        )
