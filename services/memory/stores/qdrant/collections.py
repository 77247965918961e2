"""Physical indexes as collections of a Qdrant server."""

from __future__ import annotations

from typing import Any

import msgspec
from qdrant_client import AsyncQdrantClient, models

from atlas.errors import SchemaMismatchError

from ...operations import IndexSpec
from ..schema import DENSE, INTEGER_KEYS, KEYWORD_KEYS, LEXICAL, TENANT_KEY, TEXT_KEYS


async def ensure_collection(client: AsyncQdrantClient, spec: IndexSpec, datatype: models.Datatype) -> bool:
    """Creates the collection of an index, or checks the one that exists.

    Returns:
        True if it was created now.

    Raises:
        SchemaMismatchError: The collection holds another dimension or fingerprint.
    """
    created = not await client.collection_exists(spec.name)
    if created:
        await _create(client, spec, datatype)
    info = await client.get_collection(spec.name)
    _check(info, spec)
    for key, schema in _payload_indexes().items():
        if key not in info.payload_schema:
            await client.create_payload_index(spec.name, key, schema, wait=True)
    return created


async def _create(client: AsyncQdrantClient, spec: IndexSpec, datatype: models.Datatype) -> None:
    await client.create_collection(
        spec.name,
        vectors_config={DENSE: models.VectorParams(size=spec.dimension, distance=models.Distance.COSINE, datatype=datatype)},
        sparse_vectors_config={LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        # Searches are exact, so a graph would cost its building and never be asked.
        hnsw_config=models.HnswConfigDiff(m=0),
        metadata={"atlas_index": msgspec.to_builtins(spec)},
    )


def _check(info: models.CollectionInfo, spec: IndexSpec) -> None:
    stored: Any = (info.config.metadata or {}).get("atlas_index")
    if stored != msgspec.to_builtins(spec):
        raise SchemaMismatchError(
            f"collection {spec.name} holds {stored}, but {spec} is asked for",
            index=spec.name,
            stored=stored,
            wanted=spec,
        )


def _payload_indexes() -> dict[str, Any]:
    words = models.TextIndexParams(type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD, lowercase=True)
    numbers = models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=True)
    return {
        TENANT_KEY: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
        **dict.fromkeys(KEYWORD_KEYS, models.PayloadSchemaType.KEYWORD),
        **dict.fromkeys(INTEGER_KEYS, numbers),
        **dict.fromkeys(TEXT_KEYS, words),
    }
