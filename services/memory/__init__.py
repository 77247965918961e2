"""The memory service: vectors, payloads, catalog, journal and the salience ledger."""

from atlas.grpc_core import fork_without_handlers

fork_without_handlers()
