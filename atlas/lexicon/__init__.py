"""The words of a text: cut, told apart by language, stemmed, and those that say nothing left out."""

from .languages import DEFAULT_LANGUAGE, detect, known, stem
from .stopwords import ENGLISH, stop_words
from .words import words

__all__ = ["DEFAULT_LANGUAGE", "ENGLISH", "detect", "known", "stem", "stop_words", "words"]
