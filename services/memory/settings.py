"""Settings of the memory service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from atlas.settings import ServerSettings

from .analyzer import AnalyzerParameters
from .salience import SalienceRule
from .stores.settings import StoreSettings

_LEXICAL = AnalyzerParameters()
_SALIENCE = SalienceRule()


class MemorySettings(StoreSettings, ServerSettings):
    """Settings of the memory service, read from `ATLAS_MEMORY_*`."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_MEMORY_")

    port: int = Field(50053, ge=0, le=65535)
    """TCP port of the RPCs; 0 takes a free one."""
    data_dir: Path = Field(Path("~/.local/share/atlas/memory"), validate_default=True)
    """Folder of journal, catalog, ledger and, with the store `edge`, of the vectors. One process at a time."""
    branch_depth: int = Field(100, ge=1, le=1_000)
    """Hits of each branch of a query that enter the pool."""
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
    salience_half_life_days: float = Field(_SALIENCE.half_life_days, ge=0.01, le=3_650.0)
    """Days after which evidence weighs half."""
    salience_prior_strength: float = Field(_SALIENCE.prior_strength, ge=0.1, le=1_000.0, json_schema_extra={"unit": "events"})
    """Evidence that the base rate of a scope weighs."""
    salience_bucket_mass: float = Field(_SALIENCE.bucket_mass, ge=0.1, le=1_000.0, json_schema_extra={"unit": "events"})
    """Most evidence that one kind of query gives about a memory."""
    salience_total_mass: float = Field(_SALIENCE.total_mass, ge=0.1, le=10_000.0, json_schema_extra={"unit": "events"})
    """Most evidence that a memory has."""

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

    @property
    def salience_rule(self) -> SalienceRule:
        """Constants of the salience rule."""
        return SalienceRule(
            half_life_days=self.salience_half_life_days,
            prior_strength=self.salience_prior_strength,
            bucket_mass=self.salience_bucket_mass,
            total_mass=self.salience_total_mass,
        )
