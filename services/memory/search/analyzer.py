"""Turns text into lexical terms: the one analyzer that every store shares."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from atlas.lexicon import DEFAULT_LANGUAGE, detect, known, stem, stop_words, words
from atlas.ranking import Kind

NAME = "atlas-bm25"
"""Name of the analyzer in fingerprints."""

VERSION = 1
"""Counts up whenever the same text would give other terms or weights."""

_LONGEST_REMEMBERED = 64
"""Characters of the longest word whose id is remembered."""

LANGUAGE_SHARE = 0.1
"""Share of the documents that makes a query be stemmed in their language too."""


@dataclass(frozen=True, slots=True)
class AnalyzerParameters:
    """Constants of the BM25 weights. Part of the fingerprint."""

    k1: float = 1.2
    """How soon repetitions of a term stop to count."""
    b: float = 0.5
    """How much long documents are held against themselves, [0, 1]."""
    average_length_message: float = 16.0
    """Terms in the average chat message."""
    average_length_text: float = 85.0
    """Terms in the average chunk of prose, and of a picture's description."""
    average_length_code: float = 45.0
    """Terms in the average chunk of source code."""

    def average_length(self, kind: Kind) -> float:
        """Terms in the average document of `kind`."""
        match kind:
            case Kind.MESSAGE:
                return self.average_length_message
            case Kind.CODE:
                return self.average_length_code
            case _:
                return self.average_length_text


@dataclass(frozen=True, slots=True)
class AnalyzedDocument:
    """Lexical vector of one document."""

    language: str
    """ISO 639-1 code that its words were stemmed by."""
    indices: NDArray[np.uint32]
    """Term ids, ascending, each once. [N]"""
    values: NDArray[np.float32]
    """Term-frequency part of BM25, in (0, k1 + 1). The inverse document frequency is the engine's. [N]"""


class Analyzer:
    """Makes lexical vectors of documents and term groups of queries. Pure; may be shared by threads."""

    def __init__(self, parameters: AnalyzerParameters) -> None:
        self._parameters = parameters
        lengths = ",".join(f"{kind.name.lower()}={parameters.average_length(kind):g}" for kind in Kind)
        self.fingerprint = f"{NAME}/{VERSION};k1={parameters.k1:g};b={parameters.b:g};length:{lengths}"
        """Identifies the space of the vectors; equal fingerprints mean equal vectors for equal texts."""

    def analyze_document(self, text: str, kind: Kind, language: str | None = None) -> AnalyzedDocument:
        """Weighs the terms of a text to be stored.

        `language` is what the caller states; where it states none, or one that has no stemmer, the language is detected.
        Source code that states none counts as English: its words are, and its comments mostly.
        """
        found = list(words(text))
        language = known(language) or (DEFAULT_LANGUAGE if kind is Kind.CODE else detect(text, found))
        dropped = stop_words(language)
        counts = Counter(term_id(word, language) for word in found if word not in dropped)
        terms = sorted(counts)
        frequencies = np.array([counts[term] for term in terms], dtype=np.float32)
        return AnalyzedDocument(language, np.array(terms, dtype=np.uint32), self._saturated(frequencies, kind))

    def analyze_query(self, text: str, languages: Sequence[str] = (DEFAULT_LANGUAGE,)) -> tuple[tuple[int, ...], ...]:
        """Groups the term ids of a query: one group a word, its ids the word's stems in each of `languages`.

        `languages` are those that matter in the searched documents (none means English). Stop words of the query's own language
        give no group, and the same group comes once. Empty when nothing is left to look for.
        """
        found = list(words(text))
        dropped = stop_words(detect(text, found))
        spoken = tuple(languages) or (DEFAULT_LANGUAGE,)
        groups = (tuple(sorted({term_id(word, language) for language in spoken})) for word in found if word not in dropped)
        return tuple(dict.fromkeys(groups))

    def _saturated(self, frequencies: NDArray[np.float32], kind: Kind) -> NDArray[np.float32]:
        # BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), section 3.
        given = self._parameters
        length = float(frequencies.sum()) / given.average_length(kind)
        weights: NDArray[np.float32] = frequencies * (given.k1 + 1) / (frequencies + given.k1 * (1 - given.b + given.b * length))
        return weights


def term_id(word: str, language: str) -> int:
    """Stable 32-bit id of the stem of `word` in `language`; equal stems of two languages have one id."""
    # A word may be as long as a text: were those remembered, a caller could fill the memory of the process.
    return _remembered_id(word, language) if len(word) <= _LONGEST_REMEMBERED else _term_id(word, language)


def _term_id(word: str, language: str) -> int:
    digest = hashlib.blake2b(stem(word, language).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


_remembered_id = lru_cache(maxsize=65536)(_term_id)


def languages_that_matter(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Languages that hold a tenth or more of the documents, most frequent first; English for an empty collection."""
    total = sum(counts.values())
    ordered = sorted(counts, key=lambda language: (-counts[language], language))
    return tuple(one for one in ordered if counts[one] >= LANGUAGE_SHARE * total > 0) or (DEFAULT_LANGUAGE,)
