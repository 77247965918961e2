"""Snapshots of the whole store: made beside writes, restored in one step."""
