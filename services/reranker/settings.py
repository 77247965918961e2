"""Settings of the reranker."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from atlas.settings import ModelServerSettings


class RerankerSettings(ModelServerSettings):
    """What the reranker reads from `ATLAS_RERANKER_*`."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_RERANKER_")

    port: int = Field(50052, ge=0, le=65535)
    """TCP port of the RPCs; 0 takes a free one."""
    max_input_count: int = Field(320, ge=1, le=4096)
    """Most candidates of one `Rerank` call: a clean pool of 200 and every place beyond it that salience and chance may fill."""
    max_text_bytes: int = Field(1024 * 1024, ge=1024, le=16 * 1024 * 1024)
    """Longest query or content in UTF-8; beyond it, a text is refused even where its end may be cut off."""
    max_queue_tokens: int = Field(131_072, ge=1024, le=16_777_216)
    """Most word pieces that wait for a worker; a call that would exceed it is refused with a retry delay."""
    token_cache_bytes: int = Field(256 * 1024 * 1024, ge=0, le=1024**4)
    """Most memory for token vectors of passages, about 50 KB for a passage of 64 word pieces; 0 keeps none."""
    streams: int = Field(2, ge=1, le=64, json_schema_extra={"unit": "threads"})
    """Forward passes that run at the same time, each on one thread."""
    precision: Literal["auto", "bf16", "f32"] = "auto"
    """Arithmetic of the encoder; `auto` is bf16 where the device computes it natively, else f32."""
    device: str = Field("CPU", min_length=1, max_length=64)
    """OpenVINO device, such as `CPU` or `NPU`."""
