"""The API server's options, each with its default, and what it tells whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from propwash.core.model import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files, read again when they change. With client_ca_file every client must show a certificate."""

    certificate_file: Path
    key_file: Path
    client_ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """Durations are seconds, sizes bytes; 0 switches an age, idle or keepalive limit off."""

    listen: str = "127.0.0.1:50051"
    """host:port; port 0 takes a free one."""
    tls: Tls | None = None
    max_message_bytes: int = 16 * 1024 * 1024
    """Of a request; Flyte sends a task's inputs inline, up to 10 MB by its own default."""
    max_metadata_bytes: int = 16 * 1024
    max_concurrent_rpcs: int = 2000
    """Calls in flight, streams included; above it SERVER_OVERLOADED."""
    max_concurrent_streams: int = 1000
    """HTTP/2 streams on one connection; more wait in the client."""
    max_watch_streams: int = 256
    """WatchExecutions streams; as many of each method that streams logs again. Above it TOO_MANY_STREAMS."""
    default_deadline_s: float = 60.0
    """For a unary call whose client gave none; WaitExecution has its own."""
    max_deadline_s: float = 300.0
    """The longest that a unary call may take, whatever its client allows; WaitExecution has its own."""
    stream_stall_s: float = 120.0
    """How long one message of a stream may wait to be taken before the stream's place is given up."""
    bookmark_s: float = 30.0
    """How long a watch may be silent."""
    log_poll_s: float = 2.0
    """How often a followed log is asked for more."""
    watch_ring: int = 4096
    """How many changes are kept in memory for watchers; older ones are read from the store."""
    min_ping_interval_s: float = 10.0
    """Clients that ping more often are disconnected."""
    keepalive_s: float = 60.0
    """How often an idle connection is pinged by the server."""
    keepalive_timeout_s: float = 20.0
    max_connection_age_s: float = 0.0
    max_connection_age_grace_s: float = 30.0
    max_connection_idle_s: float = 0.0
    flyte_lease_s: float = 86_400.0
    """A task of Flyte's that it has not asked about for so long is ended; 0 never gives one up."""
    flyte_tells_retryable: bool = True
    """Whether the asking Propeller knows the phase RETRYABLE_FAILED; it is told FAILED where not."""
    has_reflection: bool = True
    default_policy: Policy = field(default_factory=Policy)
    """What a client's zero means."""


class ApiInstrument(Protocol):
    """What the API tells for metrics and logs. Every method returns at once and raises nothing."""

    def served(self, *, method: str, code: str, reason: str, seconds: float) -> None:
        """A call ended; code is gRPC's, reason is ErrorInfo's or empty."""

    def streams(self, *, method: str, count: int) -> None:
        """How many streams of a method are open now."""

    def flyte_served(self, *, task_type: str, operation: str, error_code: str, seconds: float) -> None:
        """A call of Flyte's protocol ended; error_code is as Flyte's own connectors count it, empty for success."""

    def flyte_inputs(self, *, task_type: str, size: int) -> None:
        """How many bytes of inputs a task of Flyte's came with."""

    def trouble(self, component: str, message: str, **fields: str) -> None:
        """Something failed that a person should know of."""

    def incident(self, incident: str, *, method: str, error: BaseException) -> None:
        """A call ended as INTERNAL under this id."""


class CannotListen(Exception):
    """The server cannot start; the message is one clear line for the operator."""
