"""Keeps receipts of erasures, and which files are still to be written anew for them.

These are functions on a connection; the caller owns the transaction. A mark is written in the transaction that erases and goes only when
the files are clean, so what a crash interrupts is gone on with at the next start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from atlas.memory.v1 import salience_pb2 as pb
from atlas.type.v1 import salience_pb2 as common_pb2

SCHEMA = """
-- Files that still hold bytes of what was erased; `place` is the index whose they are, and empty for the database's own.
CREATE TABLE IF NOT EXISTS erasure_due (
  tenant TEXT NOT NULL, receipt_id TEXT NOT NULL, place TEXT NOT NULL, request_id TEXT NOT NULL,
  PRIMARY KEY (tenant, receipt_id, place)
) WITHOUT ROWID;
"""
"""Made where it is missing, at every start."""

DATABASE = ""
"""The place of the database's own file and log."""
METHOD = "Erase"
"""Under which the answers of erasures are kept."""


@dataclass(frozen=True, slots=True)
class Due:
    """One place that is to be written anew for a receipt."""

    tenant: str
    receipt_id: str
    place: str
    request_id: str
    """The caller's id of the request; empty = it gave none."""


def mark(connection: sqlite3.Connection, marks: Sequence[Due]) -> None:
    """Notes what is due."""
    rows = [(one.tenant, one.receipt_id, one.place, one.request_id) for one in marks]
    connection.executemany("INSERT OR REPLACE INTO erasure_due VALUES (?, ?, ?, ?)", rows)


def due_in_database(connection: sqlite3.Connection) -> list[Due]:
    """Reads for which receipts the database's file is due."""
    return _marks(connection, DATABASE)


def due_in_index(connection: sqlite3.Connection) -> list[Due]:
    """Reads for which receipts one of the indexes is due whose database is clean; empty if none is."""
    row = connection.execute(
        "SELECT min(place) FROM erasure_due d WHERE place != ? AND NOT EXISTS ("
        "SELECT 1 FROM erasure_due o WHERE o.tenant = d.tenant AND o.receipt_id = d.receipt_id AND o.place = ?)",
        (DATABASE, DATABASE),
    ).fetchone()
    if row[0] is None:
        return []
    unclean = {(one.tenant, one.receipt_id) for one in due_in_database(connection)}
    return [one for one in _marks(connection, row[0]) if (one.tenant, one.receipt_id) not in unclean]


def index_names(connection: sqlite3.Connection) -> list[str]:
    """Reads the names of all indexes: a generation that was deleted before may have left bytes of the same text in any of them."""
    return [name for (name,) in connection.execute("SELECT name FROM vector_index ORDER BY name")]


def adopt(connection: sqlite3.Connection) -> None:
    """Marks anew what receipts wait for that came with a snapshot: marks are about this store's files, so a snapshot has none."""
    waiting = {
        (tenant, receipt_id)
        for tenant, receipt_id, body in connection.execute("SELECT tenant, receipt_id, receipt FROM erasure")
        if common_pb2.ErasureReceipt.FromString(body).state == common_pb2.ERASURE_STATE_PENDING
    }
    if not waiting:
        return
    requests = requests_of(connection, waiting)
    places = [DATABASE, *index_names(connection)]
    mark(connection, [Due(*key, place, requests.get(key, "")) for key in sorted(waiting) for place in places])


def requests_of(connection: sqlite3.Connection, receipts: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Reads the request ids of receipts, by tenant and receipt id; those that had none, or whose answer is no longer kept, are left out."""
    found = {
        (tenant, pb.EraseResponse.FromString(answer).receipt.receipt_id): request_id
        for tenant, request_id, answer in connection.execute("SELECT tenant, request_id, answer FROM replay WHERE method = ?", (METHOD,))
    }
    return {key: request_id for key, request_id in found.items() if key in receipts}


def done(connection: sqlite3.Connection, marks: Sequence[Due], state: common_pb2.ErasureState, *, now_us: int) -> None:
    """Takes marks away; receipts that wait and have none left get the state and the time."""
    keys = [(one.tenant, one.receipt_id, one.place) for one in marks]
    connection.executemany("DELETE FROM erasure_due WHERE tenant = ? AND receipt_id = ? AND place = ?", keys)
    for one in {(each.tenant, each.receipt_id): each for each in marks}.values():
        receipt = find(connection, one.tenant, one.receipt_id)
        if receipt is None or receipt.state != common_pb2.ERASURE_STATE_PENDING or _is_due(connection, one):
            continue
        receipt.state = state
        receipt.clear_time.FromMicroseconds(now_us)
        keep(connection, one.tenant, receipt, one.request_id)


def find(connection: sqlite3.Connection, tenant: str, receipt_id: str) -> common_pb2.ErasureReceipt | None:
    """Reads a receipt; None if there is none of that id, as after a restore."""
    row = connection.execute("SELECT receipt FROM erasure WHERE tenant = ? AND receipt_id = ?", (tenant, receipt_id)).fetchone()
    return None if row is None else common_pb2.ErasureReceipt.FromString(row[0])


def keep(connection: sqlite3.Connection, tenant: str, receipt: common_pb2.ErasureReceipt, request_id: str) -> None:
    """Writes a receipt that is there already, also into the answer that is kept for repetitions of its request."""
    body = receipt.SerializeToString()
    connection.execute("UPDATE erasure SET receipt = ? WHERE tenant = ? AND receipt_id = ?", (body, tenant, receipt.receipt_id))
    key = (tenant, METHOD, request_id)
    row = connection.execute("SELECT answer FROM replay WHERE tenant = ? AND method = ? AND request_id = ?", key).fetchone()
    if row is not None:
        answer = pb.EraseResponse.FromString(row[0])
        answer.receipt.CopyFrom(receipt)
        body = answer.SerializeToString()
        connection.execute("UPDATE replay SET answer = ? WHERE tenant = ? AND method = ? AND request_id = ?", (body, *key))


def _marks(connection: sqlite3.Connection, place: str) -> list[Due]:
    rows = connection.execute("SELECT tenant, receipt_id, place, request_id FROM erasure_due WHERE place = ?", (place,))
    return [Due(*row) for row in rows]


def _is_due(connection: sqlite3.Connection, one: Due) -> bool:
    found = connection.execute("SELECT 1 FROM erasure_due WHERE tenant = ? AND receipt_id = ?", (one.tenant, one.receipt_id)).fetchone()
    return found is not None
