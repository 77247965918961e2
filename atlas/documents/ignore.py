"""Which files of a folder are left out: defaults, `.gitignore` and `.atlasignore`, nested as git nests them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from atlas.errors import InvalidInputError

IGNORE_FILES = (".gitignore", ".atlasignore")
"""Files of patterns; a later one overrules an earlier one of the same folder."""

DEFAULT_PATTERNS = (
    # Hidden names: version control, virtual environments, caches, and files such as `.env` that hold secrets.
    ".*",
    "*.pem",
    "*.key",
    # Installed or built by tools.
    "node_modules/",
    "bower_components/",
    "site-packages/",
    "venv/",
    "__pycache__/",
    "*.egg-info/",
    "*.py[cod]",
    # Locked versions.
    "*.lock",
    "*-lock.json",
    "*-lock.yaml",
    "npm-shrinkwrap.json",
    "go.sum",
    # Generated.
    "*_pb2.py",
    "*_pb2.pyi",
    "*_pb2_grpc.py",
    "*_pb2_grpc.pyi",
    "*.pb.go",
    "*.min.js",
    "*.min.css",
    "*.js.map",
    "*.css.map",
    # Pictures written as text.
    "*.svg",
)
"""Left out of every folder unless an ignore file takes the name back with `!`."""


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The patterns that hold in one folder."""

    layers: tuple[tuple[str, GitIgnoreSpec], ...]
    """(folder with a slash at the end, its patterns), the weakest first."""

    def ignores(self, path: str, *, folder: bool) -> bool:
        """Tells whether the absolute `path` is left out; the strongest layer that names it decides."""
        for base, spec in reversed(self.layers):
            found = spec.check_file(path[len(base) :] + ("/" if folder else ""))
            if found.include is not None:
                return found.include
        return False

    def within(self, folder: Path) -> IgnoreRules:
        """Adds the ignore files of `folder`.

        Raises:
            OSError: An ignore file cannot be read.
            InvalidInputError: A pattern cannot be understood.
        """
        files = [folder / name for name in IGNORE_FILES if (folder / name).is_file()]
        return IgnoreRules(self.layers + tuple(_layer(folder, file) for file in files)) if files else self


def rules_above(root: Path) -> IgnoreRules:
    """Collects what holds for `root` before its own ignore files: the defaults and those of its git work tree.

    Raises:
        OSError: An ignore file cannot be read.
        InvalidInputError: A pattern cannot be understood.
    """
    defaults = IgnoreRules(((_base(root), GitIgnoreSpec.from_lines(DEFAULT_PATTERNS)),))
    rules = defaults
    for folder in _work_tree_above(root):
        rules = rules.within(folder)
    # Somebody who names an ignored folder wants what is in it.
    outer = IgnoreRules(rules.layers[1:])
    return defaults if outer.ignores(str(root), folder=True) else rules


def _work_tree_above(root: Path) -> list[Path]:
    """Lists the folders from the top of the git work tree down to the parent of `root`; none outside a work tree."""
    above: list[Path] = []
    for folder in (root, *root.parents):
        if folder != root:
            above.append(folder)
        if (folder / ".git").exists():
            return above[::-1]
    return []


def _layer(folder: Path, file: Path) -> tuple[str, GitIgnoreSpec]:
    patterns: list[GitIgnoreSpecPattern] = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        try:
            patterns.append(GitIgnoreSpecPattern(line))
        except (ValueError, re.error) as error:
            # Without this pattern something would be read that somebody wanted left out.
            raise InvalidInputError(f"{file}:{number}: the pattern {line!r} cannot be understood", line=number) from error
    return _base(folder), GitIgnoreSpec(patterns)


def _base(folder: Path) -> str:
    return str(folder).rstrip("/") + "/"
