"""Measurements of the running system, and the commands that fit its constants."""
