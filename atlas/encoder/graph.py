"""The BERT encoder as an OpenVINO graph, built straight from its safetensors weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openvino import Model, Type
from openvino import opset15 as ops

from .models import Architecture

Weights = Mapping[str, NDArray[np.float32]]

IDS = "ids"
"""Name of the input that holds word piece ids: int32 [B, T], padded at the end."""

MASK = "mask"
"""Name of the input that is 1 for each real word piece and 0 for padding: float32 [B, T]."""

_MASKED_LOGIT = 10_000.0
"""Subtracted from the attention logits of padding; exp(-10000) is 0 in every precision."""


def build(architecture: Architecture, weights: Weights) -> Model:
    """Builds the graph `(ids, mask) -> (dense, tokens)`.

    Output 0 is `dense`, float32 [B, D]: the mean over all real word pieces, [CLS] and [SEP] included, with L2 norm 1.
    Output 1 is `tokens`, float32 [B, T, D]: the last layer's vectors, each with L2 norm 1; rows of padding are noise.
    """
    return _Builder(architecture, weights).model()


def weight_names(architecture: Architecture) -> Iterator[str]:
    """Yields the name of every tensor that the graph needs."""
    yield from (f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type"))
    yield from _affine("embeddings.LayerNorm")
    for layer in range(architecture.layer_count):
        prefix = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            yield from _affine(f"{prefix}.attention.self.{part}")
        for part in ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense"):
            yield from _affine(f"{prefix}.{part}")
        for part in ("output.dense", "output.LayerNorm"):
            yield from _affine(f"{prefix}.{part}")


def _affine(name: str) -> tuple[str, str]:
    return f"{name}.weight", f"{name}.bias"


@dataclass(frozen=True, slots=True)
class _Builder:
    """One forward pass, written down node by node; nodes are OpenVINO's, which have no useful static type."""

    architecture: Architecture
    weights: Weights
    ids: Any = field(default_factory=lambda: ops.parameter([-1, -1], Type.i32, name=IDS))
    mask: Any = field(default_factory=lambda: ops.parameter([-1, -1], Type.f32, name=MASK))

    def model(self) -> Model:
        hidden = self._embedded()
        padding = self._padding_logits()
        for layer in range(self.architecture.layer_count):
            hidden = self._layer(hidden, padding, f"encoder.layer.{layer}")
        outputs = [ops.result(self._pooled(hidden)), ops.result(_unit(hidden))]
        return Model(outputs, [self.ids, self.mask], "bert_encoder")

    def _embedded(self) -> Any:
        # One segment only, so its vector is added to the position table once instead of to every token.
        segment = self.weights["embeddings.token_type_embeddings.weight"][0]
        table = self.weights["embeddings.position_embeddings.weight"][: self.architecture.max_positions] + segment
        length = ops.gather(ops.shape_of(self.ids), _ints(1), _ints(0))
        positions = ops.slice(_constant(table), _ints([0]), ops.unsqueeze(length, _ints(0)), _ints([1]), _ints([0]))
        words = ops.gather(_constant(self.weights["embeddings.word_embeddings.weight"]), self.ids, _ints(0))
        return self._layer_norm(ops.add(words, positions), "embeddings.LayerNorm")

    def _padding_logits(self) -> Any:
        padded = ops.subtract(_constant(np.float32(1)), self.mask)
        logits = ops.multiply(padded, _constant(np.float32(-_MASKED_LOGIT)))
        return ops.unsqueeze(logits, _ints([1, 2]))

    def _layer(self, hidden: Any, padding: Any, prefix: str) -> Any:
        attended = self._attention(hidden, padding, f"{prefix}.attention.self")
        projected = self._linear(attended, f"{prefix}.attention.output.dense")
        hidden = self._layer_norm(ops.add(projected, hidden), f"{prefix}.attention.output.LayerNorm")
        widened = ops.gelu(self._linear(hidden, f"{prefix}.intermediate.dense"), "erf")
        narrowed = self._linear(widened, f"{prefix}.output.dense")
        return self._layer_norm(ops.add(narrowed, hidden), f"{prefix}.output.LayerNorm")

    def _attention(self, hidden: Any, padding: Any, prefix: str) -> Any:
        # Plain matmul, softmax, matmul: on single queries faster than the fused attention op, on batches equal.
        scale = self.architecture.head_width**-0.5
        query = self._heads(self._linear(hidden, f"{prefix}.query", scale), [0, 2, 1, 3])
        key = self._heads(self._linear(hidden, f"{prefix}.key"), [0, 2, 3, 1])
        value = self._heads(self._linear(hidden, f"{prefix}.value"), [0, 2, 1, 3])
        shares = ops.softmax(ops.add(ops.matmul(query, key, False, False), padding), -1)
        mixed = ops.transpose(ops.matmul(shares, value, False, False), _ints([0, 2, 1, 3]))
        return ops.reshape(mixed, _ints([0, 0, self.architecture.dimension]), True)

    def _heads(self, hidden: Any, order: list[int]) -> Any:
        shape = [0, 0, self.architecture.head_count, self.architecture.head_width]
        return ops.transpose(ops.reshape(hidden, _ints(shape), True), _ints(order))

    def _linear(self, hidden: Any, name: str, scale: float = 1.0) -> Any:
        weight, bias = (self.weights[part] for part in _affine(name))
        product = ops.matmul(hidden, _constant(weight * np.float32(scale)), False, True)
        return ops.add(product, _constant(bias * np.float32(scale)))

    def _layer_norm(self, hidden: Any, name: str) -> Any:
        scale, shift = (self.weights[part] for part in _affine(name))
        centred = ops.mvn(hidden, _ints([-1]), True, self.architecture.layer_norm_epsilon, "inside_sqrt")
        return ops.add(ops.multiply(centred, _constant(scale)), _constant(shift))

    def _pooled(self, hidden: Any) -> Any:
        weights = ops.unsqueeze(self.mask, _ints(-1))
        # The mean's divisor would cancel out in the normalisation.
        return _unit(ops.reduce_sum(ops.multiply(hidden, weights), _ints(1), False))


def _unit(vectors: Any) -> Any:
    return ops.normalize_l2(vectors, _ints([-1]), 1e-24, "max")


def _constant(values: NDArray[np.float32] | np.float32) -> Any:
    return ops.constant(values, Type.f32)


def _ints(values: int | list[int]) -> Any:
    return ops.constant(values, Type.i64)
