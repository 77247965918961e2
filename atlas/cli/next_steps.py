"""`atlas next-steps`: what to try once the services run."""

from __future__ import annotations

import sys

from .options import DEFAULT_SERVER, ExitStatus, ServerOption
from .printing import console


def next_steps(server: ServerOption = DEFAULT_SERVER) -> int:
    """Prints commands to go on with; they work as printed."""
    atlas = f"{sys.argv[0]}" if sys.argv[0].endswith("atlas") else "atlas"
    console.print("[bold]The services keep running. Try:[/]")
    for line in (
        f'{atlas} search "how do I change the port?" --explain',
        f'{atlas} remember "The staging database moved to port 5433." && {atlas} search "where is the staging database?"',
        f"{atlas} ingest ~/notes --collection notes",
        f"{atlas} mcp --print-config",
        f"{atlas} status",
        f"{atlas} down",
    ):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    search = '{"query":{"text":"how do I change the port?"}}'
    text = '{"memories":[{"text":"The staging database moved to port 5433."}]}'
    console.print("[bold]The same over gRPC:[/]")
    for line in (
        f"grpcurl -plaintext {server} list",
        f"grpcurl -plaintext -d '{search}' {server} atlas.gateway.v1.GatewayService/Search",
        f"grpcurl -plaintext -d '{text}' {server} atlas.gateway.v1.GatewayService/Remember",
    ):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    return ExitStatus.OK
