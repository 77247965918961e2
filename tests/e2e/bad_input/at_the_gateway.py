"""What the gateway refuses."""

from __future__ import annotations

import base64

from google.protobuf.timestamp_pb2 import Timestamp

from atlas.gateway.v1 import gateway_pb2 as gateway
from atlas.gateway.v1 import ledger_pb2 as ledger
from atlas.type.v1 import salience_pb2, type_pb2

from .ground import COLLECTION, GATEWAY, LEDGER
from .messages import (
    LONG,
    MEGABYTE,
    NAN_METADATA,
    PICTURE,
    STRANGER,
    deletion,
    has,
    listing,
    nested,
    remember,
    report,
    say,
    search,
)
from .refusal import ABORTED, NOT_FOUND, UNIMPLEMENTED, Refusal, refused

TABLE: dict[str, list[Refusal]] = {
    f"{GATEWAY}/Feedback": [
        refused("no feedback", lambda ground: say(ground), "feedback", "0", "400"),
        refused("unknown search", lambda ground: say(ground, "USED", search_id="away"), "search_id", "away", code=NOT_FOUND),
        refused("stranger", lambda ground: say(ground, "USED", memory_id=STRANGER), "feedback[0].memory_id", STRANGER, code=NOT_FOUND),
        refused("out of the pool", lambda ground: say(ground, "USED", memory_id=ground.ids[1]), "feedback[0].memory_id", "{ids[1]}"),
        refused("NaN", lambda ground: say(ground, "OUTCOME", value=float("nan")), "feedback[0].value", "nan"),
        refused("helpful and wrong", lambda ground: say(ground, "HELPFUL", "WRONG"), "feedback[1]", "{ids[0]}"),
        refused("a pin among others", lambda ground: say(ground, "PIN", "USED"), "feedback"),
        refused("long search id", lambda ground: say(ground, "USED", search_id="x" * 129), "search_id", "129", "128"),
    ],
    f"{GATEWAY}/ReportUsage": [
        refused("no answer", lambda ground: report(ground, answer=" "), "answer"),
        refused("answer of 1 MB", lambda ground: report(ground, answer=MEGABYTE), "answer", "1000000", "65536"),
        refused("answer to an unknown search", lambda ground: report(ground, search_id="away"), "search_id", "away", code=NOT_FOUND),
        refused("hit out of the pool", lambda ground: report(ground, memory_ids=[ground.ids[1]]), "memory_ids[0]", "{ids[1]}"),
        refused("hit of no UUID", lambda ground: report(ground, memory_ids=["42"]), "memory_ids[0]", "42"),
    ],
    f"{LEDGER}/GetSalience": [refused("salience of nothing", ledger.GetSalienceRequest(), "memory_ids", "0", "1000")],
    f"{LEDGER}/ExplainSalience": [
        refused("explanation of a stranger", ledger.ExplainSalienceRequest(memory_id=STRANGER), "memory_id", STRANGER, code=NOT_FOUND),
        refused("explanation of no UUID", ledger.ExplainSalienceRequest(memory_id="42"), "memory_id", "42"),
    ],
    f"{LEDGER}/RevokeEvents": [refused("revocation of everything", ledger.RevokeEventsRequest(), "selector")],
    f"{LEDGER}/Erase": [
        refused("erasure of nothing", ledger.EraseRequest(), "selection"),
        refused(
            "erasure of no UUID",
            ledger.EraseRequest(selection=salience_pb2.ErasureSelection(ids={"memory_ids": ["42"]})),
            "selection.ids.memory_ids[0]",
            "42",
        ),
    ],
    f"{GATEWAY}/Search": [
        refused("empty query", search(""), "query.text"),
        refused("blank query", search(" \n\t "), "query.text"),
        refused("no query", b"", "query.text"),
        refused("query of 1 MB", search(MEGABYTE), "query.text", "1000000", "32768"),
        refused("query over the token limit", search(LONG), "query.text", "query.text", "302", "256"),
        refused("picture", search(query=type_pb2.Input(image=PICTURE)), "query.image", "text", code=UNIMPLEMENTED),
        refused("picture with text", search(query=type_pb2.Input(text="harbour", image=PICTURE)), "query.image", code=UNIMPLEMENTED),
        refused("unknown collection", search(collections=["away"]), "collections[0]", "away", code=NOT_FOUND),
        refused("collection without name", search(collections=[COLLECTION, ""]), "collections[1]", code=NOT_FOUND),
        refused("65 collections", search(collections=map(str, range(65))), "collections", "65", "64"),
        refused("long domain", search(domain="x" * 257), "domain", "257", "256"),
        refused("negative candidates", search(candidate_count=-1), "candidate_count", "-1", "200"),
        refused("no candidates", search(candidate_count=0), "candidate_count", "0", "200"),
        refused("201 candidates", search(candidate_count=201), "candidate_count", "201", "200"),
        refused("negative results", search(result_count=-5), "result_count", "-5", "20"),
        refused("more results than candidates", search(candidate_count=3, result_count=4), "result_count", "4", "3"),
        refused("negative min_relevance", search(min_relevance=-0.1), "min_relevance", "-0.1", "0 to 1"),
        refused("min_relevance above 1", search(min_relevance=1.5), "min_relevance", "1.5", "0 to 1"),
        refused("min_relevance NaN", search(min_relevance=float("nan")), "min_relevance", "nan"),
        refused("unknown salience_mode", search(salience_mode=9), "salience_mode", "9"),
        refused("unknown content kind", search(content_kinds=[9]), "content_kinds[0]", "9"),
        refused(
            "span that ends before it begins",
            search(event_time=gateway.TimeRange(begin=Timestamp(seconds=9), end=Timestamp(seconds=8))),
            "event_time.end",
        ),
        refused(
            "time beyond the year 9999", search(event_time=gateway.TimeRange(begin=Timestamp(seconds=10**15))), "event_time.begin", "9999"
        ),
        refused("filter on an unknown field", search(filter=has("colour")), "filter.condition.field", "colour", "metadata.<key>"),
        refused(
            "filter on an unknown field beside a domain", search(filter=has("colour"), domain="here"), "filter.condition.field", "colour"
        ),
        refused("empty filter", search(filter=type_pb2.Filter()), "filter"),
        refused("filter of 9 levels", search(filter=nested(9)), "filter", "8"),
        refused("filter with NaN", search(filter=has("metadata.n", float("nan"))), "filter.condition.equals"),
        refused("filter with a number for a text", search(filter=has("domain", 5)), "filter.condition.equals"),
        refused("long request_id", search(request_id="x" * 129), "request_id", "129", "128"),
    ],
    f"{GATEWAY}/Remember": [
        refused("nothing to remember", remember(), "memories", "0", "100"),
        refused("101 texts", remember(*map(str, range(101))), "memories", "101", "100"),
        refused("blank text", remember("A good text.", " \n"), "memories[1].text"),
        refused("edit of no UUID", remember("x", memory_id="42"), "memories[0].memory_id", "42"),
        refused("edit of nothing", remember("x", memory_id=STRANGER), "memories[0].memory_id", STRANGER, code=NOT_FOUND),
        refused("edit too long for one memory", lambda ground: remember(LONG * 3, memory_id=ground.ids[0]), "memories[0].text"),
        refused("unnameable collection", remember("x", collection="My Notes"), "memories[0].collection", "My Notes"),
        refused("long collection name", remember("x", collection="c" * 65), "memories[0].collection", "65", "64"),
        refused("long source", remember("x", source="s" * 2049), "memories[0].source", "2049", "2048"),
        refused("unknown kind", remember("x", content_kind=9), "memories[0].content_kind", "9"),
        refused("time of no year", remember("x", event_time=Timestamp(seconds=10**15)), "memories[0].event_time"),
        refused("negative nanoseconds", remember("x", event_time=Timestamp(nanos=-1)), "memories[0].event_time"),
        refused("NaN in metadata", remember("x", metadata=NAN_METADATA.metadata), "memories[0].metadata.deep[0]", "nan"),
        refused("metadata of 70 kB", remember("x", metadata={"k": "v" * 70000}), "memories[0].metadata", "65536"),
        refused("unknown durability", remember("x", durability=9), "durability", "9"),
        refused("long request_id of a write", remember("x", request_id="ä" * 65), "request_id", "130", "128"),
        refused(
            "request_id with other content",
            lambda ground: remember("Something else.", request_id=ground.request_id),
            "request_id",
            "{request_id}",
            code=ABORTED,
        ),
        refused(
            "request_id with another, new collection",
            lambda ground: remember("Something else.", collection="bad-unborn", request_id=ground.request_id),
            "request_id",
            "{request_id}",
            code=ABORTED,
        ),
        refused(
            "edit that would move a memory",
            lambda ground: remember("x", memory_id=ground.ids[0], collection="bad-unborn"),
            "memories[0].collection",
            "bad-unborn",
            COLLECTION,
        ),
    ],
    f"{GATEWAY}/GetMemory": [
        refused("no UUID", gateway.GetMemoryRequest(memory_id="nonsense"), "memory_id", "nonsense"),
        refused("no id", b"", "memory_id"),
        refused("unknown id", gateway.GetMemoryRequest(memory_id=STRANGER), "memory_id", STRANGER, code=NOT_FOUND),
    ],
    f"{GATEWAY}/ListMemories": [
        refused("list of an unknown collection", listing(collection="away"), "collection", "away", code=NOT_FOUND),
        refused("negative page", listing(page_size=-1), "page_size", "-1", "1000"),
        refused("page of 1001", listing(page_size=1001), "page_size", "1001", "1000"),
        refused("page token of nobody", listing(page_token="!!"), "page_token"),
        refused("page token of another request", lambda ground: listing(page_token=ground.page_token, filter=has("domain")), "page_token"),
        refused(
            "page token that was tampered with",
            lambda ground: listing(
                page_token=base64.urlsafe_b64encode(b"0" * 12 + base64.urlsafe_b64decode(ground.page_token)[12:]).decode()
            ),
            "page_token",
        ),
        refused("list with an unknown field", listing(filter=has("colour")), "filter.condition.field"),
    ],
    f"{GATEWAY}/ListCollections": [
        refused("negative page of collections", gateway.ListCollectionsRequest(page_size=-1), "page_size", "-1"),
        refused(
            "page token of memories for collections",
            lambda ground: gateway.ListCollectionsRequest(page_token=ground.page_token),
            "page_token",
        ),
    ],
    f"{GATEWAY}/DeleteMemories": [
        refused("delete of nothing said", deletion(), "selection"),
        refused("delete of no ids", deletion(ids={}), "ids.memory_ids", "0", "1000"),
        refused("delete of a bad id", lambda ground: deletion(ids={"memory_ids": [ground.ids[0], "42"]}), "ids.memory_ids[1]", "42"),
        refused("delete of an empty source", deletion(source=""), "source"),
        refused("delete by an empty filter", deletion(filter={}), "filter"),
        refused("delete by an unknown field", deletion(filter=has("colour")), "filter.condition.field"),
        refused("delete in an unknown collection", deletion(collection="away", source="s"), "collection", code=NOT_FOUND),
    ],
    f"{GATEWAY}/DeleteCollection": [
        refused(
            "collection and another one",
            gateway.DeleteCollectionRequest(name=COLLECTION, confirm_name="bad"),
            "confirm_name",
            COLLECTION,
            "bad",
        ),
        refused(
            "unknown collection to delete",
            gateway.DeleteCollectionRequest(name="away", confirm_name="away"),
            "name",
            "away",
            code=NOT_FOUND,
        ),
    ],
}
