"""Puts the verbs together and turns failures into one line and an exit status."""

from __future__ import annotations

import sys
from typing import NoReturn

import click
import typer

from atlas.errors import AtlasError

from .collections import collections
from .delete import delete
from .doctor import doctor
from .down import down
from .eval import evaluate
from .get import get
from .ingest import ingest
from .list import list_memories
from .next_steps import next_steps
from .options import ExitStatus
from .printing import print_error
from .remember import remember
from .search import search
from .status import status
from .up import up

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
for panel, verbs in {
    "Services": {"up": up, "down": down, "status": status, "doctor": doctor, "next-steps": next_steps},
    "Memories": {
        "ingest": ingest,
        "remember": remember,
        "search": search,
        "get": get,
        "list": list_memories,
        "delete": delete,
        "collections": collections,
    },
    "Proof": {"eval": evaluate},
}.items():
    for name, verb in verbs.items():
        app.command(name, rich_help_panel=panel)(verb)


def main() -> NoReturn:
    """Runs the command line and exits."""
    try:
        status = app(standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.Abort:
        print_error("interrupted")
        sys.exit(ExitStatus.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitStatus.USAGE)
    except AtlasError as error:
        print_error(error)
        sys.exit(ExitStatus.FAILED)
    except KeyboardInterrupt:
        print_error("interrupted")
        sys.exit(ExitStatus.INTERRUPTED)
    sys.exit(status if isinstance(status, int) else ExitStatus.OK)
