"""JSON Lines: what a row becomes, and why some are skipped."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas.documents import Document, FoundFile, ParseLimits, Skipped, parse
from atlas.ranking import Kind


def rows(folder: Path, *lines: str | bytes, name: str = "rows.jsonl", limits: ParseLimits | None = None) -> list[Document | Skipped]:
    path = folder / name
    data = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines) + b"\n"
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return list(parse(FoundFile(path, path, len(data)), host="box", limits=limits))


def row(**fields: object) -> str:
    return json.dumps({"id": "a", "text": "Words."} | fields)


def one(folder: Path, **fields: object) -> Document:
    (result,) = rows(folder, row(**fields))
    assert isinstance(result, Document), result
    return result


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "ROWS.NDJSON"])
def test_a_row_becomes_a_document_with_all_it_says(tmp_path: Path, name: str) -> None:
    line = row(
        id="conv:D1 1", collection="messages", title="T", domain="conv", speaker="Ann", created_at="2023-05-08T13:56:00",
        session=1, image_caption="a tree", extra={"deep": [1, None]},
    )  # fmt: skip
    assert rows(tmp_path, line, name=name) == [
        Document(
            source=f"file://box{tmp_path}/{name}#conv:D1%201",
            text="Words.",
            title="T",
            content_kind=Kind.MESSAGE,
            domain="conv",
            speaker="Ann",
            event_time=datetime(2023, 5, 8, 13, 56, tzinfo=UTC),
            metadata={"session": 1, "image_caption": "a tree", "extra": {"deep": [1, None]}},
            document_id="conv:D1 1",
        )
    ]


@pytest.mark.parametrize(
    ("collection", "language", "kind"),
    [
        ("documents", "en", Kind.TEXT),
        ("documents", "python", Kind.CODE),
        ("documents", "Rust", Kind.CODE),
        ("messages", "en", Kind.MESSAGE),
        ("messages", "python", Kind.MESSAGE),
        (None, None, Kind.TEXT),
        ("secrets", "zh", Kind.TEXT),
    ],
)
def test_collection_and_language_decide_the_kind_and_nothing_else(
    tmp_path: Path, collection: str | None, language: str | None, kind: Kind
) -> None:
    found = one(tmp_path, collection=collection, lang=language)
    assert found.content_kind is kind
    assert found.language == (language or "")
    assert "collection" not in found.metadata


def test_times_with_a_zone_are_converted(tmp_path: Path) -> None:
    assert one(tmp_path, created_at="2024-01-01T00:30:00+02:00").event_time == datetime(2023, 12, 31, 22, 30, tzinfo=UTC)


def test_a_number_may_be_an_id(tmp_path: Path) -> None:
    assert one(tmp_path, id=7).document_id == "7"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not JSON"),
        ('{"id": "a", "text": NaN}', "NaN"),
        (row(extra=1).replace("1}", "1e999}"), "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "list, not an object"),
        (b'{"id": "a", "text": "\xff"}', "not UTF-8"),
        ('{"id": "a", "text": "\\ud800"}', "surrogate"),
        ('{"id": "a", "text": "x\\u0000"}', "NUL"),
        ('{"text": "Words."}', "id is None"),
        (row(id=" "), "id is ' '"),
        (row(id=True), "id is True"),
        ('{"id": "a"}', "text is absent"),
        (row(text=3), "text is a int"),
        (row(text=" \n"), "text of row 'a' is empty"),
        (row(title=["x"]), "title is a list"),
        (row(created_at="yesterday"), "created_at is 'yesterday'"),
        (row(created_at="0001-01-01T00:00:00+05:00"), "created_at"),
    ],
)
def test_a_broken_row_is_skipped_with_its_line_and_reason(tmp_path: Path, line: str | bytes, words: str) -> None:
    first, skipped, last = rows(tmp_path, row(id="first"), line, row(id="last"))
    assert isinstance(first, Document)
    assert isinstance(last, Document)
    assert isinstance(skipped, Skipped)
    assert (skipped.line, skipped.fault) == (2, True)
    assert words in skipped.reason
    assert str(skipped).startswith(f"{tmp_path}/rows.jsonl:2: ")


def test_an_id_that_occurs_twice_is_skipped(tmp_path: Path) -> None:
    _, skipped = rows(tmp_path, row(), row(text="Other words."))
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "id 'a' stands already in line 1"


def test_blank_lines_and_a_byte_order_mark_are_no_rows(tmp_path: Path) -> None:
    assert [type(result) for result in rows(tmp_path, b"\xef\xbb\xbf" + row().encode(), "", "  ")] == [Document]


def test_a_row_that_is_too_long_does_not_end_the_file(tmp_path: Path) -> None:
    limits = ParseLimits(max_text_bytes=100)
    results = rows(tmp_path, row(text="x" * 1_000), row(id="b"), limits=limits)
    assert [(type(result), getattr(result, "line", None)) for result in results] == [(Skipped, 1), (Document, None)]


def test_a_row_exactly_at_the_limit_is_read(tmp_path: Path) -> None:
    line = row()
    assert [type(result) for result in rows(tmp_path, line, limits=ParseLimits(max_text_bytes=len(line) + 1))] == [Document]


def test_an_empty_file_is_skipped_without_fault(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"")
    (skipped,) = parse(FoundFile(tmp_path / "rows.jsonl", tmp_path, 0), host="box")
    assert isinstance(skipped, Skipped)
    assert not skipped.fault


@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(row().encode() * 100, mtime=0)[:-20]], ids=["no archive", "cut short"])
def test_a_damaged_archive_is_skipped(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(data)
    results = list(parse(FoundFile(path, path, len(data)), host="box"))
    assert isinstance(results[-1], Skipped)
    assert "cannot be read further" in results[-1].reason
