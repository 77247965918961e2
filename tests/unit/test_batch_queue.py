"""Which waiting items are computed together."""

from __future__ import annotations

from atlas.batch_queue import BatchQueue, Entry


def entries(owner: str, costs: list[int]) -> list[Entry[str, str]]:
    return [Entry(f"{owner}{index}", cost, owner, index) for index, cost in enumerate(costs)]


def nobody(_: Entry[str, str]) -> bool:
    return False


def test_a_batch_is_ordered_from_the_longest_to_the_shortest() -> None:
    queue: BatchQueue[str, str] = BatchQueue()
    queue.push(entries("a", [3, 9, 5]))
    assert [entry.cost for entry in queue.take(1000, nobody)] == [9, 5, 3]


def test_a_batch_counts_padding_towards_its_budget() -> None:
    queue: BatchQueue[str, str] = BatchQueue()
    queue.push(entries("a", [100, 10, 10, 10]))
    # 100 + 10 fits 199 only if padding were free.
    assert [entry.cost for entry in queue.take(199, nobody)] == [100]
    assert [entry.cost for entry in queue.take(199, nobody)] == [10, 10, 10]


def test_an_item_above_the_budget_is_taken_alone() -> None:
    queue: BatchQueue[str, str] = BatchQueue()
    queue.push(entries("a", [500, 500]))
    assert len(queue.take(100, nobody)) == 1
    assert len(queue) == 1


def test_companions_of_similar_cost_are_pulled_forward_past_others() -> None:
    queue: BatchQueue[str, str] = BatchQueue()
    queue.push(entries("a", [100]))
    queue.push(entries("b", [8]))
    queue.push(entries("c", [96]))
    assert [entry.owner for entry in queue.take(200, nobody)] == ["a", "c"]
    assert [entry.owner for entry in queue.take(200, nobody)] == ["b"]


def test_the_item_that_waited_longest_is_always_in_the_next_batch() -> None:
    queue: BatchQueue[str, str] = BatchQueue()
    queue.push(entries("old", [200]))
    for index in range(20):
        queue.push(entries(f"new{index}", [10]))
    assert "old" in {entry.owner for entry in queue.take(256, nobody)}


def test_dead_items_are_removed_and_never_taken() -> None:
    queue: BatchQueue[str, str] = BatchQueue()
    queue.push(entries("dead", [5, 5]))
    queue.push(entries("alive", [5]))
    assert [entry.owner for entry in queue.take(100, lambda entry: entry.owner == "dead")] == ["alive"]
    assert len(queue) == 0


def test_only_the_head_is_looked_at_when_dead_items_are_dropped() -> None:
    queue: BatchQueue[str, str] = BatchQueue()
    queue.push(entries("dead", [5]))
    queue.push(entries("alive", [5]))
    queue.push(entries("dead", [5]))
    queue.drop_head(lambda entry: entry.owner == "dead")
    assert len(queue) == 2
    head = queue.head
    assert head is not None
    assert head.owner == "alive"
