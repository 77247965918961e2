"""Settings of the ledger, mixed into the settings of the part."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from atlas.salience import ChannelRule, EventWeights, SalienceRule

from .policy import LedgerPolicy
from .records import US_PER_DAY

_RULE = SalienceRule()
_POLICY = LedgerPolicy()
_EVENTS: JsonDict = {"unit": "events"}
_MIN_HALF_LIFE_DAYS = 0.25
"""Sums are whole numbers that grow by one bit a half-life: at this one by 1,461 bits a year."""


class LedgerSettings(BaseModel):
    """What evidence weighs, how long it lasts, and how much of it counts."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    salience_half_life_days: float = Field(_RULE.passive.half_life_days, ge=_MIN_HALF_LIFE_DAYS, le=3_650.0)
    """Days after which evidence of the reranker weighs half: a few weeks of silence bring a memory back to the base rate."""
    salience_prior_strength: float = Field(_RULE.passive.prior_strength, ge=0.1, le=1_000.0, json_schema_extra=_EVENTS)
    """Evidence that the base rate of a scope weighs against the reranker's: eight searches must agree before they outweigh it."""
    salience_bucket_mass: float = Field(_RULE.passive.bucket_mass, ge=0.1, le=1_000.0, json_schema_extra=_EVENTS)
    """Most evidence of the reranker that one kind of query gives about a memory: one question repeated for ever cannot run away."""
    salience_total_mass: float = Field(_RULE.passive.total_mass, ge=0.1, le=10_000.0, json_schema_extra=_EVENTS)
    """Most evidence of the reranker that a memory has: keeps old favourites within reach of new facts."""
    salience_base_rate: float = Field(_RULE.passive.base_rate, ge=0.001, le=0.999)
    """Share of relevant candidates assumed for a scope without any: a fifth to a quarter of a pool is."""
    salience_base_rate_strength: float = Field(_RULE.passive.base_rate_strength, ge=0.1, le=10_000.0, json_schema_extra=_EVENTS)
    """Evidence that an assumed base rate, of either channel, weighs against the scope's own: one search of twenty candidates."""
    salience_outside_half_life_days: float = Field(_RULE.outside.half_life_days, ge=_MIN_HALF_LIFE_DAYS, le=3_650.0)
    """Days after which use, feedback and outcomes weigh half: they are rarer than searches, so they last longer."""
    salience_outside_prior_strength: float = Field(_RULE.outside.prior_strength, ge=0.1, le=1_000.0, json_schema_extra=_EVENTS)
    """Evidence that the base rate weighs against that from outside: one word of a person balances it."""
    salience_outside_bucket_mass: float = Field(_RULE.outside.bucket_mass, ge=0.1, le=1_000.0, json_schema_extra=_EVENTS)
    """Most evidence from outside that one kind of query gives about a memory: three words of people about one kind of question."""
    salience_outside_total_mass: float = Field(_RULE.outside.total_mass, ge=0.1, le=10_000.0, json_schema_extra=_EVENTS)
    """Most evidence from outside that a memory has: ten words of people."""
    salience_outside_base_rate: float = Field(_RULE.outside.base_rate, ge=0.001, le=0.999)
    """Share of praise assumed for a scope without any feedback: as much praise as blame."""
    salience_weight_rerank: float = Field(_RULE.weights.rerank, ge=0.0, le=100.0, json_schema_extra=_EVENTS)
    """What one reranked candidate weighs: the unit."""
    salience_weight_used: float = Field(_RULE.weights.used, ge=0.0, le=100.0, json_schema_extra=_EVENTS)
    """What it weighs that an answer used a memory, or did not: measured, and sometimes wrong."""
    salience_weight_explicit: float = Field(_RULE.weights.explicit, ge=0.0, le=100.0, json_schema_extra=_EVENTS)
    """What the word of somebody who looked weighs: more than any measurement."""
    salience_weight_outcome: float = Field(_RULE.weights.outcome, ge=0.0, le=100.0, json_schema_extra=_EVENTS)
    """What the end of a task weighs for the memories that it used: they share the merit."""
    salience_propensity_cap: float = Field(_RULE.weights.propensity_cap, ge=1.0, le=1_000.0, json_schema_extra={"unit": "times"})
    """Most that a small chance of having been shown multiplies a weight by: an unlikely draw must not decide alone."""
    salience_log_odds_limit: float = Field(_RULE.log_odds_limit, ge=0.1, le=20.0, json_schema_extra={"unit": "log-odds"})
    """Most that all evidence together moves a memory, and what a pin adds."""
    salience_passive_budget: int = Field(_POLICY.passive_budget, ge=1, le=1_000_000_000, json_schema_extra=_EVENTS)
    """Most RERANK events of one principal that count in a day (UTC): ten thousand searches of twenty, more than a person makes."""
    salience_outside_budget: int = Field(_POLICY.outside_budget, ge=1, le=1_000_000_000, json_schema_extra=_EVENTS)
    """Most USED, EXPLICIT, OUTCOME and PIN events of one principal that count in a day (UTC): nobody outvotes all others overnight."""
    salience_count_system_traffic: bool = _POLICY.count_system_traffic
    """Whether evidence of SYSTEM traffic counts. Jobs and tests repeat questions that nobody asked."""
    ledger_retention_days: float = Field(90.0, ge=0.01, le=3_650.0)
    """Days for which single events are kept. Older ones live on in checkpoints, and none is taken in that is older, since it might be
    there already."""
    projection_interval_ms: int = Field(2_000, ge=10, le=600_000)
    """Milliseconds between writes of changed salience into the store's payload: what changes meanwhile goes in one message."""

    projection_flush_interval_ms: int = Field(300_000, ge=10, le=86_400_000)
    """Least milliseconds between the flushes of the store that let go the marks of what was projected; until then a restart projects it
    again."""

    @property
    def salience_rule(self) -> SalienceRule:
        """Constants of the salience rule."""
        return SalienceRule(
            passive=ChannelRule(
                half_life_days=self.salience_half_life_days,
                prior_strength=self.salience_prior_strength,
                bucket_mass=self.salience_bucket_mass,
                total_mass=self.salience_total_mass,
                base_rate=self.salience_base_rate,
                base_rate_strength=self.salience_base_rate_strength,
            ),
            outside=ChannelRule(
                half_life_days=self.salience_outside_half_life_days,
                prior_strength=self.salience_outside_prior_strength,
                bucket_mass=self.salience_outside_bucket_mass,
                total_mass=self.salience_outside_total_mass,
                base_rate=self.salience_outside_base_rate,
                base_rate_strength=self.salience_base_rate_strength,
            ),
            weights=EventWeights(
                rerank=self.salience_weight_rerank,
                used=self.salience_weight_used,
                explicit=self.salience_weight_explicit,
                outcome=self.salience_weight_outcome,
                propensity_cap=self.salience_propensity_cap,
            ),
            log_odds_limit=self.salience_log_odds_limit,
        )

    @property
    def ledger_policy(self) -> LedgerPolicy:
        """What may count, how much and for how long."""
        return LedgerPolicy(
            rule=self.salience_rule,
            retention_us=round(self.ledger_retention_days * US_PER_DAY),
            passive_budget=self.salience_passive_budget,
            outside_budget=self.salience_outside_budget,
            count_system_traffic=self.salience_count_system_traffic,
        )
