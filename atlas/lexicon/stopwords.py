"""Words that say nothing about what a text is about, by language.

The English list is written out here: the list of the `stop-words` library (a union of many lists, 1,333 words) also
holds `index`, `null`, `join`, `computer`, `research` and every two-letter internet domain, which people search for,
while the usual short lists lack question words and auxiliaries, which carry a third of the lexical quality on chat
data. Closed word classes only: articles, pronouns, question words, auxiliaries, prepositions, conjunctions and the
pieces that are left when a contraction is cut at its apostrophe. `may` stays searchable: it is a month.
Other languages take the library's list.
"""

from __future__ import annotations

from functools import cache

from stop_words import LANGUAGE_MAPPING, get_stop_words

_ARTICLES = """a an the this that these those each every either neither some any all both few more most other another such own same no
    many much several"""
_PRONOUNS = """i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself
    it its itself they them their theirs themselves someone anyone everyone somebody anybody everybody nobody something anything
    everything nothing"""
_QUESTION_WORDS = "what which who whom whose when where why how whether whatever whichever whoever whenever wherever"
_AUXILIARIES = """am is are was were be been being have has had having do does did doing done will would shall should can could might
    must ought cannot"""
_PARTICLES = """and but if or nor because as until while of at by for with about against between into through during before after above
    below to from up down in out on off over under again further then once here there than too very so not only just also yet"""
# What an apostrophe leaves behind: don't, we'll, o'clock.
_PIECES = """s t d ll m o re ve y ain aren couldn didn doesn don hadn hasn haven isn ma mightn mustn needn shan shouldn wasn weren won
    wouldn"""

ENGLISH = frozenset(" ".join((_ARTICLES, _PRONOUNS, _QUESTION_WORDS, _AUXILIARIES, _PARTICLES, _PIECES)).split())
"""English stop words, lower case."""


@cache
def stop_words(language: str) -> frozenset[str]:
    """Stop words of `language` (ISO 639-1), lower case, without apostrophes; empty for a language without a list."""
    if language == "en":
        return ENGLISH
    words = get_stop_words(language) if language in LANGUAGE_MAPPING else []
    return frozenset(piece for word in words for piece in word.casefold().replace("’", "'").split("'") if piece)
