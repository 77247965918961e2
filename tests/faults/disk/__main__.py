"""The process of one disk: `python -m tests.faults.disk FOLDER`.

Orders come as JSON lines and are answered with one each: {"cut": {...}}, {"power": true}, {"fail": {...}}, {"heal": true},
{"capacity_mib": n}, {"flip": {...}}, {"stop": true}.
"""

from __future__ import annotations

import errno
import json
import os
import select
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .image import PAGE, DiskError, Image, Loss, Node
from .kernel import Kernel, mount, unmount


@dataclass
class Faults:
    """What is to fail from now on."""

    image: Image
    rules: list[dict[str, Any]]
    seen: Counter[str]

    def check(self, operation: str, node: Node) -> None:
        self.seen[operation] += 1
        for rule in self.rules:
            fits = operation in rule["operations"] and rule.get("name", "") in self.image.path_of(node.number)
            if fits and rule.get("times", 1) != 0:
                rule["times"] = rule.get("times", 1) - 1
                raise DiskError(getattr(errno, rule["errno"]))


class Disk:
    """A mounted image and the orders it follows."""

    def __init__(self, point: Path) -> None:
        self._point = point
        self._image = Image()
        self._faults = Faults(self._image, [], Counter())
        self._kernel = Kernel(mount(point), self._image, self._faults.check)

    def serve(self, orders: int) -> None:
        """Serves until it is told to stop."""
        stopped = False
        while not stopped:
            ready, _, _ = select.select([self._kernel.device, orders], [], [])
            if self._kernel.device in ready and not self._kernel.serve_one():
                return
            if orders in ready:
                line = os.read(orders, 1 << 16)
                order = json.loads(line) if line else {"stop": True}
                stopped = "stop" in order
                print(json.dumps(self._follow(order)), flush=True)

    def _follow(self, order: dict[str, Any]) -> dict[str, Any]:
        (kind, value), *_ = order.items()
        match kind:
            case "cut":
                dirty = sum(len(node.dirty) for node in self._image.nodes.values())
                self._image = self._image.cut(Loss(**value))
                self._kernel.dead = True
                return {"dirty_pages": dirty}
            case "power":
                unmount(self._point)
                os.close(self._kernel.device)
                self._faults.image, self._faults.rules = self._image, []
                self._kernel = Kernel(mount(self._point), self._image, self._faults.check)
            case "fail":
                self._faults.rules.append(value)
            case "heal":
                self._faults.rules.clear()
            case "capacity_mib":
                self._image.capacity_pages = None if value is None else value * (1 << 20) // PAGE
            case "used":
                return {"used_mib": self._image._page_count * PAGE / (1 << 20), **self._faults.seen}
            case "flip":
                node = next(node for node in self._image.nodes.values() if self._image.path_of(node.number) == value["name"])
                self._image.flip(node, value["offset"], value["bit"])
            case "stop":
                unmount(self._point)
        return {}


def main() -> None:
    """Serves one disk."""
    disk = Disk(Path(sys.argv[1]))
    print(json.dumps({"ready": True}), flush=True)
    disk.serve(sys.stdin.fileno())


if __name__ == "__main__":
    main()
