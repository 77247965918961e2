"""The shared runtime on a real server: what every part gets around its calls."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status.rpc_status import from_call
from prometheus_client import CollectorRegistry
from pydantic_settings import SettingsConfigDict

from atlas import deadlines, logs
from atlas.channel import MAX_ATTEMPTS, call, open_channel, open_stream
from atlas.deadlines import Deadline
from atlas.errors import (
    AtlasError,
    DeadlineError,
    DependencyDownError,
    InvalidInputError,
    ModelFaultError,
    OverloadedError,
    StartupError,
)
from atlas.health import check_serving, wait_until_serving
from atlas.reflection import V1_SERVICE_NAME, V1ALPHA_SERVICE_NAME
from atlas.server import Registration, RunningServer, serving
from atlas.settings import ServerSettings

SERVICE = "atlas.test.v1.EchoService"
KINDS = ("Unary", "Replies", "Requests", "Both")
SECRET = "the user's own words"
Detail = TypeVar("Detail")


class EchoSettings(ServerSettings):
    model_config = SettingsConfigDict(env_prefix="ATLAS_ECHO_")


@dataclass
class EchoService:
    """Answers with what the text asks for; each of the four kinds of call does the same."""

    release: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    left: list[str] = field(default_factory=list)
    call_count: int = 0

    async def answer(self, text: str) -> str:
        self.call_count += 1
        match text:
            case "invalid":
                raise InvalidInputError("text is 9; at most 5 is allowed", field="text", text_count=9, max_text_count=5)
            case "overloaded":
                raise OverloadedError("the queue holds 7 texts; 7 are allowed", retry_after_ms=250, text_count=7)
            case "down":
                raise DependencyDownError("the engine is away")
            case "fault":
                raise ModelFaultError("row 3 is NaN", row=3)
            case "bug":
                raise ValueError(SECRET)
            case "remaining":
                return str(deadlines.current().remaining_s)
            case "request id":
                return str(logs.request_id.get())
            case "wait":
                self.entered.set()
                try:
                    await self.release.wait()
                finally:
                    self.left.append(text)
        return text

    async def unary(self, request: StringValue, context: Any) -> StringValue:
        return StringValue(value=await self.answer(request.value))

    async def replies(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        yield StringValue(value=await self.answer(request.value))

    async def requests(self, requests: AsyncIterator[StringValue], context: Any) -> StringValue:
        return StringValue(value="".join([await self.answer(request.value) async for request in requests]))

    async def both(self, requests: AsyncIterator[StringValue], context: Any) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield StringValue(value=await self.answer(request.value))


def add_echo(servicer: EchoService, server: grpc.aio.Server) -> None:
    codec = {"request_deserializer": StringValue.FromString, "response_serializer": StringValue.SerializeToString}
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(servicer.unary, **codec),
        "Replies": grpc.unary_stream_rpc_method_handler(servicer.replies, **codec),
        "Requests": grpc.stream_unary_rpc_method_handler(servicer.requests, **codec),
        "Both": grpc.stream_stream_rpc_method_handler(servicer.both, **codec),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))


async def at_once() -> None:
    """Readiness of a part that needs nothing."""


@dataclass
class Echo:
    """A running server, what serves in it, and a channel to it."""

    server: RunningServer
    service: EchoService
    channel: grpc.aio.Channel
    registry: CollectorRegistry

    def method(self, kind: str = "Unary") -> Any:
        make = {
            "Unary": self.channel.unary_unary,
            "Replies": self.channel.unary_stream,
            "Requests": self.channel.stream_unary,
            "Both": self.channel.stream_stream,
        }[kind]
        return make(f"/{SERVICE}/{kind}", request_serializer=bytes_of, response_deserializer=StringValue.FromString)

    def start(self, kind: str, request: str | bytes, **options: Any) -> Any:
        streaming = kind in ("Requests", "Both")
        return self.method(kind)(iter([request]) if streaming else request, **{"timeout": 10.0, **options})

    async def ask(self, kind: str, request: str | bytes, **options: Any) -> str:
        return await reply_of(self.start(kind, request, **options))


def bytes_of(request: str | bytes) -> bytes:
    return request if isinstance(request, bytes) else StringValue(value=request).SerializeToString()


async def reply_of(started: Any) -> str:
    if hasattr(started, "__aiter__"):
        return "".join([reply.value async for reply in started])
    reply: StringValue = await started
    return reply.value


@asynccontextmanager
async def echo(*, readiness: Callable[[], Awaitable[None]] = at_once, retry: bool = False, **settings: Any) -> AsyncIterator[Echo]:
    service, registry = EchoService(), CollectorRegistry()
    chosen = EchoSettings(**{"lame_duck_ms": 0, "drain_grace_ms": 5000, **settings})
    async with (
        serving(chosen, [Registration(SERVICE, add_echo, service)], readiness=readiness, registry=registry) as server,
        open_channel(server.address, service_names=[SERVICE], retry=retry) as channel,
    ):
        yield Echo(server, service, channel, registry)


async def refusal(awaitable: Awaitable[Any]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaitable
    return caught.value


def detail(error: grpc.aio.AioRpcError, message: Detail) -> Detail:
    status = from_call(error)
    assert status is not None, "the error carries no details"
    assert any(part.Unpack(message) for part in status.details)
    return message


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_call_is_answered(kind: str) -> None:
    async with echo() as running:
        assert await running.ask(kind, "hello") == "hello"


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_of_ours_keeps_its_status_reason_field_and_values(kind: str) -> None:
    async with echo() as running:
        error = await refusal(running.ask(kind, "invalid"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    info = detail(error, ErrorInfo())
    assert (info.domain, info.reason) == ("atlas", "INVALID_INPUT")
    assert dict(info.metadata) == {"text_count": "9", "max_text_count": "5"}
    assert detail(error, BadRequest()).field_violations[0].field == "text"


async def test_overload_says_when_to_come_back() -> None:
    async with echo() as running:
        error = await refusal(running.ask("Unary", "overloaded"))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert detail(error, RetryInfo()).retry_delay.ToMilliseconds() == 250


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unexpected_exception_shows_an_incident_and_never_its_text(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async with echo() as running:
        error = await refusal(running.ask(kind, "bug"))
    assert error.code() is grpc.StatusCode.INTERNAL
    incident_id = detail(error, ErrorInfo()).metadata["incident_id"]
    assert incident_id in (error.details() or "")
    assert SECRET not in str(error)
    record = next(record for record in caplog.records if record.message == "call failed unexpectedly")
    line = logs.JsonFormatter().format(record)
    assert json.loads(line)["incident_id"] == incident_id
    assert "ValueError" in line
    assert SECRET not in line


async def test_a_fault_of_the_model_is_logged_as_our_failure(caplog: pytest.LogCaptureFixture) -> None:
    async with echo() as running:
        error = await refusal(running.ask("Unary", "fault"))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert [record.levelname for record in caplog.records if record.message == "call failed"] == ["ERROR"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\x02\xff\xfe"], ids=["broken wire format", "no UTF-8"])
async def test_a_malformed_message_is_the_callers_fault(kind: str, body: bytes) -> None:
    async with echo() as running:
        error = await refusal(running.ask(kind, body))
        assert running.service.call_count == 0
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail(error, ErrorInfo()).reason == "MALFORMED_MESSAGE"
    assert detail(error, BadRequest()).field_violations[0].field == "request"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["request id", "invalid"])
async def test_the_request_id_comes_back_in_the_trailers(kind: str, text: str) -> None:
    async with echo() as running:
        started = running.start(kind, text, metadata=(("x-request-id", "abc-1"),))
        if text == "invalid":
            await refusal(reply_of(started))
        else:
            assert await reply_of(started) == "abc-1"
        assert dict(await started.trailing_metadata())["x-request-id"] == "abc-1"


@pytest.mark.parametrize("given", [(), (("x-request-id", "two words"),), (("x-request-id", "x" * 129),)])
async def test_a_missing_or_odd_request_id_is_replaced(given: tuple[tuple[str, str], ...]) -> None:
    async with echo() as running:
        assert len(await running.ask("Unary", "request id", metadata=given)) == 32


async def test_a_call_carries_the_id_of_the_request_that_is_served() -> None:
    async with echo() as running:
        token = logs.request_id.set("outer-1")
        reply = await call(running.method(), "request id", deadline=Deadline.after(5))
        logs.request_id.reset(token)
    assert reply.value == "outer-1"


async def test_a_call_without_deadline_gets_the_default() -> None:
    async with echo(default_deadline_ms=2000) as running:
        assert 1.0 < float(await running.ask("Unary", "remaining", timeout=None)) <= 2.0


async def test_a_deadline_is_cut_to_the_longest_that_is_allowed() -> None:
    async with echo(default_deadline_ms=1000, max_deadline_ms=3000) as running:
        assert 2.0 < float(await running.ask("Unary", "remaining", timeout=1000)) <= 3.0
        assert float(await running.ask("Both", "remaining", timeout=2000)) > 1000


@pytest.mark.parametrize("kind", ["Unary", "Replies"])
async def test_the_default_deadline_ends_the_work(kind: str) -> None:
    async with echo(default_deadline_ms=50) as running:
        error = await refusal(running.ask(kind, "wait", timeout=None))
        assert running.service.left == ["wait"]
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert detail(error, ErrorInfo()).metadata["allowed_s"] == "0.05"


@pytest.mark.parametrize("kind", KINDS)
async def test_the_callers_deadline_ends_the_work(kind: str) -> None:
    async with echo() as running:
        error = await refusal(running.ask(kind, "wait", timeout=0.1))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await counted(running, kind, "DEADLINE_EXCEEDED")
        assert running.service.left == ["wait"]


@pytest.mark.parametrize("kind", KINDS)
async def test_work_ends_when_its_caller_leaves(kind: str) -> None:
    async with echo() as running:
        started = running.start(kind, "wait")
        reading = asyncio.ensure_future(reply_of(started))
        await running.service.entered.wait()
        reading.cancel()
        started.cancel()
        await counted(running, kind, "CANCELLED")
        assert running.service.left == ["wait"]
        assert sample(running, "atlas_rpc_in_flight", kind) == 0


async def counted(running: Echo, kind: str, code: str) -> None:
    """Waits until a call was counted: the registry is the only witness of the end of a call that nobody waits for."""
    async with asyncio.timeout(5):
        while sample(running, "atlas_rpc_requests_total", kind, code=code) != 1:  # noqa: ASYNC110
            await asyncio.sleep(0)


def sample(running: Echo, name: str, kind: str, **labels: str) -> float | None:
    return running.registry.get_sample_value(name, {"service": SERVICE, "method": kind, **labels})


async def test_a_server_waits_for_the_calls_of_all_methods_at_once() -> None:
    """A task for each method would be looked at with every call; health and reflection would have four of their own."""
    async with echo():
        waiting = [task.get_coro().__qualname__ for task in asyncio.all_tasks() if "_request" in task.get_coro().__qualname__]
    assert waiting == ["AioServer._request_call"]


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_are_counted_by_code_and_timed(kind: str) -> None:
    async with echo() as running:
        await running.ask(kind, "hello")
        await refusal(running.ask(kind, "invalid"))
        await counted(running, kind, "OK")
        await counted(running, kind, "INVALID_ARGUMENT")
        assert sample(running, "atlas_rpc_duration_seconds_count", kind) == 2
        assert sample(running, "atlas_rpc_in_flight", kind) == 0


async def test_metrics_are_served_over_http_on_a_port_of_their_own() -> None:
    async with echo(metrics_port=0) as running:
        await running.ask("Unary", "hello")
        page = await asyncio.to_thread(fetched, f"http://127.0.0.1:{running.server.metrics_port}/metrics")
    assert f'atlas_rpc_requests_total{{code="OK",method="Unary",service="{SERVICE}"}} 1.0' in page


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return str(reply.read().decode())


async def test_the_access_log_tells_what_happened_and_not_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with echo() as running:
        await running.ask("Unary", SECRET)
        await refusal(running.ask("Unary", "invalid"))
    lines = [record for record in caplog.records if record.name == "atlas.access"]
    assert [(vars(line)["method"], vars(line)["code"], vars(line)["reason"]) for line in lines] == [
        ("Unary", "OK", ""),
        ("Unary", "INVALID_ARGUMENT", "INVALID_INPUT"),
    ]
    assert SECRET not in "".join(logs.JsonFormatter().format(record) for record in caplog.records)


async def test_health_is_not_serving_until_readiness_succeeded() -> None:
    model_loaded = asyncio.Event()

    async def readiness() -> None:
        await model_loaded.wait()

    async with echo(readiness=readiness) as running:
        for name in ("", SERVICE):
            assert not await check_serving(running.channel, name, deadline=Deadline.after(5))
        model_loaded.set()
        await running.server.until_ready()
        for name in ("", SERVICE):
            assert await check_serving(running.channel, name, deadline=Deadline.after(5))


async def test_readiness_is_tried_again_while_something_is_away() -> None:
    outcomes = iter([DependencyDownError("memory is away"), None])

    async def readiness() -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    async with echo(readiness=readiness) as running:
        await wait_until_serving(running.channel, SERVICE, deadline=Deadline.after(10))


async def test_readiness_that_fails_for_good_ends_the_part() -> None:
    async def readiness() -> None:
        raise StartupError("the model file has another sha256")

    async with echo(readiness=readiness) as running:
        with pytest.raises(StartupError, match="another sha256"):
            await running.server.until_ready()
        with pytest.raises(StartupError, match="another sha256"):
            await running.server.until_signal()


async def test_the_whole_server_serves_only_while_each_service_does() -> None:
    async with echo() as running:
        await running.server.until_ready()
        await running.server.set_serving(SERVICE, False)
        assert not await check_serving(running.channel, SERVICE, deadline=Deadline.after(5))
        assert not await check_serving(running.channel, deadline=Deadline.after(5))
        await running.server.set_serving(SERVICE, True)
        assert await check_serving(running.channel, deadline=Deadline.after(5))
        with pytest.raises(KeyError):
            await running.server.set_serving("atlas.test.v1.NoService", True)


async def test_health_lists_every_service() -> None:
    async with echo() as running:
        await running.server.until_ready()
        reply = await HealthStub(running.channel).List(health_pb2.HealthListRequest(), timeout=5)
    assert {name: each.status for name, each in reply.statuses.items()} == {
        "": health_pb2.HealthCheckResponse.SERVING,
        SERVICE: health_pb2.HealthCheckResponse.SERVING,
    }


async def test_health_of_an_unknown_service_is_not_found() -> None:
    async with echo() as running:
        error = await refusal(HealthStub(running.channel).Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=5))
    assert error.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", [V1_SERVICE_NAME, V1ALPHA_SERVICE_NAME])
async def test_reflection_lists_and_describes_the_services(version: str) -> None:
    async with echo() as running:
        names = (await reflected(running, version, list_services="")).list_services_response.service
        assert {service.name for service in names} == {SERVICE, "grpc.health.v1.Health", V1_SERVICE_NAME, V1ALPHA_SERVICE_NAME}
        for name in ("grpc.health.v1.Health", V1_SERVICE_NAME, V1ALPHA_SERVICE_NAME):
            described = await reflected(running, version, file_containing_symbol=name)
            assert described.file_descriptor_response.file_descriptor_proto


async def reflected(running: Echo, version: str, **question: str) -> reflection_pb2.ServerReflectionResponse:
    ask = running.channel.stream_stream(
        f"/{version}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    async for reply in ask(iter([reflection_pb2.ServerReflectionRequest(**question)]), timeout=5):
        return reply
    raise AssertionError("reflection did not answer")


async def test_a_running_call_is_finished_before_the_server_stops() -> None:
    async with echo(drain_grace_ms=60_000) as running:
        reading = asyncio.ensure_future(running.ask("Unary", "wait", timeout=30))
        await running.service.entered.wait()
        stopping = asyncio.ensure_future(running.server.stop())
        await asyncio.sleep(0)
        running.service.release.set()
        assert await reading == "wait"
        async with asyncio.timeout(10):
            await stopping


async def test_an_open_watch_learns_of_the_drain_and_does_not_hold_it_up() -> None:
    async with echo(drain_grace_ms=60_000, lame_duck_ms=50) as running:
        await running.server.until_ready()
        watch = HealthStub(running.channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        async with asyncio.timeout(10):
            stopping = asyncio.ensure_future(running.server.stop())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            await stopping


@pytest.mark.parametrize("kind", ["Requests", "Both"])
async def test_a_drained_stream_answers_what_it_read_and_then_says_unavailable(kind: str) -> None:
    async with echo(drain_grace_ms=60_000) as running:
        stream = running.method(kind)(timeout=30)
        await stream.write("wait")
        await running.service.entered.wait()
        stopping = asyncio.ensure_future(running.server.stop())
        running.service.release.set()
        if kind == "Both":
            assert (await stream.read()).value == "wait"
        async with asyncio.timeout(10):
            await stopping
        assert await stream.code() is grpc.StatusCode.UNAVAILABLE
        assert running.service.left == ["wait"]


async def test_a_stream_that_outlives_the_grace_is_cut() -> None:
    async with echo(drain_grace_ms=50) as running:
        reading = asyncio.ensure_future(refusal(running.ask("Unary", "wait", timeout=30)))
        await running.service.entered.wait()
        await running.server.stop()
        assert (await reading).code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def test_a_second_server_on_a_port_is_refused_and_the_first_unharmed() -> None:
    async with echo() as running:
        with pytest.raises(StartupError, match=rf"127\.0\.0\.1:{running.server.port}.*ATLAS_ECHO_PORT.*in use"):
            async with echo(port=running.server.port):
                pass
        assert await running.ask("Unary", "hello") == "hello"


async def test_a_metrics_port_in_use_is_refused() -> None:
    async with echo(metrics_port=0) as running:
        with pytest.raises(StartupError, match=f"metrics.*127.0.0.1:{running.server.metrics_port}.*in use"):
            async with echo(metrics_port=running.server.metrics_port):
                pass


async def test_an_address_that_others_reach_needs_the_insecure_setting() -> None:
    with pytest.raises(StartupError, match=r"ATLAS_ECHO_HOST is 0\.0\.0\.0.*ATLAS_ECHO_INSECURE=true"):
        async with echo(host="0.0.0.0"):
            pass
    async with echo(host="0.0.0.0", insecure=True) as running:
        assert await running.ask("Unary", "hello") == "hello"


async def test_the_gateways_channels_try_three_times_and_all_others_once() -> None:
    for retry, attempts in ((True, MAX_ATTEMPTS), (False, 1)):
        async with echo(retry=retry) as running:
            with pytest.raises(DependencyDownError, match="the engine is away"):
                await call(running.method(), "down", deadline=Deadline.after(10))
            assert running.service.call_count == attempts


async def test_only_unavailable_is_retried() -> None:
    async with echo(retry=True) as running:
        for text in ("invalid", "overloaded", "fault", "bug"):
            running.service.call_count = 0
            with pytest.raises(AtlasError):
                await call(running.method(), text, deadline=Deadline.after(10))
            assert running.service.call_count == 1


async def test_a_call_raises_the_error_that_the_part_raised() -> None:
    async with echo() as running:
        with pytest.raises(InvalidInputError) as caught:
            await call(running.method(), "invalid", deadline=Deadline.after(5))
        with pytest.raises(OverloadedError) as overloaded:
            await call(running.method(), "overloaded", deadline=Deadline.after(5))
    error = caught.value
    assert (error.message, error.reason, error.field) == ("text is 9; at most 5 is allowed", "INVALID_INPUT", "text")
    assert error.values == {"text_count": "9", "max_text_count": "5"}
    assert overloaded.value.retry_after_ms == 250


async def test_a_stream_raises_the_error_that_the_part_raised() -> None:
    async with echo() as running:
        async with open_stream(running.method("Both"), deadline=Deadline.after(5)) as stream:
            await stream.write("hello")
            assert (await stream.read()).value == "hello"
        with pytest.raises(InvalidInputError):
            await streamed(running, "invalid")


async def streamed(running: Echo, text: str) -> str:
    async with open_stream(running.method("Both"), deadline=Deadline.after(5)) as stream:
        await stream.write(text)
        await stream.done_writing()
        return await reply_of(stream)


async def test_a_part_that_is_away_is_a_dependency_that_is_down() -> None:
    async with echo() as running:
        address = running.server.address
    async with open_channel(address, service_names=[SERVICE]) as channel:
        with pytest.raises(DependencyDownError):
            await check_serving(channel, deadline=Deadline.after(5))
        with pytest.raises(DependencyDownError, match="did not report SERVING"):
            await wait_until_serving(channel, deadline=Deadline.after(0.2))


async def test_a_call_whose_deadline_has_passed_is_not_sent() -> None:
    async with echo() as running:
        with pytest.raises(DeadlineError):
            await call(running.method(), "hello", deadline=Deadline.after(0))
        with pytest.raises(DeadlineError):
            await call(running.method(), "wait", deadline=Deadline.after(0.1))
        assert running.service.call_count == 1


async def test_a_message_above_the_limit_is_refused_as_input_and_the_server_lives_on() -> None:
    async with echo(max_message_bytes=64 * 1024) as running:
        with pytest.raises(InvalidInputError) as caught:
            await call(running.method(), "x" * 100_000, deadline=Deadline.after(5))
        assert caught.value.reason == "MESSAGE_TOO_LARGE"
        assert await running.ask("Unary", "hello") == "hello"


PART = """
import asyncio, os
from atlas.server import run, serving
from atlas.settings import ServerSettings
from pydantic_settings import SettingsConfigDict

