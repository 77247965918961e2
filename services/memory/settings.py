"""Settings of the memory service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from atlas.settings import ServerSettings

from .ledger.settings import LedgerSettings
from .search.analyzer import AnalyzerParameters
from .stores.settings import StoreSettings

_LEXICAL = AnalyzerParameters()


class MemorySettings(LedgerSettings, StoreSettings, ServerSettings):
    """Settings of the memory service, read from `ATLAS_MEMORY_*`."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_MEMORY_")

    port: int = Field(50053, ge=0, le=65535)
    """TCP port of the RPCs; 0 takes a free one."""
    data_dir: Path = Field(Path("~/.local/share/atlas/memory"), validate_default=True)
    """Folder of journal, catalog, ledger and, with the store `edge`, of the vectors. One process at a time."""
    branch_depth: int = Field(100, ge=1, le=1_000)
    """Hits of each branch of a query that enter the pool."""
    extended_count: int = Field(0, ge=0, le=50, json_schema_extra={"unit": "candidates"})
    """Places beyond the clean pool that salience may fill. None as shipped: as many more candidates by content find the same, says
    `atlas salience eval` (docs/salience-verdict.md); 4 are a fifth of the usual pool, and rerank a fifth more at most."""
    explore_count: int = Field(0, ge=0, le=20, json_schema_extra={"unit": "candidates"})
    """Places beyond the clean pool that chance fills, so that feedback also comes from what neither content nor salience prefers. None
    as shipped: a candidate drawn by chance is seldom in the reranker's cache, and reading it costs each search some milliseconds."""
    content_cache_bytes: int = Field(64 << 20, ge=0, le=64 << 30)
    """Most bytes of what memories say that are kept, so that a search need not read them from the engine again. 0 = none."""
    flush_interval_ms: int = Field(3_000, ge=100, le=600_000)
    """Milliseconds between flushes of the engine while there are writes; the journal keeps what came since."""
    replay_retention_days: float = Field(7.0, ge=0.01, le=3_650.0)
    """Days for which the answer of a request id is kept, so that a repeated call is not a second write."""
    impression_retention_days: float = Field(90.0, ge=0.01, le=3_650.0)
    """Days for which it is kept what a search showed, so that feedback on it counts."""
    retired_generation_days: float = Field(30.0, ge=0.01, le=3_650.0)
    """Days for which a generation that no longer serves is kept, so that a migration can be taken back."""
    bm25_k1: float = Field(_LEXICAL.k1, ge=0.0, le=10.0)
    """How soon repetitions of a term stop to count. Part of the lexical fingerprint: stored collections keep theirs."""
    bm25_b: float = Field(_LEXICAL.b, ge=0.0, le=1.0)
    """How much long texts are held against themselves. Part of the lexical fingerprint."""
    average_length_message: float = Field(
        AnalyzerParameters().average_length_message, ge=1.0, le=10_000.0, json_schema_extra={"unit": "terms"}
    )
    """Terms in the average chat message. Part of the lexical fingerprint."""
    average_length_text: float = Field(_LEXICAL.average_length_text, ge=1.0, le=10_000.0, json_schema_extra={"unit": "terms"})
    """Terms in the average chunk of prose. Part of the lexical fingerprint."""
    average_length_code: float = Field(_LEXICAL.average_length_code, ge=1.0, le=10_000.0, json_schema_extra={"unit": "terms"})
    """Terms in the average chunk of source code. Part of the lexical fingerprint."""

    @field_validator("data_dir")
    @classmethod
    def _below_home(cls, folder: Path) -> Path:
        return folder.expanduser()

    @property
    def analyzer_parameters(self) -> AnalyzerParameters:
        """Constants of the lexical analyzer."""
        return AnalyzerParameters(
            k1=self.bm25_k1,
            b=self.bm25_b,
            average_length_message=self.average_length_message,
            average_length_text=self.average_length_text,
            average_length_code=self.average_length_code,
        )
