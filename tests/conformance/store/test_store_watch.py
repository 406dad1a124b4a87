"""Snapshots, changes, retention, and what outlives a restart."""

from __future__ import annotations

import pytest

from propwash.ports import (
    Bury,
    Committed,
    Compacted,
    Insert,
    Scope,
    SnapshotPart,
    Store,
    StoreUnavailable,
)
from tests.conformance.store.store_records import (
    AT,
    RUNNING,
    changes,
    commit,
    done,
    listed,
    put,
    record,
    update,
)
from tests.conformance.store.store_worlds import World


async def test_changes_come_once_and_in_order(store: Store) -> None:
    one, two = record(1), record(2)
    await put(store, one, two, at=AT)
    await commit(store, (update(one, RUNNING),), (update(two, RUNNING, is_public=False),), at=AT + 1)
    await commit(store, (update(two, done(), version=2), update(one, done(), version=2)), at=AT + 2)
    found = await changes(store, limit=2)
    assert [(int(each.record.execution.uid), each.record.version, each.committed_at) for each in found] == [
        (1, 1, AT),
        (2, 1, AT),
        (1, 2, AT + 1),
        (2, 3, AT + 2),
        (1, 3, AT + 2),
    ]
    assert [each.seq for each in found] == [each.record.seq for each in found]
    assert [each.seq for each in found] == sorted({each.seq for each in found})
    assert [each.record.execution.state for each in found if each.record.name == one.name] == [
        one.execution.state,
        RUNNING,
        done(),
    ]


async def test_a_refused_group_is_no_change(store: Store) -> None:
    given = record(1)
    await put(store, given)
    await store.commit([(update(given, RUNNING), update(given, done()))], at=AT)
    assert [each.record.version for each in await changes(store)] == [1]


async def test_changes_in_scope_only(store: Store) -> None:
    await put(store, record(1), record(2, project="q"), record(3, domain="f"), record(4))
    page = await store.read_changes(Scope(project="p", domain="d"), after=0, limit=10)
    assert [int(each.record.execution.uid) for each in page.changes] == [1, 4]
    assert page.last_seq == await store.last_seq()
    page = await store.read_changes(Scope(project="q"), after=0, limit=1)
    assert [int(each.record.execution.uid) for each in page.changes] == [2]
    page = await store.read_changes(Scope(project="none"), after=0, limit=1)
    assert (page.changes, page.last_seq) == ((), await store.last_seq())


async def test_changes_of_named_executions_only(store: Store) -> None:
    await put(store, *(record(number) for number in range(5)))
    names = [record(number).name for number in (1, 3, 9)]
    page = await store.read_changes(Scope(), after=0, limit=10, names=names)
    assert [each.record.name for each in page.changes] == names[:2]
    page = await store.read_changes(Scope(project="q"), after=0, limit=10, names=names)
    assert page.changes == ()


async def test_a_token_resumes_after_a_restart_without_gap_or_repeat(world: World) -> None:
    await put(world.store, *(record(number) for number in range(5)))
    page = await world.store.read_changes(Scope(), after=0, limit=3)
    store = await world.reopen()
    await put(store, *(record(number) for number in range(5, 9)))
    found = [*page.changes, *await changes(store, page.last_seq)]
    assert [int(each.record.execution.uid) for each in found] == list(range(9))
    assert len({each.seq for each in found}) == 9


async def test_what_is_stored_outlives_a_restart(world: World) -> None:
    await put(world.store, record(1, request_id="r"), record(2))
    await commit(world.store, (update(record(1), RUNNING),), (Bury(name=record(3).name, message="m", at=AT),))
    before, seq, owner, term = (
        await listed(world.store),
        await world.store.last_seq(),
        world.store.owner,
        world.store.term,
    )
    store = await world.reopen()
    assert (await listed(store), await store.last_seq(), store.owner) == (before, seq, owner)
    assert store.term > term
    results = await store.commit(
        [
            (Insert(record=record(4, request_id="r")),),
            (Insert(record=record(3)),),
            (Insert(record=record(4)),),
        ],
        at=AT,
    )
    assert [isinstance(result, Committed) for result in results] == [False, False, True]


async def test_the_owner_is_eight_of_lower_case_and_digits(store: Store) -> None:
    assert len(store.owner) == 8
    assert set(store.owner) <= set("abcdefghijklmnopqrstuvwxyz0123456789")


async def test_a_snapshot_is_of_one_moment(store: Store) -> None:
    given = [record(number) for number in range(1200)]
    await put(store, *given)
    seq = await store.last_seq()
    parts: list[SnapshotPart] = []
    async for part in store.snapshot(Scope()):
        await commit(store, (Insert(record=record(5000 + len(parts))),))
        await commit(store, (update(given[len(parts)], done()), update(given[-1 - len(parts)], done())))
        parts.append(part)
    assert len(parts) > 1
    assert {part.seq for part in parts} == {seq}
    found = [each for part in parts for each in part.records]
    assert sorted(int(each.execution.uid) for each in found) == list(range(1200))
    assert {each.version for each in found} == {1}
    after = await changes(store, seq)
    assert len(after) == 3 * len(parts)


