"""The engine process: `python -m services.memory.stores.edge.engine FOLDER --lock-wait-ms N`.

It locks its folder before it opens anything, answers one frame after the other on its standard
output, and ends when its standard input does, which is also how it follows a parent that died.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from atlas import failpoints
from atlas.errors import AtlasError, NotFoundError, StartupError
from atlas.failpoints import failpoint
from atlas.interpreter import calm_garbage_collection

from ...failpoints import FAILPOINTS
from ...operations import Operation
from ...persistence.locks import hold
from . import protocol
from .background import die_with_parent, stay_behind, step_back
from .layout import check_spec
from .protocol import Answer, Call, Fault
from .shard import Shard

LOCK_NAME = "engine.lock"
"""Lock file of the engine, beside its data folder's indexes."""
EXIT_REFUSED = 75
"""Exit status of an engine that may not start."""


class Engine:
    """The open indexes of a folder, and the answers to calls."""

    def __init__(self, folder: Path) -> None:
        """Opens nothing yet: indexes are opened when they are ensured."""
        self._folder = folder
        self._shards: dict[str, Shard] = {}
        self.spoilt = False
        """Whether a flush failed: a later one may succeed without having written what this one lost."""

    def close(self) -> None:
        """Flushes and closes every index."""
        failpoint("engine.close.before")
        for shard in self._shards.values():
            shard.close()
        self._shards.clear()

    def answer(self, body: bytes) -> bytes:
        """Answers the call in `body`; a failure is an answer too and leaves the engine running."""
        try:
            result = protocol.encode(self._result(protocol.decode_call(body)))
        except AtlasError as error:
            return protocol.encode(Answer(fault=protocol.fault_of(error)))
        except Exception as error:  # noqa: BLE001 - the engine raises bare `Exception`; this is the error interceptor of a process without gRPC
            return protocol.encode(Answer(fault=Fault(type(error).__name__, str(error))))
        return protocol.encode(Answer(result=protocol.raw(result)))

    def _result(self, call: Call) -> object:
        match call:
            case protocol.EnsureIndex():
                return self._ensure(call)
            case protocol.Apply(operations):
                return self._apply(operations)
            case protocol.Project(projections):
                failpoint("engine.project.before")
                for projection in projections:
                    self._shard(projection.index).project(projection)
                failpoint("engine.project.after")
                return None
            case protocol.Search(requests):
                return [self._shard(each.index).search(each) for each in requests]
            case protocol.Retrieve(index, generation, memory_ids, with_vectors):
                return self._shard(index).retrieve(generation, memory_ids, with_vectors=with_vectors)
            case protocol.Scroll(index, generation, condition, limit, after):
                return self._shard(index).scroll(generation, condition, limit, after)
            case protocol.Count(index, generation, condition):
                return self._shard(index).count(generation, condition)
            case protocol.Facet(index, generation, key, condition):
                return self._shard(index).facet(generation, key, condition)
            case protocol.State(index):
                return self._shard(index).state
            case protocol.Rebuild(spec, graph, afresh):
                home = self._folder / spec.name
                failpoint("engine.rebuild.before")
                step_back(lambda: Shard.rebuild(home, spec, graph=graph, afresh=afresh))
                failpoint("engine.rebuild.after")
                self._shards[spec.name] = Shard.loaded(home)
                return None
            case protocol.Reopen(index):
                old, self._shards[index] = self._shard(index), Shard.loaded(self._folder / index)
                failpoint("engine.reopen.loaded")
                old.close()
                failpoint("engine.reopen.closed")
                return None
            case protocol.Flush(index):
                self._flush(self._shard(index))
                return None

    def _flush(self, shard: Shard) -> None:
        self.spoilt = True
        failpoint("engine.flush.before")
        shard.flush()
        failpoint("engine.flush.after")
        self.spoilt = False

    def _apply(self, operations: Sequence[Operation]) -> bool:
        done = True
        for operation in operations:
            failpoint("engine.operation.before")
            done = self._shard(operation.index).apply(operation) and done
            failpoint("engine.operation.after")
        return done

    def _ensure(self, call: protocol.EnsureIndex) -> bool:
        spec = call.spec
        if spec.name in self._shards:
            check_spec(self._folder / spec.name, spec)
            return False
        self._shards[spec.name], created = Shard.opened(self._folder, spec, call.scan)
        failpoint("engine.open.after")
        return created

    def _shard(self, index: str) -> Shard:
        shard = self._shards.get(index)
        if shard is None:
            raise NotFoundError(f"index {index!r} was not ensured", index=index)
        return shard


def serve(engine: Engine, questions: BinaryIO, answers: BinaryIO) -> None:
    """Says that it is ready, then answers until `questions` ends, or a flush failed: its successor gets the journal again."""
    _write(answers, protocol.encode(Answer()))
    failpoint("engine.ready.after")
    while not engine.spoilt and (body := protocol.read_frame(questions.read)) is not None:
        failpoint("engine.message.before")
        answer = engine.answer(body)
        failpoint("engine.answer.before")
        _write(answers, answer)
        failpoint("engine.answer.after")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the process; returns its exit status."""
    options = _options(arguments)
    failpoints.arm(os.environ, FAILPOINTS)
    if options.background:
        die_with_parent()
    stay_behind()
    calm_garbage_collection()
    # The parent decides when to end, by closing the pipe, so that writes can drain first.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Whatever a library prints must not end up between frames.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        with hold(options.folder / LOCK_NAME, wait_s=options.lock_wait_ms / 1000):
            failpoint("engine.lock.after")
            engine = Engine(options.folder)
            try:
                serve(engine, sys.stdin.buffer, answers)
            except BrokenPipeError:
                return 0
            finally:
                engine.close()
    except StartupError as error:
        _write(answers, protocol.encode(Answer(fault=Fault("StartupError", str(error)))))
        return EXIT_REFUSED
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The vector engine of ATLAS memory.")
    parser.add_argument("folder", type=Path, help="folder of the indexes and of the lock file")
    parser.add_argument("--lock-wait-ms", type=int, default=0, help="how long to wait for the lock")
    parser.add_argument("--background", action="store_true", help="end when the parent does, even in mid-call")
    return parser.parse_args(arguments)


def _write(answers: BinaryIO, body: bytes) -> None:
    for part in protocol.framed(body):
        answers.write(part)
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
