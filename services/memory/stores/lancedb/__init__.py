"""The store over LanceDB: columnar tables in the data folder, searched flat, without a process of its own.

LanceDB gives the interpreter's lock back while it works, so unlike the edge engine it may live in memory's process.
"""

from .store import LanceStore, open_lance_store

__all__ = ["LanceStore", "open_lance_store"]
