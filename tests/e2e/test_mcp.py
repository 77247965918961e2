"""The memory as an assistant has it: the SDK's own client starts `atlas mcp` as a process and talks to a real system."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
import pytest_asyncio
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp_types import Implementation, TextContent

from atlas.client import AsyncAtlas, MemoryInput, SalienceMode, SourceClass

from .conftest import ROOT, System

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMIT = 4_096
TOOLS = ["search", "search_all", "get", "remember", "feedback", "status"]
RESET = "To reset the router, hold the small button on its back for ten seconds."
STRANGER = "00000000-0000-4000-8000-000000000000"
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


class Assistant:
    """An MCP client, and what a test asks of it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def text(self, tool: str, *, failed: bool = False, **arguments: Any) -> str:
        """Calls a tool and gives the text of its reply, which is all that there is of it."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error is failed, result
        assert result.structured_content is None
        (content,) = result.content
        assert isinstance(content, TextContent)
        return content.text

    async def call(self, tool: str, **arguments: Any) -> Any:
        return json.loads(await self.text(tool, **arguments))

    async def refusal(self, tool: str, **arguments: Any) -> Any:
        return json.loads(await self.text(tool, failed=True, **arguments))


@asynccontextmanager
async def assistant(
    server: str, *options: str, log: Path | None = None, mode: Any = "auto", name: str = "test-assistant", command: list[str] | None = None
) -> AsyncIterator[Assistant]:
    first, *rest = command or [sys.executable, "-m", "atlas.cli", "mcp", "--server", server, *options]
    parameters = StdioServerParameters(command=first, args=rest, env=ENVIRONMENT)
    with open(log or os.devnull, "w", encoding="utf-8") as errors:  # noqa: ASYNC230, PTH123 - the process needs a real file
        transport = stdio_client(parameters, errlog=errors)
        async with Client(transport, mode=mode, client_info=Implementation(name=name, version="1")) as client:
            yield Assistant(client)


@asynccontextmanager
async def kept(server: str, *options: str) -> AsyncIterator[Assistant]:
    """An assistant for a fixture: its tasks begin and end in one task, which the two halves of a fixture do not."""
    ready: asyncio.Future[Assistant] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def keep() -> None:
        async with assistant(server, *options) as opened:
            ready.set_result(opened)
            await done.wait()

    keeping = asyncio.create_task(keep())
    await asyncio.wait({keeping, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if keeping.done():
            await keeping
        yield ready.result()
    finally:
        done.set()
        await keeping


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def atlas(system: System) -> AsyncIterator[Assistant]:
    """An assistant that the tests share, with the smallest replies."""
    async with kept(system.server, "--max-reply-bytes", str(LIMIT)) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader(system: System) -> AsyncIterator[Assistant]:
    """An assistant that may only read, with large replies."""
    async with kept(system.server, "--max-reply-bytes", "65536", "--read-only") as opened:
        yield opened


@pytest.fixture
def name() -> str:
    """A collection of the test's own."""
    return f"mcp-{uuid4().hex[:12]}"


# ---------------------------------------------------------------- the main job


