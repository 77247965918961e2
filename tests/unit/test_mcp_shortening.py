"""Cutting texts so that a reply fits, never inside a character."""

from __future__ import annotations

import json
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.mcp.shortening import ELLIPSIS, boundary, clip, encode, encoded_size, last_that_fits

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
FAMILY = "👨‍👩‍👧"


@given(TEXTS, st.integers(3, 300))
def test_a_clipped_text_fits_and_is_a_beginning_of_the_text(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    assert encoded_size(clipped) - 2 <= limit
    assert clipped == text or (clipped.endswith(ELLIPSIS) and text.startswith(clipped.removesuffix(ELLIPSIS)))


def test_a_text_that_fits_is_left_alone() -> None:
    assert clip("記憶は戻る", len("記憶は戻る".encode())) == "記憶は戻る"


def test_three_byte_characters_are_cut_between_each_other() -> None:
    text = "記憶" * 100
    for limit in range(3, 40):
        kept = clip(text, limit).removesuffix(ELLIPSIS)
        assert kept == text[: (limit - len(ELLIPSIS.encode())) // 3]


@pytest.mark.parametrize("cluster", ["é", "ो", FAMILY, "👍🏽", "ख़्"])
def test_a_cut_does_not_part_a_letter_from_what_belongs_to_it(cluster: str) -> None:
    cluster = unicodedata.normalize("NFD", cluster)
    text = "abc" + cluster + "xyz"
    for end in range(len(text) + 1):
        assert text[: boundary(text, end)] in {
            "",
            "a",
            "ab",
            "abc",
            "abc" + cluster,
            *(text[:n] for n in range(3 + len(cluster), len(text) + 1)),
        }


def test_a_text_of_accents_alone_is_cut_all_the_same() -> None:
    text = "a" + "\u0301" * 500
    assert boundary(text, 300) == 300


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_last_number_that_fits_is_found(count: int, limit: int) -> None:
    assert last_that_fits(count, lambda number: number <= limit) == min(count, limit)


def test_nothing_fits_where_not_even_zero_does() -> None:
    assert last_that_fits(5, lambda _: False) is None


@given(TEXTS)
def test_a_reply_is_json_that_escapes_no_letter(text: str) -> None:
    reply = encode({"text": text})
    assert json.loads(reply) == {"text": text}
    assert len(reply.encode()) == len(msgspec.json.encode({"text": text}))
    assert "\n" not in reply
