"""Named places at which a test can end, freeze, delay or fail a process; without a test each costs one comparison.

A plan is a list of rules with `;` between them:

    NAME=ACTION[@N][%PROBABILITY/SEED]

    flush.engine.after=kill          SIGKILL at the first passing
    database.commit.before=kill@3    at the third
    engine.operation.after=kill%0.01/7   at each passing with probability .01, drawn with seed 7
    database.commit.before=error:EIO     raises OSError(EIO) once
    store.message.before=sleep:250   waits 250 ms each time
    engine.flush.before=freeze       SIGSTOP
    *=note:/tmp/seen                 writes each name that is passed to a file, once a process

`ATLAS_FAILPOINTS` holds a plan, or `@FILE` with the name of a file that does. The file is looked at each time, so that a
running process can be given another plan; what `kill`, `freeze` or `error` is done removes it first, so that of several
processes, and of the processes that take their place, one does it, once.
"""

from __future__ import annotations

import errno
import os
import random
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .errors import StartupError

VARIABLE = "ATLAS_FAILPOINTS"
"""Environment variable that arms failpoints; never set outside a test."""
_RULE = re.compile(
    r"(?P<name>[a-z.*]+)=(?P<action>kill|freeze|sleep|error|note)(?::(?P<argument>[^@%]+))?(?:@(?P<nth>\d+))?(?:%(?P<share>[\d.]+)/(?P<seed>\d+))?"
)


class _Watch(Protocol):
    def passed(self, name: str) -> None: ...


_watch: _Watch | None = None


def failpoint(name: str) -> None:
    """Marks a place of the program; does nothing unless a test armed it.

    Raises:
        OSError: A test asked for one here.
    """
    if _watch is not None:
        _watch.passed(name)


def arm(environment: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Arms what `ATLAS_FAILPOINTS` asks for; to be called by a `__main__`, before anything else.

    Args:
        environment: The process's environment.
        known: Every failpoint of the program by name.

    Raises:
        StartupError: The plan cannot be read, or names a failpoint that does not exist.
    """
    global _watch
    plan = environment.get(VARIABLE, "")
    if not plan:
        _watch = None
    elif plan.startswith("@"):
        _watch = _FileWatch(Path(plan[1:]), known)
    else:
        _watch = _Plan.of(plan, known)


@dataclass(slots=True)
class _Rule:
    name: str
    action: str
    argument: str
    nth: int | None
    share: float | None
    chance: random.Random
    count: int = 0
    noted: set[str] = field(default_factory=set)

    def due(self) -> bool:
        self.count += 1
        if self.share is not None:
            return self.chance.random() < self.share
        return self.count == self.nth if self.nth is not None else self.action in {"sleep", "note"} or self.count == 1


@dataclass(frozen=True, slots=True)
class _Plan:
    rules: tuple[_Rule, ...]
    claim: Callable[[], bool] = lambda: True
    """Whether this process may do what is due."""

    @classmethod
    def of(cls, text: str, known: Mapping[str, str], claim: Callable[[], bool] = lambda: True) -> _Plan:
        return cls(tuple(_rule(part.strip(), known) for part in text.split(";") if part.strip()), claim)

    def passed(self, name: str) -> None:
        for rule in self.rules:
            if rule.name in {name, "*"} and rule.due() and (rule.action in {"sleep", "note"} or self.claim()):
                _act(rule, name)


class _FileWatch:
    """Follows a plan in a file."""

    def __init__(self, path: Path, known: Mapping[str, str]) -> None:
        self._path = path
        self._known = known
        self._state: tuple[int, int] | None = None
        self._plan = _Plan(())

    def passed(self, name: str) -> None:
        try:
            found = self._path.stat()
            state = (found.st_ino, found.st_mtime_ns)
            if state != self._state:
                self._plan = _Plan.of(self._path.read_text(encoding="utf-8"), self._known, self._claimed)
                self._state = state
        except FileNotFoundError:
            return
        self._plan.passed(name)

    def _claimed(self) -> bool:
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True


def _rule(text: str, known: Mapping[str, str]) -> _Rule:
    match = _RULE.fullmatch(text)
    if match is None:
        raise StartupError(f"{VARIABLE} holds {text!r}; NAME=ACTION[:ARGUMENT][@N][%PROBABILITY/SEED] is allowed")
    name, action, argument = match["name"], match["action"], match["argument"] or ""
    if name != "*" and name not in known:
        raise StartupError(f"{VARIABLE} names {name!r}; known failpoints are {', '.join(sorted(known))}")
    if (action in {"sleep", "error", "note"}) != bool(argument) or (action == "error" and not hasattr(errno, argument)):
        raise StartupError(
            f"{VARIABLE} holds {text!r}; sleep takes milliseconds, error the name of an errno, note a file, kill and freeze nothing"
        )
    return _Rule(
        name=name,
        action=action,
        argument=argument,
        nth=int(match["nth"]) if match["nth"] else None,
        share=float(match["share"]) if match["share"] else None,
        chance=random.Random(int(match["seed"] or 0)),  # noqa: S311 - a plan is repeated from its seed
    )


def _act(rule: _Rule, name: str) -> None:
    match rule.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(float(rule.argument) / 1000)
        case "error":
            number = getattr(errno, rule.argument)
            raise OSError(number, f"{os.strerror(number)} (failpoint {name})")
        case "note" if name not in rule.noted:
            rule.noted.add(name)
            with Path(rule.argument).open("a", encoding="utf-8") as seen:
                seen.write(f"{name}\n")
