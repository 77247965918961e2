"""Which language a text is written in, told by its stop words, and the stemmer of that language."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import Stemmer

from .stopwords import stop_words

DEFAULT_LANGUAGE = "en"
"""What a text is taken for unless it clearly is something else."""

_STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "nl": "dutch",
    "nb": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
"""Snowball algorithm of each language that the stop-word library knows too."""

_BY_SCRIPT = ("zh", "ja", "ko")

CLEARLY_MORE = 1.5
"""A language other than English needs more than this many times the English stop words."""

_LEAST = 2
"""Stop words that a text of another language must hold at least: one shared word is an accident."""

_CHARACTER_LETTERS = 2
"""Letters that one Han, Kana or Hangul character stands for when scripts are weighed against each other."""

_KANA, _HAN, _HANGUL = "\u3040-\u30ff", "\u3400-\u9fff\U00020000-\U0010ffff", "\uac00-\ud7af"
_EACH_SCRIPT = tuple(re.compile(f"[{characters}]") for characters in (_KANA, _HAN, _HANGUL))
_ANY_SCRIPT = re.compile(f"[{_KANA}{_HAN}{_HANGUL}]")

_local = threading.local()


def detect(text: str, words: Iterable[str]) -> str:
    """ISO 639-1 code of the language of `text`, whose words (see `words.words`) are `words`.

    Chinese, Japanese and Korean are told by their script, every other language by its stop words; English unless
    another language has clearly more of them.
    """
    counts: Counter[str] = Counter()
    languages_of = _languages_of_word()
    for word in words:
        for language in languages_of.get(word, ()):
            counts[language] += 1
    return _by_script(text) or _most_stop_words(counts)


def known(stated: str | None) -> str | None:
    """The ISO 639-1 code that a caller's language tag (`es`, `pt-BR`) begins with, or None if no rule here knows it."""
    code = (stated or "").casefold().partition("-")[0]
    return code if code in _STEMMERS or code in _BY_SCRIPT else None


def stem(word: str, language: str) -> str:
    """Stem of a case-folded `word` by the Snowball algorithm of `language`; English for a language without one."""
    return str(_stemmer(language if language in _STEMMERS else DEFAULT_LANGUAGE).stemWord(word))


def _most_stop_words(counts: Counter[str]) -> str:
    english = counts.pop(DEFAULT_LANGUAGE, 0)
    if not counts:
        return DEFAULT_LANGUAGE
    language, count = max(counts.items(), key=lambda item: (item[1], item[0]))
    return language if count >= _LEAST and count > CLEARLY_MORE * english else DEFAULT_LANGUAGE


def _by_script(text: str) -> str | None:
    if text.isascii():
        return None
    kana, han, hangul = (len(script.findall(text)) for script in _EACH_SCRIPT)
    if not kana + han + hangul:
        return None
    letters = sum(map(str.isalpha, _ANY_SCRIPT.sub("", text)))
    if (kana + han + hangul) * _CHARACTER_LETTERS <= letters:
        return None
    if hangul >= kana + han:
        return "ko"
    return "ja" if kana else "zh"


@lru_cache(maxsize=1)
def _languages_of_word() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for language in _STEMMERS:
        for word in stop_words(language):
            found[word] = (*found.get(word, ()), language)
    return found


def _stemmer(language: str) -> Stemmer.Stemmer:
    # A stemmer has internal state and serves one thread; its own cache is off because terms are cached whole.
    stemmers: dict[str, Stemmer.Stemmer] = _local.__dict__.setdefault("stemmers", {})
    if language not in stemmers:
        stemmers[language] = Stemmer.Stemmer(_STEMMERS[language], 0)
    return stemmers[language]
