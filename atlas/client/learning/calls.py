"""The client's calls about learnt worth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from atlas.channel import call
from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.gateway.v1 import ledger_pb2
from atlas.type.v1 import salience_pb2 as types

from ..callers import Caller, SourceClass, caller_message
from ..connected import Connected
from ..writes import Durability, request_made, timestamp
from . import learnt, reading
from .given import HitFeedback, erasure_message, feedback_message


class LearningCalls(Connected):
    """Says what was worth finding, and reads, explains, takes back and erases what was learnt."""

    async def feedback(
        self,
        search_id: str,
        *feedback: HitFeedback,
        caller: Caller | None = None,
        durability: Durability = Durability.POWER_LOSS,
        timeout_s: float | None = None,
    ) -> learnt.FeedbackResult:
        """Says of hits of an earlier search that they were used, helped, were wrong, or how the task ended. All or nothing.

        Args:
            search_id: Id of the search; of pins, their own id, or empty for a new one.
            *feedback: What is said, 1 to 400.
            caller: Who says it; None means a nameless user.
            durability: What the return must survive.
            timeout_s: Most seconds for this call.
        """
        with request_made():
            request = pb.FeedbackRequest(
                search_id=search_id,
                feedback=[feedback_message(item) for item in feedback],
                caller=caller_message(caller),
                durability=durability.value,
            )
        return reading.feedback_result(await call(self._stub.Feedback, request, deadline=self._deadline(timeout_s)))

    async def report_usage(
        self,
        search_id: str,
        answer: str,
        *,
        query: str = "",
        memory_ids: Sequence[str] = (),
        caller: Caller | None = None,
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> learnt.UsageReport:
        """Measures which hits of an earlier search an answer used, and records that as evidence.

        Args:
            search_id: Id of the search.
            answer: The answer's text, at most 65,536 bytes.
            query: The question, in the words of the search: its words in an answer prove nothing.
            memory_ids: Hits that the answerer was given; empty means all results.
            caller: Who answered; None means an assistant without a name.
            dry_run: Only measure, record nothing.
            timeout_s: Most seconds for this call.
        """
        with request_made():
            request = pb.ReportUsageRequest(
                search_id=search_id,
                answer=answer,
                query=query,
                memory_ids=memory_ids,
                caller=caller_message(caller),
                dry_run=dry_run,
            )
        return reading.usage_report(await call(self._stub.ReportUsage, request, deadline=self._deadline(timeout_s)))

    async def salience(self, *memory_ids: str, timeout_s: float | None = None) -> learnt.SalienceResult:
        """Reads what has been learnt about memories, 1 to 1,000."""
        with request_made():
            request = ledger_pb2.GetSalienceRequest(memory_ids=memory_ids)
        return reading.salience_result(await call(self._ledger.GetSalience, request, deadline=self._deadline(timeout_s)))

    async def explain_salience(self, memory_id: str, *, timeout_s: float | None = None) -> learnt.SalienceExplanation:
        """Says how the salience of a memory came about."""
        with request_made():
            request = ledger_pb2.ExplainSalienceRequest(memory_id=memory_id)
        reply = await call(self._ledger.ExplainSalience, request, deadline=self._deadline(timeout_s))
        return reading.explanation(reply.explanation)

    async def revoke(
        self,
        *,
        principals: Sequence[str] = (),
        source_classes: Sequence[SourceClass] = (),
        search_ids: Sequence[str] = (),
        memory_ids: Sequence[str] = (),
        kinds: Sequence[learnt.EventKind] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        dry_run: bool = False,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> learnt.Revocation:
        """Takes events back: afterwards everything is as if they had never been reported.

        All conditions that are given must hold; at least one is needed.

        Args:
            principals: Events of these principals.
            source_classes: Events of these source classes.
            search_ids: Events of these searches.
            memory_ids: Events about these memories.
            kinds: Events of these kinds.
            since: Earliest event, inclusive, with time zone.
            until: Latest event, exclusive, with time zone.
            dry_run: Only say what would be taken back.
            request_id: Your id of this request, at most 128 bytes; a replay gives the first answer.
            timeout_s: Most seconds for this call.
        """
        with request_made():
            selector = types.EventSelector(
                principals=principals,
                source_classes=[f"SOURCE_CLASS_{item.name}" for item in source_classes],
                search_ids=search_ids,
                memory_ids=memory_ids,
                kinds=[f"EVENT_KIND_{item.name}" for item in kinds],
                begin_time=timestamp(since),
                end_time=timestamp(until),
            )
            request = ledger_pb2.RevokeEventsRequest(selector=selector, dry_run=dry_run, request_id=request_id)
        reply = await call(self._ledger.RevokeEvents, request, deadline=self._deadline(timeout_s))
        return reading.revocation(reply.revocation)

    async def rebuild_salience(self, *, recalibrate: bool = False, timeout_s: float | None = None) -> learnt.Rebuilt:
        """Folds all sums anew from the ledger; with `recalibrate` raw scores are read with the current calibration."""
        request = ledger_pb2.RebuildSalienceRequest(recalibrate=recalibrate)
        reply = await call(self._ledger.RebuildSalience, request, deadline=self._deadline(timeout_s))
        return learnt.Rebuilt(reply.event_count, reply.state_count, reply.changed_count)

    async def digest(self, *, verify: bool = False, timeout_s: float | None = None) -> learnt.StateDigest:
        """Digests what is stored and learnt; with `verify` the whole ledger is folded and compared."""
        request = ledger_pb2.GetStateDigestRequest(verify=verify)
        reply = await call(self._ledger.GetStateDigest, request, deadline=self._deadline(timeout_s))
        return reading.digest(reply.digest)

    async def erase(
        self,
        *,
        memory_ids: Sequence[str] = (),
        source: str = "",
        collection: str = "",
        principal: str = "",
        domain: str = "",
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> learnt.ErasureReceipt:
        """Erases memories, or a principal's traces, for good; exactly one selection. There is no way back.

        Args:
            memory_ids: These memories, and everything that is known about them.
            source: All memories of this source, in `collection`.
            collection: Collection of the source.
            principal: All evidence and impressions of this principal; memories stay.
            domain: All memories of this domain, in every collection.
            request_id: Your id of this request, at most 128 bytes; a replay gives the first receipt, with its state as it is by then.
            timeout_s: Most seconds for this call, half of which it may wait until no file holds the bytes any more.
        """
        with request_made():
            selection = erasure_message(memory_ids, source, collection, principal, domain)
            request = ledger_pb2.EraseRequest(selection=selection, request_id=request_id)
        return reading.receipt((await call(self._ledger.Erase, request, deadline=self._deadline(timeout_s))).receipt)
