"""The files of a disk that loses power: what they hold now, and what of it has reached the medium.

Every file has two sets of pages. A sync copies the dirty ones from the first set to the second. Names are kept as a journalling
file system keeps them: their changes reach the medium in order, and all earlier ones with any sync. A power cut makes a disk
that a real one could have left: of each dirty page the old bytes, the new ones, or the first sectors of the new ones; of a
file that was not synced its old or its new length; of the changes of names some first part.
"""

from __future__ import annotations

import errno
import random
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

PAGE = 4096
SECTOR = 512
ROOT = 1
_ZEROS = bytes(PAGE)


class DiskError(Exception):
    """What a call on the disk fails with."""

    def __init__(self, number: int) -> None:
        super().__init__(errno.errorcode[number])
        self.number = number


@dataclass(slots=True)
class Node:
    """A file or folder."""

    number: int
    mode: int
    size: int = 0
    pages: dict[int, bytes] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    """Numbers of what a folder holds."""
    time_ns: int = 0
    dirty: set[int] = field(default_factory=set)
    durable_size: int = 0
    durable_pages: dict[int, bytes] = field(default_factory=dict)
    durable_names: dict[str, int] = field(default_factory=dict)

    @property
    def folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


@dataclass(frozen=True, slots=True)
class Loss:
    """How a power cut chooses."""

    seed: int
    keep: float
    """Share of dirty pages that had reached the medium, [0, 1]."""
    torn: float
    """Share of those that had reached it in part."""


