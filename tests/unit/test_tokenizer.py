"""Word pieces, their ends in bytes, and the encoder's sign that it cannot read a text."""

from __future__ import annotations

import itertools

import pytest

from atlas.encoder import MINILM, Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(MINILM.locate())


def test_ids_are_framed_by_the_special_tokens(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode(["hello world"])[0]
    assert encoding.ids == (101, 7592, 2088, 102)
    assert encoding.piece_ids == (7592, 2088)
    assert encoding.token_count == 4


def test_ends_count_bytes_not_characters(tokenizer: Tokenizer) -> None:
    text = "naïve 日本 🙂 end"
    encoding = tokenizer.encode([text])[0]
    ends = [len(text[: text.index(part) + len(part)].encode()) for part in ("naïve", "日", "本", "🙂", "end")]
    assert list(encoding.end_offsets) == ends


def test_a_special_token_spelled_in_a_text_is_plain_text(tokenizer: Tokenizer) -> None:
    for spelled in ("[SEP]", "[CLS]", "[PAD]", "[MASK]", "[UNK]"):
        encoding = tokenizer.encode([f"before {spelled} after"])[0]
        assert not {0, 100, 101, 102, 103} & set(encoding.piece_ids), spelled


def test_truncation_keeps_the_closing_token(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode(["word " * 300])[0]
    assert encoding.token_count == 302
    cut = encoding.truncated(256)
    assert len(cut) == 256
    assert (cut[0], cut[-1]) == (101, 102)
    assert encoding.truncated(400) == encoding.ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the cat sat", 0.0),
        ("?!", 0.0),
        ("", 0.0),
        ("密码", 1.0),
        # una ##ffa ##ble: two of three pieces continue the word.
        ("unaffable", 2 / 3),
        # Punctuation counts on neither side.
        ("unaffable!!!", 2 / 3),
    ],
)
def test_fragmentation_is_the_share_of_pieces_that_continue_or_are_unknown(tokenizer: Tokenizer, text: str, expected: float) -> None:
    assert tokenizer.encode([text])[0].fragmentation == expected


def test_a_long_text_is_read_in_parts_as_if_it_were_one(tokenizer: Tokenizer) -> None:
    text = ("Ein längerer Satz über naïve Tokenizer, 日本 and code_like_names(x=1).\n" * 1200).strip()
    whole = tokenizer._tokenizer.encode(text)
    encoding = tokenizer.encode([text])[0]
    assert len(text) > 2 * 32_768
    assert list(encoding.ids) == whole.ids
    byte_at = [0, *itertools.accumulate(len(character.encode()) for character in text)]
    assert list(encoding.end_offsets) == [byte_at[end] for _, end in whole.offsets[1:-1]]


def test_a_long_text_without_white_space_is_read_whole(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode(["日" * 40_000])[0]
    assert len(encoding.piece_ids) == 40_000
    assert encoding.end_offsets[-1] == 120_000
