"""Log lines."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from atlas import logs
from atlas.logs import JsonFormatter, TextFormatter, configure_logs


def record(message: str = "index built", *, error: BaseException | None = None, **values: object) -> logging.LogRecord:
    made = logging.LogRecord("atlas.memory", logging.WARNING, __file__, 1, message, None, None)
    made.created = 1_780_000_000.25
    vars(made).update(values)
    if error is not None:
        made.exc_info = (type(error), error, error.__traceback__)
    return made


def failing(text: str) -> BaseException:
    try:
        try:
            raise KeyError(text)
        except KeyError as error:
            raise ValueError(text) from error
    except ValueError as error:
        return error


def test_a_json_line_holds_time_level_logger_message_and_values() -> None:
    assert json.loads(JsonFormatter().format(record(point_count=3))) == {
        "time": "2026-05-28T20:26:40.250Z",
        "level": "warning",
        "logger": "atlas.memory",
        "message": "index built",
        "point_count": 3,
    }


def test_a_text_line_is_one_line() -> None:
    line = TextFormatter().format(record(point_count=3))
    assert line == "2026-05-28T20:26:40.250Z warning atlas.memory: index built point_count=3"


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_the_id_of_the_request_that_is_served_is_added(formatter: logging.Formatter) -> None:
    token = logs.request_id.set("abc-1")
    try:
        assert "abc-1" in formatter.format(record())
    finally:
        logs.request_id.reset(token)
    assert "request_id" not in formatter.format(record())


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_an_exception_shows_classes_and_stack_but_not_what_it_quotes(formatter: logging.Formatter) -> None:
    line = formatter.format(record(error=failing("a secret")))
    for part in ("ValueError", "KeyError", "in failing"):
        assert part in line
    assert "a secret" not in line


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_a_value_with_a_line_break_cannot_forge_a_second_line(formatter: logging.Formatter) -> None:
    assert "\n" not in formatter.format(record(source="a\n2026 error atlas: forged"))


def test_logs_go_to_standard_error_from_the_level_on(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    try:
        configure_logs("warning", "json")
        logging.getLogger("atlas.test").info("quiet")
        logging.getLogger("atlas.test").warning("loud")
        assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["loud"]
        assert isinstance(root.handlers[0], logging.StreamHandler)
        assert root.handlers[0].stream is sys.stderr
    finally:
        root.handlers, root.level = before, level
