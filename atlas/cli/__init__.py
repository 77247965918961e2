"""The `atlas` command: one module a verb; it starts parts as processes and talks to them as any client does."""

from .app import main

__all__ = ["main"]
