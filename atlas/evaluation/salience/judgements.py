"""Judgements in numbers, and the two halves of a set: one to choose constants on, one to confirm them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import Enum

from atlas.errors import InvalidInputError

from .pools import Pools, subset


class Part(Enum):
    """Which documents' questions count."""

    ALL = "all"
    DEVELOPMENT = "development"
    """One half of the documents, drawn by their ids: to choose constants on."""
    CONFIRMATION = "confirmation"
    """The other half: to confirm them."""


def grades_of(pools: Pools, qrels: Mapping[str, Mapping[str, int]]) -> list[dict[int, int]]:
    """Gives the judgements of each question, by number of the document; a document that no pool holds gets a number behind all others."""
    number = {str(document_id): place for place, document_id in enumerate(pools.document_ids)}
    return [
        {
            # A million lies behind every document of a pool and of its later versions.
            number.setdefault(document_id, 1_000_000 + len(number)): grade
            for document_id, grade in qrels[str(query_id)].items()
            if grade > 0
        }
        for query_id in pools.query_ids
    ]


def part_of(pools: Pools, qrels: Mapping[str, Mapping[str, int]], part: Part) -> Pools:
    """Keeps the questions of a part: those whose first relevant document falls into it.

    Raises:
        InvalidInputError: None does.
    """
    if part is Part.ALL:
        return pools
    kept = [number for number, query_id in enumerate(pools.query_ids) if _half(_first(qrels[str(query_id)])) is part]
    if not kept:
        raise InvalidInputError(f"no question falls into the part {part.value}", field="part")
    return subset(pools, kept)


def _first(grades: Mapping[str, int]) -> str:
    relevant: Sequence[str] = sorted(document_id for document_id, grade in grades.items() if grade > 0)
    return relevant[0]


def _half(document_id: str) -> Part:
    return Part.CONFIRMATION if hashlib.sha256(document_id.encode()).digest()[0] & 1 else Part.DEVELOPMENT
