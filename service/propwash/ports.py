"""The protocols at which the parts meet: Clock, Store, Handlers, Instrument, and what they exchange.

The engine sees nothing else of the outside; the composition root gives it the concrete classes.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from propwash.core.effects import Effect
from propwash.core.events import Deletion, Event
from propwash.core.model import (
    Claim,
    Execution,
    ExecutionUid,
    Fault,
    Instant,
    Link,
    Observation,
    Phase,
    Policy,
    RemoteName,
    Traits,
)
from propwash.sdk.handler import Job, ListedJob, LogPage, ResultPage, Value


class Clock(Protocol):
    """Time as the engine has it."""

    def now(self) -> Instant:
        """UTC seconds: the wall clock at start, moved on monotonically, so that a wall jump changes nothing."""

    async def sleep_until(self, at: Instant) -> None:
        """Return when now() >= at."""


@dataclass(frozen=True, slots=True, order=True)
class ExecutionName:
    """projects/{project}/domains/{domain}/executions/{execution}."""

    project: str
    domain: str
    execution: str

    def __str__(self) -> str:
        return f"projects/{self.project}/domains/{self.domain}/executions/{self.execution}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """What the user asked for: never changes."""

    task_type: str
    spec: Mapping[str, Value]
    inputs: Mapping[str, Value] = field(default_factory=dict)
    connection: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    digest: bytes = b""
    """Of all that the user gave but the request id; tells a repeat from a conflict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One execution as stored."""

    name: ExecutionName
    request: TaskRequest
    execution: Execution
    version: int
    """Grows by one with every stored change; 1 at creation."""
    seq: int = 0
    """The event sequence number of its last public change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """Store a new execution (with version 1). Duplicate where its name or (parent, request_id) is taken."""

    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Replace the execution where its stored version is expected_version; the version grows by one."""

    uid: ExecutionUid
    expected_version: int
    execution: Execution
    is_public: bool = True
    """Whether a watcher is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bury:
    """Remember an abort of a name that is not there (a tombstone). Duplicate where the name is taken."""

    name: ExecutionName
    message: str
    at: Instant


Change: TypeAlias = Insert | Update | Bury
Group: TypeAlias = "tuple[Change, ...]"
"""Changes that are stored together or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The group is durable. seqs has one number a change, 0 for a change that is not public."""

    seqs: tuple[int, ...]


class DuplicateOf(enum.Enum):
    """What a new execution collides with."""

    NAME = 1
    REQUEST_ID = 2
    TOMBSTONE = 3
    """The name was aborted before it was created. existing is None, message is the abort's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """Nothing of the group is stored: the change at index collides."""

    index: int
    of: DuplicateOf
    existing: Record | None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """Nothing of the group is stored: another writer has been there."""

    index: int


CommitResult: TypeAlias = Committed | Duplicate | Stale


class StoreError(Exception):
    """The store cannot serve; the message is one clear line for the operator."""


class StoreNotWritable(StoreError):
    """The data directory cannot be written to."""


class StoreLocked(StoreError):
    """Another process has the store open."""


class StoreTooNew(StoreError):
    """The schema is newer than this program knows."""


class StoreCorrupt(StoreError):
    """The file is not a store, or is damaged."""


class StoreUnavailable(StoreError):
    """The store cannot take this commit now (full disk, I/O error); nothing of it is stored. May pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which executions a list or a watch is about; None stands for any."""

    project: str | None = None
    domain: str | None = None


class Comparator(enum.Enum):
    """How a comparison compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One field against one value.

    field is one of phase (value Phase), task_type, connection, reason (str), attempt (int), create_time, update_time,
    end_time (Instant), or labels.KEY (str). A label or end time that is not there equals nothing.
    """

    field: str
    comparator: Comparator
    value: str | int | float | Phase


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter


Filter: TypeAlias = Comparison | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a list page ended: newest first, by creation and uid."""

    created_at: Instant
    uid: ExecutionUid


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChange:
    """One public change, in the order of commits."""

    seq: int
    committed_at: Instant
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Changes after a sequence number."""

    changes: tuple[StoredChange, ...]
    last_seq: int
    """Everything up to here was considered, whether or not it is in scope."""


class Compacted(Exception):
    """The changes after the given sequence number are no longer all there: begin with a fresh snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPart:
    """A part of a consistent view; seq is the same in all parts: changes after it are not in the snapshot."""

    seq: int
    records: tuple[Record, ...]


