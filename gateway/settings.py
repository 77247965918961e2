"""Settings of the gateway."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from atlas.settings import ModelServerSettings


class GatewaySettings(ModelServerSettings):
    """Where the parts are, and how much a call may ask for."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_GATEWAY_")

    port: int = Field(50050, ge=0, le=65535)
    """TCP port of the RPCs; 0 takes a free one."""
    embedder_address: str = Field("localhost:50051", min_length=1, max_length=1024)
    """Target of the embedder, as gRPC names it."""
    reranker_address: str = Field("localhost:50052", min_length=1, max_length=1024)
    """Target of the reranker, as gRPC names it."""
    memory_address: str = Field("localhost:50053", min_length=1, max_length=1024)
    """Target of memory, as gRPC names it."""
    other_embedder_addresses: str = Field("", max_length=4_096)
    """Targets of further embedders, separated by commas. Collections that were migrated name their own; these are tried before."""
    operation_poll_ms: int = Field(1_000, ge=10, le=600_000)
    """How often the gateway looks for a migration that nobody works on."""
    tenant: str = Field("default", min_length=1, max_length=128)
    """Tenant that every call is made for while there is no access control."""
    collection: str = Field("default", min_length=1, max_length=64)
    """Collection of a call that names none."""

    search_deadline_ms: int = Field(2_000, ge=10, le=60_000)
    """Deadline of a search whose caller sets none."""
    embed_share: float = Field(0.4, ge=0.05, le=0.9, json_schema_extra={"unit": "fraction of the deadline"})
    """Most that embedding the query may take of a search's time, before the answer goes on without it."""
    answer_reserve_ms: int = Field(100, ge=1, le=10_000)
    """Time that reranking leaves for recording and answering; at most a quarter of what is left."""
    record_cap_ms: int = Field(500, ge=1, le=10_000)
    """Most that writing salience back may take of a search."""
    max_query_bytes: int = Field(32_768, ge=256, le=1_048_576)
    """Longest text of a query, in UTF-8; longer ones are refused before any model reads them."""
    candidate_count: int = Field(20, ge=1, le=200)
    """Candidates of a search that names no number."""
    result_count: int = Field(5, ge=1, le=200)
    """Results of a search that names no number."""

    salience_influence: float = Field(0.0, ge=0.0, le=10.0, json_schema_extra={"unit": "logits per unit of log-odds"})
    """How much evidence from outside (use, feedback, outcomes, pins) moves a reranked result. 0 until an evaluation on real data has shown
    that it helps; evidence from the reranker itself never moves what the reranker has scored."""
    salience_fallback_influence: float = Field(0.1, ge=0.0, le=10.0, json_schema_extra={"unit": "logits per unit of log-odds"})
    """How much all that was learnt moves a candidate that was not reranked, because the reranker is away or out of time. At the limit of 2
    it is a fifth of a logit, so it orders near ties and no more: what `atlas salience eval` found to help a little and to cost nothing."""
    salience_limit: float = Field(2.0, ge=0.0, le=10.0, json_schema_extra={"unit": "log-odds"})
    """Most log-odds of a memory that count, either way. With an influence it bounds what salience may do; the reply states it."""

    interactive_text_count: int = Field(8, ge=0, le=1_000)
    """Texts that `Remember` embeds ahead of bulk work; more go with the bulk work."""
    batch_piece_count: int = Field(1_000, ge=64, le=65_536)
    """Word pieces of one call to the embedder while texts are stored."""
    group_document_count: int = Field(64, ge=1, le=256)
    """Documents that `Ingest` handles together."""
    group_bytes: int = Field(16_384, ge=1_024, le=4_194_304)
    """Text that `Ingest` handles together; a longer document is handled alone."""
    group_linger_ms: int = Field(5, ge=0, le=1_000)
    """How long `Ingest` waits for a further document before it handles those it has."""
    group_flight_count: int = Field(3, ge=1, le=16)
    """Groups of one `Ingest` that are handled at the same time."""
    patience_ms: int = Field(30_000, ge=0, le=600_000)
    """How long `Ingest` waits for a part that is busy or restarts, before a document fails."""
    step_deadline_ms: int = Field(30_000, ge=100, le=600_000)
    """Deadline of each call that `Ingest` makes."""
    part_check_ms: int = Field(1_000, ge=10, le=60_000)
    """Longest that `GetServerInfo` waits for a part."""
