"""Texts of a known length that every machine has: windows of the standard library's own documentation."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from pydoc_data.topics import topics

from atlas.documents import Document

WORDS_A_WINDOW = 44
"""Words of a window: about 64 word pieces of the encoder."""


def windows(count: int, *, seed: int = 7) -> list[str]:
    """Gives `count` different windows, in random order."""
    words = re.findall(r"\S+", " ".join(topics[name] for name in sorted(topics)))
    step = max(1, (len(words) - WORDS_A_WINDOW) // count)
    if len(words) - WORDS_A_WINDOW < count:
        raise ValueError(f"{count} windows were asked for; the documentation holds {len(words) - WORDS_A_WINDOW}")
    starts = list(itertools.islice(range(0, len(words) - WORDS_A_WINDOW, step), count))
    random.Random(seed).shuffle(starts)  # noqa: S311 - a reproducible order, not a secret
    return [" ".join(words[start : start + WORDS_A_WINDOW]) for start in starts]


def documents(count: int, *, prefix: str = "bench://window", seed: int = 7) -> Iterator[Document]:
    """Gives windows as documents of one chunk each."""
    for number, text in enumerate(windows(count, seed=seed)):
        yield Document(source=f"{prefix}/{number}", text=text)


def questions(count: int, *, seed: int = 11) -> list[str]:
    """Gives short questions whose words occur in the windows."""
    source = windows(count, seed=seed)
    chosen = random.Random(seed)  # noqa: S311 - reproducible questions, not a secret
    return ["what does " + " ".join(chosen.sample(text.split(), 7)) + " mean?" for text in source]
