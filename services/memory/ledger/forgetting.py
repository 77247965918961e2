"""Drops or moves what is known about memories when the memories themselves go or change their domain."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

from atlas.failpoints import failpoint

from . import impressions, marks, sums


def forget(connection: sqlite3.Connection, tenant: str, memory_ids: Sequence[str]) -> None:
    """Drops all evidence about memories, also from the base rates that it went into; to be called while they are in the catalog."""
    ids = json.dumps(list(memory_ids))
    domains = impressions.domains_of(connection, tenant, memory_ids)
    parts = sums.of_memories(connection, tenant, domains)
    base = sums.by_domain((domains[memory_id], place.channel, part.sums) for (memory_id, place), part in parts.items())
    sums.change_base(connection, tenant, base, sign=-1)
    failpoint("ledger.forget.bases")
    for table in ("event", "checkpoint", "salience_state", "salience_pin"):
        connection.execute(f"DELETE FROM {table} WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))", (tenant, ids))


def rewritten(connection: sqlite3.Connection, tenant: str, domains: Mapping[str, tuple[str, str]]) -> None:
    """Follows memories that were written again, in the transaction that wrote them.

    Their evidence goes with them into the base rate of another domain, and their new payload is marked to get their salience.

    Args:
        connection: With the transaction.
        tenant: Whose.
        domains: Old and new domain by memory id.
    """
    parts = sums.of_memories(connection, tenant, domains)
    moved = [(domains[one], place.channel, part.sums) for (one, place), part in parts.items() if domains[one][0] != domains[one][1]]
    sums.change_base(connection, tenant, sums.by_domain((old, channel, part) for (old, _), channel, part in moved), sign=-1)
    sums.change_base(connection, tenant, sums.by_domain((new, channel, part) for (_, new), channel, part in moved))
    pinned = connection.execute(
        "SELECT memory_id FROM salience_pin WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))",
        (tenant, json.dumps(list(domains))),
    )
    marks.mark(connection, tenant, sorted({memory_id for memory_id, _ in parts} | {memory_id for (memory_id,) in pinned}))
