"""The ledger: append-only evidence of what was worth finding, and the exact sums that follow from it.

Functions on a connection: the caller decides in which transaction they run. The ledger holds ids, numbers and hashes, never a text.
"""
