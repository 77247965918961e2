"""The journal: order, numbers that never come again, and parts of bounded size."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np
import pytest

from services.memory.persistence import journal, schema
from services.memory.persistence.journal import Entry
from services.memory.store import DeletePoints, Point, UpsertPoints


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(schema.TABLES)
    yield connection
    connection.close()


def deletion(number: int) -> DeletePoints:
    return DeletePoints("atlas-1", "g", (f"m{number}",))


def append(connection: sqlite3.Connection, *numbers: int) -> list[int]:
    seqs = []
    for number in numbers:
        seqs.append(journal.next_seq(connection))
        journal.append(connection, Entry(seqs[-1], (deletion(number),)))
    return seqs


def test_entries_come_back_in_order(connection: sqlite3.Connection) -> None:
    assert append(connection, 1, 2, 3) == [1, 2, 3]
    entries = journal.part(connection, after_seq=0)
    assert journal.operations_of(entries) == [deletion(1), deletion(2), deletion(3)]


def test_vectors_and_payloads_survive_the_journal(connection: sqlite3.Connection) -> None:
    dense = np.array([0.6, 0.8], np.float32)
    point = Point("m", "g", dense, np.array([7, 9], np.uint32), np.array([1.5, 0.5], np.float32), {"memory": {"text": "a"}, "n": 2})
    journal.append(connection, Entry(1, (UpsertPoints("atlas-1", (point,)),)))
    (read,) = journal.operations_of(journal.part(connection, after_seq=0))
    assert isinstance(read, UpsertPoints)
    assert read.points[0].payload == point.payload
    np.testing.assert_array_equal(read.points[0].dense, dense)
    np.testing.assert_array_equal(read.points[0].sparse_indices, [7, 9])


def test_numbers_are_never_used_again(connection: sqlite3.Connection) -> None:
    append(connection, 1, 2)
    assert journal.prune(connection, through_seq=2) == 2
    assert journal.next_seq(connection) == 3
    assert append(connection, 3) == [3]


def test_pruning_keeps_what_came_later(connection: sqlite3.Connection) -> None:
    append(connection, 1, 2, 3)
    assert journal.prune(connection, through_seq=2) == 2
    assert [entry.seq for entry in journal.part(connection, after_seq=0)] == [3]


def test_a_part_is_bounded_but_never_empty_while_entries_are_left(connection: sqlite3.Connection) -> None:
    append(connection, *range(5))
    seqs: list[list[int]] = []
    after = 0
    while part := journal.part(connection, after_seq=after, part_bytes=1):
        seqs.append([entry.seq for entry in part])
        after = part[-1].seq
    assert seqs == [[1], [2], [3], [4], [5]]