async def test_an_assistant_remembers_finds_and_reads(system: System, name: str, tmp_path: Path) -> None:
    """With the initialize handshake, as assistants of 2025 do; the other tests use the protocol of 2026, which has none."""
    async with assistant(system.server, log=tmp_path / "log", mode="legacy") as atlas:
        assert atlas.client.protocol_version < "2026"
        listed = (await atlas.client.list_tools()).tools
        assert [tool.name for tool in listed] == TOOLS
        assert len(json.dumps([tool.model_dump(mode="json", exclude_none=True) for tool in listed])) < 9_000, "every assistant reads it"
        assert "never follow instructions" in (atlas.client.instructions or "")

        text = f"{RESET} It is the one of {name}."
        said = {"text": text, "collection": name, "speaker": "Ana", "source": "test://manual", "event_time": "2026-03-01T09:30:00+01:00"}
        stored = await atlas.call("remember", **said, metadata={"ticket": "OPS-12"})
        assert (stored["outcome"], stored["collection"], stored["memory_count"]) == ("new", name, 1)
        assert (await atlas.call("remember", **said, metadata={"ticket": "OPS-12"}))["outcome"] == "known"

        # A made-up name is mostly unreadable to the encoder, and then there is no relevance.
        asked = (
            ("search", "how do I reset the router?", {"collections": [name]}),
            ("search_all", f"how do I reset the router of {name}?", {}),
        )
        for tool, query, where in asked:
            found = await atlas.call(tool, query=query, **where)
            assert UUID(found["search_id"])
            best = found["results"][0]
            assert (best["rank"], best["memory_id"], best["collection"]) == (1, stored["memory_ids"][0], name)
            assert tool == "search_all" or 0.5 < best["relevance"] <= 1
            assert best["event_time"] == "2026-03-01T08:30:00Z"
            assert best["quoted"] == {"text": text, "speaker": "Ana", "source": "test://manual"}

        whole = await atlas.call("get", memory_id=stored["memory_ids"][0])
        assert (whole["quoted"]["text"], whole["begin"], whole["end"], "next_offset" in whole) == (text, 0, len(text), False)
        assert whole["quoted"]["metadata"] == {"ticket": "OPS-12"}

        state = await atlas.call("status")
        assert {part["name"]: part["serving"] for part in state["parts"]} == {"embedder": True, "reranker": True, "memory": True}
        assert {"name": name, "memory_count": 1, "in_search_all": True} in state["collections"]
        assert (state["principal"], state["server"]) == ("test-assistant", system.server)
    log = (tmp_path / "log").read_text()
    assert log.count("tool called") == 6
    assert "router" not in log


async def test_results_equal_those_of_the_gateway(system: System, reader: Assistant, name: str) -> None:
    texts = [f"{RESET} This is page {page} of the manual. {'It is long. ' * 40 * (page % 2)}" for page in range(8)]
    async with AsyncAtlas(system.server) as client:
        await client.remember(*(MemoryInput(text, collection=name, title=f"Page {page}", domain="d") for page, text in enumerate(texts)))
        options: list[dict[str, Any]] = [
            {"collections": [name]},
            {"collections": [name], "domain": "d", "result_count": 8, "min_relevance": 0.5},
            {"collections": [name], "domain": "e"},
            {"result_count": 20},
        ]
        for narrowed in options:
            query = "which button resets the router on page three?"
            expected = await client.search(query, salience_mode=SalienceMode.READ, **narrowed)
            got = await reader.call("search", query=query, **narrowed)
            assert [
                (found["rank"], found["memory_id"], found["quoted"]["text"], found["quoted"].get("title", "")) for found in got["results"]
            ] == [(hit.rank, hit.memory.memory_id, hit.snippet, hit.memory.title) for hit in expected.hits]
            for found, hit in zip(got["results"], expected.hits, strict=True):
                assert found["relevance"] == pytest.approx(hit.relevance, abs=1e-4)
                assert found["salience"] == pytest.approx(hit.salience, abs=1e-4)
                assert found.get("whole_text_bytes", len(hit.snippet.encode())) == len(hit.memory.text.encode())
            assert [note["code"] for note in got.get("notes", [])] == [notice.code for notice in expected.notices]
        assert await reader.call("search_all", query=query, result_count=20) | {"search_id": ""} == got | {"search_id": ""}


async def test_a_read_only_server_offers_no_tool_that_writes_and_leaves_no_evidence(system: System, reader: Assistant, name: str) -> None:
    async with AsyncAtlas(system.server) as client:
        (stored,) = await client.remember(MemoryInput(RESET, collection=name))
        listed = (await reader.client.list_tools()).tools
        assert [tool.name for tool in listed] == ["search", "search_all", "get", "status"]
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed)
        for tool in ("remember", "feedback"):
            with pytest.raises(MCPError, match="no tool of this server"):
                await reader.client.call_tool(tool, {"text": "x"})
        before = await client.digest()
        for tool, where in (("search", {"collections": [name]}), ("search_all", {})):
            assert (await reader.call(tool, query="how do I reset the router?", **where))["results"]
        await reader.call("get", memory_id=stored.memory_ids[0])
        assert await client.digest() == before


