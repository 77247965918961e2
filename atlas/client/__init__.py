"""What a Python caller imports: `Atlas`, `AsyncAtlas`, and the plain values they take and give."""

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
from .sync import Atlas
from .writes import Durability, MemoryInput, SalienceMode

__all__ = [
    "Acknowledgement",
    "AsyncAtlas",
    "Atlas",
    "Collection",
    "Degradation",
    "Durability",
    "Evidence",
    "Explanation",
    "Hit",
    "Memory",
    "MemoryInput",
    "Notice",
    "Outcome",
    "Page",
    "Part",
    "Remembered",
    "SalienceMode",
    "SalienceWrite",
    "SearchResult",
    "ServerInfo",
    "StageTime",
]
