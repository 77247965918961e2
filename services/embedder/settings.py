"""Settings of the embedder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from atlas.settings import ModelServerSettings


class EmbedderSettings(ModelServerSettings):
    """Where the embedder listens, what it computes with and how much it takes."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_EMBEDDER_")

    port: int = Field(50051, ge=0, le=65535)
    """TCP port of the RPCs; 0 takes a free one."""
    precision: Literal["auto", "bf16", "f32"] = "auto"
    """Arithmetic: `auto` takes bf16 where the device computes it natively, else f32; a named one may not fall back."""
    projection_dimension: int = Field(0, ge=0, le=384)
    """Dimensions that a random rotation leaves of each dense vector; 0 = vectors as the model makes them. The vectors are another space
    with a fingerprint of its own and nearly the same distances: the way to try a migration without a second model."""
    projection_seed: int = Field(1, ge=0, le=2**32 - 1)
    """Which rotation; another seed is another space."""
    device: str = Field("CPU", min_length=1, max_length=64)
    """OpenVINO device."""
    stream_count: int = Field(2, ge=1, le=64)
    """Forward passes at the same time, one thread each. Fewer than 2 leaves none for queries while bulk work runs."""
    max_input_count: int = Field(256, ge=1, le=4096)
    """Most inputs of one call."""
    max_text_bytes: int = Field(65_536, ge=1024, le=1_048_576)
    """Longest text of one input to embed; texts whose tokens are only counted may be longer."""
    max_request_tokens: int = Field(16_384, ge=256, le=1_048_576)
    """Most word pieces that one call may have computed."""
    max_batch_tokens: int = Field(1024, ge=256, le=65_536)
    """Most word pieces of one forward pass, padding included."""
    max_queue_tokens: int = Field(32_768, ge=256, le=16_777_216)
    """Most word pieces that wait in one lane before calls are refused (or, in a stream, wait)."""
    max_bulk_wait_ms: int = Field(1000, ge=1, le=600_000)
    """Bulk work that has waited this long goes before queries, one batch at a time."""
    interactive_hold_ms: int = Field(250, ge=0, le=60_000)
    """After a query, bulk work leaves a stream free for this long."""
    stream_frame_count: int = Field(4, ge=1, le=256)
    """Frames of one `EmbedStream` in work at the same time; the next is not read before one is answered."""
    stream_frame_deadline_ms: int = Field(60_000, ge=1, le=3_600_000)
    """Longest time that one frame may take, waiting included."""