async def test_a_snapshot_of_nothing_has_its_sequence_number(store: Store) -> None:
    await put(store, record(1))
    parts = [part async for part in store.snapshot(Scope(project="none"))]
    assert [(part.seq, part.records) for part in parts] == [(await store.last_seq(), ())]


async def test_a_snapshot_in_scope_and_by_name(store: Store) -> None:
    await put(store, record(1), record(2, project="q"), record(3))
    found = [each async for part in store.snapshot(Scope(project="p")) for each in part.records]
    assert sorted(int(each.execution.uid) for each in found) == [1, 3]
    names = [record(3).name, record(8).name, record(2, project="q").name]
    found = [each async for part in store.snapshot(Scope(project="p"), names=names) for each in part.records]
    assert [int(each.execution.uid) for each in found] == [3]


async def test_a_snapshot_may_be_left_early(store: Store) -> None:
    await put(store, *(record(number) for number in range(1200)))
    parts = store.snapshot(Scope())
    async for part in parts:
        assert part.records
        break
    await parts.aclose()  # type: ignore[attr-defined]
    assert len(await listed(store)) == 1200


async def test_old_changes_are_compacted(store: Store) -> None:
    await put(store, record(1), record(2), at=AT)
    await put(store, record(3), at=AT + 10)
    assert await store.purge(ended_before=0.0, changes_before=AT + 5, limit=10) == 0
    with pytest.raises(Compacted):
        await store.read_changes(Scope(), after=1, limit=10)
    assert [int(each.record.execution.uid) for each in await changes(store, 2)] == [3]
    assert len(await listed(store)) == 3


async def test_a_token_that_was_never_given_is_refused(store: Store) -> None:
    await put(store, record(1))
    with pytest.raises(Compacted):
        await store.read_changes(Scope(), after=2, limit=10)


async def test_purge_forgets_what_ended_long_ago_and_nothing_else(store: Store) -> None:
    old, recent, going = record(1, request_id="r", labels={"a": "b"}), record(2), record(3)
    await put(store, old, recent, going)
    await commit(store, (update(old, done(ended_at=AT + 10)),), at=AT + 10)
    await commit(store, (update(recent, done(ended_at=AT + 50)),), at=AT + 50)
    token = await store.last_seq()
    assert await store.purge(ended_before=AT + 50, changes_before=0.0, limit=10) == 1
    assert await store.get([old.name, recent.name]) == [None, (await store.get([recent.name]))[0]]
    assert await store.get_by_uid([old.execution.uid]) == [None]
    assert await store.get_by_request_id(project="p", domain="d", request_id="r") is None
    assert {each.name for each in await listed(store)} == {recent.name, going.name}
    assert await store.last_seq() == token
    with pytest.raises(Compacted):
        await changes(store, 0)
    assert [int(each.record.execution.uid) for each in await changes(store, token - 1)] == [2]
    await put(store, record(4, request_id="r", labels={"a": "b"}))
    assert [int(each.record.execution.uid) for each in await changes(store, token)] == [4]


async def test_a_name_may_come_again_after_a_purge(world: World) -> None:
    await put(world.store, record(1, state=done(ended_at=AT)))
    assert await world.store.purge(ended_before=AT + 1, changes_before=AT + 1, limit=10) == 1
    store = await world.reopen()
    assert await store.last_seq() == 1
    (seq,) = await put(store, record(1))
    assert seq == 2


async def test_purge_is_bounded_and_takes_the_oldest_first(store: Store) -> None:
    await put(store, *(record(number, state=done(ended_at=AT + number)) for number in range(10)))
    assert await store.purge(ended_before=AT + 8, changes_before=0.0, limit=3) == 3
    assert sorted(int(each.execution.uid) for each in await listed(store)) == [3, 4, 5, 6, 7, 8, 9]
    assert await store.purge(ended_before=AT + 8, changes_before=0.0, limit=100) == 5
    assert await store.purge(ended_before=AT + 8, changes_before=0.0, limit=100) == 0


async def test_purge_of_much(store: Store) -> None:
    await put(store, *(record(number, state=done(ended_at=AT + number)) for number in range(1300)))
    assert await store.purge(ended_before=AT + 1250, changes_before=AT * 2, limit=5000) == 1250
    assert len(await listed(store)) == 50
    assert await changes(store, 1300) == []


async def test_tombstones_expire(store: Store) -> None:
    await commit(store, (Bury(name=record(1).name, message="", at=AT),))
    await commit(store, (Bury(name=record(2).name, message="", at=AT + 20),))
    await store.purge(ended_before=AT + 10, changes_before=0.0, limit=10)
    results = await store.commit([(Insert(record=record(1)),), (Insert(record=record(2)),)], at=AT)
    assert [isinstance(result, Committed) for result in results] == [True, False]


async def test_a_closed_store_says_so(world: World) -> None:
    await world.store.close()
    await world.store.close()
    with pytest.raises(StoreUnavailable):
        await put(world.store, record(1))
    with pytest.raises(StoreUnavailable):
        await world.store.get([record(1).name])
    with pytest.raises(StoreUnavailable):
        await listed(world.store)
    await world.reopen()
