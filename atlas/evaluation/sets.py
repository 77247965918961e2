"""Evaluation sets: a corpus, queries, and judgements of which document answers which query."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from atlas.documents import Document, FoundFile, Skipped, parse
from atlas.errors import InvalidInputError, NotFoundError


@dataclass(frozen=True, slots=True)
class Query:
    """A question with what is known about it."""

    query_id: str
    """Unique in its set."""
    text: str
    """What is searched for."""
    domain: str = ""
    """The part of the corpus that it is about; empty where the set has no domains."""
    language: str = ""
    """Code of its language; empty where not stated."""
    category: str = ""
    """The set's own kind of question; empty where not stated."""
    answer: str = ""
    """Reference answer; empty where not stated."""
    time: datetime | None = None
    """When it was asked: aware, in UTC."""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """A set in a folder."""

    name: str
    """Name of the folder."""
    corpus_path: Path
    """The JSON Lines of the corpus, plain or compressed."""
    queries: tuple[Query, ...]
    """In the order of the file."""
    qrels: Mapping[str, Mapping[str, int]]
    """Query id → document id → grade; 1 or more is relevant."""
    domains: Mapping[str, str]
    """Document id → domain of every document that can be read."""

    def documents(self, *, host: str, as_uri: str | None = None) -> Iterator[Document | Skipped]:
        """Reads the corpus as a stream; arguments as for `parse`."""
        found = FoundFile(self.corpus_path, self.corpus_path, self.corpus_path.stat().st_size)
        return parse(found, host=host, as_uri=as_uri)

    def judged(self, *, within_domain: bool) -> list[tuple[Query, Mapping[str, int]]]:
        """Lists the queries that have a relevant document, each with its grades.

        Args:
            within_domain: Only documents of the query's own domain count, for searches that are limited to it.
        """
        found: list[tuple[Query, Mapping[str, int]]] = []
        for query in self.queries:
            grades = {
                document_id: grade
                for document_id, grade in self.qrels.get(query.query_id, {}).items()
                if document_id in self.domains and (not within_domain or self.domains[document_id] == query.domain)
            }
            if any(grade > 0 for grade in grades.values()):
                found.append((query, grades))
        return found


def read_set(folder: Path) -> EvaluationSet:
    """Reads `queries.jsonl`, `qrels.tsv` and the ids of `corpus.jsonl` or `corpus.jsonl.gz`.

    Raises:
        NotFoundError: The folder or one of its files does not exist.
        InvalidInputError: A file has another form; the message names file and line.
    """
    folder = folder.resolve()
    corpus_path = _existing(folder, "corpus.jsonl.gz", "corpus.jsonl")
    queries = tuple(_read_queries(_existing(folder, "queries.jsonl")))
    qrels = _read_qrels(_existing(folder, "qrels.tsv"))
    found = FoundFile(corpus_path, corpus_path, corpus_path.stat().st_size)
    rows = parse(found, host="")
    domains = {row.document_id: row.domain for row in rows if isinstance(row, Document)}
    return EvaluationSet(folder.name, corpus_path, queries, qrels, domains)


def _existing(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise NotFoundError(f"{folder} holds no {' or '.join(names)}", folder=str(folder))


def _read_queries(path: Path) -> Iterator[Query]:
    seen: set[str] = set()
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            query = _query(json.loads(line))
            if query.query_id in seen:
                raise ValueError(f"id {query.query_id!r} occurs twice")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise InvalidInputError(f"{path}:{number}: not a query: {error!r}", line=number) from error
        seen.add(query.query_id)
        yield query


def _query(row: Mapping[str, object]) -> Query:
    def text(name: str) -> str:
        return str(row.get(name) or "")

    time = datetime.fromisoformat(text("time")) if text("time") else None
    if time is not None:
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    query_id, words = row["id"], row["text"]
    if not isinstance(query_id, str) or not isinstance(words, str) or not words.strip():
        raise TypeError("id and text have to be texts, and text not empty")
    return Query(query_id, words, text("domain"), text("lang"), text("category"), text("answer"), time)


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_lines(path), start=1):
        match line.rstrip("\n").split("\t"):
            case _ if number == 1 or not line.strip():
                continue
            case [query_id, document_id, grade] if grade.removeprefix("-").isdecimal():
                qrels.setdefault(query_id, {})[document_id] = int(grade)
            case _:
                raise InvalidInputError(f"{path}:{number}: not query_id, doc_id and grade", line=number)
    return qrels


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path}: not UTF-8: {error.reason} at offset {error.start}") from error
