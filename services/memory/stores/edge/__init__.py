"""The embedded store: Qdrant's Rust engine in a child process of memory.

Each call into the engine holds the interpreter's lock, a flush stalls for up to hundreds of
milliseconds and a full disk ends the process; so it lives in a process of its own.
"""

from .store import EdgeStore, open_edge_store

__all__ = ["EdgeStore", "open_edge_store"]
