"""Rankings of documents, and the files that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from atlas.errors import InvalidInputError

_HEADER = "query_id\tdoc_id\trank"


def rank_documents(hits: Iterable[tuple[str, float]]) -> list[str]:
    """Ranks documents by their best chunk.

    Args:
        hits: (document_id, rank_score) of chunks in the order they were returned; equal scores keep that order.
    """
    best: dict[str, float] = {}
    for document_id, rank_score in hits:
        best[document_id] = max(best.get(document_id, rank_score), rank_score)
    return sorted(best, key=lambda document_id: -best[document_id])


def write_run(path: Path, rankings: Mapping[str, Sequence[str]]) -> None:
    """Writes rankings (query id → document ids, the best first) as tab-separated query_id, doc_id, rank from 1.

    Raises:
        InvalidInputError: An id holds a tab or a line end.
        OSError: The file cannot be written.
    """
    lines = [_HEADER]
    for query_id, ranking in rankings.items():
        for rank, document_id in enumerate(ranking, start=1):
            row = f"{query_id}\t{document_id}\t{rank}"
            if row.count("\t") != 2 or len(row.splitlines()) != 1:
                raise InvalidInputError(f"query {query_id!r} or document {document_id!r} holds a tab or a line end", field="rankings")
            lines.append(row)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_run(path: Path) -> dict[str, list[str]]:
    """Reads a run file: query id → document ids by rank.

    Raises:
        InvalidInputError: A row is not query_id, doc_id and a rank.
        OSError: The file cannot be read.
    """
    ranked: dict[str, list[tuple[int, str]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line == _HEADER:
            continue
        match line.split("\t"):
            case [query_id, document_id, rank, *_] if rank.isdecimal():
                ranked.setdefault(query_id, []).append((int(rank), document_id))
            case _:
                raise InvalidInputError(f"{path}:{number}: not query_id, doc_id and rank", line=number)
    return {query_id: [document_id for _, document_id in sorted(rows)] for query_id, rows in ranked.items()}
