"""ATLAS, a self-hosted retrieval memory: what all of its parts share."""