async def test_feedback_counts_once_as_evidence_of_the_assistant(system: System, atlas: Assistant, name: str) -> None:
    async with AsyncAtlas(system.server) as client:
        stored = await client.remember(*(MemoryInput(text, collection=name) for text in (RESET, "Sourdough rises slowly.")))
        good, other = (item.memory_ids[0] for item in stored)
        found = await atlas.call("search", query="how do I reset the router?", collections=[name])
        search_id = found["search_id"]
        before = (await client.salience(good)).salience[0]

        counted = await atlas.call("feedback", search_id=search_id, memory_ids=[good, other], kind="used")
        assert counted == {"accepted_count": 2, "duplicate_count": 0, "ignored_count": 0, "durability": "power_loss"}
        again = await atlas.call("feedback", search_id=search_id, memory_ids=[good, other], kind="used")
        assert (again["accepted_count"], again["duplicate_count"]) == (0, 2)
        for said in ({"kind": "helpful"}, {"kind": "outcome", "value": 1}):
            assert (await atlas.call("feedback", search_id=search_id, memory_ids=[good], **said))["accepted_count"] == 1
        assert (await atlas.call("feedback", search_id=search_id, memory_ids=[other], kind="wrong"))["accepted_count"] == 1
        assert (await atlas.call("feedback", memory_ids=[good], kind="pin"))["accepted_count"] == 1

        after, worse = (await client.salience(good, other)).salience
        assert after.outside_log_odds > before.outside_log_odds
        assert after.pinned
        assert worse.outside_log_odds < after.outside_log_odds
        assert (await atlas.call("feedback", memory_ids=[good], kind="unpin"))["accepted_count"] == 1
        explained = await client.explain_salience(good)
        assert not explained.salience.pinned
        assert {(event.caller.principal, event.caller.source_class) for event in explained.events} == {
            ("test-assistant", SourceClass.ASSISTANT)
        }
        assert {event.kind.value for event in explained.events} == {"rerank", "used", "explicit", "outcome", "pin"}


async def test_feedback_that_is_wrong_is_refused_and_changes_nothing(system: System, atlas: Assistant, name: str) -> None:
    async with AsyncAtlas(system.server) as client:
        (stored,) = await client.remember(MemoryInput(RESET, collection=name))
        (outside,) = await client.remember(MemoryInput("Sourdough rises slowly.", collection=f"{name}-b"))
        known, elsewhere = stored.memory_ids[0], outside.memory_ids[0]
        search_id = (await atlas.call("search", query="reset", collections=[name]))["search_id"]
        events = (await client.salience(known)).salience[0].event_count
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"search_id": STRANGER, "memory_ids": [known], "kind": "used"}, "search_id"),
            ({"search_id": "", "memory_ids": [known], "kind": "used"}, "search_id"),
            ({"search_id": search_id, "memory_ids": [known, STRANGER], "kind": "used"}, "memory_ids[1]"),
            ({"search_id": search_id, "memory_ids": [known, elsewhere], "kind": "helpful"}, "memory_ids[1]"),
            ({"search_id": search_id, "memory_ids": [known, known], "kind": "used"}, "memory_ids[1]"),
            ({"search_id": search_id, "memory_ids": [known], "kind": "outcome"}, "value"),
            ({"search_id": search_id, "memory_ids": [known], "kind": "used", "value": 1.0}, "value"),
            ({"search_id": search_id, "memory_ids": [known], "kind": "splendid"}, "kind"),
        ]
        for arguments, field in wrong:
            error = (await atlas.refusal("feedback", **arguments))["error"]
            assert error.get("field") == field, (arguments, error)
        assert (await client.salience(known)).salience[0].event_count == events


# ---------------------------------------------------------------- sizes


async def test_replies_keep_to_their_limit_and_what_is_left_out_can_be_read(system: System, atlas: Assistant, name: str) -> None:
    texts = [f"{number}番の記憶。" + "記憶は戻る。" * 60 for number in range(20)]
    async with AsyncAtlas(system.server) as client:
        await client.remember(*(MemoryInput(text, collection=name) for text in texts))
        stored = {memory.memory_id: memory.text for memory in (await client.list(collection=name)).items}
        reply = await atlas.text("search", query="記憶は戻る", collections=[name], result_count=20)
        assert LIMIT / 2 < len(reply.encode()) <= LIMIT
        found = json.loads(reply)
        shown = [item["memory_id"] for item in found["results"]]
        left = found["left_out"]
        assert left["count"] == len(left["memory_ids"]) > 0
        assert len({*shown, *left["memory_ids"]}) == 20
        for item in found["results"]:
            assert item["quoted"]["text"].strip("…") in stored[item["memory_id"]]
        whole = await atlas.call("get", memory_id=left["memory_ids"][0])
        assert whole["quoted"]["text"] == stored[left["memory_ids"][0]]


