"""`atlas backup`, `atlas restore` and `atlas snapshots`: the whole memory in one file, and back."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from atlas.client import AsyncAtlas, Restored, Snapshot
from atlas.folders import create_private

from .options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from .printing import console, print_json, print_table

LongTimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", min=1.0, max=86_400.0, metavar="SECONDS", help="Longest that each step may take.", rich_help_panel="Connection"
    ),
]
KeepOption = Annotated[bool, typer.Option("--keep", help="Keep the snapshot in memory's data folder as well.")]


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup wrote."""

    file: str
    snapshot: Snapshot


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Archive to write; refused if it is there already.")],
    keep: KeepOption = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it is there.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: LongTimeoutOption = 3_600.0,
    as_json: JsonOption = False,
) -> int:
    """Writes everything that memory holds, the ledger included, into one file. Searches and writes go on meanwhile."""
    if file.exists() and not overwrite:
        raise typer.BadParameter(f"{file} is there already; --overwrite replaces it", param_hint="FILE")
    done = asyncio.run(_backup(server, timeout_s, file, keep=keep, quiet=as_json))
    if as_json:
        print_json(done)
    else:
        snapshot = done.snapshot
        console.print(f"{snapshot.memory_count} memories in {file} ({snapshot.size_bytes / 2**20:.1f} MiB), digest {snapshot.digest[:16]}")
    return ExitStatus.OK


def restore(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Archive that `atlas backup` wrote.", show_default=False)] = None,
    snapshot: Annotated[str, typer.Option("--snapshot", metavar="ID", help="Restore this snapshot that memory keeps instead.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace what memory holds; else only an empty one is filled.")] = False,
    any_fingerprint: Annotated[
        bool, typer.Option("--any-fingerprint", help="Also if no embedder here makes the vectors of the snapshot.")
    ] = False,
    keep: KeepOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: LongTimeoutOption = 3_600.0,
    as_json: JsonOption = False,
) -> int:
    """Puts memory back to a backup, in one step, once all of it is loaded and verified. A backup that is refused changes nothing."""
    if (file is None) == (not snapshot):
        raise typer.BadParameter("give FILE or --snapshot ID: exactly one of them")
    if replace and not yes:
        typer.confirm("Replace everything that memory holds? There is no way back but another backup.", abort=True, err=True)
    done = asyncio.run(
        _restore(server, timeout_s, file, snapshot, replace=replace, any_fingerprint=any_fingerprint, keep=keep, quiet=as_json)
    )
    if as_json:
        print_json(done)
    else:
        console.print(
            f"restored {done.snapshot.memory_count} memories of {done.snapshot.create_time:%Y-%m-%d %H:%M:%S} UTC; "
            f"digests agree, {done.checked_query_count} queries find the same in the same order"
        )
    return ExitStatus.OK


def snapshots(
    delete: Annotated[str, typer.Option("--delete", metavar="ID", help="Delete this one.")] = "",
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> int:
    """Lists the snapshots that memory keeps in its data folder, newest first, or deletes one."""
    found = asyncio.run(_snapshots(server, timeout_s, delete))
    if as_json:
        print_json(found)
        return ExitStatus.OK
    rows = [
        (one.snapshot_id, f"{one.create_time:%Y-%m-%d %H:%M:%S}", one.memory_count, f"{one.size_bytes / 2**20:.1f} MiB", one.atlas_version)
        for one in found
    ]
    print_table(("snapshot", "made", "memories", "size", "by ATLAS"), rows, right=("memories", "size"))
    return ExitStatus.OK


async def _backup(server: str, timeout_s: float, file: Path, *, keep: bool, quiet: bool) -> BackedUp:
    part = file.with_name(f"{file.name}.part")
    async with connect(server, 60.0) as client:
        made = await client.snapshots.create(timeout_s=timeout_s)
        hidden = True if quiet else None
        try:
            bar = tqdm(total=made.size_bytes, unit="B", unit_scale=True, desc="backup", disable=hidden)
            with create_private(part) as stream, bar:
                async for data in client.snapshots.download(made.snapshot_id, timeout_s=timeout_s):
                    stream.write(data)
                    bar.update(len(data))
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
            if not keep:
                await client.snapshots.delete(made.snapshot_id)
    return BackedUp(str(file), made)


async def _restore(
    server: str, timeout_s: float, file: Path | None, snapshot_id: str, *, replace: bool, any_fingerprint: bool, keep: bool, quiet: bool
) -> Restored:
    async with connect(server, 60.0) as client:
        uploaded = ""
        if file is not None:
            known = {one.snapshot_id for one in await client.snapshots.list()}
            snapshot_id = (await _uploaded(client, file, timeout_s, quiet=quiet)).snapshot_id
            uploaded = "" if keep or snapshot_id in known else snapshot_id
        try:
            return await client.snapshots.restore(snapshot_id, replace=replace, any_fingerprint=any_fingerprint, timeout_s=timeout_s)
        finally:
            if uploaded:
                await client.snapshots.delete(uploaded)


async def _uploaded(client: AsyncAtlas, file: Path, timeout_s: float, *, quiet: bool) -> Snapshot:
    size_bytes = os.path.getsize(file)  # noqa: ASYNC240, PTH202 - before anything else is under way
    with tqdm(total=size_bytes, unit="B", unit_scale=True, desc="upload", disable=True if quiet else None) as bar:

        def progress(count: int) -> None:
            bar.update(count)

        return await client.snapshots.upload(file, progress=progress, timeout_s=timeout_s)


async def _snapshots(server: str, timeout_s: float, delete: str) -> tuple[Snapshot, ...]:
    async with connect(server, timeout_s) as client:
        if delete:
            await client.snapshots.delete(delete)
        return await client.snapshots.list()
