"""The memory service: vectors, payloads, catalog, journal and the salience ledger."""

import os

# gRPC's fork handlers run in the engine's process before it becomes the engine, and crash it now and then: uvloop starts
# children by a plain fork. gRPC asks for this when it is imported, so nothing later than this package can say so.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
