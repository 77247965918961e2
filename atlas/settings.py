"""Settings of a part: typed, bounded, read once from the environment."""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from .errors import StartupError
from .logs import LogFormat, LogLevel

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Default limit of one gRPC message, in both directions and on both sides."""

_SHARED_PREFIX = "ATLAS_"


class Profile(StrEnum):
    """Which models and devices the parts use."""

    CPU = "cpu"
    """All-MiniLM-L6-v2 on OpenVINO; needs no GPU."""


class AtlasSettings(BaseSettings):
    """Settings that are frozen and refuse variables they do not know.

    A subclass sets `env_prefix`, such as `ATLAS_EMBEDDER_`, and gives every field a bound and a
    docstring under it.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, env_ignore_empty=True)

    shared: ClassVar[frozenset[str]] = frozenset()
    """Fields that may also come from `ATLAS_<FIELD>`, for all parts at once."""

    @classmethod
    def load(cls) -> Self:
        """Reads the environment.

        Raises:
            StartupError: A variable is unknown, or its value is not allowed; says which and why.
        """
        try:
            return cls()
        except ValidationError as error:
            raise StartupError(_complaint(cls, error)) from error

    @classmethod
    def env_name(cls, field: str) -> str:
        """Returns the environment variable of a field."""
        return f"{cls.model_config['env_prefix']}{field}".upper()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the signature is pydantic's)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the same)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Reads arguments, then the part's own variables, then those shared by all parts."""
        return init_settings, env_settings, _SharedVariables(settings_cls, cls.shared)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_variables(cls, values: Any) -> Any:
        known = {cls.env_name(field) for field in cls.model_fields}
        prefix = cls.env_name("")
        for name in sorted(os.environ):
            if name.upper().startswith(prefix) and name.upper() not in known:
                raise StartupError(f"{name} is no setting{_suggestion(name, known)}")
        return values


class ServerSettings(AtlasSettings):
    """What every server needs; a part adds its own prefix, fields and default port."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_SERVER_")

    shared: ClassVar[frozenset[str]] = frozenset({"log_level", "log_format"})

    host: str = Field("127.0.0.1", min_length=1, max_length=253)
    """Address to listen on. Anything but a loopback address needs `insecure`."""
    port: int = Field(0, ge=0, le=65535)
    """TCP port of the RPCs; 0 takes a free one."""
    metrics_port: int = Field(-1, ge=-1, le=65535)
    """TCP port of the Prometheus metrics on the same host; 0 takes a free one, -1 means none."""
    insecure: bool = False
    """Allows an address that other machines reach, without encryption or credentials."""
    max_message_bytes: int = Field(MAX_MESSAGE_BYTES, ge=64 * 1024, le=1024**3)
    """Largest message that is received or sent; gRPC itself refuses larger ones."""
    max_concurrent_rpcs: int = Field(1024, ge=1, le=100_000, json_schema_extra={"unit": "calls"})
    """Calls served at the same time; more are refused at once. A last bound behind the queues."""
    default_deadline_ms: int = Field(10_000, ge=1, le=3_600_000)
    """Deadline of a call whose caller sets none."""
    max_deadline_ms: int = Field(60_000, ge=1, le=3_600_000)
    """Longest deadline of a call with one request; a later one is cut to this."""
    max_stream_ms: int = Field(86_400_000, ge=1, le=604_800_000)
    """Longest time that a stream of requests may stay open."""
    lame_duck_ms: int = Field(500, ge=0, le=60_000)
    """Time between reporting NOT_SERVING and closing the port, for clients to look elsewhere."""
    drain_grace_ms: int = Field(65_000, ge=0, le=3_600_000)
    """Longest wait for running calls at the end; what still runs then is cancelled. Above `max_deadline_ms`, no call is."""
    log_level: LogLevel = "info"
    """Least severe level that is logged."""
    log_format: LogFormat = "text"
    """`text` for people, `json` for collectors."""

    @model_validator(mode="after")
    def _check_deadlines(self) -> Self:
        if self.default_deadline_ms > self.max_deadline_ms:
            default, longest = self.env_name("default_deadline_ms"), self.env_name("max_deadline_ms")
            raise ValueError(f"{default} is {self.default_deadline_ms}; at most {longest} = {self.max_deadline_ms} is allowed")
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a host name may point anywhere
            return False


class ModelServerSettings(ServerSettings):
    """Settings of a part that runs a model."""

    shared: ClassVar[frozenset[str]] = ServerSettings.shared | {"profile"}

    profile: Profile = Profile.CPU
    """Which models and devices are used."""


class _SharedVariables(EnvSettingsSource):
    """Reads `ATLAS_<FIELD>` for the few fields that all parts share."""

    def __init__(self, settings_cls: type[BaseSettings], fields: frozenset[str]) -> None:
        super().__init__(settings_cls, env_prefix=_SHARED_PREFIX)
        self._fields = fields

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__call__().items() if name in self._fields}


def _suggestion(name: str, known: set[str]) -> str:
    nearest = difflib.get_close_matches(name.upper(), known, n=1)
    if nearest:
        return f"; did you mean {nearest[0]}?"
    return f"; known are {', '.join(sorted(known))}"


def _complaint(cls: type[AtlasSettings], error: ValidationError) -> str:
    return "; ".join(_one_complaint(cls, dict(issue)) for issue in error.errors())


def _one_complaint(cls: type[AtlasSettings], issue: Mapping[str, Any]) -> str:
    if not issue["loc"]:
        return str(issue["msg"])
    field = str(issue["loc"][0])
    name = cls.env_name(field)
    if field in cls.shared and name not in os.environ:
        name = f"{_SHARED_PREFIX}{field}".upper()
    secret = "Secret" in str(cls.model_fields[field].annotation) if field in cls.model_fields else True
    value = "" if secret else f" is {issue['input']!r}"
    return f"{name}{value}: {issue['msg']}"
