"""Settings: what they read, refuse and document."""

from __future__ import annotations

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from atlas.errors import StartupError
from atlas.settings import AtlasSettings, ModelServerSettings, Profile, ServerSettings
from atlas.settings_page import MARKDOWN_HEAD, env_example, markdown_rows


class PartSettings(ModelServerSettings):
    model_config = SettingsConfigDict(env_prefix="ATLAS_PART_")

    port: int = Field(50059, ge=0, le=65535)
    """TCP port; 0 takes a free one."""
    half_life_days: float = Field(30.0, gt=0, le=3650)
    """Time after which
    a thing counts half | or so."""
    api_key: SecretStr | None = Field(None, min_length=8)
    """Key of the store."""


def test_a_default_runs_on_a_laptop_and_is_seen_by_nobody_else() -> None:
    settings = PartSettings.load()
    assert (settings.host, settings.port, settings.metrics_port, settings.insecure) == ("127.0.0.1", 50059, -1, False)
    assert settings.loopback


def test_variables_carry_the_prefix_of_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_PART_HALF_LIFE_DAYS", "7")
    assert PartSettings.load().half_life_days == 7
    assert PartSettings.env_name("half_life_days") == "ATLAS_PART_HALF_LIFE_DAYS"


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_PART_PORT", "")
    assert PartSettings.load().port == 50059


def test_a_shared_variable_holds_for_all_parts_and_the_parts_own_one_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_LOG_LEVEL", "debug")
    monkeypatch.setenv("ATLAS_PROFILE", "cpu")
    assert (PartSettings.load().log_level, PartSettings.load().profile) == ("debug", Profile.CPU)
    monkeypatch.setenv("ATLAS_PART_LOG_LEVEL", "error")
    assert PartSettings.load().log_level == "error"


def test_no_other_field_can_come_from_a_variable_without_the_parts_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_PORT", "1")
    monkeypatch.setenv("PORT", "2")
    assert PartSettings.load().port == 50059


def test_an_unknown_variable_of_the_part_stops_the_start_and_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_PART_PROT", "1")
    with pytest.raises(StartupError, match=r"ATLAS_PART_PROT is no setting; did you mean ATLAS_PART_PORT\?"):
        PartSettings.load()
    with pytest.raises(StartupError):
        PartSettings()


def test_variables_of_other_parts_are_their_own_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_OTHER_THING", "1")
    PartSettings.load()


def test_a_value_out_of_bounds_names_variable_value_and_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_PART_PORT", "70000")
    monkeypatch.setenv("ATLAS_LOG_FORMAT", "xml")
    with pytest.raises(StartupError) as caught:
        PartSettings.load()
    assert "ATLAS_PART_PORT is '70000': Input should be less than or equal to 65535" in str(caught.value)
    assert "ATLAS_LOG_FORMAT is 'xml': Input should be 'text' or 'json'" in str(caught.value)


def test_a_bad_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_PART_API_KEY", "hunter2")
    with pytest.raises(StartupError, match="ATLAS_PART_API_KEY: ") as caught:
        PartSettings.load()
    assert "hunter2" not in str(caught.value)


def test_a_default_deadline_above_the_longest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_PART_DEFAULT_DEADLINE_MS", "5000")
    monkeypatch.setenv("ATLAS_PART_MAX_DEADLINE_MS", "4000")
    with pytest.raises(StartupError, match="ATLAS_PART_DEFAULT_DEADLINE_MS is 5000; at most ATLAS_PART_MAX_DEADLINE_MS = 4000"):
        PartSettings.load()


def test_settings_are_frozen_and_take_no_unknown_argument() -> None:
    with pytest.raises(ValidationError):
        PartSettings(port=0).port = 1
    with pytest.raises(ValidationError):
        PartSettings(prot=1)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.org", False),
    ],
)
def test_only_addresses_of_this_machine_count_as_loopback(host: str, loopback: bool) -> None:
    assert PartSettings(host=host).loopback is loopback


@pytest.mark.parametrize("settings", [ServerSettings, ModelServerSettings])
def test_every_field_has_a_meaning_and_every_number_both_bounds(settings: type[AtlasSettings]) -> None:
    for name, field in settings.model_fields.items():
        assert field.description, name
        if field.annotation in (int, float):
            bounds = {key for constraint in field.metadata for key in ("ge", "gt", "le", "lt") if hasattr(constraint, key)}
            assert len(bounds) == 2, name


def test_the_page_shows_variable_default_unit_range_and_meaning() -> None:
    rows = markdown_rows(PartSettings)
    assert len(rows) == len(PartSettings.model_fields)
    assert "| `ATLAS_PART_PORT` | `50059` | TCP port, 0 to 65535 | TCP port; 0 takes a free one. |" in rows
    assert "| `ATLAS_PART_HALF_LIFE_DAYS` | `30.0` | days, above 0 to 3650 | Time after which a thing counts half \\| or so. |" in rows
    assert "| `ATLAS_PART_API_KEY` | none |  | Key of the store. |" in rows
    assert any(row.startswith("| `ATLAS_PART_PROFILE` | `cpu` | `cpu` |") for row in rows)
    assert {row.replace("\\|", "").count("|") for row in (*rows, *MARKDOWN_HEAD)} == {5}


def test_the_example_file_holds_every_variable_with_its_default() -> None:
    lines = env_example(PartSettings)
    at = lines.index("#ATLAS_PART_INSECURE=false")
    assert lines[at - 1].startswith("# Allows an address that other machines reach")
    assert "#ATLAS_PART_API_KEY=" in lines
