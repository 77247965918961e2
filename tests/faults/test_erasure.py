"""An erasure that is killed at any of its steps is finished by the next start: every file is read for the bytes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import grpc.aio
import pytest

from atlas.memory.v1 import salience_pb2 as pb
from atlas.type.v1 import salience_pb2
from services.memory.failpoints import FAILPOINTS
from tests.rpc.memory_part import create, id_of, scope, store_settings, stubs, upsert, vector_of, write

from .oracle import OUTAGE
from .part import CHANNEL_OPTIONS, Part, nursery

pytestmark = [
    pytest.mark.skipif(store_settings()["store"] == "qdrant", reason="the store keeps nothing in the data folder"),
    pytest.mark.timeout(240),
]
STORE = {name.upper(): str(value) for name, value in store_settings().items()}
ERASURE = [name for name in FAILPOINTS if name.startswith("ledger.erase.")]
PLACES = [*ERASURE, "database.commit.after", *(["engine.flush.after"] if STORE["STORE"] == "edge" else [])]
SECRET = "the treasure lies under the crooked oak at Kilmarnock"
SECONDS = 30.0


def holders(folder: Path, *needles: bytes) -> set[str]:
    bodies = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name for name, body in bodies.items() if any(needle in body for needle in needles)}


@pytest.mark.parametrize("name", PLACES)
async def test_an_erasure_that_was_killed_is_finished_after_the_start(tmp_path: Path, name: str) -> None:
    gone = id_of("gone")
    erasure = pb.EraseRequest(scope=scope(), selection=salience_pb2.ErasureSelection(ids={"memory_ids": [gone]}), request_id="e1")
    async with nursery() as nurse:
        part = Part(nurse, tmp_path / "data", tmp_path, settings={"FLUSH_INTERVAL_MS": "60000", **STORE})
        await part.start()
        async with grpc.aio.insecure_channel(part.address, options=CHANNEL_OPTIONS) as channel:
            memory = stubs(part, channel)
            await part.serving(channel)
            await create(memory)
            await memory.memories.UpsertMemories(upsert(write("gone", SECRET), write("kept", "a note that stays")), timeout=SECONDS)
            assert holders(part.folder, b"crooked oak", vector_of(SECRET).tobytes())
            part.arm(f"{name}=kill")
            reply = None
            async with asyncio.timeout(120):
                while reply is None or reply.receipt.state == salience_pb2.ERASURE_STATE_PENDING:
                    try:
                        reply = await memory.salience.Erase(erasure, timeout=SECONDS)
                    except grpc.aio.AioRpcError as error:
                        if error.code() not in OUTAGE:
                            raise
                    if not part.alive:
                        await part.start()
                        await part.serving(channel)
            assert not part.plan.exists()
            receipt = reply.receipt
            assert (receipt.state, receipt.memory_count, receipt.verified) == (salience_pb2.ERASURE_STATE_DONE, 1, True)
            assert holders(part.folder, b"crooked oak", vector_of(SECRET).tobytes(), gone.encode()) == set()
            assert holders(part.folder, b"a note that stays")