class Store(Protocol):
    """Durable state: one conformance suite, several adapters. Readers are never blocked by the writer."""

    @property
    def owner(self) -> str:
        """The installation's owner id, 8 of [a-z0-9], made once and kept with the data."""

    @property
    def term(self) -> int:
        """Grows with every opening; every write carries it, and a write with an old one is refused as Stale."""

    async def open(self) -> None:
        """Open or create; raises a StoreError with one clear line, and then leaves the data untouched."""

    async def close(self) -> None:
        """Finish what is being written and close; may be called twice."""

    async def commit(self, groups: Sequence[Group], *, at: Instant) -> Sequence[CommitResult]:
        """Store all groups in one transaction, one result a group. Raises StoreUnavailable where nothing was stored."""

    async def get(self, names: Sequence[ExecutionName]) -> Sequence[Record | None]:
        """Read by name."""

    async def get_by_uid(self, uids: Sequence[ExecutionUid]) -> Sequence[Record | None]:
        """Read by uid."""

    async def get_by_request_id(self, *, project: str, domain: str, request_id: str) -> Record | None:
        """Read by idempotency key."""

    async def list(
        self, scope: Scope, *, where: Filter | None, after: Position | None, limit: int
    ) -> Sequence[Record]:
        """Read a page, newest first."""

    def load_active(self) -> AsyncIterator[Sequence[Record]]:
        """Every record that is not terminal, in parts, oldest first."""

    def snapshot(self, scope: Scope, *, names: Sequence[ExecutionName] = ()) -> AsyncIterator[SnapshotPart]:
        """A consistent view; at least one part, even when there are no records."""

    async def read_changes(
        self, scope: Scope, *, after: int, limit: int, names: Sequence[ExecutionName] = ()
    ) -> ChangePage:
        """Public changes after a sequence number; raises Compacted where they are no longer all there."""

    async def last_seq(self) -> int:
        """The newest sequence number."""

    async def purge(self, *, ended_before: Instant, changes_before: Instant, limit: int) -> int:
        """Forget up to limit executions that ended before, and changes committed before; how many were forgotten."""


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
    claims: tuple[Claim, ...]
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

    def admit(self, request: TaskRequest) -> Admission:
        """Validate against the spec, without input or output; raises Refused."""

    def connections(self) -> Sequence[tuple[str, str]]:
        """Every (task_type of one handler, connection) that a sweep has to ask."""

    def batch_size(self, task_type: str) -> int:
        """The most metas that one get takes."""

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


class Instrument(Protocol):
    """The one seam for metrics and logs. Every method returns at once and raises nothing."""

    def stepped(
        self,
        name: ExecutionName,
        before: Execution | None,
        event: Event | None,
        after: Execution,
        effects: Sequence[Effect],
    ) -> None:
        """An execution was created (before and event are None), loaded, or stepped, and the result is durable."""

    def called(self, *, task_type: str, connection: str, method: str, code: str, seconds: float) -> None:
        """A call to a handler ended; code is OK or the fault's kind and reason."""

    def committed(self, *, changes: int, seconds: float) -> None:
        """A group commit ended."""

    def commit_failed(self, message: str) -> None:
        """A group commit failed and will be tried again."""

    def queued(self, *, lane: str, depth: int) -> None:
        """A work queue's depth changed."""

    def dequeued(self, *, lane: str, seconds: float) -> None:
        """Work left its queue after so long."""

    def lagged(self, seconds: float) -> None:
        """How late the loop was at one beat."""

    def pool(self, *, pool: str, capacity: int, occupied: int, waiting: int) -> None:
        """A pool's occupancy changed."""

    def swept(self, *, task_type: str, connection: str, listed: int, orphans: int) -> None:
        """A sweep ended."""

    def forgot(self, name: ExecutionName, after: Execution) -> None:
        """A terminal execution left memory."""

    def trouble(self, component: str, message: str, **fields: str) -> None:
        """Something failed that a person should know of; one line a failure."""


Spawn: TypeAlias = Callable[[Awaitable[None], str], None]
"""Start a named task in the supervised tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An execution that a client asks for."""

    name: ExecutionName
    request: TaskRequest
    policy: Policy


class AlreadyExists(Exception):
    """A draft collides: its name is taken, or its request id was used with another body.

    existing is what is there; differences are the paths of the fields that differ.
    """

    def __init__(self, index: int, of: DuplicateOf, existing: Record, differences: Sequence[str]) -> None:
        super().__init__(
            f"{existing.name} exists and differs in: {', '.join(differences) or 'its name alone'}"
        )
        self.index = index
        self.of = of
        self.existing = existing
        self.differences = tuple(differences)


class NoSuchExecution(Exception):
    """There is no execution of that name."""


class AlreadyEnded(Exception):
    """The execution is terminal and was not ended by an abort."""

    def __init__(self, record: Record) -> None:
        super().__init__(f"{record.name} is {record.execution.phase.name}")
        self.record = record


class NotAccepting(Exception):
    """The engine takes nothing new now: it drains, starts, or its store does not take commits. Safe to repeat."""


class Executions(Protocol):
    """What the engine offers to the API. Every answer is durable before it is given."""

    async def create(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        """Accept all drafts in one commit, or none; a repeat of a request id answers what is there.

        Raises Refused, AlreadyExists or NotAccepting.
        """

    async def validate(self, draft: Draft) -> Record:
        """Check all that create checks, with a dry run at the remote system, and store nothing.

        Raises Refused (also for what the remote system refuses), AlreadyExists or NotAccepting.
        """

    async def abort(self, name: ExecutionName, *, message: str, allow_missing: bool) -> Record | None:
        """Ask for the end; None where the abort was buried for a name that is not there yet.

        Raises NoSuchExecution, AlreadyEnded or NotAccepting. An abort of an aborted execution answers it.
        """

    async def newer_than(self, seq: int) -> int:
        """Return the newest committed sequence number as soon as it is greater than seq."""

    @property
    def is_accepting(self) -> bool:
        """Whether create is taken now."""
