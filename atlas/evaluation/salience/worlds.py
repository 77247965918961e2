"""The regimes: what is asked when, what is there by then, and what is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from atlas.errors import InvalidInputError

from .pools import Pools
from .streams import Mark, Stream

SUPERSEDED_SHARE = 0.1
"""Share of the documents that get a new version at the shift."""
FRESH_SHARE = 1 / 3
"""Share of the documents that arrive only at the shift."""
HOSTILE_SHARE = 0.01
"""Share of the searches after which the hostile principal speaks."""
VERSION_JITTER = 0.02
"""Standard deviation of the final score between two versions of a document: a third of a logit, an edited sentence."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """A question at a time."""

    time_s: float
    query: int
    """Number of the question."""
    search: int
    """Number of the search, the same in every arm and seed."""
    marks: tuple[Mark, ...] | None = None
    """What was really said; None: the simulated user speaks."""
    hostile: bool = False
    """Whether the hostile principal speaks afterwards."""


@dataclass(frozen=True, slots=True)
class World:
    """Pools, judgements and occasions of one regime."""

    name: str
    pools: Pools
    occasions: tuple[Occasion, ...]
    grades: Sequence[Mapping[int, int]]
    """By question: document number to grade, 1 or more."""
    shift: int
    """Index of the first occasion after the world changed."""
    shift_s: float
    """When it changed, in seconds since the epoch."""
    later_grades: Mapping[int, Mapping[int, int]]
    """Judgements that differ from the shift on, by question."""
    fresh: frozenset[int] = frozenset()
    """Documents that are there only from the shift on."""
    stale: frozenset[int] = frozenset()
    """Documents that are superseded from the shift on."""

    def grades_of(self, query: int, occasion: int) -> Mapping[int, int]:
        """Judgements of a question at an occasion."""
        later = self.later_grades.get(query) if occasion >= self.shift else None
        return self.grades[query] if later is None else later


def stream_world(pools: Pools, stream: Stream, grades: Sequence[Mapping[int, int]]) -> World:
    """The stream as it is: Zipf repeats before the shift, drift after it.

    Raises:
        InvalidInputError: No event asks a question that has a judgement.
    """
    number = pools.numbers()
    asked = [
        (index, Occasion(event.time_s, number[event.query_id], index, event.marks))
        for index, event in enumerate(stream.events)
        if event.query_id in number
    ]
    if not asked:
        raise InvalidInputError("no event of the stream asks a question of the set that has a judgement", field="stream")
    shift = sum(1 for index, _ in asked if index < stream.shift)
    occasions = tuple(occasion for _, occasion in asked)
    return World("stream", pools, occasions, grades, shift, _time_of(occasions, shift), {})


def without_repeats(world: World, *, seed: int) -> World:
    """Every question of the set once, in a drawn order, over the time of the stream."""
    order = np.random.default_rng((seed, 3)).permutation(len(world.pools.query_ids))
    times = np.linspace(world.occasions[0].time_s, world.occasions[-1].time_s, len(order))
    occasions = tuple(Occasion(float(time_s), int(query), int(query)) for time_s, query in zip(times, order, strict=True))
    middle = len(occasions) // 2
    return replace(world, name="no repeats", occasions=occasions, shift=middle, shift_s=_time_of(occasions, middle))


def with_hostile(world: World, *, seed: int) -> World:
    """The stream before the shift, with a hostile principal."""
    draws = np.random.default_rng((seed, 5)).random(world.shift) < HOSTILE_SHARE
    occasions = tuple(replace(one, hostile=bool(hostile)) for one, hostile in zip(world.occasions, draws, strict=False))
    return replace(world, name="poisoning", occasions=occasions)


def before_shift(world: World) -> World:
    """Only what happened before the shift."""
    return replace(world, occasions=world.occasions[: world.shift])


def with_fresh(world: World, *, seed: int) -> World:
    """A share of the documents arrives only at the shift; before it nobody asks about them."""
    documents = _judged(world)
    fresh = _drawn(documents, FRESH_SHARE, np.random.default_rng((seed, 13)))
    kept = [
        (index, one)
        for index, one in enumerate(world.occasions)
        if index >= world.shift or not any(document in fresh for document in world.grades[one.query])
    ]
    shift = sum(1 for index, _ in kept if index < world.shift)
    return replace(world, name="cold start", occasions=tuple(one for _, one in kept), shift=shift, fresh=fresh)


def with_superseded(world: World, *, seed: int) -> World:
    """At the shift a share of the documents gets a new version; the old one stays where it is, and is wrong from then on.

    A new version is found like the old one, but for a jitter of its scores: content alone can hardly tell them apart.
    """
    random = np.random.default_rng((seed, 17))
    stale = _drawn(_judged(world), SUPERSEDED_SHARE, random)
    pools, version_of = _with_versions(world.pools, stale, random)
    later = {
        query: {version_of.get(document, document): grade for document, grade in grades.items()}
        for query, grades in enumerate(world.grades)
        if any(document in stale for document in grades)
    }
    return replace(world, name="supersession", pools=pools, later_grades=later, stale=stale, fresh=frozenset(version_of.values()))


def _with_versions(pools: Pools, stale: frozenset[int], random: np.random.Generator) -> tuple[Pools, dict[int, int]]:
    old = np.flatnonzero(np.isin(pools.document, list(stale)))
    version_of = {document: len(pools.document_ids) + place for place, document in enumerate(sorted(stale))}
    twin_of = np.full(pools.memory_count, -1)
    twin_of[old] = pools.memory_count + np.arange(len(old))
    member, pool_score, final_score, relevance, split = [], [], [], [], [0]
    for begin, end in zip(pools.split, pools.split[1:], strict=False):
        rows = np.arange(begin, end)
        again = rows[twin_of[pools.member[rows]] >= 0]
        both = np.concatenate((rows, again))
        jitter = np.concatenate((np.zeros(len(rows)), random.normal(0.0, VERSION_JITTER, len(again))))
        score = pools.pool_score[both] + jitter
        order = np.argsort(-score, kind="stable")
        member.append(np.concatenate((pools.member[rows], twin_of[pools.member[again]]))[order])
        pool_score.append(score[order])
        final_score.append((pools.final_score[both] + jitter)[order])
        relevance.append(pools.relevance[both][order])
        split.append(split[-1] + len(both))
    return (
        replace(
            pools,
            # Behind all others: their ids only break ties.
            memory_ids=np.concatenate((pools.memory_ids, [f"~{memory_id}" for memory_id in pools.memory_ids[old]])),
            document_ids=np.concatenate((pools.document_ids, [f"~{pools.document_ids[document]}" for document in sorted(stale)])),
            document=np.concatenate((pools.document, [version_of[int(document)] for document in pools.document[old]])).astype(np.int64),
            domain=np.concatenate((pools.domain, pools.domain[old])),
            split=np.array(split),
            member=np.concatenate(member),
            pool_score=np.concatenate(pool_score),
            final_score=np.concatenate(final_score),
            relevance=np.concatenate(relevance),
        ),
        version_of,
    )


def _judged(world: World) -> list[int]:
    return sorted({document for occasion in world.occasions for document in world.grades[occasion.query]})


def _drawn(documents: Sequence[int], share: float, random: np.random.Generator) -> frozenset[int]:
    count = max(1, round(share * len(documents)))
    return frozenset(int(document) for document in random.choice(documents, size=min(count, len(documents)), replace=False))


def _time_of(occasions: Sequence[Occasion], index: int) -> float:
    return occasions[min(index, len(occasions) - 1)].time_s
