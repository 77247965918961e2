"""Runs the command as `python -m atlas.cli`."""

from .app import main

main()
