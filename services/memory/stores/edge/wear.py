"""Counts the vectors that a shard holds for points that were overwritten or deleted."""

from __future__ import annotations

import json
from pathlib import Path

_FILE = "wear.json"


class Wear:
    """The dead vectors of one open shard.

    The engine appends the vectors of every point that it is given and says only how many points
    live, so the difference is counted here. The count is saved with each flush; a crash may lose a part of
    it, which delays a vacuum and does nothing else.
    """

    def __init__(self, shard: Path, *, points: int) -> None:
        """Reads the count that was saved last.

        Args:
            shard: Folder of the shard.
            points: Points that live in it now.
        """
        self._path = shard / _FILE
        self._vectors = max(points, self._saved())

    @staticmethod
    def reset(shard: Path) -> None:
        """Forgets the count of a shard that was built anew."""
        (shard / _FILE).unlink(missing_ok=True)

    def _saved(self) -> int:
        if not self._path.exists():
            return 0
        try:
            return int(json.loads(self._path.read_bytes())["vectors"])
        except ValueError:
            # It is not synced: a power loss leaves anything of it.
            return 0

    def written(self, points: int) -> None:
        """Counts points that were written."""
        self._vectors += points

    def dead(self, points: int) -> int:
        """Returns the vectors without a point, given the points that live."""
        return max(0, self._vectors - points)

    def save(self) -> None:
        """Writes the count beside the shard's files."""
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(json.dumps({"vectors": self._vectors}).encode())
        draft.replace(self._path)