class PartSettings(ServerSettings):
    model_config = SettingsConfigDict(env_prefix="ATLAS_PART_")

async def ready():
    pass

async def main():
    async with serving(PartSettings.load(), [], readiness=ready) as server:
        await server.until_ready()
        print(server.address, flush=True)
        await server.until_signal()

run(main, computes=True)
"""


def start_part(**variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **variables, "GRPC_VERBOSITY": "NONE"}
    return subprocess.Popen([sys.executable, "-c", PART], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_process_and_it_exits_with_zero(number: signal.Signals) -> None:
    with start_part() as part:
        assert part.stdout is not None
        address = part.stdout.readline().strip()
        probe = subprocess.run([sys.executable, "-m", "atlas.health", address], check=False)
        assert probe.returncode == 0
        part.send_signal(number)
        assert part.wait(timeout=30) == 0
    gone = subprocess.run([sys.executable, "-m", "atlas.health", address], check=False, stderr=subprocess.DEVNULL)
    assert gone.returncode == 1


def test_a_second_process_on_a_port_says_so_in_one_line_and_fails() -> None:
    with start_part() as first:
        assert first.stdout is not None
        port = first.stdout.readline().strip().rpartition(":")[2]
        with start_part(ATLAS_PART_PORT=port) as second:
            _, complaint = second.communicate(timeout=30)
        first.terminate()
    assert second.returncode == 1
    assert complaint.splitlines()[-1].startswith(f"error: cannot listen on 127.0.0.1:{port} (ATLAS_PART_HOST, ATLAS_PART_PORT)")
    assert first.returncode == 0


def test_an_unknown_variable_stops_the_start() -> None:
    with start_part(ATLAS_PART_PROT="1") as part:
        _, complaint = part.communicate(timeout=30)
    assert part.returncode == 1
    assert complaint == "error: ATLAS_PART_PROT is no setting; did you mean ATLAS_PART_PORT?\n"
