"""What the client gives and takes: frozen values with Python fields, named as in propwash.v1."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from propwash.client.values import Value

_NO_TIME = dt.timedelta()


class Phase(enum.StrEnum):
    """The coarse status; propwash.v1.Phase documents each. UNSPECIFIED is one of a newer server."""

    UNSPECIFIED = "UNSPECIFIED"
    QUEUED = "QUEUED"
    WAITING_FOR_RESOURCES = "WAITING_FOR_RESOURCES"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    CLEANING_UP = "CLEANING_UP"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_terminal(self) -> bool:
        """Whether it never changes any more."""
        return self in _TERMINAL


_TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.TIMED_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How an execution is retried and how long it may take; zero means the server's default."""

    max_attempts: int = 0
    wait_timeout: dt.timedelta = _NO_TIME
    run_timeout: dt.timedelta = _NO_TIME
    total_timeout: dt.timedelta = _NO_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link to the remote system's console or logs."""

    title: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailure:
    """How an attempt ended that another followed."""

    attempt: int
    reason: str
    message: str
    time: dt.datetime | None


def new_request_id() -> str:
    """A fresh idempotency key."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExecution:
    """What to create. The request id makes a repetition safe: keep the object and send it again."""

    task_type: str
    spec: Mapping[str, Value]
    inputs: Mapping[str, Value] = field(default_factory=dict)
    execution_id: str = ""
    connection: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    policy: Policy = Policy()
    priority: int = 0
    request_id: str = field(default_factory=new_request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One requested unit of work, as the server last told. Instants are UTC."""

    name: str
    uid: str
    task_type: str
    spec: Mapping[str, Value]
    inputs: Mapping[str, Value]
    connection: str
    labels: Mapping[str, str]
    policy: Policy
    phase: Phase
    attempt: int
    message: str
    reason: str
    links: tuple[Link, ...]
    outputs: Mapping[str, Value]
    remote_name: str
    failures: tuple[AttemptFailure, ...]
    create_time: dt.datetime | None
    update_time: dt.datetime | None
    end_time: dt.datetime | None
    observe_time: dt.datetime | None
    etag: str
    priority: int = 0

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]


class ChangeKind(enum.StrEnum):
    """What an item of a watch is; only SNAPSHOT and CHANGE carry an execution."""

    UNSPECIFIED = "UNSPECIFIED"
    SNAPSHOT = "SNAPSHOT"
    """As it is now."""
    SYNCED = "SYNCED"
    """The snapshot is complete; changes follow."""
    CHANGE = "CHANGE"
    """As it was after one change."""
    RESET = "RESET"
    """The changes since the token are gone: forget what you have, a fresh snapshot follows."""
    BOOKMARK = "BOOKMARK"
    """Nothing changed for a while; the token moved on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One item of a watch. resume_token is empty inside a snapshot."""

    kind: ChangeKind
    execution: Execution | None
    resume_token: str
    commit_time: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a remote job's log; cursor goes on after the batch of lines that it came with."""

    text: str
    time: dt.datetime | None
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a result; type is the remote system's own name."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage:
    """Rows of a result, one value a column. total_rows is -1 where the system does not say."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    next_page_token: str
    total_rows: int


class HandlerState(enum.StrEnum):
    """Whether a handler serves."""

    UNSPECIFIED = "UNSPECIFIED"
    SERVING = "SERVING"
    BROKEN = "BROKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """What serves a task type. spec_schema is JSON text, and empty in a list."""

    name: str
    task_type: str
    plugin: str
    distribution: str
    description: str
    state: HandlerState
    message: str
    spec_schema: str
    has_logs: bool
    has_results: bool
