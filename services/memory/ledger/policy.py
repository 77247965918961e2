"""What may count, how much and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from atlas.ranking import MINILM_MAXSIM, Calibration
from atlas.salience import SalienceRule

from .records import US_PER_DAY

_MINILM = MINILM_MAXSIM.calibration


@dataclass(frozen=True, slots=True)
class LedgerPolicy:
    """Rules of the ledger beside those of salience itself."""

    rule: SalienceRule = field(default_factory=SalienceRule)
    """How evidence becomes worth."""
    retention_us: int = 90 * US_PER_DAY
    """Age at which events are folded into checkpoints, and from which on none is taken in; in microseconds."""
    passive_budget: int = 200_000
    """Most RERANK events of one principal that count a day."""
    outside_budget: int = 2_000
    """Most other events of one principal that count a day."""
    count_system_traffic: bool = False
    """Whether evidence of SYSTEM traffic counts."""
    calibrations: Mapping[str, Calibration] = field(default_factory=lambda: {_MINILM.version: _MINILM})
    """Calibrations that this version knows, by their version."""
    current_calibration: str = _MINILM.version
    """The one that `RebuildSalience` reads raw scores with."""
