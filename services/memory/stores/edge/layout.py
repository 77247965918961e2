"""How an index lies on disk: its folder, its vectors, its payload indexes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import qdrant_edge as edge

from atlas.errors import SchemaMismatchError
from atlas.failpoints import failpoint

from ...operations import IndexSpec
from ...persistence.syncing import sync, sync_tree
from ..schema import DENSE, INTEGER_KEYS, KEYWORD_KEYS, LEXICAL, TENANT_KEY, TEXT_KEYS
from .protocol import DenseDatatype

SCAN = "scan"
"""Name of the compact copy of the dense vector that a search reads first; float32 indexes have none."""
SPEC = "spec.json"
"""File with an index's specification."""
_CURRENT = "current.json"
_FIRST_SHARD = "shard"
_NEVER = 1_000_000_000
_SCAN_UP_TO_KB = 10_000
"""Vectors up to this size are scanned also where there is a graph: filters and tenants that select little."""
_SCANNED = {
    "float16": edge.VectorStorageDatatype.Float16,
    "turbo8": edge.VectorStorageDatatype.Turbo8,
}


class Current(msgspec.Struct, frozen=True):
    """Which of an index's shard folders is the one in use; replaced as a whole, so a crash leaves the old or the new."""

    shard: str = _FIRST_SHARD
    """Name of the folder inside the index's own."""
    scan: DenseDatatype = "float32"
    """What the dense branch scans; `float32` = the full vectors themselves."""
    graph_points: int = 0
    """Points that had a graph when it was built; 0 = it has none."""

    @property
    def scanned(self) -> str:
        """Name of the vector that the dense branch scans."""
        return DENSE if self.scan == "float32" else SCAN


def current(home: Path) -> Current:
    """Reads which shard of an index is in use, and what it holds."""
    path = home / _CURRENT
    return msgspec.json.decode(path.read_bytes(), type=Current) if path.exists() else Current()


def make_current(home: Path, value: Current) -> None:
    """Puts another shard of an index in use; from its return on it stays so after a power loss."""
    draft = home / f"{_CURRENT}.draft"
    _write(draft, msgspec.json.encode(value))
    draft.replace(home / _CURRENT)
    sync(home)


def discard_unused(home: Path) -> None:
    """Deletes shard folders that builds left behind; to be called while no build of this index runs."""
    used = current(home).shard
    for folder in home.glob(f"{_FIRST_SHARD}*"):
        if folder.name != used:
            shutil.rmtree(folder)


def create(home: Path, spec: IndexSpec, scan: DenseDatatype, prepare: Callable[[edge.EdgeShard], None]) -> None:
    """Makes an empty index aside and moves it in place, so that a half-made one is never loaded."""
    draft = home.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    shard = edge.EdgeShard.create(str(draft / _FIRST_SHARD), config(spec, scan))
    prepare(shard)
    shard.flush()
    shard.close()
    # Its flush leaves out files that hold nothing yet.
    sync_tree(draft)
    _write(draft / SPEC, msgspec.json.encode(spec))
    make_current(draft, Current(scan=scan))
    failpoint("engine.create.draft")
    draft.rename(home)
    failpoint("engine.create.renamed")
    sync(home.parent)


def check_spec(home: Path, spec: IndexSpec) -> None:
    """Compares an index on disk with the one that is asked for.

    Raises:
        SchemaMismatchError: They differ.
    """
    stored = msgspec.json.decode((home / SPEC).read_bytes(), type=IndexSpec)
    if stored != spec:
        raise SchemaMismatchError(
            f"index {spec.name} holds {stored}, but {spec} is asked for",
            index=spec.name,
            stored=stored,
            wanted=spec,
        )


def payload_indexes() -> dict[str, edge.PayloadSchemaParams]:
    """Returns the payload index of each field that has one."""
    return {
        TENANT_KEY: edge.KeywordIndexParams(is_tenant=True),
        **{key: edge.KeywordIndexParams() for key in KEYWORD_KEYS},
        **{key: edge.IntegerIndexParams(lookup=True, range=True) for key in INTEGER_KEYS},
        **{key: edge.TextIndexParams(tokenizer=edge.TokenizerType.Word, lowercase=True) for key in TEXT_KEYS},
    }


def config(spec: IndexSpec, scan: DenseDatatype, *, graph: bool = False, thorough: bool = False) -> edge.EdgeConfig:
    """Returns the engine's configuration of an index.

    Args:
        spec: The index.
        scan: What the dense branch scans.
        graph: Whether `optimize` builds a graph over what is scanned.
        thorough: Whether `optimize` also clears away a few dead vectors.
    """
    plain, linked = edge.HnswIndexConfig(0, 100, _NEVER, 1), edge.HnswIndexConfig(16, 128, _SCAN_UP_TO_KB, 1, payload_m=16)
    scanned = Current(scan=scan).scanned
    vectors = {
        name: edge.EdgeVectorParams(
            spec.dimension,
            edge.Distance.Cosine,
            datatype=_SCANNED[scan] if name == SCAN else None,
            hnsw_config=linked if graph and name == scanned else plain,
        )
        for name in dict.fromkeys((DENSE, scanned))
    }
    return edge.EdgeConfig(
        vectors=vectors,
        sparse_vectors={LEXICAL: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        optimizers=edge.EdgeOptimizersConfig(
            deleted_threshold=0.01 if thorough else None,
            vacuum_min_vector_number=100 if thorough else None,
            default_segment_number=1,
            indexing_threshold=1 if graph else 0,
        ),
        wal_enabled=True,
        # Searches come one by one, and their vectors are one segment: more threads wait for work in a loop, at the cost of the other parts.
        max_search_threads=1,
    )


def _write(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
