"""Reads the parts of an evaluation set that fitting needs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas.passages import indexed_text
from atlas.ranking import Kind


@dataclass(frozen=True, slots=True)
class Passage:
    """A document as it is indexed."""

    passage_id: str
    text: str
    kind: Kind
    domain: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question and the documents that answer it."""

    query_id: str
    text: str
    domain: str
    relevant: frozenset[str]
    """Ids of the relevant documents; for an unanswerable question the one it was written about."""


@dataclass(frozen=True, slots=True)
class FittingSet:
    """An evaluation set."""

    name: str
    passages: tuple[Passage, ...]
    queries: tuple[Query, ...]
    """In the order of the file."""
    unanswerable: tuple[Query, ...]
    """Questions on the set's topics that none of its documents answers, in the order of the file."""


def read_set(folder: Path) -> FittingSet:
    """Reads `corpus.jsonl[.gz]`, `queries.jsonl`, `qrels.tsv` and, where there is one, `queries_unanswerable.jsonl`."""
    relevant = _relevant(folder / "qrels.tsv")
    return FittingSet(
        name=folder.name,
        passages=tuple(_passage(row) for row in _rows(folder / "corpus.jsonl")),
        queries=tuple(_query(row, relevant) for row in _rows(folder / "queries.jsonl")),
        unanswerable=tuple(_query(row, {}) for row in _rows(folder / "queries_unanswerable.jsonl")),
    )


def _passage(row: Mapping[str, Any]) -> Passage:
    text = indexed_text(row["text"], title=row.get("title") or "", speaker=row.get("speaker") or "")
    return Passage(row["id"], text, _kind(row), row.get("domain") or "")


def _kind(row: Mapping[str, Any]) -> Kind:
    if row["collection"] == "messages":
        return Kind.MESSAGE
    return Kind.CODE if row.get("lang") == "python" else Kind.TEXT


def _query(row: Mapping[str, Any], relevant: Mapping[str, set[str]]) -> Query:
    about = {row["near"]} if row.get("near") else set()
    return Query(row["id"], row["text"], row.get("domain") or "", frozenset(relevant.get(row["id"], about)))


def _relevant(path: Path) -> dict[str, set[str]]:
    relevant: dict[str, set[str]] = {}
    for line in path.read_text("utf-8").splitlines()[1:]:
        query_id, passage_id, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(query_id, set()).add(passage_id)
    return relevant


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    packed = path.with_name(f"{path.name}.gz")
    if not packed.exists() and not path.exists():
        return
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    yield from (json.loads(line) for line in data.decode("utf-8").splitlines() if line)
