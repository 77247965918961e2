"""The clients that users call with: grpcurl and ghz, installed by the test where go is there; else buf curl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, System

GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"
GHZ = "github.com/bojand/ghz/cmd/ghz@v0.121.0"
GATEWAY = "atlas.gateway.v1.GatewayService"


def go_tool(package: str, folder: Path) -> Path | None:
    """Installs a Go program into a folder; None where go is missing or the module proxy cannot be reached."""
    go = shutil.which("go")
    if go is None:
        return None
    done = subprocess.run([go, "install", package], env={**os.environ, "GOBIN": str(folder)}, capture_output=True, text=True, timeout=170)
    program = folder / package.split("@")[0].rsplit("/", 1)[1]
    return program if done.returncode == 0 and program.exists() else None


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools")


def call(command: list[str | Path]) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_grpcurl_lists_describes_and_searches_with_only_a_text(system: System, tools: Path) -> None:
    grpcurl = go_tool(GRPCURL, tools)
    if grpcurl is None:
        pytest.skip("grpcurl could not be installed (go is missing, or its module proxy): buf curl takes its place")
    assert GATEWAY in call([grpcurl, "-plaintext", system.server, "list"]).split()
    described = call([grpcurl, "-plaintext", system.server, "describe", f"{GATEWAY}.Search"])
    assert "atlas.gateway.v1.SearchRequest" in described
    remembered = json.loads(
        call(
            [
                grpcurl,
                "-plaintext",
                "-d",
                '{"memories":[{"text":"The espresso machine is descaled with citric acid every Friday."}]}',
                system.server,
                f"{GATEWAY}/Remember",
            ]
        )
    )
    answer = json.loads(
        call(
            [grpcurl, "-plaintext", "-d", '{"query":{"text":"how do I descale the espresso machine?"}}', system.server, f"{GATEWAY}/Search"]
        )
    )
    assert remembered["memories"][0]["memoryIds"][0] in {hit["memory"]["memoryId"] for hit in answer["hits"]}
    for offset in (1, 2, 3):
        assert "grpc.health.v1.Health" in call([grpcurl, "-plaintext", system.address(offset), "list"]).split()


def test_buf_curl_searches_with_only_a_text(system: System) -> None:
    system.json("remember", "The router is reset with a paper clip.")
    buf = Path(sys.executable).parent / "buf"
    url = f"http://{system.server}/{GATEWAY}/Search"
    answer = json.loads(
        call(
            [
                buf,
                "curl",
                "--protocol",
                "grpc",
                "--http2-prior-knowledge",
                "-d",
                '{"query":{"text":"how do I descale the espresso machine?"}}',
                url,
            ]
        )
    )
    assert answer["hits"]


def test_ghz_loads_the_gateway_without_an_error(system: System, tools: Path) -> None:
    ghz = go_tool(GHZ, tools)
    if ghz is None:
        pytest.skip("ghz could not be installed (go is missing, or its module proxy)")
    system.json("remember", "A load test asks the same thing many times.")
    report = json.loads(
        call([ghz, "--config", ROOT / "bench/ghz/gateway.json", "--total", "40", "--concurrency", "4", "--format", "json", system.server])
    )
    assert report["count"] == 40
    assert report["statusCodeDistribution"] == {"OK": 40}
