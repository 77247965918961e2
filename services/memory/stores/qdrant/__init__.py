"""The store over a Qdrant server or cluster of version 1.19 or later, by gRPC."""

from .store import QdrantStore, open_qdrant_store

__all__ = ["QdrantStore", "open_qdrant_store"]
