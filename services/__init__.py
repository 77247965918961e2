"""The deployable parts: one folder each; they meet only over gRPC."""
