"""What nobody does all the time, done under load and through kills: snapshots, restores, migrations, folds of old events, builds.

Each errand arms the plan when what it is about begins, makes its calls until they are answered, whatever dies meanwhile, and compares what
is there with what must be: the state before or the one after, never a mix.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import grpc
import grpc.aio

from atlas.memory.v1 import snapshot_pb2
from tests.rpc.memory_part import scope

from ..comparison import compare
from ..expected import DAY_S, OUTAGE, ViolationError, require
from .digests import check_counts, digest, same
from .ground import PATIENCE_S, Ground
from .migrating import migrates

Errand = Callable[[Ground, Callable[[], None], Callable[[], bool]], Awaitable[None]]
"""Takes the ground, what arms the plan, and what says whether it came true."""

_LONG_CALL_S = 60.0
_PART_BYTES = 1 << 20
_OLDEST_S = 20 * DAY_S
_RETENTION_DAYS = 10
"""Evidence of a fold is of 2 and 4 or of 16 and 18 days ago: none of it near this."""


async def snapshots(ground: Ground, arm: Callable[[], None], done: Callable[[], bool]) -> None:
    """Makes a snapshot, takes it away, brings it back and deletes it, while the callers call."""
    arm()
    service = ground.memory.snapshots
    made = await ground.answered(service.CreateSnapshot, snapshot_pb2.CreateSnapshotRequest(scope=scope()), timeout_s=_LONG_CALL_S)
    listed = await _listed(ground)
    require(made.snapshot.snapshot_id in listed, "a snapshot that was acknowledged is not listed")
    for snapshot_id in listed:
        body = await _whole(ground, snapshot_id)
        await _delete(ground, snapshot_id)
        require(snapshot_id not in await _listed(ground), "a snapshot that was deleted is listed")
        await _uploaded(ground, body)
        require(await _whole(ground, snapshot_id) == body, "a snapshot that was brought back is not as it was taken away")
        await _delete(ground, snapshot_id)
    require(not await _listed(ground), "a snapshot that was deleted is listed")


async def restores(ground: Ground, arm: Callable[[], None], done: Callable[[], bool]) -> None:
    """Makes a snapshot, goes on, and goes back to it."""
    await ground.pause("before a snapshot")
    service = ground.memory.snapshots
    made = await ground.answered(service.CreateSnapshot, snapshot_pb2.CreateSnapshotRequest(scope=scope()), timeout_s=_LONG_CALL_S)
    then = await ground.looked(lambda: check_counts(ground.memory, ground.state))
    kept = [(caller.state, len(caller.log)) for caller in ground.callers]
    await ground.go_on(8)
    await ground.pause("before a restore")
    now = await ground.looked(lambda: check_counts(ground.memory, ground.state))
    request = snapshot_pb2.RestoreSnapshotRequest(scope=scope(), snapshot_id=made.snapshot.snapshot_id, replace=True)
    arm()
    try:
        await ground.tried(service.RestoreSnapshot, request, timeout_s=_LONG_CALL_S)
    except grpc.aio.AioRpcError as error:
        if error.code() not in OUTAGE:
            raise
        found = await ground.looked(lambda: digest(ground.memory))
        if found != then:
            same("after a restore that a kill ended", now, found)
            await ground.looked(lambda: compare(ground.memory, ground.state, time.time))
            await ground.answered(service.RestoreSnapshot, request, timeout_s=_LONG_CALL_S)
    same("after a restore", then, await ground.looked(lambda: digest(ground.memory)))
    for caller, (state, length) in zip(ground.callers, kept, strict=True):
        caller.begin_anew(state)
        del caller.log[length:]
    await ground.looked(lambda: compare(ground.memory, ground.state, time.time))
    await _delete(ground, made.snapshot.snapshot_id)


async def folds(ground: Ground, arm: Callable[[], None], done: Callable[[], bool]) -> None:
    """Reports old evidence, and starts a service that keeps only younger events as such."""
    await ground.fresh()
    for caller in ground.callers:
        caller.oldest_s = _OLDEST_S
    limit_s = time.time() - _RETENTION_DAYS * DAY_S
    while not any(event.time_s < limit_s for known in ground.state.values() for event in known.events):
        await ground.go_on(12)
        await ground.pause("before a fold")
    for caller in ground.callers:
        caller.oldest_s = 0.0
    before = await check_counts(ground.memory, ground.state)
    await ground.part.kill()
    ground.part.settings = {"LEDGER_RETENTION_DAYS": str(_RETENTION_DAYS)}
    arm()
    after = before
    give_up = time.monotonic() + PATIENCE_S
    while after.ledger_sha256 == before.ledger_sha256:
        require(time.monotonic() < give_up, "old events were not folded")
        await ground.serving()
        after = await digest(ground.memory)
    for name in ("memory_sha256", "state_sha256", "impression_sha256", "event_count"):
        require(getattr(after, name) == getattr(before, name), f"{name} changed when old events were folded")
    ground.part.settings = {}
    ground.folded = True
    for caller in ground.callers:
        caller.begin_anew(
            {
                name: replace(known, events=tuple(replace(one, search_id="") if one.time_s < limit_s else one for one in known.events))
                for name, known in caller.state.items()
            }
        )


async def builds(ground: Ground, arm: Callable[[], None], done: Callable[[], bool]) -> None:
    """Starts a service that builds its index anew as soon as a few vectors are dead."""
    await ground.part.kill()
    ground.part.settings = {"EDGE_VACUUM_LEAST_DEAD": "1", "EDGE_VACUUM_SHARE": "0.05", "EDGE_SHAPE_INTERVAL_MS": "20"}
    arm()
    await ground.part.start()
    # The service starts with other settings from its next life on.
    ground.part.settings = {}
    give_up = time.monotonic() + PATIENCE_S
    while not done():
        ground.raise_ended()
        if not ground.part.alive or time.monotonic() > give_up:
            break
        await asyncio.sleep(0.01)
    await ground.serving()


async def _listed(ground: Ground) -> list[str]:
    answer = await ground.answered(ground.memory.snapshots.ListSnapshots, snapshot_pb2.ListSnapshotsRequest(scope=scope()))
    return [one.snapshot_id for one in answer.snapshots]


async def _delete(ground: Ground, snapshot_id: str) -> None:
    request = snapshot_pb2.DeleteSnapshotRequest(scope=scope(), snapshot_id=snapshot_id)
    try:
        await ground.answered(ground.memory.snapshots.DeleteSnapshot, request)
    except grpc.aio.AioRpcError as error:
        # One whose deletion was answered by a kill is gone.
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise


async def _whole(ground: Ground, snapshot_id: str) -> bytes:
    """Downloads a snapshot, compares its files with what it says of them, and returns its archive."""
    request = snapshot_pb2.DownloadSnapshotRequest(scope=scope(), snapshot_id=snapshot_id)
    body = await _downloaded(ground, request)
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        content = {name: stream.read() for name, stream in files.items() if stream is not None}
    told = json.loads(content.pop("manifest.json"))["files"]
    found = {name: {"size_bytes": len(part), "sha256": hashlib.sha256(part).hexdigest()} for name, part in content.items()}
    require(found == told, f"snapshot {snapshot_id} holds {found}; its manifest says {told}")
    return body


async def _uploaded(ground: Ground, body: bytes) -> None:
    async def parts() -> AsyncIterator[snapshot_pb2.UploadSnapshotRequest]:
        for begin in range(0, len(body), _PART_BYTES):
            yield snapshot_pb2.UploadSnapshotRequest(scope=scope(), data=body[begin : begin + _PART_BYTES])

    give_up = time.monotonic() + PATIENCE_S
    while True:
        await ground.serving()
        try:
            await ground.memory.snapshots.UploadSnapshot(parts(), timeout=_LONG_CALL_S)
        except grpc.aio.AioRpcError as error:
            if error.code() not in OUTAGE or time.monotonic() > give_up:
                raise
        else:
            return


async def _downloaded(ground: Ground, request: snapshot_pb2.DownloadSnapshotRequest) -> bytes:
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        await ground.serving()
        try:
            return b"".join([part.data async for part in ground.memory.snapshots.DownloadSnapshot(request, timeout=_LONG_CALL_S)])
        except grpc.aio.AioRpcError as error:
            if error.code() not in OUTAGE:
                raise
    raise ViolationError(f"a snapshot was not given for {PATIENCE_S:.0f} s")


ERRANDS: dict[str, Errand] = {
    "snapshot.": snapshots,
    "restore.": restores,
    "generation.": migrates,
    "ledger.checkpoint.": folds,
    "build.": builds,
    "engine.rebuild.": builds,
    "engine.reopen.": builds,
}
"""By the beginning of the names of the failpoints that each passes."""


def errand_of(name: str) -> Errand | None:
    """Returns the errand that passes a failpoint; None where the callers do."""
    return next((errand for prefix, errand in ERRANDS.items() if name.startswith(prefix)), None)
