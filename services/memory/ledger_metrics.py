"""What the ledger costs, as metrics: its write amplification is their quotient."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class LedgerMetrics:
    """Counts searches, ledger transactions and messages to the engine."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.searches = Counter("atlas_memory_ledger_searches", "Searches that were recorded.", registry=registry)
        """RecordEvents calls that were answered."""
        self.transactions = Counter("atlas_memory_ledger_transactions", "Transactions of the ledger for searches.", registry=registry)
        """Transactions that recording searches and following them up took."""
        self.projections = Counter("atlas_memory_projection_messages", "Messages that wrote salience into the store.", registry=registry)
        """Messages to the engine that carried salience."""
        self.projected = Counter(
            "atlas_memory_projected_memories", "Memories whose salience was written into the store.", registry=registry
        )
        """Memories in those messages."""
