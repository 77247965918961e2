"""Settings of memory's vector store, mixed into the settings of the part."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

MIB = 1024 * 1024


class StoreSettings(BaseModel):
    """Which store keeps the vectors, and how it is run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    store: Literal["edge", "qdrant", "lancedb"] = "edge"
    """`edge` = engine in a child process, data in the data folder; `qdrant` = a Qdrant server;
    `lancedb` = LanceDB tables in the data folder, which need the extra `lancedb`."""
    edge_scan_datatype: Literal["float32", "float16", "turbo8"] = "turbo8"
    """What the `edge` store scans in a search of an index that is created from now on. The full
    vectors are always kept and decide values and order; `turbo8` and `float16` are copies, a quarter
    and half as large, that find the candidates; `float32` = no copy."""
    edge_graph_from_points: int | None = Field(default=None, ge=1_000, le=1_000_000_000)
    """Points from which on the `edge` store builds a graph (HNSW) over an index, beside the searches;
    None = it always scans, which finds every neighbour."""
    edge_vacuum_share: float = Field(default=0.3, ge=0.05, le=1.0)
    """Share of dead vectors, of points that were overwritten or deleted, from which on the `edge`
    store clears them away, beside the searches."""
    edge_vacuum_least_dead: int = Field(default=5_000, ge=1, le=1_000_000_000, json_schema_extra={"unit": "vectors"})
    """Dead vectors below which the `edge` store clears nothing away, whatever their share."""
    edge_shape_interval_ms: int = Field(default=30_000, ge=10, le=86_400_000)
    """Milliseconds between looks of the `edge` store at how its indexes wear and grow."""
    engine_start_timeout_ms: int = Field(default=30_000, ge=1_000, le=600_000)
    """Milliseconds until a starting engine must be ready; for a server, until it must answer."""
    engine_lock_wait_ms: int = Field(default=10_000, ge=0, le=600_000)
    """Milliseconds that a starting engine waits for a predecessor that still ends."""
    engine_stall_limit_ms: int = Field(default=30_000, ge=100, le=600_000)
    """Milliseconds after which an engine that does not answer is killed and restarted."""
    engine_restart_wait_ms: int = Field(default=2_000, ge=0, le=60_000)
    """Most milliseconds that a call waits for an engine that is restarting."""
    engine_stop_grace_ms: int = Field(default=15_000, ge=100, le=600_000)
    """Milliseconds that a stopping engine has for its last flush before it is killed."""
    free_space_watermark_bytes: int = Field(default=512 * MIB, ge=128 * MIB, le=1 << 50)
    """Free bytes on the data folder's disk below which writes are refused. The lower bound is four
    segments of the engine's write-ahead log, which it must always be able to make."""
    qdrant_host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    """Host of the Qdrant server."""
    qdrant_grpc_port: int = Field(default=6334, ge=1, le=65535)
    """gRPC port of the Qdrant server; its HTTP port is not used."""
    qdrant_tls: bool = False
    """Whether the connection to the Qdrant server is encrypted."""
    qdrant_api_key: SecretStr | None = None
    """API key of the Qdrant server; None = it asks for none."""
    qdrant_datatype: Literal["float32", "float16"] = "float32"
    """How a Qdrant server stores the dense vectors of collections that are created from now on;
    `float16` halves their size and rounds similarities by up to .0005."""
    qdrant_flush_interval_ms: int = Field(default=5_000, ge=1, le=600_000)
    """The server's own `storage.optimizers.flush_interval_sec` in milliseconds: writes count as on
    disk after twice this time."""
