"""The options of `atlas mcp`, and the block that it prints for an assistant's settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from atlas.cli.app import app
from atlas.mcp.configuration import command_of
from atlas.mcp.tools import TOOLS, ToolSpec

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mcp.md"


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        (["--max-reply-bytes", "4095"], "4096"),
        (["--max-reply-bytes", "1048577"], "1048576"),
        (["--principal", "ü" * 65], "128"),
        (["--timeout", "0"], "0.01"),
    ],
)
def test_an_option_out_of_its_range_is_refused_with_the_limit(options: list[str], limit: str) -> None:
    refused = CliRunner().invoke(app, ["mcp", "--print-config", *options])
    assert refused.exit_code == 2
    assert limit in refused.stderr
    assert refused.stdout == ""


def test_the_printed_block_holds_what_differs_from_the_defaults() -> None:
    printed = CliRunner().invoke(app, ["mcp", "--print-config"])
    assert json.loads(printed.stdout)["mcpServers"]["atlas"]["args"][-1] == "mcp"
    options = ["--server", "127.0.0.1:7", "--principal", "me", "--max-reply-bytes", "5000", "--timeout", "7.5", "--read-only"]
    printed = CliRunner().invoke(app, ["mcp", "--print-config", *options])
    arguments = json.loads(printed.stdout)["mcpServers"]["atlas"]["args"]
    assert arguments[arguments.index("mcp") + 1 :] == options


def test_the_script_is_named_by_its_absolute_path_and_not_by_what_it_links_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "real"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    (tmp_path / "atlas").symlink_to(script)
    monkeypatch.chdir(tmp_path)
    assert command_of("./atlas") == [str(tmp_path / "atlas")]
    assert command_of(str(tmp_path / "atlas")) == [str(tmp_path / "atlas")]


def test_without_a_script_python_itself_is_named() -> None:
    assert command_of("/somewhere/atlas/cli/__main__.py") == [sys.executable, "-P", "-m", "atlas.cli"]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_page_names_each_tool_with_all_its_arguments(tool: ToolSpec) -> None:
    (row,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{tool.name}` |")]
    named = row.split("|")[3]
    for name, field in tool.arguments.model_fields.items():
        assert (f"**{name}**" if field.is_required() else name) in named


def test_the_page_names_each_option() -> None:
    text, shown = PAGE.read_text(encoding="utf-8"), CliRunner().invoke(app, ["mcp", "--help"]).stdout
    for option in ("--server", "--principal", "--max-reply-bytes", "--timeout", "--read-only", "--print-config"):
        assert option in text
        assert option in shown
