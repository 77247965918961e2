"""Puts the verbs together and turns failures into one line and an exit status."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import typer

from atlas.errors import AtlasError

from .backup import backup, restore, snapshots
from .collections import collections
from .delete import delete
from .doctor import doctor
from .down import down
from .erase import erase
from .eval import evaluate
from .feedback import feedback
from .generations import generations
from .get import get
from .ingest import ingest
from .list import list_memories
from .mcp import mcp
from .migrate import migrate
from .mv import mv
from .next_steps import next_steps
from .operations import operations
from .options import ExitStatus
from .printing import print_error, print_failure
from .remember import remember
from .repair import repair
from .salience import VERBS as SALIENCE_VERBS
from .search import search
from .status import status
from .up import up
from .usage import usage

app = typer.Typer(
    name="atlas",
    help="ATLAS, a retrieval memory: stores your files and messages, finds the best passages, and remembers what was worth finding.",
    epilog="Begin with: atlas up --detach && atlas ingest PATH && atlas search QUERY",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
_PANELS: dict[str, dict[str, Callable[..., int]]] = {
    "Services": {
        "up": up,
        "down": down,
        "status": status,
        "doctor": doctor,
        "repair": repair,
        "next-steps": next_steps,
        "mcp": mcp,
    },
    "Memories": {
        "ingest": ingest,
        "remember": remember,
        "search": search,
        "get": get,
        "list": list_memories,
        "mv": mv,
        "delete": delete,
        "collections": collections,
    },
    "Learning": {"feedback": feedback, "usage": usage, "erase": erase},
    "Upkeep": {
        "migrate": migrate,
        "operations": operations,
        "generations": generations,
        "backup": backup,
        "restore": restore,
        "snapshots": snapshots,
    },
    "Proof": {"eval": evaluate},
}


def _exiting(verb: Callable[..., int]) -> Callable[..., None]:
    """Turns what a verb returns, or raises, into an exit status and one line."""

    @functools.wraps(verb)
    def run(**options: Any) -> None:
        try:
            status = verb(**options)
        except AtlasError as error:
            print_failure(error, server=options.get("server"), timeout_s=options.get("timeout_s"), as_json=options.get("as_json", False))
            raise typer.Exit(ExitStatus.FAILED) from error
        except OSError as error:
            if error.filename is None:
                raise  # no file that somebody named
            print_error(f"{error.filename}: {error.strerror}")
            raise typer.Exit(ExitStatus.FAILED) from error
        except KeyboardInterrupt as error:
            print_error("interrupted")
            raise typer.Exit(ExitStatus.INTERRUPTED) from error
        raise typer.Exit(status)

    return run


for panel, verbs in _PANELS.items():
    for name, verb in verbs.items():
        app.command(name, rich_help_panel=panel)(_exiting(verb))

for group, help_text, verbs in (("salience", "What was learnt: shows, explains, takes back, folds anew, digests.", SALIENCE_VERBS),):
    commands = typer.Typer(help=help_text, no_args_is_help=True)
    for name, verb in verbs.items():
        commands.command(name)(_exiting(verb))
    app.add_typer(commands, name=group, rich_help_panel="Learning")


def main() -> None:
    """Runs the command line and exits."""
    # It warns of every oddity of a PDF; what cannot be read is reported as skipped.
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    app()
