"""Late interaction and the table that weighs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas.encoder.models import MINILM
from atlas.encoder.tokenizer import Tokenizer
from atlas.errors import StartupError
from services.reranker.maxsim import maxsim, piece_weights, query_weights
from services.reranker.word_piece_idf import load_idf


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(MINILM.locate())


def unit(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_hand(query: np.ndarray, shares: np.ndarray, passage: np.ndarray) -> float:
    return float(sum(share * max(float(row @ other) for other in passage) for row, share in zip(query, shares, strict=True)))


def test_each_passage_is_scored_by_its_own_tokens() -> None:
    query, shares = unit(3, 1), np.array([0.5, 0.3, 0.2], np.float32)
    passages = [unit(count, 10 + count) for count in (1, 7, 2)]
    scores = maxsim(query, shares, passages)
    assert scores == pytest.approx([by_hand(query, shares, passage) for passage in passages], abs=1e-6)


def test_a_passage_that_holds_the_query_scores_one() -> None:
    query = unit(3, 1)
    assert maxsim(query, np.full(3, 1 / 3, np.float32), [np.concatenate([unit(4, 2), query])]) == pytest.approx([1.0])


def test_half_precision_passages_score_like_full_ones() -> None:
    query, shares, passage = unit(5, 1), np.full(5, 0.2, np.float32), unit(9, 3)
    assert maxsim(query, shares, [passage.astype(np.float16)]) == pytest.approx(maxsim(query, shares, [passage]), abs=1e-3)


def test_no_passages_give_no_scores() -> None:
    assert maxsim(unit(2, 1), np.full(2, 0.5, np.float32), []).shape == (0,)


def test_a_passage_without_tokens_scores_nothing_and_leaves_the_others_alone() -> None:
    query, shares, passage = unit(2, 1), np.full(2, 0.5, np.float32), unit(3, 2)
    scores = maxsim(query, shares, [np.empty((0, 8), np.float32), passage, np.empty((0, 8), np.float32)])
    assert scores == pytest.approx([0.0, by_hand(query, shares, passage), 0.0], abs=1e-6)


def test_a_broken_passage_is_not_hidden() -> None:
    broken = unit(2, 2)
    broken[0] = np.nan
    assert np.isnan(maxsim(unit(2, 1), np.full(2, 0.5, np.float32), [broken])).all()


def test_rare_words_weigh_more_than_common_ones(tokenizer: Tokenizer) -> None:
    weights, vocabulary = piece_weights(tokenizer.vocabulary, load_idf()), tokenizer.vocabulary
    assert weights[vocabulary["lantern"]] > weights[vocabulary["house"]] > weights[vocabulary["the"]] > 0


def test_punctuation_and_the_unknown_piece_weigh_nothing(tokenizer: Tokenizer) -> None:
    weights, vocabulary = piece_weights(tokenizer.vocabulary, load_idf()), tokenizer.vocabulary
    assert [weights[vocabulary[piece]] for piece in ("?", ".", ",", "[UNK]")] == [0, 0, 0, 0]


def test_the_shares_of_a_query_sum_to_one(tokenizer: Tokenizer) -> None:
    weights = piece_weights(tokenizer.vocabulary, load_idf())
    [encoding] = tokenizer.encode(["where is the lantern?"])
    shares = query_weights(encoding.piece_ids, weights)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[-1] == 0


def test_a_query_of_punctuation_alone_weighs_all_pieces_alike(tokenizer: Tokenizer) -> None:
    weights = piece_weights(tokenizer.vocabulary, load_idf())
    [encoding] = tokenizer.encode(["?!"])
    assert query_weights(encoding.piece_ids, weights).tolist() == [0.5, 0.5]


def test_the_table_has_one_finite_weight_for_each_word_piece(tokenizer: Tokenizer) -> None:
    idf = load_idf()
    assert idf.shape == (len(tokenizer.vocabulary),)
    assert np.isfinite(idf).all()
    assert (idf > 0).all()


def test_a_table_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "idf.safetensors"
    other.write_bytes(b"other")
    with pytest.raises(StartupError, match="is pinned"):
        load_idf(other)
    with pytest.raises(StartupError, match="is missing"):
        load_idf(tmp_path / "none")
