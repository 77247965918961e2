"""The first stage of a search: terms, candidates, the order of the pool."""
