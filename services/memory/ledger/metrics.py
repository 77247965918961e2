"""What the ledger costs, as metrics: its write amplification is their quotients."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class LedgerMetrics:
    """Counts searches, transactions and messages to the engine."""

    def __init__(self, registry: CollectorRegistry, *, commit_count: Callable[[], int]) -> None:
        """Registers the metrics; `commit_count` says how many transactions were committed so far."""
        self.searches = Counter("atlas_memory_ledger_searches", "Searches that were recorded.", registry=registry)
        """RecordEvents calls that were answered."""
        commits = Gauge("atlas_memory_database_commits", "Transactions that changed the database, of all kinds.", registry=registry)
        commits.set_function(commit_count)
        self.projections = Counter("atlas_memory_projection_messages", "Messages that wrote salience into the store.", registry=registry)
        """Messages to the engine that carried salience."""
        self.projected = Counter(
            "atlas_memory_projected_memories", "Memories whose salience was written into the store.", registry=registry
        )
        """Memories in those messages."""
