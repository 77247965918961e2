from __future__ import annotations

from pathlib import Path

import pytest

from atlas.errors import InvalidInputError, NotFoundError
from atlas.evaluation.salience.streams import Mark, read_stream

EVENT = '{"time": "2026-01-01T00:00:00", "phase": "a", "query_id": "q1"}\n'
LATER = '{"time": "2026-01-02T00:00:00+01:00", "phase": "b", "query_id": "q2", "marks": [{"doc_id": "d", "value": 1}]}\n'


def write(folder: Path, text: str, probes: str = "") -> Path:
    (folder / "events.jsonl").write_text(text)
    if probes:
        (folder / "probes.jsonl").write_text(probes)
    return folder


def test_a_stream_is_read_with_its_shift_its_marks_and_its_probes(tmp_path: Path) -> None:
    stream = read_stream(write(tmp_path, EVENT + EVENT + LATER, '{"query_id": "q9", "doc_id": "d9", "asked_a": 3}\n'))
    assert stream.shift == 2
    assert [event.time_s for event in stream.events] == [1_767_225_600.0, 1_767_225_600.0, 1_767_308_400.0]
    assert stream.events[2].marks == (Mark("d", 1.0),)
    assert stream.recorded
    assert (stream.probes[0].query_id, stream.probes[0].asked_a) == ("q9", 3)


def test_a_log_without_phases_shifts_in_the_middle(tmp_path: Path) -> None:
    stream = read_stream(write(tmp_path, EVENT * 10))
    assert (stream.shift, stream.recorded, stream.probes) == (5, False, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no event"),
        (EVENT + '{"query_id": "q"}\n', "events.jsonl:2: not an entry of a stream: .*time"),
        (EVENT + "nonsense\n", "events.jsonl:2"),
        (LATER + EVENT, "events.jsonl:2: earlier than the line before"),
        (LATER.replace('"value": 1', '"value": 1.5'), "events.jsonl:1: the value of a mark is 1.5; 0 to 1 are allowed"),
    ],
)
def test_a_bad_stream_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read_stream(write(tmp_path, text))


def test_a_folder_without_a_stream_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"holds no events\.jsonl"):
        read_stream(tmp_path)
