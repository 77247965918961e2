"""Memory's ledger as the gateway administers it: messages of both sides are the same ones, so they pass as they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc.aio

from atlas.channel import call
from atlas.deadlines import Deadline
from atlas.memory.v1 import salience_pb2 as pb
from atlas.memory.v1 import salience_pb2_grpc as rpc
from atlas.type.v1 import salience_pb2 as types

from ..memories import Scope
from .memory import scope_message


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a new fold of the ledger gave."""

    event_count: int
    """Events that were folded."""
    state_count: int
    """Sums that were written."""
    changed_count: int
    """Sums that were not exactly what the ledger says."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased."""

    receipt: types.ErasureReceipt
    """Numbers."""
    content_sha256s: tuple[str, ...]
    """Hash of each erased indexed text."""


class LedgerClient:
    """Calls what memory's `SalienceService` has for reading and administering the ledger, over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = rpc.SalienceServiceStub(channel)

    async def salience(self, scope: Scope, memory_ids: Sequence[str], *, deadline: Deadline) -> tuple[list[types.Salience], list[str]]:
        """Reads what has been learnt about memories; also gives the ids that are not there."""
        request = pb.GetSalienceRequest(scope=scope_message(scope), memory_ids=memory_ids)
        reply = await call(self._stub.GetSalience, request, deadline=deadline)
        return list(reply.salience), list(reply.missing_ids)

    async def explain(self, scope: Scope, memory_id: str, *, deadline: Deadline) -> types.SalienceExplanation:
        """Says how the salience of a memory came about."""
        request = pb.ExplainSalienceRequest(scope=scope_message(scope), memory_id=memory_id)
        return (await call(self._stub.ExplainSalience, request, deadline=deadline)).explanation

    async def revoke(
        self, scope: Scope, selector: types.EventSelector, *, dry_run: bool, request_id: str, deadline: Deadline
    ) -> types.Revocation:
        """Takes events back."""
        request = pb.RevokeEventsRequest(scope=scope_message(scope), selector=selector, dry_run=dry_run, request_id=request_id)
        return (await call(self._stub.RevokeEvents, request, deadline=deadline)).revocation

    async def rebuild(self, scope: Scope, *, recalibrate: bool, deadline: Deadline) -> Rebuilt:
        """Folds all sums anew."""
        request = pb.RebuildSalienceRequest(scope=scope_message(scope), recalibrate=recalibrate)
        reply = await call(self._stub.RebuildSalience, request, deadline=deadline)
        return Rebuilt(reply.event_count, reply.state_count, reply.changed_count)

    async def digest(self, scope: Scope, *, verify: bool, deadline: Deadline) -> types.StateDigest:
        """Digests what is stored and learnt."""
        request = pb.GetStateDigestRequest(scope=scope_message(scope), verify=verify)
        return (await call(self._stub.GetStateDigest, request, deadline=deadline)).digest

    async def erase(self, scope: Scope, selection: types.ErasureSelection, *, request_id: str, deadline: Deadline) -> Erased:
        """Erases memories or a principal's traces for good."""
        request = pb.EraseRequest(scope=scope_message(scope), selection=selection, request_id=request_id)
        reply = await call(self._stub.Erase, request, deadline=deadline)
        return Erased(reply.receipt, tuple(reply.content_sha256s))
