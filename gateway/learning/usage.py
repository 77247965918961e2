"""Measures which hits an answer used, by their words; pure.

A word proves something only if it is not a stop word, not a word of the question, and not in most of the hits: those are there
because of the question. So each word weighs what it tells the hits of this one search apart. A hit is used if one sentence of the
answer rests on it; it is unused if no sentence does and the answer rests on other hits. Everything else is left alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from atlas.lexicon import detect, known, stem, stop_words, words

# A full stop ends a sentence before a space, so that numbers and names with points stay whole; those of Chinese and Japanese end it anyway.
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class Verdict(IntEnum):
    """Whether an answer used a hit; numbered as on the wire."""

    USED = 1
    UNUSED = 2
    AMBIGUOUS = 3


@dataclass(frozen=True, slots=True)
class UsageRule:
    """Thresholds of the verdicts."""

    used_overlap: float
    """Least share of a sentence that rests on a used hit."""
    used_weight: float
    """Least weight of the words that a sentence and a used hit share: one word that two hits have proves nothing."""
    unused_overlap: float
    """Most share of any sentence that rests on an unused hit."""
    told_weight: float
    """Least weight of the words that the answer shares with any hit: below it the answer tells nothing about where it comes from."""


USAGE_RULE = UsageRule(used_overlap=0.75, used_weight=1.3, unused_overlap=0.25, told_weight=1.3)
"""Chosen by `python -m bench.fit.usage`, which also says what they reach."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit that the answerer was given."""

    memory_id: str
    """Which memory."""
    text: str
    """Its indexed text."""
    language: str
    """ISO 639-1 code; empty if unknown."""


@dataclass(frozen=True, slots=True)
class HitUsage:
    """Use of one hit."""

    memory_id: str
    """Which memory."""
    overlap: float
    """Share of one sentence of the answer that rests on it, [0, 1], for the sentence that rests on it most."""
    verdict: Verdict
    """What follows from it."""


@dataclass(frozen=True, slots=True)
class _Support:
    overlap: float
    """Share of the sentence's words that the hit has, by weight, [0, 1]."""
    weight: float
    """Weight of those words."""


def measured(answer: str, query: str, hits: Sequence[Hit], *, rule: UsageRule = USAGE_RULE) -> list[HitUsage]:
    """Measures how much of an answer rests on each hit, in their order.

    Args:
        answer: The answer's text.
        query: The question; empty if unknown.
        hits: What the answerer was given.
        rule: Thresholds of the verdicts.
    """
    spoken = [known(hit.language) or detect(hit.text, words(hit.text)) for hit in hits]
    answered = detect(answer, words(answer))
    sentences = [sentence for sentence in _SENTENCE_END.split(answer) if sentence.strip()]
    held = [_terms(hit.text, language) - _terms(query, language) for hit, language in zip(hits, spoken, strict=True)]
    weights = _weights(held)
    said = {language: [_terms(sentence, language) for sentence in sentences] for language in set(spoken)}
    supports = [_best([_support(terms, own, weights) for terms in said[language]]) for own, language in zip(held, spoken, strict=True)]
    told = max((support.weight for support in supports), default=0.0) >= rule.told_weight
    return [
        HitUsage(hit.memory_id, support.overlap, _verdict(support, rule, told=told, comparable=language == answered))
        for hit, support, language in zip(hits, supports, spoken, strict=True)
    ]


def _verdict(support: _Support, rule: UsageRule, *, told: bool, comparable: bool) -> Verdict:
    if support.overlap >= rule.used_overlap and support.weight >= rule.used_weight:
        return Verdict.USED
    # A translation has no words in common with its original.
    if told and comparable and support.overlap <= rule.unused_overlap:
        return Verdict.UNUSED
    return Verdict.AMBIGUOUS


def _support(sentence: frozenset[str], hit: frozenset[str], weights: Mapping[str, float]) -> _Support:
    # Words that no hit has say nothing about which one was used.
    total = math.fsum(weights.get(term, 0.0) for term in sentence)
    shared = math.fsum(weights[term] for term in sentence & hit)
    return _Support(shared / total if total > 0.0 else 0.0, shared)


def _best(supports: Sequence[_Support]) -> _Support:
    return max(supports, key=lambda support: (support.overlap, support.weight), default=_Support(0.0, 0.0))


def _weights(held: Sequence[frozenset[str]]) -> dict[str, float]:
    """Weighs each word by how few of the hits have it."""
    counts = Counter(term for terms in held for term in terms)
    return {term: math.log1p((len(held) - count + 0.5) / (count + 0.5)) for term, count in counts.items()}


def _terms(text: str, language: str) -> frozenset[str]:
    dropped = stop_words(language)
    return frozenset(stem(word, language) for word in _telling(text) if word not in dropped)


def _telling(text: str) -> Iterator[str]:
    for word in words(text):
        # Of scripts without spaces the pairs are enough: a single character is in every other text.
        if len(word) > 1 or not _UNSPACED.match(word):
            yield word
