"""The memory service: vectors, payloads, catalog, journal and the salience ledger."""
