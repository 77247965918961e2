"""Repairs a data folder that does not open: keeps the damaged files, loses nothing that can be read, and says what cannot."""
