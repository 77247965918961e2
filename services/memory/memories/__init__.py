"""The RPCs on memories: check, write, read, answer."""
