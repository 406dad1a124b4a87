"""Every common question is answered from an index, in its order; readers and the writer do not wait for each other."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from propwash.core.model import ExecutionUid, Phase
from propwash.ports import AllOf, Comparator, Comparison, ExecutionName, Filter, Insert, Position, Scope
from propwash.store import purging, reading
from propwash.store.reading import Query, changes_query, page_query, whole_query
from propwash.store.schema import migrate
from propwash.store.sqlite import SqliteStore
from tests.conformance.store.store_records import AT, RUNNING, commit, done, listed, put, record, update

AFTER = Position(created_at=AT, uid=ExecutionUid("u"))
SCOPES = [Scope(), Scope(project="p"), Scope(project="p", domain="d"), Scope(domain="d")]


def is_(field: str, value: str | Phase) -> Comparison:
    return Comparison(field=field, comparator=Comparator.EQUAL, value=value)


FILTERS: list[Filter | None] = [
    None,
    is_("phase", Phase.RUNNING),
    is_("phase", Phase.FAILED),
    is_("labels.team", "blue"),
    is_("task_type", "query"),
    AllOf((is_("labels.team", "blue"), is_("phase", Phase.RUNNING))),
]
QUERIES: list[Query] = [
    *(page_query(scope, where=where, after=AFTER, limit=100) for scope in SCOPES for where in FILTERS),
    *(page_query(scope, where=None, after=None, limit=100) for scope in SCOPES),
    changes_query(Scope(), after=1, upto=100, limit=10, names=()),
    changes_query(Scope(project="p"), after=1, upto=100, limit=10, names=[ExecutionName("p", "d", "e")]),
    (reading._BY_NAME, ["p", "d", "e"]),
    (reading._BY_UID, ["u"]),
    (reading._BY_REQUEST, ["p", "d", "r"]),
]


def plan_of(query: Query) -> list[str]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query[0]}", query[1])]


@pytest.mark.parametrize("query", QUERIES)
def test_no_question_scans_or_sorts(query: Query) -> None:
    steps = plan_of(query)
    scans = [step for step in steps if step.startswith("SCAN") and "json_each" not in step]
    assert not any("TEMP B-TREE FOR ORDER" in step for step in steps), steps
    # Without a scope or a position a page is a walk along an index in the order of the answer, cut off by its limit.
    assert all("USING INDEX executions_" in step for step in scans), steps


@pytest.mark.parametrize("scope", SCOPES)
def test_a_whole_view_walks_an_index(scope: Scope) -> None:
    for is_active in (False, True):
        steps = plan_of(whole_query(scope, is_active=is_active))
        assert not any("TEMP B-TREE" in step for step in steps), steps
        assert any("USING INDEX executions_" in step for step in steps), steps


def test_purging_finds_its_rows_by_index() -> None:
    traced: list[str] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        connection.set_trace_callback(traced.append)
        purging.forget_executions(connection, ended_before=AT, limit=10)
        purging.forget_tombstones(connection, buried_before=AT)
        purging.compact(connection, changes_before=AT)
        connection.set_trace_callback(None)
        for statement in traced:
            steps = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not any(step.startswith("SCAN") and "changes" not in step for step in steps), (
                statement,
                steps,
            )
            assert not any("TEMP B-TREE" in step for step in steps), (statement, steps)


async def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.open()
    await put(store, record(1))
    entered, release = threading.Event(), threading.Event()

    def hold(writer: sqlite3.Connection) -> None:
        writer.execute("BEGIN IMMEDIATE")
        entered.set()
        release.wait(10)
        writer.execute("ROLLBACK")

    held = asyncio.ensure_future(store._threads.write(hold))
    await asyncio.to_thread(entered.wait, 10)
    waiting = asyncio.ensure_future(store.commit([(Insert(record=record(2)),)], at=AT))
    assert len(await listed(store)) == 1
    assert len((await store.read_changes(Scope(), after=0, limit=10)).changes) == 1
    assert not waiting.done()
    release.set()
    await held
    await waiting
    assert len(await listed(store)) == 2
    await store.close()


async def test_close_waits_for_what_was_handed_over(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.open()
    going = [asyncio.ensure_future(put(store, record(number))) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert all(task.done() for task in going)
    await store.open()
    assert len(await listed(store)) == 20
    await store.close()


async def test_threads_have_names_and_end(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, readers=2)
    await store.open()
    await put(store, record(1))
    await asyncio.gather(*(listed(store) for _ in range(8)))
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("propwash-store-")]
    assert len([name for name in names if "writer" in name]) == 1
    assert 1 <= len([name for name in names if "reader" in name]) <= 2
    await store.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("propwash-store-")]


async def test_a_view_that_is_open_at_close_ends(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.open()
    await put(store, *(record(number) for number in range(1001)))
    parts = store.snapshot(Scope())
    assert len((await anext(parts)).records) == 500
    await store.close()
    with pytest.raises(Exception, match=r"closed|shutdown"):
        await anext(parts)


async def test_a_narrow_scope_is_looked_through_in_bounded_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WINDOW", 10)
    store = SqliteStore(tmp_path)
    await store.open()
    await put(store, *(record(number) for number in range(25)), record(99, project="q"))
    after, seen = 0, []
    while after < await store.last_seq():
        page = await store.read_changes(Scope(project="q"), after=after, limit=5)
        assert page.last_seq <= after + 10
        after = page.last_seq
        seen += [each.seq for each in page.changes]
    assert seen == [26]
    await store.close()


async def test_an_ended_execution_leaves_the_index_of_active_ones(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.open()
    await put(store, record(1), record(2))
    await commit(store, (update(record(1), RUNNING),), (update(record(2), done()),))
    where = is_("phase", Phase.SUCCEEDED)
    assert [each.name for each in await store.list(Scope(), where=where, after=None, limit=5)] == [
        record(2).name
    ]
    await store.close()
