"""Records and small words for the tests of the stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from propwash.core.model import (
    Claim,
    Done,
    Execution,
    ExecutionUid,
    Link,
    Observation,
    Outcome,
    OutcomeKind,
    Plan,
    Queued,
    RemotePhase,
    Running,
    State,
)
from propwash.ports import (
    ChangePage,
    Committed,
    ExecutionName,
    Group,
    Insert,
    Record,
    Scope,
    Store,
    StoredChange,
    TaskRequest,
    Update,
)

AT = 1_000_000.0
QUEUED = Queued(not_before=AT)
RUNNING = Running(
    granted_at=AT,
    meta=b"meta",
    observation=Observation(
        phase=RemotePhase.RUNNING, links=(Link(title="console", uri="https://console.example/1"),)
    ),
    observed_at=AT,
    poll_at=AT + 1,
    settled_at=AT + 60,
)


def done(kind: OutcomeKind = OutcomeKind.SUCCEEDED, *, ended_at: float = AT + 100, reason: str = "") -> Done:
    """A terminal state."""
    return Done(outcome=Outcome(kind=kind, reason=reason), ended_at=ended_at)


def record(
    number: int,
    *,
    project: str = "p",
    domain: str = "d",
    request_id: str = "",
    state: State = QUEUED,
    labels: Mapping[str, str] | None = None,
    task_type: str = "query",
    connection: str = "main",
    attempt: int = 1,
) -> Record:
    """The execution e{number}, created number seconds after AT."""
    plan = Plan(
        task_type=task_type,
        connection=connection,
        project=project,
        domain=domain,
        claims=(Claim(pool="slots", units=2),),
    )
    return Record(
        name=ExecutionName(project, domain, f"e{number}"),
        request=TaskRequest(
            task_type=task_type,
            spec={"query": "select 1", "limit": 3},
            inputs={"day": "monday"},
            labels=labels or {},
            request_id=request_id,
            digest=b"digest",
        ),
        execution=Execution(
            uid=ExecutionUid(f"{number:026d}"),
            plan=plan,
            state=state,
            attempt=attempt,
            created_at=AT + number,
            updated_at=AT + number,
        ),
        version=1,
    )


def update(
    before: Record, state: State, *, version: int = 1, is_public: bool = True, updated_at: float = AT
) -> Update:
    """Put an execution into another state."""
    execution = replace(before.execution, state=state, updated_at=updated_at)
    return Update(
        uid=before.execution.uid, expected_version=version, execution=execution, is_public=is_public
    )


async def put(store: Store, *records: Record, at: float = AT) -> Sequence[int]:
    """Insert each in a group of its own; their sequence numbers."""
    return await commit(store, *((Insert(record=each),) for each in records), at=at)


async def commit(store: Store, *groups: Group, at: float = AT) -> Sequence[int]:
    """Commit groups that must all be stored; their sequence numbers, one after the other."""
    results = await store.commit(groups, at=at)
    seqs: list[int] = []
    for result in results:
        assert isinstance(result, Committed), result
        seqs += result.seqs
    return seqs


async def listed(store: Store, scope: Scope | None = None) -> list[Record]:
    """Everything, newest first."""
    return list(await store.list(scope or Scope(), where=None, after=None, limit=10_000))


async def gathered(parts: AsyncIterator[Sequence[Record]]) -> list[Record]:
    """All records of the parts."""
    return [each async for part in parts for each in part]


async def changes(store: Store, after: int = 0, *, limit: int = 1000) -> list[StoredChange]:
    """Every change in every scope."""
    found: list[StoredChange] = []
    while True:
        page: ChangePage = await store.read_changes(Scope(), after=after, limit=limit)
        found += page.changes
        if page.last_seq >= await store.last_seq():
            return found
        after = page.last_seq
