"""Whether learnt worth helps: a stream of use replayed with and without it, against a placebo, to one verdict."""

from __future__ import annotations
