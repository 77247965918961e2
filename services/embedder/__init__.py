"""The embedder: texts become vectors."""
