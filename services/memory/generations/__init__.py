"""Generations beside the one that serves: filled by a migration, verified, switched to, kept for a rollback."""
