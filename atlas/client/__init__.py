"""What a Python caller imports: `Atlas`, `AsyncAtlas`, and the plain values they take and give."""

from .administration import AsyncAdministration, Generation, GenerationRole, Moved, Operation, OperationState, Verification
from .aio import AsyncAtlas
from .results import (
    Acknowledgement,
    Collection,
    Degradation,
    Evidence,
    Explanation,
    Hit,
    Memory,
    Notice,
    Outcome,
    Page,
    Part,
    Remembered,
    SalienceWrite,
    SearchResult,
    ServerInfo,
    StageTime,
)
from .snapshots import AsyncSnapshots, Restored, Snapshot
from .sync import Atlas
from .sync_administration import Administration
from .sync_snapshots import Snapshots
from .writes import Durability, MemoryInput, SalienceMode

__all__ = [
    "Acknowledgement",
    "Administration",
    "AsyncAdministration",
    "AsyncAtlas",
    "AsyncSnapshots",
    "Atlas",
    "Collection",
    "Degradation",
    "Durability",
    "Evidence",
    "Explanation",
    "Generation",
    "GenerationRole",
    "Hit",
    "Memory",
    "MemoryInput",
    "Moved",
    "Notice",
    "Operation",
    "OperationState",
    "Outcome",
    "Page",
    "Part",
    "Remembered",
    "Restored",
    "SalienceMode",
    "SalienceWrite",
    "SearchResult",
    "ServerInfo",
    "Snapshot",
    "Snapshots",
    "StageTime",
    "Verification",
]
