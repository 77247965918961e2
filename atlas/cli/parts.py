"""The four parts as processes: what is started, on which ports, with which settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

DEFAULT_PORT_BASE = 50_050
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class PartSpec:
    """One part of the system."""

    name: str
    module: str
    """Module that `python -m` runs."""
    service: str
    """gRPC service whose health says whether it serves."""
    offset: int
    """Its port is the port base plus this."""


PARTS = (
    PartSpec("gateway", "gateway", "atlas.gateway.v1.GatewayService", 0),
    PartSpec("embedder", "services.embedder", "atlas.embedder.v1.EmbedderService", 1),
    PartSpec("reranker", "services.reranker", "atlas.reranker.v1.RerankerService", 2),
    PartSpec("memory", "services.memory", "atlas.memory.v1.MemoryService", 3),
)
"""In the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one copy of the system lives."""

    data_dir: Path
    """Folder of the data, logs and state; absolute."""
    port_base: int
    """Port of the gateway; the others follow."""

    def address(self, part: PartSpec) -> str:
        """Gives the address of a part."""
        return f"{HOST}:{self.port_base + part.offset}"

    def log_path(self, name: str) -> Path:
        """Gives the log file of a part, or of the supervisor."""
        return self.data_dir / "logs" / f"{name}.log"

    def command(self, part: PartSpec) -> list[str]:
        """Gives the command line of a part."""
        return [sys.executable, "-P", "-m", part.module]

    def environment(self, part: PartSpec) -> Mapping[str, str]:
        """Gives the environment of a part: the caller's own, with this copy's ports, addresses and data folder."""
        addresses = {other.name: self.address(other) for other in PARTS}
        own = {f"ATLAS_{part.name.upper()}_PORT": str(self.port_base + part.offset), f"ATLAS_{part.name.upper()}_HOST": HOST}
        if part.name == "gateway":
            own |= {f"ATLAS_GATEWAY_{name.upper()}_ADDRESS": addresses[name] for name in ("embedder", "reranker", "memory")}
        if part.name == "memory":
            own["ATLAS_MEMORY_DATA_DIR"] = str(self.data_dir / "memory")
        # gRPC's own library writes a line for every connection that ends; what matters is in our logs.
        return {"GRPC_VERBOSITY": "ERROR", **os.environ, "PYTHONUNBUFFERED": "1", **own}


def default_data_dir() -> Path:
    """Gives the folder where this user's data lives."""
    return platformdirs.user_data_path("atlas")


def layout_of(data: Path | None, port_base: int) -> Layout:
    """Gives the layout of what the options name."""
    return Layout((data or default_data_dir()).expanduser().resolve(), port_base)