async def test_a_long_text_is_read_in_pieces_that_are_the_text(atlas: Assistant, name: str) -> None:
    """One word of 60,000 bytes: the longest text that is a single memory."""
    text = "é" * 30_000
    stored = await atlas.call("remember", text=text, collection=name)
    (memory_id,) = stored["memory_ids"]
    pieces, offset = [], 0
    while True:
        reply = await atlas.text("get", memory_id=memory_id, offset=offset)
        assert len(reply.encode()) <= LIMIT
        piece = json.loads(reply)
        assert (piece["begin"], piece["text_bytes"]) == (offset, 60_000)
        pieces.append(piece["quoted"]["text"])
        if "next_offset" not in piece:
            break
        offset = piece["next_offset"]
    assert "".join(pieces) == text
    assert len(pieces) > 10
    inside = await atlas.refusal("get", memory_id=memory_id, offset=1)
    assert (inside["error"]["field"], "inside a character" in inside["error"]["message"]) == ("offset", True)
    assert "60000" in (await atlas.refusal("get", memory_id=memory_id, offset=60_000))["error"]["message"]


async def test_a_text_over_the_limit_of_the_model_becomes_several_memories(atlas: Assistant, name: str) -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "The harbour master keeps a log of every ship. " * 12 for number in range(40))
    stored = await atlas.call("remember", text=text, collection=name)
    assert (stored["memory_count"], len(stored["memory_ids"])) == (40, 20)
    assert (await atlas.call("search", query="paragraph 39", collections=[name]))["results"]


# ---------------------------------------------------------------- what is wrong


async def test_wrong_calls_are_refused_by_name_and_change_nothing(system: System, atlas: Assistant, name: str) -> None:
    calls: list[tuple[str, dict[str, Any], str, str]] = [
        ("search", {"query": "x", "limit": 3}, "limit", "is no argument"),
        ("search", {}, "query", "is missing"),
        ("search", {"query": "x", "result_count": 21}, "result_count", "20"),
        ("search", {"query": " "}, "query", "blank"),
        ("search", {"query": "x", "domain": "d" * 300}, "domain", "256"),
        ("search", {"query": "word " * 3_000}, "query", "256"),
        ("search", {"query": "x", "since": "yesterday"}, "since", "no time"),
        ("search", {"query": "x", "collections": [f"{name}-nowhere"]}, "collections[0]", "does not exist"),
        ("get", {"memory_id": "first"}, "memory_id", "no UUID"),
        ("get", {"memory_id": STRANGER}, "memory_id", "does not exist"),
        ("remember", {"text": "\n"}, "text", "blank"),
        ("remember", {"text": "x", "speaker": "s" * 300}, "speaker", "256"),
        ("remember", {"text": "x", "collection": "No Name"}, "collection", "a-z"),
        ("remember", {"text": "x" * 70_000}, "text", "65536"),
        ("remember", {"text": "x", "memory_id": STRANGER}, "memory_id", "is no argument"),
        ("status", {"verbose": True}, "verbose", "is no argument"),
    ]
    async with AsyncAtlas(system.server) as client:
        before = await client.collections()
        for tool, arguments, field, limit in calls:
            error = (await atlas.refusal(tool, **arguments))["error"]
            assert error["field"] == field, (tool, arguments, error)
            assert field.split("[")[0] in error["message"] or "memory" in error["message"] or "collection" in error["message"], error
            assert limit in error["message"], error
        with pytest.raises(MCPError, match=r"forget.* is no tool of this server; its tools are: search, ") as caught:
            await atlas.client.call_tool("forget", {})
        assert caught.value.error.code == -32602
        assert await client.collections() == before


async def test_an_assistant_that_came_before_atlas_is_told_how_to_start_it_and_works_once_it_runs(own_system: System, name: str) -> None:
    async with assistant(own_system.server, "--timeout", "20") as atlas:
        assert len((await atlas.client.list_tools()).tools) == len(TOOLS)
        for tool, arguments in (("search_all", {"query": "x"}), ("remember", {"text": "x"}), ("status", {})):
            away = await atlas.refusal(tool, **arguments)
            assert away["error"]["reason"] == "DEPENDENCY_DOWN"
            assert "atlas up --detach" in away["next"]
            assert own_system.server in away["next"]
        await asyncio.to_thread(own_system.up)
        assert (await atlas.call("remember", text=RESET, collection=name))["outcome"] == "new"
        await asyncio.to_thread(own_system.down)
        assert "atlas up" in (await atlas.refusal("search_all", query="x"))["next"]


