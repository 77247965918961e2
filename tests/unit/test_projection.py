"""The second space that one model gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from atlas.deadlines import Deadline
from atlas.encoder import MINILM, Output, Projection
from atlas.lanes import Lane
from services.embedder.backend import Work
from services.embedder.backends.projection import ProjectedBackend, projection_matrix
from tests.fakes.encoder_backend import FakeBackend


async def test_projected_vectors_keep_most_of_their_distances_and_all_of_their_length() -> None:
    inner = FakeBackend()
    projected = ProjectedBackend(inner, Projection(256, 1))
    ids = [encoding.truncated(MINILM.max_tokens) for encoding in await projected.tokenize([f"text number {n} of many" for n in range(40)])]
    work = Work(ids=ids, want_tokens=True, lane=Lane.BULK, deadline=Deadline.after(10.0))
    before, after = await inner.encode(work), await projected.encode(work)
    assert after.dense.shape == (40, 256)
    np.testing.assert_allclose(np.linalg.norm(after.dense, axis=1), 1.0, atol=1e-5)
    # The cosines of 384 dimensions are estimated from 256: off by about 1/sqrt(256) - 1/sqrt(384) at most.
    errors = before.dense @ before.dense.T - after.dense @ after.dense.T
    assert float(np.sqrt(np.mean(errors**2))) < 0.05
    assert all(np.array_equal(one, other) for one, other in zip(before.tokens, after.tokens, strict=True))


def test_a_rotation_of_full_width_changes_no_distance() -> None:
    matrix = projection_matrix(384, Projection(384, 7))
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(384), atol=1e-5)


def test_each_projection_is_a_space_of_its_own_and_leaves_the_token_space_alone() -> None:
    records = [MINILM, *(replace(MINILM, projection=Projection(*of)) for of in ((256, 1), (256, 2), (128, 1)))]
    assert len({record.fingerprint(Output.DENSE) for record in records}) == len(records)
    assert len({record.fingerprint(Output.TOKENS) for record in records}) == 1
    assert records[1].fingerprint(Output.DENSE).startswith("all-MiniLM-L6-v2/dense/256/")
