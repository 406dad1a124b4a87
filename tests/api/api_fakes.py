"""Stand-ins for the engine and the store that behave as the ports say, in memory."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from propwash.core.model import (
    Done,
    Execution,
    ExecutionUid,
    Instant,
    Link,
    Observation,
    Outcome,
    OutcomeKind,
    Phase,
    Plan,
    Queued,
    RemotePhase,
    Running,
    State,
)
from propwash.ports import (
    AlreadyEnded,
    AlreadyExists,
    ChangePage,
    CommitResult,
    Compacted,
    Draft,
    DuplicateOf,
    ExecutionName,
    Filter,
    Group,
    NoSuchExecution,
    NotAccepting,
    Position,
    Record,
    Scope,
    SnapshotPart,
    StoredChange,
    StoredPool,
    Wait,
)
from tests.api.api_fake_filters import holds
from tests.api.api_fake_host import NOW, FakeHandlers
from tests.api.api_hints import FakeHints


class FakeStore:
    """Rows and changes in lists; reads counts the calls that watchers and waiters cause."""

    def __init__(self) -> None:
        self.rows: dict[ExecutionName, Record] = {}
        self.changes: list[StoredChange] = []
        self.compacted_to = 0
        self.failure: Exception | None = None
        self.reads = 0
        self.read = asyncio.Event()
        self.owner = "owner123"
        self.term = 1

    def put(self, record: Record, *, at: Instant) -> Record:
        """Store a row and tell the change."""
        seq = len(self.changes) + 1
        stored = replace(record, seq=seq)
        self.rows[record.name] = stored
        self.changes.append(StoredChange(seq=seq, committed_at=at, record=stored))
        return stored

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def commit(self, groups: Sequence[Group], *, at: Instant) -> Sequence[CommitResult]:
        """The API commits nothing."""
        raise AssertionError("the API must not commit")

    async def get(self, names: Sequence[ExecutionName]) -> Sequence[Record | None]:
        """Read by name."""
        self._check()
        self.reads += 1
        self.read.set()
        return [self.rows.get(name) for name in names]

    async def get_by_uid(self, uids: Sequence[ExecutionUid]) -> Sequence[Record | None]:
        """Read by uid."""
        by_uid = {row.execution.uid: row for row in self.rows.values()}
        return [by_uid.get(uid) for uid in uids]

    async def get_by_request_id(self, *, project: str, domain: str, request_id: str) -> Record | None:
        """Read by idempotency key."""
        for row in self.rows.values():
            if (row.name.project, row.name.domain, row.request.request_id) == (project, domain, request_id):
                return row
        return None

    async def list(
        self, scope: Scope, *, where: Filter | None, after: Position | None, limit: int
    ) -> Sequence[Record]:
        """Newest first."""
        self._check()
        rows = sorted(self.rows.values(), key=_place, reverse=True)
        bound = (after.created_at, after.uid) if after is not None else None
        kept = (row for row in rows if bound is None or _place(row) < bound)
        fits = (row for row in kept if _is_in(row, scope) and (where is None or holds(where, row)))
        return list(itertools.islice(fits, limit))

    async def load_pools(self) -> Sequence[StoredPool]:
        """Not for the API."""
        return ()

    async def load_active(self) -> AsyncIterator[Sequence[Record]]:
        """Not for the API."""
        yield ()

    async def snapshot(
        self, scope: Scope, *, names: Sequence[ExecutionName] = ()
    ) -> AsyncIterator[SnapshotPart]:
        """Two rows a part."""
        self._check()
        seq = len(self.changes)
        rows = [row for row in self.rows.values() if _is_in(row, scope) and (not names or row.name in names)]
        yield SnapshotPart(seq=seq, records=tuple(rows[:2]))
        for start in range(2, len(rows), 2):
            yield SnapshotPart(seq=seq, records=tuple(rows[start : start + 2]))

    async def read_changes(
        self, scope: Scope, *, after: int, limit: int, names: Sequence[ExecutionName] = ()
    ) -> ChangePage:
        """Changes after a number."""
        self._check()
        self.reads += 1
        if after < self.compacted_to:
            raise Compacted
        considered = self.changes[after : after + limit]
        fits = (one for one in considered if _is_in(one.record, scope))
        kept = tuple(one for one in fits if not names or one.record.name in names)
        return ChangePage(changes=kept, last_seq=after + len(considered))

    async def last_seq(self) -> int:
        """The newest number."""
        self._check()
        return len(self.changes)

    async def purge(self, *, ended_before: Instant, changes_before: Instant, limit: int) -> int:
        """Not for the API."""
        return 0


def _place(row: Record) -> tuple[float, str]:
    return row.execution.created_at, row.execution.uid


def _is_in(row: Record, scope: Scope) -> bool:
    return scope.project in (None, row.name.project) and scope.domain in (None, row.name.domain)


@dataclass
class FakeExecutions(FakeHints):
    """Commits straight into the fake store."""

    store: FakeStore
    handlers: FakeHandlers
    is_accepting: bool = True
    crash: Exception | None = None
    waiting: dict[ExecutionName, Wait] = field(default_factory=dict)
    _uids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        """All or none."""
        self._check()
        made = [await self._judge(index, draft) for index, draft in enumerate(drafts)]
        return [self._commit(record) if record.version == 0 else record for record in made]

    async def validate(self, draft: Draft) -> Record:
        """Checks only."""
        self._check()
        return await self._judge(0, draft)

    async def abort(self, name: ExecutionName, *, message: str, allow_missing: bool) -> Record | None:
        """Ends at once."""
        self._check()
        record = self.store.rows.get(name)
        if record is None:
            if allow_missing:
                return None
            raise NoSuchExecution(f"there is no {name}")
        phase = record.execution.phase
        if phase.is_terminal:
            if phase is Phase.ABORTED:
                return record
            raise AlreadyEnded(record)
        return self.end(name, OutcomeKind.ABORTED, message=message)

    def waits(self, record: Record) -> Wait | None:
        """What the test says."""
        return self.waiting.get(record.name)

    async def newer_than(self, seq: int) -> int:
        """Wait for a commit."""
        while len(self.store.changes) <= seq:
            self._moved.clear()
            await self._moved.wait()
        return len(self.store.changes)

    def move(self, name: ExecutionName, state: State) -> Record:
        """Commit another state."""
        row = self.store.rows[name]
        execution = replace(row.execution, state=state, updated_at=row.execution.updated_at + 1)
        return self._commit(replace(row, execution=execution))

    def run(self, name: ExecutionName, message: str = "") -> Record:
        """Commit that the job runs."""
        seen = Observation(
            phase=RemotePhase.RUNNING, message=message, links=(Link(title="job", uri="http://j"),)
        )
        state = Running(
            granted_at=NOW, meta=b"meta", observation=seen, observed_at=NOW, poll_at=NOW, settled_at=NOW
        )
        return self.move(name, state)

    def end(self, name: ExecutionName, kind: OutcomeKind, message: str = "") -> Record:
        """Commit the end."""
        outcome = Outcome(kind=kind, message=message, outputs={"rows": 3})
        return self.move(name, Done(outcome=outcome, ended_at=NOW + 5))

    def _check(self) -> None:
        if self.crash is not None:
            raise self.crash
        if not self.is_accepting:
            raise NotAccepting("the engine drains")

    async def _judge(self, index: int, draft: Draft) -> Record:
        admission = self.handlers.admit(draft.request, project=draft.name.project, domain=draft.name.domain)
        name, request = draft.name, draft.request
        if request.request_id:
            known = await self.store.get_by_request_id(
                project=name.project, domain=name.domain, request_id=request.request_id
            )
            if known is not None:
                if known.request.digest == request.digest:
                    return known
                raise AlreadyExists(index, DuplicateOf.REQUEST_ID, known, ["spec.query"])
        if name in self.store.rows:
            raise AlreadyExists(index, DuplicateOf.NAME, self.store.rows[name], [])
        number = next(self._uids)
        plan = Plan(
            task_type=request.task_type,
            connection=admission.connection,
            project=name.project,
            domain=name.domain,
            policy=draft.policy,
            priority=draft.priority,
        )
        execution = Execution(
            uid=ExecutionUid(f"{number:026d}"),
            plan=plan,
            state=Queued(not_before=NOW),
            attempt=1,
            created_at=NOW + number,
            updated_at=NOW + number,
        )
        return Record(name=name, request=request, execution=execution, version=0)

    def _commit(self, record: Record) -> Record:
        stored = self.store.put(replace(record, version=record.version + 1), at=NOW)
        self._moved.set()
        return stored
