"""Measures which hits an answer used, by their words; pure.

A word proves something only if it is not a stop word, not a word of the question, and not in most of the hits: those are there
because of the question. So each word weighs what it tells the hits of this one search apart. A hit is used if one sentence of the
answer rests on it, or has enough words that only this hit has; it is unused if no sentence does and the answer rests on other hits.
Everything else is left alone.
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
    """Least share of a telling sentence that rests on a hit, so that it counts as used."""
    used_words: int
    """Or least words of a telling sentence that only this hit has: one sentence may draw on several hits."""
    unused_overlap: float
    """Most share of every telling sentence that rests on an unused hit."""
    unused_words: int
    """And most words of any telling sentence that only an unused hit has."""
    told_weight: float
    """Least weight of the words that a telling sentence has in common with the hits together: a common word or two prove nothing."""
    told_share: float
    """Least share of a telling sentence that is in any hit: the rest is from elsewhere, or a way of speaking."""


USAGE_RULE = UsageRule(used_overlap=0.75, used_words=3, unused_overlap=0.45, unused_words=1, told_weight=2.5, told_share=0.5)
"""Chosen by `python -m bench.fit.usage` on the odd-numbered questions of its sets.

On the even-numbered ones, in English, German, Spanish and Chinese, USED is right in 96 to 100 of 100 cases and found in 72 to 86, UNUSED
is right in 96 to 100 and found in 39 to 56; chance alone would be right in 17 to 22 and 78 to 83.
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit that the answerer was given."""

    memory_id: str
    """Which memory."""
    text: str
    """Its indexed text."""
    language: str
    """ISO 639-1 code that its words are stemmed by."""

    @classmethod
    def of(cls, memory_id: str, text: str, language: str) -> Hit:
        """Returns a hit; a `language` that is empty or has no stemmer is detected."""
        return cls(memory_id, text, known(language) or detect(text, words(text)))


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
class SentenceSupport:
    """What one sentence of an answer rests on."""

    weight: float
    """Weight of its words that any hit has."""
    share: float
    """Share of its words that any hit has, by weight, [0, 1]."""
    overlaps: tuple[float, ...]
    """Of the words that any hit has, the share that each hit has, by weight, [0, 1], in the order of the hits."""
    own_words: tuple[int, ...]
    """Words that only this one of the hits has, in the order of the hits."""


def measured(answer: str, query: str, hits: Sequence[Hit], *, rule: UsageRule = USAGE_RULE) -> list[HitUsage]:
    """Measures how much of an answer rests on each hit, in their order.

    Args:
        answer: The answer's text.
        query: The question; empty if unknown.
        hits: What the answerer was given.
        rule: Thresholds of the verdicts.
    """
    language = detect(answer, words(answer))
    supports = supported(answer, query, hits)
    telling = [one for one in supports if one.weight >= rule.told_weight and one.share >= rule.told_share]
    usage = []
    for place, hit in enumerate(hits):
        overlap = max((one.overlaps[place] for one in telling or supports), default=0.0)
        own_words = max((one.own_words[place] for one in telling), default=0)
        # A translation has no words in common with its original.
        verdict = _verdict(overlap, own_words, rule, comparable=language == hit.language) if telling else Verdict.AMBIGUOUS
        usage.append(HitUsage(hit.memory_id, overlap, verdict))
    return usage


def supported(answer: str, query: str, hits: Sequence[Hit]) -> list[SentenceSupport]:
    """Says for each sentence of an answer what it rests on."""
    asked = {language: _terms(query, language) for language in {hit.language for hit in hits}}
    held = [_terms(hit.text, hit.language) - asked[hit.language] for hit in hits]
    held_by = Counter(term for terms in held for term in terms)
    return [_support(sentence, hits, held, held_by, asked) for sentence in sentences_of(answer)]


def sentences_of(text: str) -> list[str]:
    """Cuts a text into its sentences."""
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def _support(
    sentence: str,
    hits: Sequence[Hit],
    held: Sequence[frozenset[str]],
    held_by: Mapping[str, int],
    asked: Mapping[str, frozenset[str]],
) -> SentenceSupport:
    said = {language: _terms(sentence, language) - terms for language, terms in asked.items()}
    shared = [own & said[hit.language] for hit, own in zip(hits, held, strict=True)]
    grounded = frozenset[str]().union(*shared)
    # Each word weighs by how few of the hits have it.
    weights = {term: _weight(held_by[term], len(hits)) for term in grounded}
    weight = math.fsum(weights.values())
    # A word that no hit has weighs as much as one that a single hit has.
    elsewhere = min((len(terms - grounded) for terms in said.values()), default=0) * _weight(1, len(hits))
    return SentenceSupport(
        weight=weight,
        share=weight / (weight + elsewhere) if weight > 0.0 else 0.0,
        overlaps=tuple(_sum(terms, weights) / weight if weight > 0.0 else 0.0 for terms in shared),
        own_words=tuple(sum(held_by[term] == 1 for term in terms) for terms in shared),
    )


def _verdict(overlap: float, own_words: int, rule: UsageRule, *, comparable: bool) -> Verdict:
    if overlap >= rule.used_overlap or own_words >= rule.used_words:
        return Verdict.USED
    if comparable and overlap <= rule.unused_overlap and own_words <= rule.unused_words:
        return Verdict.UNUSED
    return Verdict.AMBIGUOUS


def _weight(count: int, hit_count: int) -> float:
    return math.log1p((hit_count - count + 0.5) / (count + 0.5))


def _sum(terms: frozenset[str], weights: Mapping[str, float]) -> float:
    return math.fsum(weights[term] for term in terms)


def _terms(text: str, language: str) -> frozenset[str]:
    dropped = stop_words(language)
    return frozenset(stem(word, language) for word in _telling(text) if word not in dropped)


def _telling(text: str) -> Iterator[str]:
    for word in words(text):
        # Of scripts without spaces the pairs are enough: a single character is in every other text.
        if len(word) > 1 or not _UNSPACED.match(word):
            yield word
