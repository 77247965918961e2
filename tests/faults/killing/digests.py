"""Digests of a service: compared with what was acknowledged, with a fold of all events, and with a service that took the same calls."""

from __future__ import annotations

from pathlib import Path

import grpc.aio

from atlas.memory.v1 import salience_pb2
from atlas.type.v1 import salience_pb2 as learnt_pb2
from tests.rpc.memory_part import Memory, create, scope, stubs

from ..expected import CALL_S, State, require
from ..part import Nursery, Part
from .ground import Ground
from .keeper import repeat_all

Digest = learnt_pb2.StateDigest


async def digest(memory: Memory) -> Digest:
    """Reads the digests, and makes sure that the sums are those that a fold of the ledger gives.

    Raises:
        ViolationError: They are not.
    """
    request = salience_pb2.GetStateDigestRequest(scope=scope(), verify=True)
    found = (await memory.salience.GetStateDigest(request, timeout=CALL_S)).digest
    require(found.consistent, "the sums are not what a fold of the ledger gives")
    return found


async def check_counts(memory: Memory, state: State) -> Digest:
    """Compares what is digested with what was acknowledged; nobody may be writing.

    Raises:
        ViolationError: They differ.
    """
    found = await digest(memory)
    events = sum(len(known.events) for known in state.values())
    told = found.memory_count, found.event_count
    require(told == (len(state), events), f"the digest is over {told} memories and events, not {(len(state), events)}")
    return found


async def prove(ground: Ground, nurse: Nursery, scratch: Path) -> None:
    """Has the sums made anew and all acknowledged calls made again elsewhere, without any fault; the callers must stand still.

    Raises:
        ViolationError: Either gives another digest.
    """
    before = await ground.looked(lambda: check_counts(ground.memory, ground.state))
    rebuilt = await ground.answered(ground.memory.salience.RebuildSalience, salience_pb2.RebuildSalienceRequest(scope=scope()))
    require(rebuilt.changed_count == 0, f"{rebuilt.changed_count} sums changed when they were made anew")
    same("made anew from all events", before, await digest(ground.memory))
    if not ground.folded:
        same("of the same calls without a fault", before, await _undisturbed(ground, nurse, scratch))


async def _undisturbed(ground: Ground, nurse: Nursery, scratch: Path) -> Digest:
    part = Part(nurse, scratch / "undisturbed", scratch, name="undisturbed")
    await part.start()
    try:
        async with grpc.aio.insecure_channel(part.address) as channel:
            await part.serving(channel)
            memory = stubs(None, channel)
            await create(memory)
            await repeat_all(memory, ground.callers)
            return await digest(memory)
    finally:
        # Its engine has to be gone before its folder is.
        await part.stop()
        part.clear()


def same(what: str, told: Digest, found: Digest) -> None:
    """Compares two digests.

    Raises:
        ViolationError: They differ.
    """
    names = [field.name for field in Digest.DESCRIPTOR.fields if getattr(told, field.name) != getattr(found, field.name)]
    require(not names, f"digest {what}: {', '.join(f'{name} is {getattr(found, name)}, not {getattr(told, name)}' for name in names)}")
