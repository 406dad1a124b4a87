"""Lists: order, pages, scopes and filters."""

from __future__ import annotations

import pytest

from propwash.core.model import (
    Cleaning,
    CreateStatus,
    ExecutionUid,
    OutcomeKind,
    Phase,
    Retry,
    State,
    Waiting,
)
from propwash.ports import (
    AllOf,
    AnyOf,
    Comparator,
    Comparison,
    Filter,
    Not,
    Position,
    Scope,
    Store,
)
from tests.conformance.store.store_records import (
    AT,
    RUNNING,
    commit,
    done,
    gathered,
    listed,
    put,
    record,
    update,
)

CLEANING = Cleaning(
    granted_at=AT,
    then=Retry(reason="PREEMPTED", message=""),
    since=AT,
    create=CreateStatus.CONFIRMED,
    meta=b"",
    not_before=AT,
    settled_at=AT,
)


def is_(field: str, value: str | int | float | Phase, comparator: str = "=") -> Comparison:
    return Comparison(field=field, comparator=Comparator(comparator), value=value)


async def numbers(store: Store, where: Filter | None, scope: Scope | None = None) -> list[int]:
    found = await store.list(scope or Scope(), where=where, after=None, limit=100)
    return sorted(int(each.execution.uid) for each in found)


@pytest.fixture
async def filled(store: Store) -> Store:
    """Six executions, every one another."""
    given = [
        record(1, labels={"team": "blue", "odd key": "a'b"}, task_type="query", attempt=1),
        record(2, labels={"team": "red"}, task_type="job", attempt=2),
        record(3, labels={"team": "blue", "": "empty"}, task_type="query", attempt=3, connection="other"),
        record(4, labels={"x'); DROP TABLE executions; --": "1"}, task_type="job"),
        record(5, project="q", labels={"team": "bl%"}),
        record(6, domain="f", labels={"team": ""}),
    ]
    await put(store, *given)
    states: list[State] = [
        RUNNING,
        Waiting(since=AT),
        done(),
        done(OutcomeKind.FAILED, reason="OOM", ended_at=AT + 200),
        CLEANING,
    ]
    await commit(
        store,
        *(
            (update(each, state, updated_at=AT + 10 * index),)
            for index, (each, state) in enumerate(zip(given, states, strict=False), start=1)
        ),
    )
    return store


async def test_lists_are_newest_first_and_ties_go_by_uid(store: Store) -> None:
    given = [record(number) for number in (3, 1, 2)]
    tied = [record(7), record(8), record(9)]
    same = [each.execution.created_at for each in tied]
    await put(store, *given, *tied)
    assert [int(each.execution.uid) for each in await listed(store)] == [9, 8, 7, 3, 2, 1]
    assert len(set(same)) == 3


async def test_pages_meet_without_gap_or_repeat(store: Store) -> None:
    await put(store, *(record(number) for number in range(25)))
    seen: list[ExecutionUid] = []
    after: Position | None = None
    while page := await store.list(Scope(), where=None, after=after, limit=7):
        seen += [each.execution.uid for each in page]
        after = Position(created_at=page[-1].execution.created_at, uid=page[-1].execution.uid)
    assert seen == [record(number).execution.uid for number in reversed(range(25))]


@pytest.mark.parametrize(
    "where", [is_("labels.team", "blue"), is_("phase", Phase.QUEUED), is_("phase", Phase.SUCCEEDED), None]
)
@pytest.mark.parametrize("scope", [Scope(), Scope(project="p"), Scope(project="p", domain="d")])
async def test_every_way_to_read_a_page_has_the_same_order(
    store: Store, where: Filter | None, scope: Scope
) -> None:
    ended = {4, 8}
    await put(
        store,
        *(
            record(n, labels={"team": "blue"}, state=done() if n in ended else record(n).execution.state)
            for n in range(10)
        ),
    )
    expected = [n for n in reversed(range(10)) if where is None or _passes(where, n in ended)]
    first = await store.list(scope, where=where, after=None, limit=1)
    rest = await store.list(
        scope,
        where=where,
        after=Position(created_at=first[0].execution.created_at, uid=first[0].execution.uid),
        limit=100,
    )
    assert [int(each.execution.uid) for each in [*first, *rest]] == expected


def _passes(where: Filter, is_ended: bool) -> bool:
    assert isinstance(where, Comparison)
    return where.field != "phase" or (where.value is Phase.SUCCEEDED) is is_ended


