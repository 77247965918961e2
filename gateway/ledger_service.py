"""The ledger's RPCs: check, call, encode."""

from __future__ import annotations

from uuid import uuid4

from grpc import aio

from atlas import deadlines
from atlas.errors import InvalidInputError
from atlas.gateway.v1 import ledger_pb2 as pb
from atlas.gateway.v1 import ledger_pb2_grpc as rpc

from . import requests
from .clients import LedgerClient
from .learning import Eraser
from .memories import Scope

MAX_IDS = 1_000
"""Most memories of one call."""


class LedgerService(rpc.LedgerServiceServicer):
    """Reads and administers what was learnt."""

    def __init__(self, ledger: LedgerClient, eraser: Eraser, *, tenant: str) -> None:
        self._ledger = ledger
        self._eraser = eraser
        # Without access control everybody is the one tenant of the settings, and sees all of it.
        self._scope = Scope(tenant)

    async def GetSalience(
        self, request: pb.GetSalienceRequest, context: aio.ServicerContext[pb.GetSalienceRequest, pb.GetSalienceResponse]
    ) -> pb.GetSalienceResponse:
        """Reads the salience of memories."""
        if not 1 <= len(request.memory_ids) <= MAX_IDS:
            count = len(request.memory_ids)
            raise InvalidInputError(
                f"memory_ids holds {count} items; 1 to {MAX_IDS} are allowed", field="memory_ids", count=count, max_count=MAX_IDS
            )
        ids = [requests.check_memory_id(value, path=f"memory_ids[{index}]") for index, value in enumerate(request.memory_ids)]
        known, missing = await self._ledger.salience(self._scope, ids, deadline=deadlines.current())
        return pb.GetSalienceResponse(salience=known, missing_ids=missing)

    async def ExplainSalience(
        self, request: pb.ExplainSalienceRequest, context: aio.ServicerContext[pb.ExplainSalienceRequest, pb.ExplainSalienceResponse]
    ) -> pb.ExplainSalienceResponse:
        """Says how the salience of a memory came about."""
        memory_id = requests.check_memory_id(request.memory_id)
        return pb.ExplainSalienceResponse(explanation=await self._ledger.explain(self._scope, memory_id, deadline=deadlines.current()))

    async def RevokeEvents(
        self, request: pb.RevokeEventsRequest, context: aio.ServicerContext[pb.RevokeEventsRequest, pb.RevokeEventsResponse]
    ) -> pb.RevokeEventsResponse:
        """Takes events back."""
        requests.check_request_id(request.request_id)
        revocation = await self._ledger.revoke(
            self._scope, request.selector, dry_run=request.dry_run, request_id=request.request_id, deadline=deadlines.current()
        )
        return pb.RevokeEventsResponse(revocation=revocation)

    async def RebuildSalience(
        self, request: pb.RebuildSalienceRequest, context: aio.ServicerContext[pb.RebuildSalienceRequest, pb.RebuildSalienceResponse]
    ) -> pb.RebuildSalienceResponse:
        """Folds all sums anew."""
        rebuilt = await self._ledger.rebuild(self._scope, recalibrate=request.recalibrate, deadline=deadlines.current())
        return pb.RebuildSalienceResponse(
            event_count=rebuilt.event_count, state_count=rebuilt.state_count, changed_count=rebuilt.changed_count
        )

    async def GetStateDigest(
        self, request: pb.GetStateDigestRequest, context: aio.ServicerContext[pb.GetStateDigestRequest, pb.GetStateDigestResponse]
    ) -> pb.GetStateDigestResponse:
        """Digests what is stored and learnt."""
        return pb.GetStateDigestResponse(digest=await self._ledger.digest(self._scope, verify=request.verify, deadline=deadlines.current()))

    async def Erase(self, request: pb.EraseRequest, context: aio.ServicerContext[pb.EraseRequest, pb.EraseResponse]) -> pb.EraseResponse:
        """Erases for good."""
        requests.check_request_id(request.request_id)
        if request.selection.WhichOneof("selection") is None:
            raise InvalidInputError("selection is missing: one of ids, source, principal and domain says what to erase", field="selection")
        # Half of the job may be left to a second call, which needs a name for the first.
        request_id = request.request_id or str(uuid4())
        receipt = await self._eraser.erase(self._scope, request.selection, request_id=request_id, deadline=deadlines.current())
        return pb.EraseResponse(receipt=receipt)
