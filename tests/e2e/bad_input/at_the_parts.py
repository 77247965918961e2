"""What embedder, reranker and memory refuse."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from atlas.embedder.v1 import embedder_pb2 as embedder
from atlas.memory.v1 import salience_pb2 as salience
from atlas.reranker.v1 import reranker_pb2 as reranker
from atlas.type.v1 import type_pb2

from .ground import COLLECTION, COLLECTIONS, EMBEDDER, MEMORY, RERANKER, SALIENCE, SCOPE
from .messages import (
    LONG,
    MEGABYTE,
    NAN,
    NEGATIVE,
    PICTURE,
    SHORT,
    SHORT_ROWS,
    UNIT,
    created,
    embed,
    events,
    given_tokens,
    query,
    rerank,
    tensor,
    upsert,
    upsert_vector,
    vector,
)
from .refusal import ABORTED, NOT_FOUND, PRECONDITION, UNIMPLEMENTED, Refusal, refused

TABLE: dict[str, list[Refusal]] = {
    f"{EMBEDDER}/Embed": [
        refused("no inputs", embed(), "inputs", "0"),
        refused("blank input", embed("good", "  "), "inputs[1].text"),
        refused("input of 1 MB", embed(MEGABYTE), "inputs[0].text", "1000000"),
        refused("input over the token limit", embed("good", LONG), "inputs[1].text", "302", "256"),
        refused("unspecified input_type", embed("good", input_type=0), "input_type", "QUERY", "PASSAGE"),
        refused("unknown input_type", embed("good", input_type=9), "input_type", "9"),
        refused("unknown truncation", embed("good", truncation=9), "truncation", "9"),
        refused("unknown output", embed("good", outputs=[9]), "outputs[0]", "9"),
        refused("output the model lacks", embed("good", outputs=[embedder.OUTPUT_SPARSE]), "outputs", code=UNIMPLEMENTED),
        refused("negative dimension", embed("good", dimension=-1), "dimension", "-1", "384"),
        refused("dimension too wide", embed("good", dimension=385), "dimension", "385", "384"),
        refused("picture to the embedder", embed(inputs=[type_pb2.Input(image=PICTURE)]), "inputs[0].image", code=UNIMPLEMENTED),
        refused(
            "foreign fingerprint expected",
            embed("good", expected_fingerprint="other/1"),
            "expected_fingerprint",
            "other/1",
            "{fingerprint}",
            code=PRECONDITION,
        ),
    ],
    f"{EMBEDDER}/CountTokens": [
        refused("nothing to count", b"", "texts", "0"),
    ],
    f"{RERANKER}/Rerank": [
        refused("blank question", rerank("text", query=" "), "query.text"),
        refused("empty candidate", rerank("text", ""), "candidates[1].content.text"),
        refused("321 candidates to score", rerank(*["text"] * 321), "candidates", "321"),
        refused("picture to the reranker", reranker.RerankRequest(query=type_pb2.Input(image=PICTURE)), "query.image", code=UNIMPLEMENTED),
        refused("negative token budget", rerank("text", budget=reranker.Budget(max_tokens=-1)), "budget.max_tokens", "-1"),
        refused("negative time budget", rerank("text", budget=reranker.Budget(max_time=Duration(seconds=-1))), "budget.max_time", "-1"),
        refused(
            "tokens that do not fit",
            lambda ground: given_tokens(SHORT_ROWS, ground.token_fingerprint),
            "candidates[0].tokens.data",
            "4",
            "1536",
        ),
        refused("tokens with NaN", lambda ground: given_tokens(tensor([NAN]), ground.token_fingerprint), "candidates[0].tokens"),
        refused("tokens of zeros", lambda ground: given_tokens(tensor([UNIT * 0]), ground.token_fingerprint), "candidates[0].tokens"),
        refused(
            "tokens too narrow",
            lambda ground: given_tokens(tensor([UNIT[:3]]), ground.token_fingerprint),
            "candidates[0].tokens",
            "3",
            "384",
        ),
        refused(
            "tokens of another model",
            given_tokens(tensor([UNIT]), "other/1"),
            "candidates[0].fingerprint",
            "other/1",
            "{token_fingerprint}",
            code=PRECONDITION,
        ),
        refused(
            "fewer vectors than word pieces",
            lambda ground: rerank("text", query="old harbour", query_tokens=tensor([UNIT]), query_fingerprint=ground.token_fingerprint),
            "query_tokens",
            "1",
            "2",
        ),
        refused(
            "question of another model",
            rerank("text", query_tokens=tensor([UNIT]), query_fingerprint="other/1"),
            "query_fingerprint",
            "other/1",
            "{token_fingerprint}",
            code=PRECONDITION,
        ),
    ],
    f"{MEMORY}/UpsertMemories": [
        refused("vector too short", lambda ground: upsert_vector(ground, dense=tensor(UNIT[:3])), "writes[0].vectors[0].dense", "3", "384"),
        refused("vector with NaN", lambda ground: upsert_vector(ground, dense=tensor(NAN)), "writes[0].vectors[0].dense", "NaN"),
        refused("vector of zeros", lambda ground: upsert_vector(ground, dense=tensor(UNIT * 0)), "writes[0].vectors[0].dense", "zero"),
        refused("bytes that do not fit", lambda ground: upsert_vector(ground, dense=SHORT), "writes[0].vectors[0].dense.data", "4", "1536"),
        refused("negative shape", lambda ground: upsert_vector(ground, dense=NEGATIVE), "writes[0].vectors[0].dense.shape", "-1"),
        refused(
            "vector of another model",
            lambda ground: upsert_vector(ground, fingerprint="other/1"),
            "writes[0].vectors[0].fingerprint",
            "other/1",
            "{fingerprint}",
            code=PRECONDITION,
        ),
        refused(
            "vector of an unknown space", lambda ground: upsert_vector(ground, space="moon"), "writes[0].vectors[0].space", "moon", "dense"
        ),
        refused(
            "write into an unknown collection",
            lambda ground: upsert(ground, collection="away"),
            "writes[0].memory.collection",
            code=NOT_FOUND,
        ),
        refused("write of a blank text", lambda ground: upsert(ground, text=" "), "writes[0].memory.text"),
        refused("write of no UUID", lambda ground: upsert(ground, memory_id="42"), "writes[0].memory.memory_id", "42"),
        refused(
            "negative ordinal", lambda ground: upsert(ground, chunk=type_pb2.Chunk(ordinal=-1)), "writes[0].memory.chunk.ordinal", "-1"
        ),
        refused(
            "request_id of a write with other content",
            lambda ground: upsert(ground, request_id=ground.request_id),
            "request_id",
            "{request_id}",
            code=ABORTED,
        ),
    ],
    f"{MEMORY}/QueryMemories": [
        refused(
            "query vector too short",
            lambda ground: query(ground, vectors=[vector(ground, tensor(UNIT[:3]))]),
            "vectors[0].dense",
            "3",
            "384",
        ),
        refused("query vector with NaN", lambda ground: query(ground, vectors=[vector(ground, tensor(NAN))]), "vectors[0].dense"),
        refused("query vector of zeros", lambda ground: query(ground, vectors=[vector(ground, tensor(UNIT * 0))]), "vectors[0].dense"),
        refused(
            "query bytes that do not fit",
            lambda ground: query(ground, vectors=[vector(ground, SHORT)]),
            "vectors[0].dense.data",
            "4",
            "1536",
        ),
        refused(
            "query of another model",
            lambda ground: query(ground, vectors=[vector(ground, fingerprint="other/1")]),
            "vectors[0].fingerprint",
            "other/1",
            "{fingerprint}",
            code=PRECONDITION,
        ),
        refused("neither text nor vector", lambda ground: query(ground, text=" "), "text"),
        refused("query of 1 MB at memory", lambda ground: query(ground, text=MEGABYTE), "text", "1000000", "32768"),
        refused(
            "query of an unknown collection", lambda ground: query(ground, collections=["away"]), "collections[0]", "away", code=NOT_FOUND
        ),
        refused("negative pool", lambda ground: query(ground, candidate_count=-1), "candidate_count", "-1", "200"),
        refused("unknown salience_mode at memory", lambda ground: query(ground, salience_mode=9), "salience_mode", "9"),
        refused("fragmentation above 1", lambda ground: query(ground, query_fragmentation=2), "query_fragmentation", "2"),
    ],
    f"{COLLECTIONS}/CreateCollection": [
        refused("unnameable collection to create", created("Büro"), "collection.name", "Büro", "64"),
        refused("negative dimension to store", created(dimension=-1), "spaces[0].dimension", "-1"),
        refused("no spaces", created(spaces=[]), "spaces"),
        refused("collection with other spaces", created(COLLECTION), "spaces", "other/1", "{fingerprint}", code=ABORTED),
    ],
    f"{SALIENCE}/RecordEvents": [
        refused("evidence without a search", lambda ground: events(ground, search_id=""), "search_id", "128"),
        refused("evidence with NaN in its query", lambda ground: events(ground, query=tensor(NAN)), "query"),
        refused("evidence with a zero query", lambda ground: events(ground, query=tensor(UNIT * 0)), "query"),
        refused("evidence with a query that does not fit", lambda ground: events(ground, query=SHORT), "query.data", "4", "1536"),
        refused(
            "evidence of an unknown kind", lambda ground: events(ground, events=[salience.Event(memory_id=ground.ids[0])]), "events[0].kind"
        ),
        refused("evidence of tomorrow", lambda ground: events(ground, search_time=Timestamp(seconds=2**34)), "search_time", "300"),
        refused("evidence with an unknown durability", lambda ground: events(ground, durability=9), "durability", "9"),
        refused(
            "pool with a negative rank",
            lambda ground: events(ground, pool=[salience.PoolEntry(memory_id=ground.ids[0], rank=-1)]),
            "pool[0].rank",
            "-1",
        ),
        refused(
            "pool with a propensity of NaN",
            lambda ground: events(ground, pool=[salience.PoolEntry(memory_id=ground.ids[0], rank=1, propensity=float("nan"))]),
            "pool[0].propensity",
            "nan",
        ),
        refused(
            "pool of no UUID", lambda ground: events(ground, pool=[salience.PoolEntry(memory_id="42", rank=1)]), "pool[0].memory_id", "42"
        ),
    ],
    f"{SALIENCE}/GetSalience": [
        refused("salience of nothing", salience.GetSalienceRequest(scope=SCOPE), "memory_ids", "0", "1000"),
    ],
}
