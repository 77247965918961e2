"""`atlas down`: stops the services."""

from __future__ import annotations

from .options import DataOption, ExitStatus
from .parts import DEFAULT_PORT_BASE, layout_of
from .printing import console
from .state import end_processes, read_state, supervised
from .supervisor import end_leftovers


def down(data: DataOption = None) -> int:
    """Stops the services of a data folder: calls in flight end well, nothing acknowledged is lost."""
    layout = layout_of(data, DEFAULT_PORT_BASE)
    state = read_state(layout.data_dir)
    if supervised(layout.data_dir) and state is not None:
        end_processes([state.supervisor])
        console.print(f"stopped the services in {layout.data_dir}")
        return ExitStatus.OK
    ended = end_leftovers(layout.data_dir)
    console.print(f"ended {ended} parts whose supervisor had died" if ended else f"no services run in {layout.data_dir}")
    return ExitStatus.OK
