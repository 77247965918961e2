"""`atlas ingest`: files, folders and JSON Lines become memories."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from atlas.client import Acknowledgement, AsyncAtlas
from atlas.documents import Document, FoundFile, Skipped, parse, source_uri, walk

from .options import DEFAULT_SERVER, CollectionOption, ExitStatus, JsonOption, ServerOption, connect
from .printing import console, print_error, print_json

_READ_AHEAD = 32
"""Documents that are parsed in one go, off the event loop."""


@dataclass(slots=True)
class Tally:
    """What an ingest did so far."""

    documents: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    embedded_tokens: int = 0
    pruned_sources: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Acknowledgement] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    """Everything that was seen, so that what vanished can be told."""

    def add(self, reply: Acknowledgement) -> None:
        """Counts an acknowledgement."""
        self.documents += 1
        self.new += reply.new_count
        self.changed += reply.changed_count
        self.unchanged += reply.unchanged_count
        self.removed += reply.removed_count
        self.embedded_tokens += reply.embedded_token_count
        if reply.error is not None:
            self.failed.append(reply)

    @property
    def complete(self) -> bool:
        """Whether nothing failed and nothing broken was met."""
        return not self.failed and not any(item.fault for item in self.skipped)


def ingest(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files or folders: Markdown, text, HTML, PDF, source code, JSON Lines.")
    ],
    as_uri: Annotated[
        str | None,
        typer.Option("--as", metavar="URI", help="Name the ingested root by this URI instead of its path; keeps ids when it moves."),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also remove what was ingested from these roots before and is not there any more.")
    ] = False,
    collection: CollectionOption = "",
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> int:
    """Stores files, folders and JSON Lines; kill it at any point and run it again.

    Unchanged chunks cost no embedding, edited ones are embedded again, vanished ones go; ids and what was learnt about untouched
    paragraphs stay. Exit status 3 if anything was skipped or failed: the reasons are listed.
    """
    if as_uri is not None and len(paths) > 1:
        raise typer.BadParameter(f"--as names one root, but {len(paths)} paths are given", param_hint="--as")
    found = list(walk(paths))
    tally = Tally(skipped=[item for item in found if isinstance(item, Skipped)])
    files = [item for item in found if isinstance(item, FoundFile)]
    asyncio.run(_ingest(files, tally, server=server, collection=collection, as_uri=as_uri, prune=prune, quiet=as_json))
    _report(tally, as_json=as_json)
    return ExitStatus.OK if tally.complete else ExitStatus.INCOMPLETE


async def _ingest(
    files: Sequence[FoundFile], tally: Tally, *, server: str, collection: str, as_uri: str | None, prune: bool, quiet: bool
) -> None:
    host = socket.gethostname()
    async with connect(server, 60.0) as client:
        # A gateway that is away is said before the bar begins.
        await client.server_info()
        total = await asyncio.to_thread(lambda: sum(_expected_documents(file) for file in files))
        with tqdm(total=total, unit="doc", desc="ingest", disable=True if quiet else None, dynamic_ncols=True, smoothing=0.05) as bar:
            documents = _documents(files, tally, host=host, as_uri=as_uri)
            async for reply in client.ingest(documents, collection=collection):
                tally.add(reply)
                bar.update(1)
                bar.set_postfix(new=tally.new, changed=tally.changed, unchanged=tally.unchanged, failed=len(tally.failed), refresh=False)
        await _remove_vanished(client, files, tally, collection=collection, host=host, as_uri=as_uri, prune=prune)


async def _documents(files: Sequence[FoundFile], tally: Tally, *, host: str, as_uri: str | None) -> AsyncIterator[Document]:
    items = itertools.chain.from_iterable(parse(file, host=host, as_uri=as_uri) for file in files)
    while taken := await asyncio.to_thread(_take, items):
        for item in taken:
            if isinstance(item, Skipped):
                tally.skipped.append(item)
            else:
                tally.sources.add(item.source)
                yield item


def _take(items: Iterator[Document | Skipped]) -> list[Document | Skipped]:
    return list(itertools.islice(items, _READ_AHEAD))


async def _remove_vanished(
    client: AsyncAtlas, files: Sequence[FoundFile], tally: Tally, *, collection: str, host: str, as_uri: str | None, prune: bool
) -> None:
    """Removes rows that vanished from their file and, with `prune`, files that vanished from their root."""
    faulty = {item.path for item in tally.skipped if item.fault}
    # A file that could not be read to its end says nothing about what is not in it.
    prefixes = [
        source_uri(file.path, root=file.root, host=host, as_uri=as_uri) + "#" for file in files if _rows(file) and file.path not in faulty
    ]
    if prune:
        roots = {file.root for file in files if file.root.is_dir()}
        prefixes += [source_uri(root, root=root, host=host, as_uri=as_uri) + "/" for root in roots]
    kept = tally.sources | {source_uri(file.path, root=file.root, host=host, as_uri=as_uri) for file in files if file.path in faulty}
    if not prefixes:
        return
    for source in sorted(await _stored_sources(client, collection, tuple(prefixes)) - kept):
        if any(source.startswith(f"{name}#") for name in kept):
            continue
        tally.removed += await client.delete(source=source, collection=collection)
        tally.pruned_sources += 1


async def _stored_sources(client: AsyncAtlas, collection: str, prefixes: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    token = ""
    while True:
        page = await client.list(collection=collection, page_size=1_000, page_token=token, without_text=True)
        found.update(memory.source for memory in page.items if memory.source.startswith(prefixes))
        token = page.next_page_token
        if not token:
            return found


def _rows(file: FoundFile) -> bool:
    return file.path.name.endswith((".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"))


def _expected_documents(file: FoundFile) -> int:
    if not _rows(file):
        return 1
    try:
        with gzip.open(file.path) if file.path.suffix == ".gz" else file.path.open("rb") as stream:
            return sum(1 for line in stream if line.strip())
    except (OSError, EOFError):
        # Parsing meets the same fault and reports it; the bar only loses its total.
        return 0


def _report(tally: Tally, *, as_json: bool) -> None:
    if as_json:
        counts = {
            name: getattr(tally, name)
            for name in ("documents", "new", "changed", "unchanged", "removed", "embedded_tokens", "pruned_sources")
        }
        skipped = [{"path": str(item.path), "line": item.line, "reason": item.reason, "fault": item.fault} for item in tally.skipped]
        print_json({**counts, "skipped": skipped, "failed": tally.failed})
        return
    for item in tally.skipped:
        if item.fault:
            print_error(f"skipped {item}")
    for reply in tally.failed:
        print_error(f"failed {reply.source}: {reply.error.message if reply.error else ''}")
    console.print(
        f"{tally.documents} documents: {tally.new} chunks new, {tally.changed} changed, {tally.unchanged} unchanged,"
        f" {tally.removed} removed; {tally.embedded_tokens} tokens embedded; {len(tally.skipped)} skipped, {len(tally.failed)} failed"
    )
