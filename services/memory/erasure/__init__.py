"""Erasure: takes memories, or a principal, out of every table and every file, and says so in a receipt.

What is to be written anew is marked in the transaction that erases, so that a crash only delays it.
"""
