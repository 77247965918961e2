"""A TCP proxy that does to a connection what networks and frozen peers do: between the gateway and a part, in a test."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 16 * 1024


@dataclass
class Weather:
    """What happens to bytes from now on; each field may change while connections live."""

    delay_s: float = 0.0
    """Seconds that each chunk waits."""
    jitter_s: float = 0.0
    """Most seconds that are added to that, by chance."""
    bytes_per_s: float | None = None
    """Bandwidth in each direction; None = no limit."""
    drip: bool = False
    """Whether bytes pass one by one, each after the delay."""
    blackhole: bool = False
    """Whether bytes are taken and never passed on."""
    refuse: bool = False
    """Whether new connections are reset."""
    reset_after: int | None = None
    """Bytes from the part after which a connection is reset."""
    close_after: int | None = None
    """Bytes from the part after which its side is closed in an orderly way, while the other stays open."""
    corrupt_at: int | None = None
    """Place of the byte from the part that has one bit flipped, counted from the beginning of a connection."""


@dataclass
class Proxy:
    """A running proxy."""

    target: tuple[str, int]
    chance: random.Random
    weather: Weather = field(default_factory=Weather)
    connections: int = 0
    """Connections so far."""
    port: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _moving: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def open_count(self) -> int:
        """Connections that are open now."""
        return len(self._writers) // 2

    def freeze(self) -> None:
        """Neither reads nor writes any more, as a stopped process does; connections stay open."""
        self._moving.clear()

    def thaw(self) -> None:
        self._moving.set()

    def reset(self) -> None:
        """Resets all open connections."""
        for writer in list(self._writers):
            _reset(writer)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        if self.weather.refuse:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            _reset(writer)
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._pump(reader, far_writer, answers=False), self._pump(far_reader, writer, answers=True))
        except asyncio.CancelledError:
            pass  # the proxy ends; the server that made this task has nobody to tell
        finally:
            for each in (writer, far_writer):
                self._writers.discard(each)
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        passed = 0
        with suppress(OSError):
            while True:
                await self._moving.wait()
                chunk = await reader.read(CHUNK)
                await self._moving.wait()
                if not chunk:
                    writer.write_eof()
                    return
                weather = self.weather
                if not weather.drip:
                    await self._wait(len(chunk))
                if answers:
                    chunk = _corrupted(chunk, passed, weather.corrupt_at)
                passed += len(chunk)
                if answers and weather.reset_after is not None and passed >= weather.reset_after:
                    _reset(writer)
                    return
                if weather.blackhole:
                    continue
                for piece in _drops(chunk) if weather.drip else (chunk,):
                    if weather.drip:
                        await self._wait(1)
                    writer.write(piece)
                    await writer.drain()
                if answers and weather.close_after is not None and passed >= weather.close_after:
                    writer.write_eof()
                    return

    async def _wait(self, size: int) -> None:
        weather = self.weather
        wait_s = weather.delay_s + self.chance.uniform(0.0, weather.jitter_s)
        if weather.bytes_per_s is not None:
            wait_s += size / weather.bytes_per_s
        if wait_s:
            await asyncio.sleep(wait_s)

    async def end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _drops(chunk: bytes) -> list[bytes]:
    return [chunk[place : place + 1] for place in range(len(chunk))]


def _corrupted(chunk: bytes, passed: int, place: int | None) -> bytes:
    if place is None or not passed <= place < passed + len(chunk):
        return chunk
    changed = bytearray(chunk)
    changed[place - passed] ^= 0x10
    return bytes(changed)


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport: asyncio.WriteTransport = writer.transport
    transport.abort()


@asynccontextmanager
async def proxied(port: int, *, seed: int = 0) -> AsyncIterator[Proxy]:
    """Runs a proxy before a port of this machine."""
    proxy = Proxy(("127.0.0.1", port), random.Random(seed))
    proxy.thaw()
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
