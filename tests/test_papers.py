"""The papers say what the code does: generated pages are fresh, links lead somewhere, commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs import generate

ROOT = Path(__file__).resolve().parent.parent
PAPERS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("path", generate.papers(), ids=lambda path: path.name)
def test_a_generated_paper_is_what_the_code_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generate.papers()[path], f"{path.name} is stale: run make docs"


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_paper_leads_to_a_file(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links {target}"


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_a_paper_names_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8")))
    assert named <= targets, named - targets


def test_every_verb_of_the_command_has_a_help_text() -> None:
    shown = subprocess.run([sys.executable, "-m", "atlas.cli", "--help"], capture_output=True, text=True, check=True).stdout
    for verb in ("up", "down", "status", "ingest", "remember", "search", "get", "list", "delete", "collections", "eval", "doctor"):
        assert re.search(rf"\b{verb}\b", shown), verb
        described = subprocess.run([sys.executable, "-m", "atlas.cli", verb, "--help"], capture_output=True, text=True, check=True).stdout
        assert len(described) > 200, verb


def test_the_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make run" in text
    assert "make test" in text


def test_the_binding_packages_are_declared() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for package in ("grpcio", "grpcio-tools", "protobuf", "torch", "transformers", "flash-attn", "qdrant-client", "tenacity", "tqdm"):
        assert re.search(rf'"{package}[>=<"]', text), package
