"""Text to lexical terms: languages, identifiers, scripts without spaces, weights."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from atlas.lexicon import ENGLISH, detect, words
from atlas.ranking import Kind
from services.memory.search.analyzer import Analyzer, AnalyzerParameters, languages_that_matter, term_id

ENGLISH_TEXT = "The river that flows through the city was once the border of two kingdoms, and its bridges are older than the walls."
TEXTS = {
    "en": ENGLISH_TEXT,
    "es": "El río que atraviesa la ciudad fue durante siglos la frontera entre dos reinos, y sus puentes son más antiguos.",
    "de": "Der Fluss, der durch die Stadt fließt, war einst die Grenze zweier Reiche, und seine Brücken sind älter als die Mauern.",
    "fr": "Le fleuve qui traverse la ville était autrefois la frontière entre deux royaumes, et ses ponts sont plus vieux que les murs.",
    "it": "Il fiume che attraversa la città era un tempo il confine tra due regni, e i suoi ponti sono più antichi delle mura.",
    "pt": "O rio que atravessa a cidade foi durante séculos a fronteira entre dois reinos, e as suas pontes são mais antigas.",
    "ru": "Река, которая течёт через город, когда-то была границей двух царств, и её мосты старше, чем стены.",
    "zh": "穿过城市的河流曾经是两个王国的边界，它的桥梁比城墙还要古老。",
    "ja": "街を流れる川はかつて二つの王国の境でした。",
    "ko": "도시를 가로지르는 강은 한때 두 왕국의 국경이었다.",
}


@pytest.fixture
def analyzer() -> Analyzer:
    return Analyzer(AnalyzerParameters())


def ids(*found: str, language: str = "en") -> set[int]:
    return {term_id(word, language) for word in found}


@pytest.mark.parametrize(("language", "text"), TEXTS.items())
def test_a_document_is_read_in_its_own_language(analyzer: Analyzer, language: str, text: str) -> None:
    assert analyzer.analyze_document(text, Kind.TEXT).language == language


def test_english_stop_words_hold_question_words_pronouns_and_auxiliaries() -> None:
    assert {"what", "who", "when", "why", "how", "you", "they", "did", "has", "was", "would"} <= ENGLISH


@pytest.mark.parametrize("word", ["index", "null", "join", "computer", "may", "one", "com", "system"])
def test_words_that_people_search_for_are_no_stop_words(word: str) -> None:
    assert word not in ENGLISH


def test_one_foreign_word_leaves_a_text_english() -> None:
    text = "Sie said hello"
    assert detect(text, words(text)) == "en"


def test_source_code_is_read_as_english_whatever_its_names_look_like(analyzer: Analyzer) -> None:
    assert analyzer.analyze_document("def de(la, el): return la, el, un", Kind.CODE).language == "en"


def test_a_stated_language_is_taken_as_stated(analyzer: Analyzer) -> None:
    document = analyzer.analyze_document("Kinder", Kind.TEXT, "de")
    assert document.language == "de"
    assert set(document.indices.tolist()) == ids("kind", language="de")


@pytest.mark.parametrize(("stated", "language"), [("pt-BR", "pt"), ("ES", "es"), ("python", "en"), ("", "en")])
def test_a_language_tag_is_read_or_else_the_language_detected(analyzer: Analyzer, stated: str, language: str) -> None:
    assert analyzer.analyze_document("running the tests", Kind.TEXT, stated).language == language


def test_an_inflected_word_meets_its_base_form(analyzer: Analyzer) -> None:
    document = set(analyzer.analyze_document("She was painting the sunrises.", Kind.MESSAGE).indices.tolist())
    assert document == ids("paint", "sunrise")


@pytest.mark.parametrize("spelling", ["parseHTTPReply", "parse_http_reply", "ParseHttpReply", "__parse_http_reply__"])
def test_an_identifier_gives_its_parts_and_their_joined_form(spelling: str) -> None:
    assert list(words(spelling)) == ["parse", "http", "reply", "parsehttpreply"]


def test_a_digit_stays_with_its_word() -> None:
    assert list(words("sha256 utf8 v2 10th")) == ["sha256", "utf8", "v2", "10th"]


def test_a_number_keeps_its_decimals_and_loses_its_thousands_marks() -> None:
    assert list(words("3.14 and 1,000,000 or 1.2.3 in 2023.")) == ["3.14", "and", "1000000", "or", "1.2.3", "in", "2023"]


def test_contractions_and_possessives_end_at_the_apostrophe() -> None:
    assert list(words("Caroline’s don't")) == ["caroline", "s", "don", "t"]


def test_scripts_without_spaces_give_characters_and_pairs() -> None:
    assert list(words("北京大学 2023")) == ["北", "京", "大", "学", "北京", "京大", "大学", "2023"]
    assert list(words("東京へ")) == ["東", "京", "へ", "東京", "京へ"]
    assert list(words("서울은")) == ["서", "울", "은", "서울", "울은"]


def test_full_width_letters_and_case_do_not_matter() -> None:
    assert list(words("ＡＴＬＡＳ Straße STRASSE")) == ["atlas", "strasse", "strasse"]


def test_words_written_with_combining_marks_stay_whole() -> None:
    assert list(words("हिन्दी भाषा")) == ["हिन्दी", "भाषा"]


def test_a_query_finds_a_pair_of_characters_in_a_longer_run(analyzer: Analyzer) -> None:
    document = set(analyzer.analyze_document(TEXTS["zh"], Kind.TEXT).indices.tolist())
    assert (term_id("城市", "zh"),) in analyzer.analyze_query("城市", ("zh",))
    assert term_id("城市", "zh") in document


def test_a_query_has_one_group_a_word_and_one_variant_a_language(analyzer: Analyzer) -> None:
    groups = analyzer.analyze_query("Kinder painting", ("en", "de"))
    assert groups == (
        tuple(sorted(ids("kinder") | ids("kinder", language="de"))),
        tuple(sorted(ids("painting") | ids("painting", language="de"))),
    )


def test_a_repeated_query_word_counts_once(analyzer: Analyzer) -> None:
    assert analyzer.analyze_query("paint paints painting") == ((term_id("paint", "en"),),)


def test_a_query_of_stop_words_has_no_lexical_part(analyzer: Analyzer) -> None:
    assert analyzer.analyze_query("What did you do?") == ()
    assert analyzer.analyze_query("…  !") == ()


def test_a_text_of_stop_words_has_an_empty_vector(analyzer: Analyzer) -> None:
    document = analyzer.analyze_document("You did!", Kind.MESSAGE)
    assert document.indices.shape == document.values.shape == (0,)
    assert document.indices.dtype == np.uint32
    assert document.values.dtype == np.float32


def test_weights_are_the_term_frequency_part_of_bm25(analyzer: Analyzer) -> None:
    document = analyzer.analyze_document("paint paint canvas", Kind.MESSAGE)
    weights = dict(zip(document.indices.tolist(), document.values.tolist(), strict=True))
    length = 3 / 16
    assert weights[term_id("paint", "en")] == pytest.approx(2 * 2.2 / (2 + 1.2 * (0.5 + 0.5 * length)))
    assert weights[term_id("canvas", "en")] == pytest.approx(2.2 / (1 + 1.2 * (0.5 + 0.5 * length)))


def test_a_term_in_a_long_text_weighs_less(analyzer: Analyzer) -> None:
    short = analyzer.analyze_document("lantern", Kind.TEXT).values[0]
    long = analyzer.analyze_document("lantern " + " ".join(f"word{number}" for number in range(200)), Kind.TEXT)
    assert long.values[long.indices == term_id("lantern", "en")][0] < short


def test_indices_ascend_and_come_once(analyzer: Analyzer) -> None:
    indices = analyzer.analyze_document(ENGLISH_TEXT, Kind.TEXT).indices
    assert np.all(np.diff(indices.astype(np.int64)) > 0)


def test_term_ids_are_stable_across_releases() -> None:
    assert term_id("lantern", "en") == 537088083


def test_the_fingerprint_names_every_constant() -> None:
    base = Analyzer(AnalyzerParameters()).fingerprint
    changed = [AnalyzerParameters(k1=1.5), AnalyzerParameters(b=0.75), AnalyzerParameters(average_length_code=40)]
    assert len({base, *(Analyzer(one).fingerprint for one in changed)}) == 4


def test_languages_matter_from_a_tenth_of_the_documents() -> None:
    assert languages_that_matter({"en": 85, "es": 10, "de": 5}) == ("en", "es")
    assert languages_that_matter({}) == ("en",)


def test_threads_share_an_analyzer(analyzer: Analyzer) -> None:
    # In words that nothing else here uses, and of which one is too long to be remembered: the threads stem them.
    query = f"gilded ferries of the southern estuary {'lighthouses' * 9}"
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(analyzer.analyze_query(query))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [analyzer.analyze_query(query)] * 8
    assert len(found[0]) == 5


def test_a_word_of_any_length_has_one_id() -> None:
    for word in ("lanterns", "lanterns" * 50):
        assert term_id(word, "en") == term_id(word, "en") != term_id(f"{word}x", "en")
