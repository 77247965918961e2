"""Serves the ledger over gRPC: checks what callers report, keeps policy out."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Sequence

from grpc import aio

from atlas import deadlines
from atlas.clock import Clock
from atlas.errors import InvalidInputError, NotFoundError
from atlas.failpoints import failpoint
from atlas.memory.v1 import salience_pb2 as pb
from atlas.memory.v1 import salience_pb2_grpc as rpc
from atlas.type.v1 import salience_pb2 as common_pb2
from atlas.type.v1 import type_pb2

from ..erasure.due import METHOD
from ..erasure.eraser import Eraser, OfDomain, OfIds, OfPrincipal, OfSource, Selection
from ..limits import MAX_REQUEST_ID_BYTES, check_bytes, checked_id, checked_ids
from ..persistence import free_space, replay
from ..persistence.database import Database, Work
from ..persistence.durability import Durability, asked_durability
from ..persistence.replay import RequestKey
from ..scopes import MAX_DOMAIN_BYTES, MAX_NAME_BYTES, Scope, checked_scope
from . import digests, feedback, folding, impressions, marks, reading, recording, revoking, salience_replies
from .metrics import LedgerMetrics
from .policy import LedgerPolicy
from .projection import SalienceProjector
from .records import Learnt, Recorded
from .salience_requests import check_search_id, checked_events, checked_feedback, checked_impression, checked_selector

Context = aio.ServicerContext
_DURABILITY = {
    Durability.PROCESS_CRASH: type_pb2.DURABILITY_PROCESS_CRASH,
    Durability.POWER_LOSS: type_pb2.DURABILITY_POWER_LOSS,
}


class SalienceService(rpc.SalienceServiceServicer):
    """Records evidence and reads what follows from it."""

    def __init__(
        self,
        database: Database,
        *,
        policy: LedgerPolicy,
        clock: Clock,
        space: free_space.FreeSpace,
        eraser: Eraser,
        projector: SalienceProjector,
        metrics: LedgerMetrics,
        new_id: Callable[[], str],
    ) -> None:
        self._database = database
        self._policy = policy
        self._clock = clock
        self._space = space
        self._eraser = eraser
        self._projector = projector
        self._metrics = metrics
        self._new_id = new_id
        self._cleared = 0

    async def RecordEvents(
        self, request: pb.RecordEventsRequest, context: Context[pb.RecordEventsRequest, pb.RecordEventsResponse]
    ) -> pb.RecordEventsResponse:
        """Records an impression and its evidence in one transaction."""
        begin = time.monotonic()
        scope, now_us = checked_scope(request.scope), self._now_us()
        impression = checked_impression(request, scope, now_us=now_us)
        events, refused = checked_events(request.events, self._policy)
        durability = asked_durability(request.durability, default=Durability.PROCESS_CRASH)
        self._space.check()
        policy, through = self._policy, self._projector.durable
        clears = through > self._cleared

        def work(connection: sqlite3.Connection) -> Recorded:
            if clears:
                marks.clear(connection, through=through)
                failpoint("projection.clear.after")
            return recording.record(connection, scope, impression, events, policy, now_us=now_us)

        recorded = await self._database.write(work, durability=durability)
        self._cleared = max(self._cleared, through)
        self._metrics.searches.inc()
        reply = pb.RecordEventsResponse(accepted_count=recorded.accepted, duplicate_count=recorded.duplicate)
        reply.durability = _DURABILITY[durability]
        reply.rejected.extend(pb.RejectedEvent(memory_id=memory_id, reason=reason) for memory_id, reason in (*refused, *recorded.rejected))
        elapsed_ns = int((time.monotonic() - begin) * 1e9)
        reply.timing.compute.FromNanoseconds(elapsed_ns)
        reply.timing.total.FromNanoseconds(elapsed_ns)
        return reply

    async def RecordFeedback(
        self, request: pb.RecordFeedbackRequest, context: Context[pb.RecordFeedbackRequest, pb.RecordFeedbackResponse]
    ) -> pb.RecordFeedbackResponse:
        """Records evidence from outside, all or nothing."""
        scope, now_us = checked_scope(request.scope), self._now_us()
        report = checked_feedback(request, scope, now_us=now_us, new_id=self._new_id)
        durability = asked_durability(request.durability, default=Durability.POWER_LOSS)
        self._space.check()
        policy = self._policy
        done = await self._database.write(
            lambda connection: feedback.record(connection, report, policy, now_us=now_us), durability=durability
        )
        return pb.RecordFeedbackResponse(
            accepted_count=done.accepted, duplicate_count=done.duplicate, ignored_count=done.ignored, durability=_DURABILITY[durability]
        )

    async def GetImpression(
        self, request: pb.GetImpressionRequest, context: Context[pb.GetImpressionRequest, pb.GetImpressionResponse]
    ) -> pb.GetImpressionResponse:
        """Gives a recorded search."""
        scope = checked_scope(request.scope)
        check_search_id(request.search_id)
        found = await self._database.read(lambda connection: impressions.find(connection, scope, request.search_id))
        if found is None:
            raise NotFoundError(
                f"search {request.search_id!r} is unknown, or older than what is kept",
                reason="SEARCH_NOT_FOUND",
                field="search_id",
                search_id=request.search_id,
            )
        return salience_replies.impression_message(found)

    async def GetSalience(
        self, request: pb.GetSalienceRequest, context: Context[pb.GetSalienceRequest, pb.GetSalienceResponse]
    ) -> pb.GetSalienceResponse:
        """Reads the salience of memories."""
        scope = checked_scope(request.scope)
        memory_ids = checked_ids(request.memory_ids, "memory_ids")
        now_s, rule = self._now_s(), self._policy.rule
        found = await self._database.read(lambda connection: reading.read(connection, scope.tenant, memory_ids, now_s, rule))
        known = {memory_id: salience for memory_id, salience in found.items() if scope.covers(salience.domain)}
        return pb.GetSalienceResponse(
            salience=[salience_replies.salience_message(memory_id, known[memory_id]) for memory_id in memory_ids if memory_id in known],
            missing_ids=[memory_id for memory_id in memory_ids if memory_id not in known],
        )

    async def ExplainSalience(
        self, request: pb.ExplainSalienceRequest, context: Context[pb.ExplainSalienceRequest, pb.ExplainSalienceResponse]
    ) -> pb.ExplainSalienceResponse:
        """Says how the salience of a memory came about."""
        scope = checked_scope(request.scope)
        memory_id = checked_id(request.memory_id, "memory_id")
        now_s, rule = self._now_s(), self._policy.rule
        found = await self._database.read(lambda connection: reading.explain(connection, scope.tenant, memory_id, now_s, rule))
        if found is None or not scope.covers(found.known.domain):
            raise NotFoundError(f"memory {memory_id} does not exist", reason="MEMORY_NOT_FOUND", field="memory_id", memory_id=memory_id)
        return pb.ExplainSalienceResponse(explanation=salience_replies.explanation_message(memory_id, found, rule))

    async def RevokeEvents(
        self, request: pb.RevokeEventsRequest, context: Context[pb.RevokeEventsRequest, pb.RevokeEventsResponse]
    ) -> pb.RevokeEventsResponse:
        """Takes events back, or says what would be taken back."""
        scope = checked_scope(request.scope)
        selector = checked_selector(request.selector)
        now_s, rule = self._now_s(), self._policy.rule

        def work(connection: sqlite3.Connection) -> bytes:
            revocation = revoking.revoke(connection, scope, selector, rule, time_s=now_s)
            return salience_replies.revocation_message(revocation).SerializeToString()

        if request.dry_run:
            answer = await self._database.write(_undone(work), durability=Durability.PROCESS_CRASH)
        else:
            self._space.check()
            key = _key("RevokeEvents", request.request_id, scope, request.selector.SerializeToString(deterministic=True))
            answer = await self._database.write(_once(work, key, now_s), durability=Durability.POWER_LOSS)
        return pb.RevokeEventsResponse(revocation=common_pb2.Revocation.FromString(answer))

    async def RebuildSalience(
        self, request: pb.RebuildSalienceRequest, context: Context[pb.RebuildSalienceRequest, pb.RebuildSalienceResponse]
    ) -> pb.RebuildSalienceResponse:
        """Folds all sums anew from the ledger."""
        scope, policy = checked_scope(request.scope), self._policy
        self._space.check()
        done = await self._database.write(
            lambda connection: folding.rebuild(connection, scope, policy, recalibrate=request.recalibrate),
            durability=Durability.POWER_LOSS,
        )
        return pb.RebuildSalienceResponse(event_count=done.event_count, state_count=done.state_count, changed_count=done.changed_count)

    async def GetStateDigest(
        self, request: pb.GetStateDigestRequest, context: Context[pb.GetStateDigestRequest, pb.GetStateDigestResponse]
    ) -> pb.GetStateDigestResponse:
        """Digests what the tenant has."""
        scope, rule = checked_scope(request.scope), self._policy.rule
        found = await self._database.scan(lambda connection: digests.digest(connection, scope, rule, verify=request.verify))
        return pb.GetStateDigestResponse(digest=salience_replies.digest_message(found))

    async def Erase(self, request: pb.EraseRequest, context: Context[pb.EraseRequest, pb.EraseResponse]) -> pb.EraseResponse:
        """Erases for good and says what."""
        scope = checked_scope(request.scope)
        selection = _checked_selection(request.selection)
        key = _key(METHOD, request.request_id, scope, request.selection.SerializeToString(deterministic=True))
        return await self._eraser.erase(scope, selection, key, deadline=deadlines.current())

    async def salience_of(self, tenant: str, memory_ids: Sequence[str], rest_ids: Sequence[str] = ()) -> Learnt:
        """Reads the salience of stored memories now, of `rest_ids` the log-odds alone; unknown ids are left out."""
        now_s, rule = self._now_s(), self._policy.rule

        def work(connection: sqlite3.Connection) -> Learnt:
            rest = reading.log_odds(connection, tenant, rest_ids, now_s, rule) if rest_ids else {}
            return Learnt(reading.worths(connection, tenant, memory_ids, now_s, rule), rest)

        return await self._database.read(work)

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    def _now_us(self) -> int:
        return int(self._now_s() * 1e6)


def _checked_selection(selection: common_pb2.ErasureSelection) -> Selection:
    field = "selection"
    match selection.WhichOneof("selection"):
        case "ids":
            return OfIds(checked_ids(selection.ids.memory_ids, f"{field}.ids.memory_ids"))
        case "source":
            if not selection.source.collection or not selection.source.source:
                missing = "source" if selection.source.collection else "collection"
                raise InvalidInputError(f"{field}.source.{missing} is empty", field=f"{field}.source.{missing}")
            return OfSource(selection.source.collection, selection.source.source)
        case "domain":
            check_bytes(selection.domain, f"{field}.domain", MAX_DOMAIN_BYTES)
            return OfDomain(selection.domain)
        case "principal":
            check_bytes(selection.principal, f"{field}.principal", MAX_NAME_BYTES)
            return OfPrincipal(selection.principal)
        case _:
            raise InvalidInputError(f"{field} is empty; ids, source, principal or domain is needed", field=field)


def _key(method: str, request_id: str, scope: Scope, content: bytes) -> RequestKey:
    check_bytes(request_id, "request_id", MAX_REQUEST_ID_BYTES)
    domains = "\0".join(sorted(scope.domains)).encode()
    return RequestKey(scope.tenant, method, request_id, hashlib.sha256(domains + b"\0\0" + content).digest())


def _once(work: Work[bytes], key: RequestKey, time_s: float) -> Work[bytes]:
    def run(connection: sqlite3.Connection) -> bytes:
        answer = replay.known_answer(connection, key)
        if answer is None:
            answer = work(connection)
            replay.keep_answer(connection, key, answer, time_s)
        return answer

    return run


def _undone(work: Work[bytes]) -> Work[bytes]:
    """Returns a work that says what would come of another one, and takes it back."""

    def run(connection: sqlite3.Connection) -> bytes:
        connection.execute("SAVEPOINT dry_run")
        try:
            return work(connection)
        finally:
            connection.execute("ROLLBACK TO dry_run")
            connection.execute("RELEASE dry_run")

    return run
