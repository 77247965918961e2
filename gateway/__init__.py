"""The gateway: the one address that callers need; it orchestrates and keeps nothing."""
