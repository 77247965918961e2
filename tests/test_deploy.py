"""The container files, checked without an engine: schema, references, hardening."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("ruamel.yaml", reason="ruamel.yaml comes with check-jsonschema, a development requirement")

ROOT = Path(__file__).resolve().parent.parent
PARTS = {"gateway": "gateway", "embedder": "services.embedder", "reranker": "services.reranker", "memory": "services.memory"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loader = yaml.YAML(typ="safe")
    loaded = loader.load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return json.loads(json.dumps(loaded))


def test_the_compose_file_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_reference_of_the_compose_file_resolves(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        assert set(service.get("networks", [])) <= set(compose["networks"]), name
        volumes = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert volumes <= set(compose["volumes"]), name


def test_every_container_is_hardened(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service["user"].startswith("0"), name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
        assert "runtime" not in service, name
        assert re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*", service["image"]), f"{name} must pin a tag"


def test_ports_are_published_on_loopback_only_and_only_the_gateways(compose: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in compose["services"].items()}
    assert {name for name, published in ports.items() if published} == {"gateway"}
    assert all(port.startswith("127.0.0.1:") for port in ports["gateway"])


def test_no_secret_is_written_into_the_compose_file(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable in service.get("environment", {}):
            assert not re.search(r"KEY|TOKEN|PASSWORD|SECRET", variable), f"{name}: {variable}"


def test_every_variable_of_the_compose_file_is_a_setting(compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.settings import GatewaySettings
    from services.embedder.settings import EmbedderSettings
    from services.memory.settings import MemorySettings
    from services.reranker.settings import RerankerSettings

    classes = {"gateway": GatewaySettings, "embedder": EmbedderSettings, "reranker": RerankerSettings, "memory": MemorySettings}
    for name, settings in classes.items():
        for variable, value in compose["services"][name]["environment"].items():
            monkeypatch.setenv(variable, str(value))
        settings.load()


def test_every_part_is_started_as_its_own_module(compose: dict[str, Any]) -> None:
    for name, module in PARTS.items():
        assert compose["services"][name]["command"] == [module]
        assert (ROOT / Path(*module.split(".")) / "__main__.py").exists()


def test_the_image_runs_as_somebody_else_than_root_and_installs_by_hash() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001", text, re.MULTILINE)
    assert text.count("--require-hashes") == 3
    assert all(re.search(r":\d+\.\d+", line) for line in text.splitlines() if line.startswith("FROM python"))
