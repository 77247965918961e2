"""Answers of writes by the caller's request id, so that a repeated call is answered and not repeated."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from atlas.errors import ConflictError

from .writer import Transaction, Written


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Identifies a request and its content."""

    tenant: str
    method: str
    """Name of the RPC."""
    request_id: str
    """The caller's id; empty = the request is not kept."""
    sha256: bytes
    """Digest of everything that makes it the same request."""


def once(work: Callable[[sqlite3.Connection, int], Written[bytes]], key: RequestKey, *, time_s: float) -> Transaction[bytes]:
    """Returns a transaction that runs `work` unless the request was answered before; then the first answer stands."""

    def run(connection: sqlite3.Connection, seq: int) -> Written[bytes]:
        answer = known_answer(connection, key)
        if answer is not None:
            return Written(answer)
        written = work(connection, seq)
        keep_answer(connection, key, written.answer, time_s)
        return written

    return run


def known_answer(connection: sqlite3.Connection, key: RequestKey) -> bytes | None:
    """Returns the answer that the request had before, or None.

    Raises:
        ConflictError: The id was used with other content.
    """
    if not key.request_id:
        return None
    row = connection.execute(
        "SELECT request_sha256, answer FROM replay WHERE tenant = ? AND method = ? AND request_id = ?",
        (key.tenant, key.method, key.request_id),
    ).fetchone()
    if row is None:
        return None
    if row[0] != key.sha256:
        raise ConflictError(
            f"request_id {key.request_id} was used with other content; use a new one",
            reason="REQUEST_ID_REUSED",
            field="request_id",
            request_id=key.request_id,
        )
    return bytes(row[1])


def keep_answer(connection: sqlite3.Connection, key: RequestKey, answer: bytes, time_s: float) -> None:
    """Keeps an answer for repetitions of its request."""
    if key.request_id:
        connection.execute(
            "INSERT INTO replay VALUES (?, ?, ?, ?, ?, ?)",
            (key.tenant, key.method, key.request_id, key.sha256, answer, time_s),
        )


def prune(connection: sqlite3.Connection, *, before_s: float) -> int:
    """Deletes answers older than `before_s` (seconds since the epoch) and says how many."""
    return connection.execute("DELETE FROM replay WHERE time_s < ?", (before_s,)).rowcount
