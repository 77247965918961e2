"""`atlas doctor`: what is wrong on this machine, and how to mend it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atlas.encoder import MINILM
from atlas.errors import AtlasError, StartupError
from atlas.folders import is_private

from .options import DataOption, ExitStatus, JsonOption, PortBaseOption, connect
from .parts import DEFAULT_PORT_BASE, HOST, PARTS, Layout, layout_of
from .printing import console, print_json
from .state import read_state, supervised

MIN_PYTHON = (3, 11)
MIN_FREE_BYTES = 2 * 2**30
MIN_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    ok: bool
    detail: str
    mend: str = ""
    """How to mend it; empty if all is well."""


def doctor(data: DataOption = None, port_base: PortBaseOption = DEFAULT_PORT_BASE, as_json: JsonOption = False) -> int:
    """Checks this machine and says how to mend what is wrong. Exit status 3 if anything is."""
    layout = layout_of(data, port_base)
    findings = list(_findings(layout))
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            sign = "[green]ok   [/]" if finding.ok else "[red]wrong[/]"
            console.print(f"{sign} {finding.check}: {finding.detail}", highlight=False, soft_wrap=True)
            if finding.mend:
                console.print(f"      mend: {finding.mend}", markup=False, soft_wrap=True)
    return ExitStatus.OK if all(finding.ok for finding in findings) else ExitStatus.INCOMPLETE


def _findings(layout: Layout) -> Iterator[Finding]:
    yield _python()
    for package in ("grpcio", "openvino", "qdrant-edge-py", "tokenizers", "qdrant-client", "mcp"):
        yield _package(package)
    yield _model()
    yield _processor()
    yield _memory()
    yield from _folder(layout)
    if supervised(layout.data_dir):
        yield _services(layout)
    else:
        yield from _ports(layout)


def _python() -> Finding:
    ok = sys.version_info >= MIN_PYTHON and sys.platform == "linux"
    detail = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("platform", ok, detail, "" if ok else "use Linux with Python 3.11, 3.12 or 3.13")


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "is not installed", "make install")


def _model() -> Finding:
    try:
        MINILM.locate()
    except (StartupError, AtlasError) as error:
        return Finding("model", False, str(error), "make install")
    return Finding("model", True, f"{MINILM.model_id}, sha256 as recorded")


def _processor() -> Finding:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    bf16 = "amx_bf16" in flags or "avx512_bf16" in flags
    detail = f"{len(os.sched_getaffinity(0))} cores, {'bf16' if bf16 else 'no bf16: the encoder computes in f32, about half as fast'}"
    return Finding("processor", True, detail)


def _memory() -> Finding:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    ok = size >= MIN_MEMORY_BYTES
    return Finding("memory", ok, f"{size / 2**30:.1f} GiB", "" if ok else f"the four services want {MIN_MEMORY_BYTES / 2**30:.0f} GiB")


def _folder(layout: Layout) -> Iterator[Finding]:
    existing = next(path for path in (layout.data_dir, *layout.data_dir.parents) if path.exists())
    writable = os.access(existing, os.W_OK)
    yield Finding(
        "data folder", writable, str(layout.data_dir), "" if writable else f"make {existing} writable, or choose another folder with --data"
    )
    if existing == layout.data_dir and not is_private(existing):
        yield Finding("privacy", False, f"other users of this machine may look into {existing}", f"chmod 700 {existing}")
    free = shutil.disk_usage(existing).free
    ok = free >= MIN_FREE_BYTES
    mend = "" if ok else "free some space: writes are refused below the watermark, searches go on"
    yield Finding("free disk", ok, f"{free / 2**30:.1f} GiB", mend)


def _ports(layout: Layout) -> Iterator[Finding]:
    for part in PARTS:
        port = layout.port_base + part.offset
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                yield Finding(
                    f"port {port}",
                    False,
                    f"for the {part.name}: {error.strerror}",
                    "choose other ports with --port-base, or stop what uses it",
                )
            else:
                yield Finding(f"port {port}", True, f"free for the {part.name}")


def _services(layout: Layout) -> Finding:
    state = read_state(layout.data_dir)
    address = f"{HOST}:{state.port_base if state else layout.port_base}"
    try:
        away = asyncio.run(_away(address))
    except AtlasError as error:
        return Finding(
            "services",
            False,
            f"run in {layout.data_dir}, but the gateway does not answer: {error.message}",
            f"look into {layout.log_path('gateway')}",
        )
    if away:
        return Finding("services", False, "; ".join(away), f"look into the logs in {layout.log_path('gateway').parent}")
    return Finding("services", True, f"all parts serve at {address}")


async def _away(address: str) -> list[str]:
    async with connect(address, 5.0) as client:
        info = await client.server_info()
    return [f"{part.name} is away: {part.error.message if part.error else 'unknown'}" for part in info.parts if not part.serving]
