"""The simulated user: looks at results from the top, and says of few of them, sometimes wrongly, whether they helped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .pools import Floats, Numbers


@dataclass(frozen=True, slots=True)
class User:
    """How often and how well people speak.

    A position-based model (Craswell et al., WSDM 2008): the result at rank r is looked at with probability 1/r; of what is looked at, a
    share is marked as having helped or as wrong; a share of the marks says the opposite of the judgement.
    """

    mark_rate: float = 0.2
    """Share of the results looked at that get a mark, [0, 1]: most people say nothing."""
    error_rate: float = 0.1
    """Share of the marks that are wrong, [0, 0.5]."""
    result_count: int = 5
    """Results that are shown."""


class Moods:
    """All chance of one user over a stream, drawn beforehand: every arm meets the same person."""

    def __init__(self, user: User, event_count: int, *, seed: int) -> None:
        self._user = user
        # A generator for each, so that a shorter stream meets the same person.
        looks, speaks, errs = (np.random.default_rng((seed, 11, part)).random((event_count, user.result_count)) for part in range(3))
        self._speaks = (looks < 1.0 / np.arange(1, user.result_count + 1)) & (speaks < user.mark_rate)
        self._errs = errs < user.error_rate

    def marks(self, event: int, shown: Numbers, relevant: Floats) -> list[tuple[int, float]]:
        """Says what is marked of the memories shown, best first: pairs of memory and value, 1 or 0.

        Args:
            event: Index of the event.
            shown: Numbers of the memories shown.
            relevant: [shown] whether each is relevant.
        """
        speaks, errs = self._speaks[event], self._errs[event]
        count = min(len(shown), self._user.result_count)
        return [(int(shown[rank]), float(bool(relevant[rank]) != bool(errs[rank]))) for rank in range(count) if speaks[rank]]
