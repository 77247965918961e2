"""What is embedded and indexed."""

from __future__ import annotations

import pytest

from atlas.passages import content_sha256, indexed_text


@pytest.mark.parametrize(
    ("title", "speaker", "expected"),
    [("", "", "See you"), ("", "Ada", "Ada: See you"), ("Notes", "", "Notes. See you"), ("Notes", "Ada", "Ada: See you")],
)
def test_the_speaker_or_else_the_title_stands_before_the_text(title: str, speaker: str, expected: str) -> None:
    assert indexed_text("See you", title=title, speaker=speaker) == expected


def test_the_hash_is_that_of_the_utf_8_bytes() -> None:
    assert content_sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert content_sha256("é") == "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"
