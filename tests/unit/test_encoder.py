"""Model records and the way texts are grouped into forward passes."""

from __future__ import annotations

import dataclasses
import sys
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from atlas.encoder import MINILM, Output
from atlas.encoder import graph as encoder_graph
from atlas.encoder.openvino import OpenVinoEncoder, _check_unit, _groups, _padded_length
from atlas.errors import InvalidInputError, ModelFaultError, StartupError


def test_the_model_is_found_without_importing_its_package() -> None:
    assert (MINILM.locate() / "model.safetensors").is_file()
    assert MINILM.package not in sys.modules


def test_a_file_that_is_not_the_pinned_one_stops_the_start() -> None:
    record = dataclasses.replace(MINILM, files=MappingProxyType({**MINILM.files, "tokenizer.json": "0" * 64}))
    with pytest.raises(StartupError, match=r"tokenizer\.json has sha256 be50c3.*0000 is pinned"):
        record.locate()


def test_a_missing_file_stops_the_start() -> None:
    record = dataclasses.replace(MINILM, files=MappingProxyType({"model.bin": "0" * 64}))
    with pytest.raises(StartupError, match=r"model\.bin is missing"):
        record.locate()


def test_a_missing_package_stops_the_start_and_names_the_way_out() -> None:
    with pytest.raises(StartupError, match=r"no_such_package.*make install"):
        dataclasses.replace(MINILM, package="no_such_package").locate()


def test_a_model_of_another_family_stops_the_start() -> None:
    with pytest.raises(StartupError, match="model_type 'bert'"):
        dataclasses.replace(MINILM, family="llama_nemotron_vl").locate()


def test_fingerprints_tell_spaces_apart() -> None:
    assert MINILM.fingerprint(Output.DENSE) != MINILM.fingerprint(Output.TOKENS)
    for change in ({"query_prompt": "query: "}, {"pooling": "cls"}, {"normalised": False}, {"max_tokens": 128}):
        assert dataclasses.replace(MINILM, **change).fingerprint(Output.DENSE) != MINILM.fingerprint(Output.DENSE)  # type: ignore[arg-type]


def test_a_fingerprint_does_not_change_between_versions_of_the_code() -> None:
    assert MINILM.fingerprint(Output.DENSE) == "all-MiniLM-L6-v2/dense/384/c3eaf6525632"
    assert MINILM.fingerprint(Output.TOKENS) == "all-MiniLM-L6-v2/tokens/384/c671e803bc7b"


def test_the_revision_is_the_start_of_the_weights_hash() -> None:
    assert MINILM.files["model.safetensors"].startswith(MINILM.revision)


def test_the_graph_uses_every_weight_but_those_of_the_unused_pooler() -> None:
    stored = set(load_file(MINILM.locate() / "model.safetensors"))
    assert stored - set(encoder_graph.weight_names(MINILM.architecture)) == {
        "embeddings.position_ids",
        "pooler.dense.weight",
        "pooler.dense.bias",
    }


@given(st.lists(st.integers(3, 256), min_size=1, max_size=200))
def test_groups_hold_every_text_once_in_few_shapes(lengths: list[int]) -> None:
    groups = list(_groups(lengths))
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        longest = _padded_length(max(lengths[index] for index in group))
        assert len(group) & (len(group) - 1) == 0
        assert len(group) == 1 or len(group) * longest <= 1024
    flat = [lengths[index] for group in groups for index in group]
    assert flat == sorted(flat, reverse=True)


@given(st.integers(1, 256))
def test_padding_is_bounded(length: int) -> None:
    padded = _padded_length(length)
    assert length <= padded < length + 16
    assert padded <= 256


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, 2.0])
def test_a_vector_that_is_zero_not_finite_or_of_another_length_is_a_model_fault(bad: float) -> None:
    vectors = np.eye(3, 8, dtype=np.float32)
    _check_unit(vectors, "dense")
    vectors[1, 1] = bad
    with pytest.raises(ModelFaultError):
        _check_unit(vectors, "dense")


def test_ids_outside_the_models_limit_are_refused() -> None:
    encoder = OpenVinoEncoder.open(MINILM, streams=1)
    for ids in ((), tuple([101] * 257)):
        with pytest.raises(InvalidInputError, match="1 to 256 are allowed"):
            encoder.encode_batch([(101, 102), ids])


def test_a_device_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(StartupError, match="OpenVINO has no device NPU9"):
        OpenVinoEncoder.open(MINILM, device="NPU9")
