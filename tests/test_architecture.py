"""The layout of the house: who may import whom, and what no module may hold."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("services.embedder", "services.reranker", "services.memory", "gateway")
FORBIDDEN_NAMES = {"utils", "util", "misc", "common", "manager", "data", "info", "helpers"}
GENERATED = ("_pb2.py", "_pb2_grpc.py")
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60


def modules() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    paths = [ROOT / name for name in listed if name.startswith(("atlas/", "services/", "gateway/"))]
    return [path for path in paths if path.exists() and not path.name.endswith(GENERATED)]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            target = ".".join(part for part in (base, node.module or "") if part)
            found.add(target)
            found.update(f"{target}.{alias.name}" for alias in node.names)
    return found


def part_of(name: str) -> str | None:
    return next((part for part in PARTS if name == part or name.startswith(part + ".")), None)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_what_is_above_it(path: Path) -> None:
    own = part_of(name_of(path))
    for target in imports_of(path):
        other = part_of(target)
        assert other is None or other == own, f"{name_of(path)} imports {target}: parts meet only over gRPC"
        if own is not None:
            assert not target.startswith(("atlas.client", "atlas.cli")), f"{name_of(path)} imports {target}: the client is for callers"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_stays_within_the_sizes_of_the_house(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.stem not in FORBIDDEN_NAMES
    assert text.count("\n") <= MAX_MODULE_LINES, f"{name_of(path)} holds {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{name_of(path)}.{node.name} holds {length} lines"


def test_only_the_error_interceptor_catches_every_exception() -> None:
    broad = [
        f"{name_of(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or "Exception" in {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)})
    ]
    # The engine process has no gRPC, and its library raises bare `Exception`: its loop is the interceptor of that process.
    assert {place.rpartition(":")[0] for place in broad} == {"atlas.interceptors.errors", "services.memory.stores.edge.engine"}, broad
    assert len(broad) == 2, broad


def test_the_binding_folders_and_files_are_there() -> None:
    for name in (
        "protos",
        "services/embedder",
        "services/reranker",
        "services/memory",
        "gateway",
        "docker-compose.yml",
        "pyproject.toml",
        "tests",
    ):
        assert (ROOT / name).exists(), name
