"""Which texts are cut without asking the encoder, and that asking would have said the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.deadlines import Deadline
from atlas.encoder import MINILM, Tokenizer
from atlas.errors import InvalidInputError
from atlas.ranking import Kind
from atlas.type.v1 import type_pb2
from gateway.chunking import Chunk, cut
from gateway.clients import EmbedderClient, EmbedderModel, TokenCount
from gateway.cutting import CHUNK_PIECES, Cutter, Uncut
from gateway.embedders import Encoder
from gateway.steps import WithinDeadline

MODEL = EmbedderModel("m", "1", "f", "t", 256, 256, type_pb2.VectorSpace(), type_pb2.ModelInfo())
LINES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=120)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(MINILM.locate())


class CountingEmbedder(EmbedderClient):
    """Counts with the real tokenizer, without a server."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.asked: Counter[str] = Counter()

    async def count_tokens(self, texts: Sequence[str], *, deadline: Deadline) -> list[TokenCount]:
        self.asked.update(texts)
        return [TokenCount(len(found.piece_ids), 2, np.array(found.end_offsets)) for found in self.tokenizer.encode(list(texts))]


async def cut_with(embedder: CountingEmbedder, *texts: Uncut) -> list[list[Chunk]]:
    return await Cutter().cut(texts, Encoder(embedder, MODEL), WithinDeadline(Deadline.after(10.0)))


@given(text=LINES, kind=st.sampled_from([Kind.TEXT, Kind.MESSAGE, Kind.CODE]))
async def test_a_short_line_is_cut_as_if_it_had_been_counted(tokenizer: Tokenizer, text: str, kind: Kind) -> None:
    embedder = CountingEmbedder(tokenizer)
    [chunks] = await cut_with(embedder, Uncut(text, kind=kind))
    [found] = tokenizer.encode([text])
    counted = cut(text, list(found.end_offsets), kind) if text.strip() else []
    assert [replace(chunk, piece_count=0) for chunk in chunks] == [replace(chunk, piece_count=0) for chunk in counted]


async def test_short_lines_and_messages_cost_no_call(tokenizer: Tokenizer) -> None:
    embedder = CountingEmbedder(tokenizer)
    message = Uncut("first line\n\nsecond line", speaker="Ada", kind=Kind.MESSAGE)
    [[line], [whole], blank] = await cut_with(embedder, Uncut("  one line  \n"), message, Uncut(" \n "))
    assert not embedder.asked
    assert (line.text, line.begin, line.end) == ("  one line", 0, 10)
    assert whole.text == message.text
    assert blank == []


async def test_paragraphs_are_chunks_however_short_they_are(tokenizer: Tokenizer) -> None:
    embedder = CountingEmbedder(tokenizer)
    [chunks] = await cut_with(embedder, Uncut("One.\n\nTwo."))
    assert [chunk.text for chunk in chunks] == ["One.", "Two."]
    assert embedder.asked == {"One.\n\nTwo.": 1}


async def test_what_the_model_can_read_at_once_stays_whole_where_asked(tokenizer: Tokenizer) -> None:
    text = "word " * 120 + "\n\n" + "word " * 120
    [[whole], cut_up] = await cut_with(CountingEmbedder(tokenizer), Uncut(text, whole=True), Uncut(text))
    assert whole.text == text.strip()
    assert len(cut_up) == 2


async def test_a_long_text_gives_chunks_of_bounded_length(tokenizer: Tokenizer) -> None:
    [chunks] = await cut_with(CountingEmbedder(tokenizer), Uncut("word " * 1_000, whole=True))
    assert len(chunks) > 4
    assert all(chunk.piece_count <= CHUNK_PIECES for chunk in chunks)


async def test_a_title_takes_room_from_its_chunks(tokenizer: Tokenizer) -> None:
    title = "word " * 99
    [chunks] = await cut_with(CountingEmbedder(tokenizer), Uncut("word " * 1_000, title=title.strip()))
    assert all(chunk.piece_count + 100 + 2 <= MODEL.max_input_tokens for chunk in chunks)


@pytest.mark.parametrize(("fields", "name"), [({"title": "word " * 200}, "title"), ({"speaker": "word " * 200}, "speaker")])
async def test_a_title_without_room_for_text_is_refused_naming_both_numbers(
    tokenizer: Tokenizer, fields: dict[str, str], name: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await cut_with(CountingEmbedder(tokenizer), Uncut("text", **fields))  # type: ignore[arg-type]
    assert caught.value.field == name
    assert caught.value.values == {"piece_count": 201, "max_piece_count": 182}
