"""What a snapshot says of itself, and where its files are."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from atlas.errors import InvalidInputError, NotFoundError
from atlas.failpoints import failpoint

from ..persistence.syncing import sync, sync_tree

FORMAT = 1
"""Counts up whenever an older program could not read a snapshot."""
TABLES_FILE, POINTS_FILE, MANIFEST_FILE = "memory.sqlite3", "points.bin", "manifest.json"
FILES = (TABLES_FILE, POINTS_FILE)
"""Files whose digests the manifest has."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LEFTOVERS = (".draft", ".deleted", ".upload", ".unpacked")
_BLOCK_BYTES = 1 << 20


class FileDigest(msgspec.Struct, frozen=True):
    """A file of a snapshot."""

    size_bytes: int
    sha256: str


class GenerationEntry(msgspec.Struct, frozen=True):
    """A generation of a snapshot."""

    tenant: str
    collection: str
    generation: str
    active: bool
    index: str
    dimension: int
    dense_fingerprint: str
    lexical_fingerprint: str
    point_count: int
    """Points that it must have once restored; of one that does not serve, at least so many."""


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot says of itself."""

    format: int
    snapshot_id: str
    atlas_version: str
    schema_version: int
    tables_sha256: str
    """Digest of the definitions of all tables."""
    create_time_us: int
    last_seq: int
    """Number of the last write in it."""
    memory_count: int
    generations: tuple[GenerationEntry, ...]
    table_digests: Mapping[str, str]
    """SHA-256 of the rows of each table."""
    files: Mapping[str, FileDigest]

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of all tables."""
        return hashlib.sha256("\n".join(f"{name} {self.table_digests[name]}" for name in sorted(self.table_digests)).encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Bytes of its files."""
        return sum(file.size_bytes for file in self.files.values())


_DECODER = msgspec.json.Decoder(Manifest)


class Shelf:
    """The snapshots of a data folder. Blocks."""

    def __init__(self, folder: Path) -> None:
        """Keeps snapshots in `folder`, each in a folder of its own that is named by its id."""
        self.folder = folder

    def place(self, snapshot_id: str) -> Path:
        """Returns the folder of a snapshot.

        Raises:
            NotFoundError: There is none of that id.
        """
        if _ID.fullmatch(snapshot_id) is None or not (self.folder / snapshot_id / MANIFEST_FILE).is_file():
            raise NotFoundError(
                f"snapshot {snapshot_id[:64]!r} does not exist",
                reason="SNAPSHOT_NOT_FOUND",
                field="snapshot_id",
                snapshot_id=snapshot_id[:64],
            )
        return self.folder / snapshot_id

    def publish(self, draft: Path, snapshot_id: str) -> None:
        """Brings a whole draft to disk and gives it its name, so that a half-made one is never seen."""
        sync_tree(draft)
        failpoint("snapshot.sync.after")
        draft.rename(self.folder / snapshot_id)
        failpoint("snapshot.rename.after")
        self._sync_names()

    def delete(self, place: Path) -> None:
        """Deletes a snapshot: out of sight first, so that one that is half deleted is never seen."""
        gone = place.with_suffix(".deleted")
        place.rename(gone)
        failpoint("snapshot.delete.renamed")
        self._sync_names()
        shutil.rmtree(gone)

    def clear_leftovers(self) -> None:
        """Removes what a process that died left of snapshots that it made, took in or deleted; to be called before any of that is done."""
        if self.folder.exists():
            for place in self.folder.iterdir():
                if place.suffix in _LEFTOVERS:
                    shutil.rmtree(place) if place.is_dir() else place.unlink()

    def count(self) -> int:
        """Counts what holds the store of an earlier moment: snapshots, and what is being made, taken in or deleted."""
        return sum(1 for _ in self.folder.iterdir()) if self.folder.exists() else 0

    def _sync_names(self) -> None:
        # The folder of all snapshots may be as new as the snapshot.
        sync(self.folder)
        sync(self.folder.parent)

    def manifests(self) -> list[Manifest]:
        """Returns all snapshots, newest first."""
        if not self.folder.exists():
            return []
        found = [read_manifest(place) for place in self.folder.iterdir() if _ID.fullmatch(place.name) and (place / MANIFEST_FILE).is_file()]
        return sorted(found, key=lambda one: (-one.create_time_us, one.snapshot_id))


def checked_snapshot_id(text: str) -> str:
    """Returns the id of a snapshot that somebody sent.

    Raises:
        InvalidInputError: It is no id.
    """
    if _ID.fullmatch(text) is None:
        raise InvalidInputError(f"the manifest's snapshot_id is {text[:64]!r}; a UUID is needed", reason="NO_SNAPSHOT", field="data")
    return text


def read_manifest(place: Path) -> Manifest:
    """Reads the manifest of a snapshot's folder.

    Raises:
        InvalidInputError: It is no manifest.
    """
    return decode_manifest((place / MANIFEST_FILE).read_bytes())


def decode_manifest(body: bytes) -> Manifest:
    """Reads a manifest.

    Raises:
        InvalidInputError: It is none.
    """
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise InvalidInputError(
            f"the snapshot's manifest cannot be read: {error}", reason="SNAPSHOT_DAMAGED", field="snapshot_id"
        ) from error


def digest_of(path: Path) -> FileDigest:
    """Computes size and SHA-256 of a file."""
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
            size_bytes += len(block)
    return FileDigest(size_bytes, digest.hexdigest())


def check_files(place: Path, manifest: Manifest) -> None:
    """Compares the files of a snapshot with its manifest.

    Raises:
        InvalidInputError: One is missing or not as it was made.
    """
    for name in FILES:
        path = place / name
        found = digest_of(path) if path.is_file() else None
        if found != manifest.files.get(name):
            raise InvalidInputError(
                f"file {name} of snapshot {manifest.snapshot_id} is {found}; its manifest says {manifest.files.get(name)}",
                reason="SNAPSHOT_DAMAGED",
                field="snapshot_id",
                snapshot_id=manifest.snapshot_id,
                file=name,
            )
