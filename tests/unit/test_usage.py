"""Which hits an answer used, told by its words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.learning.usage import Hit, UsageRule, Verdict, measured, sentences_of

BUTTON = "To reset the router, hold the small button on its back for ten seconds."
BREAD = "Sourdough bread rises slowly because wild yeast ferments the flour."
COMET = "A comet grows a bright tail when the sun heats its ice."
RULE = UsageRule(used_overlap=0.75, used_words=99, unused_overlap=0.25, unused_words=0, told_weight=1.3, told_share=0.5)
USED, UNUSED, AMBIGUOUS = Verdict.USED, Verdict.UNUSED, Verdict.AMBIGUOUS


def verdicts(answer: str, *texts: str, query: str = "", rule: UsageRule = RULE) -> list[Verdict]:
    hits = [Hit.of(str(place), text, "") for place, text in enumerate(texts)]
    return [item.verdict for item in measured(answer, query, hits, rule=rule)]


def test_a_hit_that_the_answer_quotes_is_used_and_the_others_are_not() -> None:
    assert verdicts("Hold the small button for ten seconds.", BUTTON, BREAD, COMET) == [USED, UNUSED, UNUSED]


def test_words_are_compared_by_their_stems() -> None:
    assert verdicts("Holding small buttons, ten seconds.", BUTTON, BREAD, COMET) == [USED, UNUSED, UNUSED]


def test_each_sentence_may_rest_on_another_hit() -> None:
    answer = "Hold the small button for ten seconds. Wild yeast ferments flour slowly."
    assert verdicts(answer, BUTTON, BREAD, COMET) == [USED, USED, UNUSED]


def test_one_sentence_of_two_hits_tells_of_neither_and_speaks_against_neither() -> None:
    answer = "Hold the small button ten seconds while wild yeast ferments flour slowly."
    assert verdicts(answer, BUTTON, BREAD, COMET) == [AMBIGUOUS, AMBIGUOUS, UNUSED]
    # Unless it has enough words of their own.
    assert verdicts(answer, BUTTON, BREAD, COMET, rule=replace(RULE, used_words=4)) == [USED, USED, UNUSED]


def test_words_of_the_question_prove_nothing() -> None:
    answer = "You asked about the small button on the back of the router."
    query = "what does the small button on the back of my router do?"
    assert verdicts(answer, BUTTON, BREAD, COMET, query=query) == [AMBIGUOUS] * 3
    assert verdicts(answer, BUTTON, BREAD, COMET) != [AMBIGUOUS] * 3


def test_words_that_all_hits_share_prove_nothing() -> None:
    same = [f"The harbour ferry leaves the island pier {word}." for word in ("daily", "hourly", "weekly", "monthly")]
    assert verdicts("The harbour ferry leaves the island pier.", *same) == [AMBIGUOUS] * 4


def test_an_answer_from_elsewhere_and_one_without_content_say_nothing() -> None:
    assert verdicts("Volcanoes erupt because magma pressure cracks the crust.", BUTTON, BREAD, COMET) == [AMBIGUOUS] * 3
    assert verdicts("I do not know.", BUTTON, BREAD, COMET) == [AMBIGUOUS] * 3


def test_a_translation_does_not_speak_against_its_original() -> None:
    spanish = "Para reiniciar el enrutador, mantenga pulsado el botón pequeño durante diez segundos."
    assert verdicts("Hold the small button for ten seconds.", BUTTON, BREAD, spanish) == [USED, UNUSED, AMBIGUOUS]


def test_scripts_without_spaces_are_compared_by_pairs_of_characters() -> None:
    hits = ("重置路由器时，请按住背面的小按钮十秒钟。", "酸面包因野生酵母而缓慢发酵。", "太阳加热冰层时彗星长出尾巴。")
    assert verdicts("请按住背面的小按钮十秒钟。", *hits) == [USED, UNUSED, UNUSED]


def test_no_hits_give_no_verdicts_and_one_hit_cannot_be_told_from_others_by_a_word_or_two() -> None:
    assert verdicts("Anything.") == []
    assert verdicts("The button.", BUTTON) == [AMBIGUOUS]


@pytest.mark.parametrize(
    ("text", "count"),
    [("One. Two! Three?", 3), ("Version 1.2 of atlas.example is out.", 1), ("第一句。第二句！", 2), ("a line\nanother", 2), ("", 0)],
)
def test_sentences_end_where_readers_end_them(text: str, count: int) -> None:
    assert len(sentences_of(text)) == count
