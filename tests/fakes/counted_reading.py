"""The real tokenizer, counting."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from atlas.encoder import Encoding, Tokenizer


def count_reading(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Returns a list that gets the number of texts of each call that reads texts into word pieces from now on."""
    read: list[int] = []
    encode = Tokenizer.encode

    def counted(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Encoding]:
        read.append(len(texts))
        return encode(tokenizer, texts)

    monkeypatch.setattr(Tokenizer, "encode", counted)
    return read