async def test_scopes(filled: Store) -> None:
    assert await numbers(filled, None) == [1, 2, 3, 4, 5, 6]
    assert await numbers(filled, None, Scope(project="p")) == [1, 2, 3, 4, 6]
    assert await numbers(filled, None, Scope(project="p", domain="d")) == [1, 2, 3, 4]
    assert await numbers(filled, None, Scope(domain="d")) == [1, 2, 3, 4, 5]
    assert await numbers(filled, None, Scope(project="none")) == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (is_("phase", Phase.RUNNING), [1]),
        (is_("phase", Phase.FAILED), [4]),
        (is_("phase", Phase.SUCCEEDED, "!="), [1, 2, 4, 5, 6]),
        (is_("phase", Phase.RUNNING, ">="), [1, 3, 4, 5]),
        (is_("phase", Phase.RUNNING, "<"), [2, 6]),
        (is_("task_type", "job"), [2, 4]),
        (is_("task_type", "job", "!="), [1, 3, 5, 6]),
        (is_("task_type", "job", ">"), [1, 3, 5, 6]),
        (is_("connection", "other"), [3]),
        (is_("reason", "OOM"), [4]),
        (is_("reason", "PREEMPTED"), [5]),
        (is_("reason", ""), [1, 2, 3, 6]),
        (is_("attempt", 2), [2]),
        (is_("attempt", 2, ">="), [2, 3]),
        (is_("attempt", 1.5, "<"), [1, 4, 5, 6]),
        (is_("attempt", 2**80, "<="), [1, 2, 3, 4, 5, 6]),
        (is_("create_time", AT + 3, "<="), [1, 2, 3]),
        (is_("create_time", AT + 3), [3]),
        (is_("update_time", AT + 30, ">"), [4, 5]),
        (is_("end_time", AT + 100), [3]),
        (is_("end_time", AT + 150, ">"), [4]),
        (is_("end_time", AT + 150, "<"), [3]),
        (is_("end_time", AT + 100, "!="), [1, 2, 4, 5, 6]),
        (Not(is_("end_time", AT + 100)), [1, 2, 4, 5, 6]),
        (Not(is_("end_time", AT + 150, "<")), [1, 2, 4, 5, 6]),
        (is_("labels.team", "blue"), [1, 3]),
        (is_("labels.team", "blue", "!="), [2, 4, 5, 6]),
        (is_("labels.team", "blue", ">"), [2]),
        (is_("labels.team", "blue", "<="), [1, 3, 5, 6]),
        (is_("labels.team", "bl%"), [5]),
        (is_("labels.team", ""), [6]),
        (is_("labels.odd key", "a'b"), [1]),
        (is_("labels.x'); DROP TABLE executions; --", "1"), [4]),
        (is_("labels.team", "' OR 1=1 --"), []),
        (is_("task_type", "query' OR '1'='1"), []),
        (Not(is_("labels.team", "blue")), [2, 4, 5, 6]),
        (AllOf((is_("task_type", "query"), is_("labels.team", "blue"), is_("attempt", 3))), [3]),
        (AllOf((is_("labels.team", "blue"), is_("phase", Phase.RUNNING))), [1]),
        (AllOf((is_("phase", Phase.FAILED), is_("phase", Phase.RUNNING))), []),
        (AnyOf((is_("phase", Phase.FAILED), is_("phase", Phase.SUCCEEDED))), [3, 4]),
        (AnyOf((is_("phase", Phase.QUEUED), is_("phase", Phase.RUNNING))), [1, 6]),
        (AnyOf((is_("attempt", 2), AllOf((is_("task_type", "job"), Not(is_("attempt", 2)))))), [2, 4]),
        (Not(AnyOf((is_("phase", Phase.RUNNING), is_("labels.team", "red")))), [3, 4, 5, 6]),
        (AllOf(()), [1, 2, 3, 4, 5, 6]),
        (AnyOf(()), []),
        (Not(AllOf(())), []),
        (Not(AnyOf(())), [1, 2, 3, 4, 5, 6]),
        (AnyOf(tuple(is_("attempt", number) for number in range(3, 2000))), [3]),
    ],
)
async def test_filters(filled: Store, where: Filter, expected: list[int]) -> None:
    assert await numbers(filled, where) == expected
    assert await numbers(filled, where, Scope(project="p")) == [each for each in expected if each != 5]


@pytest.mark.parametrize(
    "where",
    [
        is_("nothing", "x"),
        is_("labels.", "x"),
        is_("uid; DROP TABLE executions", "x"),
        is_("attempt", "one"),
        is_("attempt", True),
        is_("phase", "RUNNING"),
        is_("task_type", 1),
        is_("create_time", float("nan")),
        Not(AllOf((is_("phase", Phase.RUNNING), is_("labels.a", 1)))),
    ],
)
async def test_a_filter_that_means_nothing_is_refused(store: Store, where: Filter) -> None:
    with pytest.raises(ValueError, match=r"field|compared"):
        await store.list(Scope(), where=where, after=None, limit=10)


async def test_load_active_gives_all_that_is_not_terminal_oldest_first(store: Store) -> None:
    given = [record(number, state=done() if number % 3 == 0 else RUNNING) for number in range(1100)]
    await put(store, *reversed(given))
    found = await gathered(store.load_active())
    assert [int(each.execution.uid) for each in found] == [number for number in range(1100) if number % 3]
    assert all(each.execution.state == RUNNING for each in found)


async def test_load_active_of_nothing(store: Store) -> None:
    assert await gathered(store.load_active()) == []
