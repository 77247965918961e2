"""How documents are cut into chunks."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.encoder.models import MINILM
from atlas.encoder.tokenizer import Tokenizer
from atlas.errors import InvalidInputError
from atlas.ranking import Kind
from gateway.chunking import Chunk, cut, identity_text

PIECE = re.compile(r"\w{1,4}|[^\w\s]")
WORDS = st.sampled_from(["alpha", "beta", "ﬁn", "naïve", "日本", "Ωmega", "x", "incomprehensibilities", "e.g.", "Stop.", "why?"])
SENTENCES = st.lists(WORDS, min_size=1, max_size=60).map(" ".join)
LINES = st.lists(SENTENCES, min_size=1, max_size=4).map("\n".join)
FENCED = LINES.map(lambda lines: f"```py\n{lines}\n\n{lines}\n```")
HEADED = st.tuples(st.sampled_from(["# ", "### "]), WORDS, st.sampled_from(["\n", "\n\n"]), LINES).map("".join)
BLOCKS = st.lists(st.one_of(LINES, FENCED, HEADED), min_size=1, max_size=6)
GAPS = st.sampled_from(["\n\n", "\n \t\n", "\n\n\n\n", "\r\n\r\n"])
LIMITS = st.sampled_from([(200, 32), (40, 8), (10, 3), (7, 0)])
STATEMENTS = st.sampled_from(
    ["import os", "LIMIT = 3", "# a remark", "@cached", "def f(x):\n    y = x\n\n    return y", "class A:\n    def f(self):\n        pass"]
)
PROGRAMS = st.lists(STATEMENTS, min_size=1, max_size=12)


def byte_ends(text: str) -> list[int]:
    """Reads pieces of at most four letters, as a tokenizer would, and returns their UTF-8 ends."""
    offsets = [0]
    for character in text:
        offsets.append(offsets[-1] + len(character.encode()))
    return [offsets[piece.end()] for piece in PIECE.finditer(text)]


def chunks_of(text: str, kind: Kind = Kind.TEXT, max_pieces: int = 200, overlap_pieces: int = 32) -> list[Chunk]:
    return cut(text, byte_ends(text), kind, max_pieces=max_pieces, overlap_pieces=overlap_pieces)


def texts_of(text: str, kind: Kind = Kind.TEXT, **limits: int) -> list[str]:
    return [chunk.text for chunk in chunks_of(text, kind, **limits)]


def assert_sound(text: str, chunks: list[Chunk], max_pieces: int) -> None:
    data = text.encode()
    covered = bytearray(len(data))
    for ordinal, chunk in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert data[chunk.begin : chunk.end].decode() == chunk.text
        assert chunk.text.strip()
        assert 1 <= chunk.piece_count <= max_pieces
        covered[chunk.begin : chunk.end] = b"\1" * (chunk.end - chunk.begin)
    left = bytes(byte for byte, known in zip(data, covered, strict=True) if not known)
    assert not left.decode().strip()
    assert all(before.begin < after.begin and before.end < after.end for before, after in pairwise(chunks))


@given(blocks=BLOCKS, gap=GAPS, kind=st.sampled_from(Kind), limits=LIMITS)
def test_chunks_cover_the_text_within_bounds_at_exact_offsets(blocks: list[str], gap: str, kind: Kind, limits: tuple[int, int]) -> None:
    text = gap.join(blocks)
    assert_sound(text, chunks_of(text, kind, *limits), limits[0])


@given(text=st.text(alphabet=st.sampled_from("ab .\n\t #`-~1)字é\u2028\r\0{}@"), max_size=300), kind=st.sampled_from(Kind), limits=LIMITS)
def test_any_text_at_all_is_cut_soundly(text: str, kind: Kind, limits: tuple[int, int]) -> None:
    assert_sound(text, chunks_of(text, kind, *limits), limits[0])


@given(above=BLOCKS, below=BLOCKS, inserted=LINES, limits=LIMITS)
def test_a_paragraph_inserted_between_two_others_changes_no_other_chunk(
    above: list[str], below: list[str], inserted: str, limits: tuple[int, int]
) -> None:
    def texts(blocks: list[str]) -> list[str]:
        return [chunk.text for chunk in chunks_of("\n\n".join(blocks), Kind.TEXT, *limits)]

    assert texts([*above, *below]) == texts(above) + texts(below)
    assert texts([*above, inserted, *below]) == texts(above) + texts([inserted]) + texts(below)


@given(program=PROGRAMS, place=st.integers(0, 12))
def test_a_function_inserted_into_a_program_changes_no_other_definition(program: list[str], place: int) -> None:
    definitions = {statement for statement in program if statement.startswith(("def", "class"))}
    inserted = "def inserted(some, arguments):\n    return some + arguments"
    place = min(place, len(program))
    # A remark goes with what follows it, so the function is not put between the two.
    while place and program[place - 1].startswith(("#", "@")):
        place -= 1
    before = texts_of("\n\n".join(program), Kind.CODE)
    after = texts_of("\n\n".join([*program[:place], inserted, *program[place:]]), Kind.CODE)
    assert [chunk for chunk in after if chunk in definitions] == [chunk for chunk in before if chunk in definitions]
    assert any(chunk.endswith(inserted) for chunk in after)


def test_blank_text_gives_no_chunk() -> None:
    assert texts_of("") == texts_of(" \n\t\n") == texts_of("\n", Kind.CODE) == texts_of(" ", Kind.MESSAGE) == []


def test_short_paragraphs_are_not_merged() -> None:
    assert texts_of("One.\n\nTwo.\n \nThree.") == ["One.", "Two.", "Three."]


def test_windows_line_ends_separate_paragraphs_too() -> None:
    assert texts_of("One\r\ntwo.\r\n\r\nThree.\r\n") == ["One\r\ntwo.", "Three."]


def test_headings_go_with_the_block_below_them() -> None:
    text = "# Title\n\n## Part\n\nWords.\n## Next\nMore words.\n\nLast.\n\n# End\n"
    assert texts_of(text) == ["# Title\n\n## Part\n\nWords.", "## Next\nMore words.", "Last.", "# End"]


def test_a_paragraph_is_identified_without_the_headings_above_it() -> None:
    assert identity_text("# Title\n\n## Part\n\nWords stay.", Kind.TEXT) == "Words stay."
    assert identity_text("Title\n=====\n\nWords stay.", Kind.TEXT) == "Words stay."
    assert identity_text("# Only a heading", Kind.TEXT) == "# Only a heading"
    assert identity_text("# a comment\nx = 1", Kind.CODE) == "# a comment\nx = 1"


def test_underlined_headings_and_rules_go_with_the_block_below_them() -> None:
    assert texts_of("Title\n=====\n\nWords.\n\n---\n\nMore.") == ["Title\n=====\n\nWords.", "---\n\nMore."]


def test_a_closed_fence_keeps_its_blank_lines_and_headings() -> None:
    text = "Run this:\n```sh\n# not a heading\n\nls\n```\n\nDone."
    assert texts_of(text) == ["Run this:\n```sh\n# not a heading\n\nls\n```", "Done."]


def test_a_fence_that_is_never_closed_does_not_swallow_the_rest() -> None:
    assert texts_of("```\none\n\ntwo\n\nthree") == ["```\none", "two", "three"]


def test_a_long_paragraph_is_cut_at_sentence_ends_with_overlap() -> None:
    sentences = [f"Sentence {number} has five words." for number in range(60)]
    chunks = texts_of(" ".join(sentences))
    assert len(chunks) > 1
    assert all(chunk.startswith("Sentence") and chunk.endswith("words.") for chunk in chunks)
    assert all(set(re.findall(r"\d+", before)) & set(re.findall(r"\d+", after)) for before, after in pairwise(chunks))


def test_slices_of_one_unit_are_about_equally_long() -> None:
    counts = [chunk.piece_count for chunk in chunks_of("Six words make this one sentence. " * 50)]
    assert max(counts) - min(counts) <= 20


def test_a_long_list_is_cut_between_its_items() -> None:
    text = "\n".join(f"- item number {number} without a full stop" for number in range(60))
    assert all(chunk.startswith("- item") and chunk.endswith("stop") for chunk in texts_of(text))


@pytest.mark.parametrize("kind", Kind)
def test_a_million_letters_without_a_space_are_cut_to_bounded_chunks(kind: Kind) -> None:
    text = "x" * 1_000_000
    chunks = cut(text, [len(text)], kind)  # one unknown word
    assert_sound(text, chunks, 200)
    assert max(len(chunk.text) for chunk in chunks) <= 200 * 100


def test_a_message_is_one_chunk_whatever_its_blank_lines() -> None:
    assert texts_of("\nHello!\n\n# not a heading\n\nBye.\n", Kind.MESSAGE) == ["Hello!\n\n# not a heading\n\nBye."]


def test_code_is_cut_before_definitions() -> None:
    text = 'import os\n\nimport sys\n\n\n@cached\ndef f():\n    a = 1\n\n    return a\n\n\nclass A:\n    """Doc."""\n'
    assert texts_of(text, Kind.CODE) == [
        "import os\n\nimport sys",
        "@cached\ndef f():\n    a = 1\n\n    return a",
        'class A:\n    """Doc."""',
    ]


def test_a_remark_above_a_definition_goes_with_it() -> None:
    assert texts_of("x = [\n    1,\n]\n\n# Why.\n\ndef f():\n    pass\n", Kind.CODE) == ["x = [\n    1,\n]", "# Why.\n\ndef f():\n    pass"]


def test_a_closing_bracket_after_a_blank_line_begins_no_unit() -> None:
    assert texts_of("void f() {\n  a();\n\n}\n\nvoid g() {\n}\n", Kind.CODE) == ["void f() {\n  a();\n\n}", "void g() {\n}"]


def method(number: int) -> str:
    body = "\n".join(f"        value_{line} = {number} * {line}" for line in range(10))
    return f"    def method_{number}(self):\n{body}"


def test_the_methods_of_a_long_class_are_units_that_stay_when_one_is_inserted() -> None:
    methods = [method(number) for number in range(8)]
    before = texts_of("class A:\n\n" + "\n\n".join(methods), Kind.CODE)
    after = texts_of("class A:\n\n" + "\n\n".join([method(99), *methods]), Kind.CODE)
    assert before == ["class A:", *methods]
    assert after == ["class A:", method(99), *methods]


def test_a_long_function_is_cut_at_line_ends() -> None:
    text = "def f():\n" + "\n".join(f"    value = compute({number})" for number in range(100))
    chunks = texts_of(text, Kind.CODE)
    lines = text.split("\n")
    assert len(chunks) > 1
    assert all(line in lines for chunk in chunks for line in chunk.split("\n"))


@pytest.mark.parametrize("ends", [[3, 2], [-1], [99], [4]])
def test_ends_that_do_not_fit_the_text_are_refused(ends: list[int]) -> None:
    with pytest.raises(InvalidInputError, match="token_ends"):
        cut("abc字", ends, Kind.TEXT)


@pytest.mark.parametrize(("max_pieces", "overlap_pieces"), [(0, 0), (10, 10), (10, -1)])
def test_limits_that_contradict_each_other_are_refused(max_pieces: int, overlap_pieces: int) -> None:
    with pytest.raises(InvalidInputError, match="overlap_pieces"):
        cut("abc", [3], Kind.TEXT, max_pieces=max_pieces, overlap_pieces=overlap_pieces)


def test_chunks_of_the_real_tokenizer_fit_the_model_when_they_are_read_alone() -> None:
    tokenizer = Tokenizer(MINILM.locate())
    paragraph = "Überraschung: 東京は日本の首都です。 naïve café 👍🏽 https://example.org/a_b-c?d=e&f=%20 antidisestablishmentarianism. "
    text = paragraph * 30 + "\n\n" + "a" * 5_000 + "\n\n" + "Word. " * 500
    (encoding,) = tokenizer.encode([text])
    chunks = cut(text, encoding.end_offsets, Kind.TEXT)
    assert_sound(text, chunks, 200)
    alone = tokenizer.encode([chunk.text for chunk in chunks])
    assert max(len(encoding.piece_ids) for encoding in alone) <= 200
