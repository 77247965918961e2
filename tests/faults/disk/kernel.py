"""The kernel's side of a disk in user space: mounts it, reads requests, writes replies.

The protocol is that of `linux/fuse.h`, version 7.31; only root may mount without a helper.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

from .image import PAGE, ROOT, DiskError, Image, Node

MAX_WRITE = 1 << 20
_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
_FOREVER = 1 << 30
_LIBC = ctypes.CDLL(None, use_errno=True)
_MS_NOSUID, _MS_NODEV, _MNT_DETACH = 2, 4, 2
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_KEEP_CACHE = 2
_SIZE, _MODE = 8, 1
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_NO_REPLY = {2, 42, 36}
"""FORGET, BATCH_FORGET, INTERRUPT."""

Fault = Callable[[str, Node], None]
"""Raises `DiskError` where an operation on a file is to fail."""


def mount(point: Path) -> int:
    """Mounts a disk of this process at a folder and gives the descriptor of its requests.

    Raises:
        OSError: The kernel refuses, as it does without root.
    """
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()},default_permissions,allow_other"
    if _LIBC.mount(b"atlas", bytes(point), b"fuse.atlas", _MS_NOSUID | _MS_NODEV, options.encode()) != 0:
        os.close(device)
        raise OSError(ctypes.get_errno(), f"{point}: {os.strerror(ctypes.get_errno())}")
    return device


def unmount(point: Path) -> None:
    """Takes the disk away, also from processes that hold files of it."""
    _LIBC.umount2(bytes(point), _MNT_DETACH)


class Kernel:
    """Answers the kernel from an image."""

    def __init__(self, device: int, image: Image, fault: Fault) -> None:
        self.device = device
        self.image = image
        self.dead = False
        """Whether the power is gone: everything fails."""
        self._fault = fault
        self._listed: dict[int, list[tuple[str, Node]]] = {}
        self._calls: dict[int, Callable[[int, bytes], bytes]] = {
            1: self._lookup,
            3: self._getattr,
            4: self._setattr,
            8: self._mknod,
            9: self._mkdir,
            10: self._remove,
            11: self._remove,
            12: lambda number, body: self._rename(number, body, 8),
            14: self._open,
            15: self._read,
            16: self._write,
            17: self._statfs,
            18: lambda number, body: b"",
            20: self._fsync,
            25: lambda number, body: b"",
            27: self._opendir,
            28: self._readdir,
            29: lambda number, body: b"",
            30: self._fsync,
            35: self._create,
            43: self._fallocate,
            45: lambda number, body: self._rename(number, body, 16),
        }

    def serve_one(self) -> bool:
        """Answers one request; False once the disk is not mounted any more."""
        try:
            request = os.read(self.device, MAX_WRITE + PAGE)
        except OSError as error:
            return error.errno in {errno.EINTR, errno.EAGAIN, errno.ENOENT}
        _, opcode, unique, number, *_ = _IN.unpack_from(request)
        if opcode in _NO_REPLY:
            return True
        try:
            self._reply(unique, 0, self._answer(opcode, number, request[_IN.size :]))
        except DiskError as error:
            self._reply(unique, -error.number, b"")
        return True

    def _answer(self, opcode: int, number: int, body: bytes) -> bytes:
        if opcode == 26:
            return struct.pack("<IIIIHHIIHHI", 7, 31, MAX_WRITE, _BIG_WRITES | _MAX_PAGES, 16, 12, MAX_WRITE, 1, 256, 0, 0).ljust(64, b"\0")
        if self.dead:
            raise DiskError(errno.EIO)
        call = self._calls.get(opcode)
        if call is None:
            raise DiskError(errno.ENOSYS)
        return call(number, body)

    def _reply(self, unique: int, error: int, body: bytes) -> None:
        try:
            os.write(self.device, _OUT.pack(_OUT.size + len(body), error, unique) + body)
        except OSError as failure:
            if failure.errno != errno.ENOENT:  # the one who asked has been killed
                raise

    # ------------------------------------------------------------ names

    def _lookup(self, number: int, body: bytes) -> bytes:
        return self._entry(self.image.find(number, _names(body)[0]))

    def _mknod(self, number: int, body: bytes) -> bytes:
        mode, _, _, _ = struct.unpack_from("<IIII", body)
        return self._entry(self._made(number, _names(body[16:])[0], mode))

    def _mkdir(self, number: int, body: bytes) -> bytes:
        mode, umask = struct.unpack_from("<II", body)
        return self._entry(self._made(number, _names(body[8:])[0], stat.S_IFDIR | (mode & ~umask)))

    def _create(self, number: int, body: bytes) -> bytes:
        _, mode, umask, _ = struct.unpack_from("<IIII", body)
        return self._entry(self._made(number, _names(body[16:])[0], stat.S_IFREG | (mode & 0o7777 & ~umask))) + _opened()

    def _made(self, folder: int, name: str, mode: int) -> Node:
        self._fault("create", self.image.node(folder))
        return self.image.make(folder, name, mode)

    def _remove(self, number: int, body: bytes) -> bytes:
        self._fault("remove", self.image.node(number))
        self.image.remove(number, _names(body)[0])
        return b""

    def _rename(self, number: int, body: bytes, begin: int) -> bytes:
        (folder,) = struct.unpack_from("<Q", body)
        self._fault("rename", self.image.node(number))
        old, new = _names(body[begin:])[:2]
        self.image.rename(number, old, folder, new)
        return b""

    # ------------------------------------------------------------ attributes

    def _getattr(self, number: int, body: bytes) -> bytes:
        return struct.pack("<QII", _FOREVER, 0, 0) + self._attributes(self.image.node(number))

    def _setattr(self, number: int, body: bytes) -> bytes:
        valid, _, _, size = struct.unpack_from("<IIQQ", body)
        node = self.image.node(number)
        if valid & _SIZE:
            self._fault("write", node)
            self.image.resize(node, size)
        if valid & _MODE:
            (mode,) = struct.unpack_from("<I", body, 68)
            node.mode = stat.S_IFMT(node.mode) | (mode & 0o7777)
        return self._getattr(number, body)

    def _statfs(self, number: int, body: bytes) -> bytes:
        free = self.image.free_pages
        total = self.image.capacity_pages or 1 << 20
        return struct.pack("<QQQQQIIII", total, free, free, 1 << 20, 1 << 20, PAGE, 255, PAGE, 0).ljust(80, b"\0")

    def _entry(self, node: Node) -> bytes:
        return struct.pack("<QQQQII", node.number, 0, _FOREVER, _FOREVER, 0, 0) + self._attributes(node)

    def _attributes(self, node: Node) -> bytes:
        blocks = len(node.pages) * (PAGE // 512)
        seconds, rest = divmod(node.time_ns, 10**9)
        owner = (os.getuid(), os.getgid())
        return _ATTR.pack(node.number, node.size, blocks, *(seconds,) * 3, *(rest,) * 3, node.mode, 1, *owner, 0, PAGE, 0)

    # ------------------------------------------------------------ bytes

    def _open(self, number: int, body: bytes) -> bytes:
        self.image.node(number)
        return _opened()

    def _read(self, number: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        node = self.image.node(number)
        self._fault("read", node)
        return self.image.read(node, offset, size)

    def _write(self, number: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        node = self.image.node(number)
        self._fault("write", node)
        self.image.write(node, offset, body[40 : 40 + size])
        return struct.pack("<II", size, 0)

    def _fsync(self, number: int, body: bytes) -> bytes:
        node = self.image.node(number)
        self._fault("fsync", node)
        self.image.sync(node)
        return b""

    def _fallocate(self, number: int, body: bytes) -> bytes:
        _, offset, length, mode = struct.unpack_from("<QQQI", body)
        node = self.image.node(number)
        self._fault("write", node)
        if mode & _PUNCH_HOLE:
            end = min(offset + length, node.size)
            if end > offset:
                self.image.write(node, offset, bytes(end - offset))
        elif mode & ~_KEEP_SIZE:
            raise DiskError(errno.EOPNOTSUPP)
        elif not mode & _KEEP_SIZE and offset + length > node.size:
            if -(-(offset + length - node.size) // PAGE) > self.image.free_pages:
                raise DiskError(errno.ENOSPC)
            self.image.resize(node, offset + length)
        return b""

    # ------------------------------------------------------------ folders

    def _opendir(self, number: int, body: bytes) -> bytes:
        node = self.image.node(number)
        self._listed[number] = [(".", node), ("..", self.image.node(ROOT))]
        self._listed[number] += [(name, self.image.node(each)) for name, each in node.names.items()]
        return struct.pack("<QII", number, 0, 0)

    def _readdir(self, number: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        found = b""
        for place, (name, node) in enumerate(self._listed.get(number, [])[offset:], offset + 1):
            encoded = name.encode()
            entry = struct.pack("<QQII", node.number, place, len(encoded), stat.S_IFMT(node.mode) >> 12) + encoded
            entry = entry.ljust(-(-len(entry) // 8) * 8, b"\0")
            if len(found) + len(entry) > size:
                break
            found += entry
        return found


def _opened() -> bytes:
    return struct.pack("<QII", 0, _KEEP_CACHE, 0)


def _names(body: bytes) -> list[str]:
    return [part.decode() for part in body.split(b"\0")]
