"""Finds the files of the paths that somebody wants ingested."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from atlas.errors import InvalidInputError

from .document import Skipped
from .ignore import IgnoreRules, rules_above


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file to be parsed."""

    path: Path
    """Absolute, links resolved."""
    root: Path
    """The ingested path it was found under, absolute, links resolved; `path` itself for a file that was named."""
    size_bytes: int
    """Its size when it was found."""


def walk(paths: Iterable[Path]) -> Iterator[FoundFile | Skipped]:
    """Finds the files of `paths`, folders by name order, each file once.

    A file that is named is always found; inside folders the ignore rules hold, silently. Links are not followed: a
    target inside the folder is found under its own name, one outside is skipped with its reason. Nothing on disk
    makes it raise.
    """
    seen: set[Path] = set()
    for given in paths:
        for found in _walk_one(given):
            if isinstance(found, FoundFile):
                if found.path in seen:
                    continue
                seen.add(found.path)
            yield found


def _walk_one(given: Path) -> Iterator[FoundFile | Skipped]:
    try:
        path = given.resolve(strict=True)
        if path.is_dir():
            yield from _walk_folder(path)
        elif path.is_file():
            yield FoundFile(path, path, path.stat().st_size)
        else:
            yield Skipped(path, "neither a file nor a folder")
    except FileNotFoundError:
        yield Skipped(given.absolute(), "dangling link" if given.is_symlink() else "no such file or folder")
    except RuntimeError:  # what `resolve` raises for links in a circle
        yield Skipped(given.absolute(), "link in a circle")
    except OSError as error:
        yield Skipped(given.absolute(), _cannot_read(error))


def _walk_folder(root: Path) -> Iterator[FoundFile | Skipped]:
    """Walks depth first with a stack of its own: folders may nest deeper than Python calls."""
    stack: list[tuple[Iterator[os.DirEntry[str]], IgnoreRules]] = []
    opened: tuple[Iterator[os.DirEntry[str]], IgnoreRules] | Skipped | None = _open(root, None)
    while True:
        if isinstance(opened, Skipped):
            yield opened
        elif opened is not None:
            stack.append(opened)
        if not stack:
            return
        entries, rules = stack[-1]
        opened = None
        entry = next(entries, None)
        if entry is None:
            stack.pop()
        elif entry.is_dir(follow_symlinks=False):
            if not rules.ignores(entry.path, folder=True):
                opened = _open(Path(entry.path), rules)
        elif not rules.ignores(entry.path, folder=False):
            yield from _look_at(entry, root)


def _open(folder: Path, rules: IgnoreRules | None) -> tuple[Iterator[os.DirEntry[str]], IgnoreRules] | Skipped:
    try:
        inner = (rules or rules_above(folder)).within(folder)
        with os.scandir(folder) as entries:
            return iter(sorted(entries, key=lambda entry: entry.name)), inner
    except OSError as error:
        return Skipped(folder, _cannot_read(error))
    except InvalidInputError as error:
        return Skipped(folder, error.message)


def _look_at(entry: os.DirEntry[str], root: Path) -> Iterator[FoundFile | Skipped]:
    path = Path(entry.path)
    try:
        if entry.is_symlink():
            yield from _look_at_link(path, root)
        elif entry.is_file(follow_symlinks=False):
            yield FoundFile(path, root, entry.stat(follow_symlinks=False).st_size)
        else:
            yield Skipped(path, "neither a file nor a folder")
    except OSError as error:
        yield Skipped(path, _cannot_read(error))


def _look_at_link(path: Path, root: Path) -> Iterator[Skipped]:
    try:
        target = path.resolve(strict=True)
    except FileNotFoundError:
        yield Skipped(path, f"dangling link to {path.readlink()}")
    except RuntimeError:
        yield Skipped(path, "link in a circle")
    else:
        if not target.is_relative_to(root):
            yield Skipped(path, f"link to {target}, outside of {root}", fault=False)


def _cannot_read(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"
