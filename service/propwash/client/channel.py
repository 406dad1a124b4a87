"""How the server is reached: TLS, the bearer token, and the channel's own settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc

_SETTINGS: list[tuple[str, int]] = [
    # Ours is the one place that repeats a call; it knows the deadline and the server's own delay.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Two clients in one process are two connections, so that closing one breaks no stream of the other.
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files. Without ca_file the system's authorities are trusted; the other two are for mutual TLS."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")


def open_channel(target: str, tls: Tls | None) -> grpc.aio.Channel:
    """A channel that connects at its first call. Raises OSError for a file that cannot be read."""
    if tls is None:
        return grpc.aio.insecure_channel(target, options=_SETTINGS)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(tls.ca_file),
        private_key=_read(tls.key_file),
        certificate_chain=_read(tls.certificate_file),
    )
    return grpc.aio.secure_channel(target, credentials, options=_SETTINGS)


def is_local(target: str) -> bool:
    """Whether the target is this machine, where a token may travel without TLS."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host = target.rpartition(":")[0].strip("[]")
    return host in {"localhost", "::1"} or host.startswith("127.")


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
