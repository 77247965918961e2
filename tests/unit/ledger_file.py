"""A ledger in a file of its own, without a service around it, and short ways to write to it."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from atlas.salience import EventKind
from services.memory.ledger import checkpoints, digests, feedback, folding, reading, recording, revoking
from services.memory.ledger.digests import Digest
from services.memory.ledger.policy import LedgerPolicy
from services.memory.ledger.records import US_PER_DAY, FedBack, Impression, NewEvent, Pool, PoolMember, Recorded, SourceClass
from services.memory.ledger.revoking import Revocation, Selector
from services.memory.persistence import schema
from services.memory.scopes import Scope

START_US = 1_790_000_000_000_000
CALIBRATION = "minilm-maxsim-1"
IDS = [f"00000000-0000-0000-0000-00000000000{digit}" for digit in range(6)]


class LedgerFile:
    """A ledger with some memories in it; every call is one transaction."""

    def __init__(self, path: Path | str, *, policy: LedgerPolicy | None = None, tenant: str = "t") -> None:
        # Python 3.13 warns of connections that nobody closes; the thread that finds this one to be garbage closes it, whichever that is.
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self.connection.close)
        schema.create(self.connection)
        self.policy = policy or LedgerPolicy()
        self.scope = Scope(tenant, "anna", frozenset())
        self.now_us = START_US

    def store(self, *memory_ids: str, domain: str = "") -> None:
        self.connection.executemany(
            "INSERT INTO memory VALUES (?, ?, 'notes', 'g', ?, '', '', 'sha', x'00', '', 'text', 1, 0)",
            [(self.scope.tenant, one, domain) for one in memory_ids],
        )

    def search(
        self,
        search_id: str,
        values: Mapping[str, float],
        *,
        principal: str = "anna",
        source_class: SourceClass = SourceClass.USER,
        bucket: int = 0,
        time_us: int | None = None,
        pool: Mapping[str, Pool] | None = None,
        propensity: float = 1.0,
    ) -> Recorded:
        members = tuple(
            PoolMember(one, "notes", "", kind, place, propensity if kind is Pool.EXPLORE else 1.0, place)
            for place, (one, kind) in enumerate((pool or dict.fromkeys(IDS, Pool.CLEAN)).items(), start=1)
        )
        impression = Impression(
            self.scope.tenant, search_id, principal, source_class, (), self.now_us if time_us is None else time_us, bucket, "f", members
        )
        events = [NewEvent(one, EventKind.RERANK, value, value, 1, CALIBRATION) for one, value in values.items()]
        return self._write(lambda: recording.record(self.connection, self.scope, impression, events, self.policy, now_us=self.now_us))

    def feedback(
        self,
        search_id: str,
        values: Mapping[str, float],
        kind: EventKind = EventKind.EXPLICIT,
        *,
        principal: str = "anna",
        source_class: SourceClass = SourceClass.USER,
        time_us: int | None = None,
    ) -> FedBack:
        events = [NewEvent(one, kind, value) for one, value in values.items()]
        when = self.now_us if time_us is None else time_us
        report = feedback.Report(replace(self.scope, principal=principal), search_id, events, source_class, when)
        return self._write(lambda: feedback.record(self.connection, report, self.policy, now_us=self.now_us))

    def revoke(self, **conditions: Sequence[str] | Sequence[int] | int) -> Revocation:
        selector = Selector(**conditions)  # type: ignore[arg-type]
        return self._write(lambda: revoking.revoke(self.connection, self.scope, selector, self.policy.rule, time_s=self.now_us / 1e6))

    def compact(self) -> None:
        after: checkpoints.EventKey | None = checkpoints.FIRST
        before_us = self.now_us - self.policy.retention_us
        while after is not None:
            after = self._write(partial(checkpoints.fold_page, self.connection, before_us=before_us, after=after, rule=self.policy.rule))

    def rebuild(self, *, recalibrate: bool = False) -> folding.Fold:
        return self._write(lambda: folding.rebuild(self.connection, self.scope, self.policy, recalibrate=recalibrate))

    def digest(self) -> Digest:
        return digests.digest(self.connection, self.scope, self.policy.rule, verify=True)

    def salience(self, *memory_ids: str, time_us: int | None = None):
        time_s = (self.now_us if time_us is None else time_us) / 1e6
        return reading.read(self.connection, self.scope.tenant, memory_ids or IDS, time_s, self.policy.rule)

    def days(self, count: float) -> None:
        self.now_us += round(count * US_PER_DAY)

    def write(self, work) -> None:
        """Runs a function of the ledger on the connection."""
        self._write(lambda: work(self.connection))

    def _write(self, work):
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            done = work()
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return done
