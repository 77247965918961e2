"""A snapshot as one tar archive: streamed out, taken in. Blocks."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from atlas.errors import InvalidInputError
from atlas.failpoints import failpoint

from .manifest import FILES, MANIFEST_FILE, Manifest, Shelf, check_files, checked_snapshot_id, decode_manifest

PART_BYTES = 1 << 20
"""Bytes of one part of a stream."""
_MAX_MANIFEST_BYTES = 64 << 20


def archived(place: Path) -> Iterator[bytes]:
    """Gives the parts of the archive of a snapshot; the manifest comes first."""
    for name in (MANIFEST_FILE, *FILES):
        path = place / name
        info = tarfile.TarInfo(name)
        info.size, info.mode = path.stat().st_size, 0o600
        yield info.tobuf(tarfile.PAX_FORMAT)
        with path.open("rb") as stream:
            while block := stream.read(PART_BYTES):
                yield block
        yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def take_in(archive: Path, shelf: Shelf) -> Manifest:
    """Unpacks an archive, compares it with its manifest, and puts it on the shelf; one that is there already stays.

    Raises:
        InvalidInputError: It is no snapshot, or not as it was made.
    """
    draft = archive.with_suffix(".unpacked")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        manifest = _unpacked(archive, draft)
        checked_snapshot_id(manifest.snapshot_id)
        check_files(draft, manifest)
        failpoint("snapshot.upload.unpacked")
        if not (shelf.folder / manifest.snapshot_id).exists():
            shelf.publish(draft, manifest.snapshot_id)
        return manifest
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _unpacked(archive: Path, draft: Path) -> Manifest:
    try:
        with tarfile.open(archive, "r:") as tar:
            members = {member.name: member for member in tar}
            if set(members) != {MANIFEST_FILE, *FILES} or not all(member.isreg() for member in members.values()):
                raise _no_snapshot(f"it holds {', '.join(sorted(members))[:200] or 'nothing'}")
            if members[MANIFEST_FILE].size > _MAX_MANIFEST_BYTES:
                raise _no_snapshot(f"its manifest has {members[MANIFEST_FILE].size} bytes")
            for name, member in members.items():
                source = tar.extractfile(member)
                assert source is not None  # noqa: S101 - a regular file has content
                with source, (draft / name).open("wb") as target:
                    shutil.copyfileobj(source, target, PART_BYTES)
    except (tarfile.TarError, EOFError) as error:
        raise _no_snapshot(str(error)) from error
    return decode_manifest((draft / MANIFEST_FILE).read_bytes())


def _no_snapshot(why: str) -> InvalidInputError:
    return InvalidInputError(f"data is no archive of a snapshot: {why}", reason="NO_SNAPSHOT", field="data")
