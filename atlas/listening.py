"""Where and how a server listens: the port, who may reach it, and gRPC's own limits."""

from __future__ import annotations

import socket

import grpc.aio

from .errors import StartupError
from .settings import ServerSettings

_CONNECTION_AGE_MS = 30 * 60 * 1000


def check_exposure(settings: ServerSettings) -> None:
    """Refuses to listen unprotected where other machines reach the port.

    Raises:
        StartupError: The host is no loopback address and `insecure` is not set.
    """
    if settings.loopback or settings.insecure:
        return
    host, insecure = settings.env_name("host"), settings.env_name("insecure")
    raise StartupError(
        f"{host} is {settings.host}, which other machines may reach, and calls are neither encrypted nor authenticated; "
        f"listen on 127.0.0.1, or set {insecure}=true where the network itself is trusted"
    )


def bind(server: grpc.aio.Server, settings: ServerSettings) -> int:
    """Binds the port of the settings and returns it.

    Raises:
        StartupError: The port is taken, or the host is not one of this machine.
    """
    try:
        return server.add_insecure_port(authority(settings.host, settings.port))
    except RuntimeError as error:
        raise StartupError(
            f"cannot listen on {authority(settings.host, settings.port)} ({settings.env_name('host')}, {settings.env_name('port')}): "
            f"{_problem(settings)}"
        ) from error


def authority(host: str, port: int) -> str:
    """Returns `host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def server_options(settings: ServerSettings) -> list[tuple[str, int]]:
    """Returns the channel arguments of a server."""
    return [
        # With its default, a second copy binds the same port silently and takes half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Without it, one client that opens and resets streams slows down all others.
        ("grpc.max_concurrent_streams", 128),
        ("grpc.server_handshake_timeout_ms", 5_000),
        ("grpc.max_connection_idle_ms", 300_000),
        # Connections are renewed, so that clients find new replicas; streams may finish on the old one.
        ("grpc.max_connection_age_ms", _CONNECTION_AGE_MS),
        ("grpc.max_connection_age_grace_ms", settings.max_stream_ms),
        # Our clients ping every 30 s; the default takes that for an attack.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]


def _problem(settings: ServerSettings) -> str:
    """Returns what the system says about the address; gRPC keeps it to its own log."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return error.strerror or str(error)
    return "gRPC could not bind it"
