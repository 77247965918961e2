"""The part of a text that a hit shows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.snippets import MAX_CHARACTERS, snippet

FILLER = "The weather was mild and the harvest came early that year. " * 10


def test_a_short_text_is_shown_whole() -> None:
    assert snippet("  Hold the button for ten seconds. ", "reset") == "Hold the button for ten seconds."


def test_the_passage_with_the_words_of_the_query_is_shown() -> None:
    text = FILLER + "To reset the router, hold the button for ten seconds. " + FILLER
    shown = snippet(text, "how do I reset my router?")
    assert "reset the router" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")


def test_words_match_in_other_forms_and_cases() -> None:
    assert "Resetting" in snippet(FILLER + "Resetting takes ten seconds. " + FILLER, "how do I RESET it?")


def test_long_words_weigh_more_than_the_short_ones_of_every_text() -> None:
    text = "How do I do it? I do it so. " + FILLER + "The calibration drifts. " + FILLER
    assert "calibration" in snippet(text, "how do I do the calibration")


def test_without_a_common_word_the_beginning_is_shown() -> None:
    shown = snippet(FILLER, "xylophone")
    assert shown.startswith("The weather")
    assert shown.endswith("…")


def test_letters_that_fold_into_two_move_no_place() -> None:
    words = "Die Straße führt zum Gießbach. " * 20
    assert "KALIBRIERUNG" in snippet(words + "Die KALIBRIERUNG driftet. " + words, "Kalibrierung")
    assert "kalibrierung" in snippet(words + "Die kalibrierung driftet. " + words, "KALIBRIERUNG")


def test_words_are_not_cut() -> None:
    words = set(FILLER.split())
    assert set(snippet(FILLER + FILLER, "harvest early").strip("…").split()) <= words


def test_text_without_spaces_is_cut_where_it_must_be() -> None:
    text = "天" * 500 + "重置路由器" + "地" * 500
    shown = snippet(text, "如何重置路由器")
    assert "重置路由器" in shown
    assert len(shown) <= MAX_CHARACTERS


@given(st.text(max_size=2_000), st.text(max_size=60))
def test_a_snippet_is_never_too_long_and_always_part_of_the_text(text: str, query: str) -> None:
    shown = snippet(text, query)
    assert len(shown) <= MAX_CHARACTERS
    assert shown.removeprefix("…").removesuffix("…").strip("…") in text or shown in text
