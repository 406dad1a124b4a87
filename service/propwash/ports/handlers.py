"""The host of the plugins, as the engine and the API see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from propwash.core.events import Deletion
from propwash.core.model import (
    Claim,
    ExecutionUid,
    Fault,
    Link,
    Observation,
    RemoteName,
    Traits,
)
from propwash.ports.records import TaskRequest
from propwash.sdk.connections import CallLimits
from propwash.sdk.handler import Job, ListedJob, LogPage, ResultPage


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFault:
    """What is wrong with one field: its path, such as spec.query or inputs.limit, and what was expected."""

    path: str
    message: str


class Refused(Exception):
    """A request that no remote system needs to see: unknown task type, bad spec, unknown connection.

    reason is a stable UPPER_SNAKE_CASE word.
    """

    def __init__(self, reason: str, message: str, *, faults: Sequence[FieldFault] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What a handler says of a valid request."""

    connection: str
    """The connection's name, the default filled in."""
    traits: Traits
    claims: tuple[Claim, ...] = ()
    """What the operator has executions on the connection take; its pools must be there."""
    default_claims: tuple[Claim, ...] = ()
    """What the handler says that such a job takes; holds where there is such a pool."""
    hint: bytes = b""
    """What the handler needs to find or delete the job before its meta is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What the host needs to create one attempt's job."""

    name: RemoteName
    owner: str
    uid: ExecutionUid
    attempt: int
    request: TaskRequest
    connection: str
    run_deadline_s: float | None = None
    hint: bytes = b""
    """The admission's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerInfo:
    """One task type, as the API shows it."""

    task_type: str
    plugin: str
    distribution: str
    description: str
    is_serving: bool
    message: str = ""
    spec_schema: Mapping[str, object] = field(default_factory=dict)
    has_logs: bool = False
    has_results: bool = False


class Handlers(Protocol):
    """The host: calls plugins behind a deadline and turns all that they do into values. Raises nothing but as said."""

    def catalogue(self) -> Sequence[HandlerInfo]:
        """Every task type, and every broken plugin, by task type."""

    def admit(self, request: TaskRequest, *, project: str, domain: str) -> Admission:
        """Validate against the spec, and choose the connection for an execution of this project and domain, without
        input or output; raises Refused.
        """

    def connections(self) -> Sequence[tuple[str, str]]:
        """Every (task_type of one handler, connection) that a sweep has to ask."""

    def batch_size(self, task_type: str) -> int:
        """The most metas that one get takes."""

    def is_batched(self, task_type: str) -> bool:
        """Whether one get is one call, or a few; otherwise it is one for each meta."""

    def limits(self, task_type: str, connection: str) -> CallLimits:
        """How fast the connection may be called for this task type, as far as the operator or the handler says."""

    def endpoint(self, task_type: str, connection: str) -> str:
        """Where the connection is called, without credentials; empty for the system's public endpoint."""

    def handler_key(self, task_type: str) -> str:
        """The same for all task types that one handler object serves: what can be observed in one batch."""

    def links(self, request: TaskRequest, *, connection: str, name: RemoteName) -> Sequence[Link]:
        """Links known from the start; empty where the handler fails."""

    async def validate(self, job: JobRequest) -> None | Fault:
        """A dry run at the remote system."""

    async def create(self, job: JobRequest) -> Job | Fault:
        """Submit."""

    async def get(
        self, task_type: str, connection: str, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | None | Fault]:
        """Observe; None says that the remote system knows no such job. Every meta is a key."""

    async def find(
        self, task_type: str, connection: str, name: RemoteName, hint: bytes
    ) -> Job | None | Fault:
        """Look up."""

    async def delete(
        self, task_type: str, connection: str, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion | Fault:
        """End, and say what is known."""

    async def list(self, task_type: str, connection: str, owner: str) -> Sequence[ListedJob] | Fault:
        """Live jobs of ours, for the sweep."""

    async def logs(self, task_type: str, connection: str, meta: bytes, cursor: str) -> LogPage | None | Fault:
        """Log lines; None where the handler offers none."""

    async def results(
        self, task_type: str, connection: str, meta: bytes, cursor: str, limit: int
    ) -> ResultPage | None | Fault:
        """Result rows; None where the handler offers none."""