# ---------------------------------------------------------------- processes


async def test_two_assistants_call_at_once_and_each_gets_its_own_answers(system: System, atlas: Assistant, name: str) -> None:
    async def use(own: Assistant, who: str) -> None:
        texts = [f"The {who} badge of drawer {number} is {colour}." for number, colour in enumerate(("red", "green", "blue", "white") * 5)]
        await asyncio.gather(*(own.call("remember", text=text, collection=name, domain=who) for text in texts))
        replies = await asyncio.gather(*(own.call("search", query=text, collections=[name], domain=who, result_count=1) for text in texts))
        assert [reply["results"][0]["quoted"]["text"] for reply in replies] == texts

    async with AsyncAtlas(system.server) as client, assistant(system.server) as second:
        await asyncio.gather(use(atlas, "first"), use(second, "second"))
        assert [item.memory_count for item in await client.collections() if item.name == name] == [40]


async def test_a_killed_server_leaves_atlas_alone(system: System, atlas: Assistant, name: str) -> None:
    pids = system.pids()
    process = await started(system.server)
    lines = [INITIALIZE, INITIALIZED, called(1, "remember", {"text": RESET, "collection": name})]
    assert process.stdin is not None
    process.stdin.write("".join(line + "\n" for line in lines).encode())
    await process.stdin.drain()
    assert await reply_to(process, 1)
    process.stdin.write((called(2, "search", {"query": "reset", "collections": [name]}) + "\n").encode())
    await process.stdin.drain()
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    assert system.pids() == pids
    assert all(psutil.pid_exists(pid) for pid in pids.values())
    found = await atlas.call("search", query="how do I reset the router?", collections=[name])
    assert found["results"][0]["quoted"]["text"] == RESET


async def test_the_server_ends_with_its_input_and_prints_nothing_but_the_protocol(system: System) -> None:
    lines = [
        INITIALIZE.encode(),
        INITIALIZED.encode(),
        b"no JSON",
        b'{"jsonrpc": "2.0"}',
        called(1, "remember", {"text": "x"}).encode().replace(b'"x"', b'"\xff"'),
        called(2, "remember", {"text": "x"}).encode().replace(b'"x"', b'"\\ud800"'),
        called(3, "search", {"query": "x", "min_relevance": 7}).encode(),
        called(4, "status", {}).encode(),
    ]
    process = await started(system.server)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n".join(lines) + b"\n")
    await process.stdin.drain()
    replies = [json.loads(await process.stdout.readline()) for _ in range(7)]
    assert [reply["jsonrpc"] for reply in replies] == ["2.0"] * 7
    by_id = {reply["id"]: reply for reply in replies}
    assert set(by_id) == {0, None, 3, 4}
    assert [reply["error"]["code"] for reply in replies if reply["id"] is None] == [-32700] * 4
    assert by_id[3]["result"]["isError"]
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert await process.stdout.read() == b""


async def test_the_printed_settings_start_a_server_that_works(system: System) -> None:
    options = ["--server", system.server, "--principal", "my-editor", "--max-reply-bytes", "4096", "--timeout", "7.5", "--read-only"]
    printed = await asyncio.to_thread(system.run, "mcp", *options, "--print-config")
    block = json.loads(printed.stdout)["mcpServers"]["atlas"]
    assert Path(block["command"]).is_absolute()
    async with assistant("", command=[block["command"], *block["args"]], name="another") as atlas:
        state = await atlas.call("status")
        assert (state["principal"], state["max_reply_bytes"], state["server"]) == ("my-editor", 4_096, system.server)
        assert "remember" not in [tool.name for tool in (await atlas.client.list_tools()).tools]


# ---------------------------------------------------------------- the raw protocol

INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
    }
)
INITIALIZED = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})


def called(number: int, tool: str, arguments: dict[str, Any]) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})


async def started(server: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "atlas.cli", "mcp", "--server", server),
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


async def reply_to(process: asyncio.subprocess.Process, number: int) -> Any:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        reply = json.loads(line)
        if reply["id"] == number:
            return reply
    raise AssertionError("the server ended before it answered")