class Image:
    """A disk in memory."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {ROOT: Node(ROOT, stat.S_IFDIR | 0o755)}
        self.capacity_pages: int | None = None
        self._last = ROOT
        self._page_count = 0
        self._renamed: list[tuple[int, str, int | None]] = []
        """Changes of names since the last sync: folder, name, and what it means now."""

    # ------------------------------------------------------------ names

    def find(self, folder: int, name: str) -> Node:
        number = self._folder(folder).names.get(name)
        if number is None:
            raise DiskError(errno.ENOENT)
        return self.nodes[number]

    def node(self, number: int) -> Node:
        found = self.nodes.get(number)
        if found is None:
            raise DiskError(errno.ENOENT)
        return found

    def make(self, folder: int, name: str, mode: int) -> Node:
        if name in self._folder(folder).names:
            raise DiskError(errno.EEXIST)
        self._last += 1
        made = self.nodes[self._last] = Node(self._last, mode)
        self._name(folder, name, made.number)
        return made

    def remove(self, folder: int, name: str) -> None:
        found = self.find(folder, name)
        if found.folder and found.names:
            raise DiskError(errno.ENOTEMPTY)
        self._name(folder, name, None)

    def rename(self, folder: int, name: str, new_folder: int, new_name: str) -> None:
        moved = self.find(folder, name)
        self._name(new_folder, new_name, moved.number)
        self._name(folder, name, None)

    def path_of(self, number: int) -> str:
        """Last name of a node, for faults that are meant for one file."""
        return next((name for node in self.nodes.values() for name, each in node.names.items() if each == number), "")

    def _folder(self, number: int) -> Node:
        node = self.node(number)
        if not node.folder:
            raise DiskError(errno.ENOTDIR)
        return node

    def _name(self, folder: int, name: str, number: int | None) -> None:
        names = self._folder(folder).names
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number
        self._renamed.append((folder, name, number))

    # ------------------------------------------------------------ bytes

    def read(self, node: Node, offset: int, size: int) -> bytes:
        end = min(offset + size, node.size)
        if end <= offset:
            return b""
        first = offset // PAGE
        whole = b"".join(node.pages.get(page, _ZEROS) for page in range(first, (end - 1) // PAGE + 1))
        return whole[offset - first * PAGE : end - first * PAGE]

    def write(self, node: Node, offset: int, data: bytes) -> None:
        for page, begin, piece in _pieces(offset, data):
            old = node.pages.get(page)
            if old is None:
                self._take_room()
                old = _ZEROS
            node.pages[page] = piece if len(piece) == PAGE else old[:begin] + piece + old[begin + len(piece) :]
            node.dirty.add(page)
        node.size = max(node.size, offset + len(data))

    def resize(self, node: Node, size: int) -> None:
        last = -(-size // PAGE)
        for page in [page for page in node.pages if page >= last]:
            del node.pages[page]
            node.dirty.add(page)
            self._page_count -= 1
        if size < node.size and size % PAGE and (page := size // PAGE) in node.pages:
            node.pages[page] = node.pages[page][: size % PAGE].ljust(PAGE, b"\0")
            node.dirty.add(page)
        node.size = size

    def flip(self, node: Node, offset: int, bit: int) -> None:
        """Changes one bit, as a medium that decays does."""
        page = offset // PAGE
        for pages in (node.pages, node.durable_pages):
            if page in pages:
                changed = bytearray(pages[page])
                changed[offset % PAGE] ^= 1 << bit
                pages[page] = bytes(changed)

    @property
    def free_pages(self) -> int:
        return max(0, (self.capacity_pages or 1 << 20) - self._page_count)

    def _take_room(self) -> None:
        if self.capacity_pages is not None and self._page_count >= self.capacity_pages:
            raise DiskError(errno.ENOSPC)
        self._page_count += 1

    # ------------------------------------------------------------ power

    def sync(self, node: Node) -> None:
        """Brings a file to the medium, and all changes of names before it."""
        for page in node.dirty:
            if page in node.pages:
                node.durable_pages[page] = node.pages[page]
            else:
                node.durable_pages.pop(page, None)
        node.dirty.clear()
        node.durable_size = node.size
        self._sync_names(len(self._renamed))

    def cut(self, loss: Loss) -> Image:
        """Returns a disk as a power cut at this moment could leave it."""
        chance = random.Random(loss.seed)
        self._sync_names(chance.randint(0, len(self._renamed)))
        left = Image()
        left.capacity_pages, left._last = self.capacity_pages, self._last
        left.nodes = {number: _after(node, loss, chance) for number, node in self.nodes.items() if number in self._durably_named()}
        left._page_count = sum(len(node.pages) for node in left.nodes.values())
        return left

    def _sync_names(self, count: int) -> None:
        for folder, name, number in self._renamed[:count]:
            if folder in self.nodes:
                names = self.nodes[folder].durable_names
                if number is None:
                    names.pop(name, None)
                else:
                    names[name] = number
        del self._renamed[:count]

    def _durably_named(self) -> set[int]:
        reached, waiting = {ROOT}, [ROOT]
        while waiting:
            for number in self.nodes[waiting.pop()].durable_names.values():
                if number not in reached:
                    reached.add(number)
                    waiting.append(number)
        return reached


def _after(node: Node, loss: Loss, chance: random.Random) -> Node:
    if node.folder:
        return Node(node.number, node.mode, names=dict(node.durable_names), durable_names=dict(node.durable_names))
    # A file that was cut short and not synced has either its old length and its old end, or the new ones.
    size = chance.choice((node.size, node.durable_size)) if node.size != node.durable_size else node.size
    pages = dict(node.durable_pages)
    for page in sorted(node.dirty):
        if chance.random() >= loss.keep:
            continue
        new, old = node.pages.get(page), pages.get(page, _ZEROS)
        if new is None:
            if size == node.size:
                pages.pop(page, None)
        elif chance.random() < loss.torn:
            kept = SECTOR * chance.randrange(1, PAGE // SECTOR)
            pages[page] = new[:kept] + old[kept:]
        else:
            pages[page] = new
    last = -(-size // PAGE)
    pages = {page: content for page, content in pages.items() if page < last}
    if size % PAGE and (page := size // PAGE) in pages:
        pages[page] = pages[page][: size % PAGE].ljust(PAGE, b"\0")
    return Node(node.number, node.mode, size, pages, {}, node.time_ns, set(), size, dict(pages))


def _pieces(offset: int, data: bytes) -> Iterator[tuple[int, int, bytes]]:
    done = 0
    while done < len(data):
        page, begin = divmod(offset + done, PAGE)
        piece = data[done : done + PAGE - begin]
        yield page, begin, piece
        done += len(piece)
