"""Measures how well a system finds what it should: sets, measures, intervals, run files."""

from __future__ import annotations

from .bootstrap import Interval, interval
from .latency import Percentiles, percentiles
from .measures import MEASURES, average, measures
from .runs import rank_documents, read_run, write_run
from .sets import EvaluationSet, Query, read_set

__all__ = [
    "MEASURES",
    "EvaluationSet",
    "Interval",
    "Percentiles",
    "Query",
    "average",
    "interval",
    "measures",
    "percentiles",
    "rank_documents",
    "read_run",
    "read_set",
    "write_run",
]
