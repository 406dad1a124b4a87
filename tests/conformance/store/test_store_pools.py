"""Pools in the store: kept exactly, changed only from the version before, and no public changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from propwash.core.pool import MOST_UNITS, PoolSpec, ProjectShare
from propwash.ports import (
    Bury,
    Committed,
    DropPool,
    Duplicate,
    Insert,
    PutPool,
    Stale,
    Store,
    StoredPool,
    StoreUnavailable,
)
from tests.conformance.store.store_records import (
    AT,
    RUNNING,
    changes,
    commit,
    listed,
    put,
    record,
    update,
)
from tests.conformance.store.store_worlds import World

ODD = "quote ' double \" percent % null \0 snow \u2603 astral \U0001f600"
FULL = StoredPool(
    spec=PoolSpec(
        name="slots",
        capacity=MOST_UNITS,
        share=ProjectShare(weight=0.1, limit=0, namespace_limit=7),
        projects={"a": ProjectShare(weight=0.0), "b": ProjectShare(weight=3.5, limit=12)},
        description="for people",
    ),
    version=1,
    configured=b"\x00\xffdigest",
    created_at=AT + 0.125,
    updated_at=AT + 7.75,
)


def pool(name: str = "p", *, version: int = 1, capacity: int = 10) -> StoredPool:
    return StoredPool(spec=PoolSpec(name=name, capacity=capacity), version=version)


def put_(name: str = "p", *, version: int = 1, capacity: int = 10) -> PutPool:
    return PutPool(pool=pool(name, version=version, capacity=capacity))


async def test_a_store_without_pools_has_none(store: Store) -> None:
    assert list(await store.load_pools()) == []


async def test_a_pool_comes_back_exactly_and_survives_a_restart(world: World) -> None:
    await commit(world.store, (PutPool(pool=FULL),), (put_("other"),))
    assert list(await world.store.load_pools()) == [pool("other"), FULL]
    assert list(await (await world.reopen()).load_pools()) == [pool("other"), FULL]


async def test_a_put_replaces_the_whole_pool_and_a_drop_forgets_it(world: World) -> None:
    await commit(world.store, (PutPool(pool=FULL),), (put_("other"),))
    await commit(world.store, (put_("slots", version=2, capacity=3),))
    assert list(await world.store.load_pools()) == [pool("other"), pool("slots", version=2, capacity=3)]
    await commit(world.store, (DropPool(name="slots", expected_version=2),))
    assert list(await (await world.reopen()).load_pools()) == [pool("other")]


async def test_a_dropped_pool_begins_anew(store: Store) -> None:
    await commit(store, (put_(),), (put_(version=2),), (DropPool(name="p", expected_version=2),))
    assert await store.commit([(put_(version=3),)], at=AT) == [Stale(index=0)]
    await commit(store, (put_(capacity=4),))
    assert list(await store.load_pools()) == [pool(capacity=4)]


@pytest.mark.parametrize("version", [-1, 0, 2, 9])
async def test_the_first_version_is_one(store: Store, version: int) -> None:
    assert await store.commit([(put_(version=version),)], at=AT) == [Stale(index=0)]
    assert list(await store.load_pools()) == []


@pytest.mark.parametrize("version", [0, 1, 2, 4])
async def test_a_put_from_another_version_is_stale(store: Store, version: int) -> None:
    await commit(store, (put_(),), (put_(version=2, capacity=20),))
    assert await store.commit([(put_(version=version, capacity=99),)], at=AT) == [Stale(index=0)]
    assert list(await store.load_pools()) == [pool(version=2, capacity=20)]


@pytest.mark.parametrize(("name", "version"), [("p", 0), ("p", 1), ("p", 3), ("none", 0), ("none", 1)])
async def test_a_drop_of_another_version_or_of_nothing_is_stale(
    store: Store, name: str, version: int
) -> None:
    await commit(store, (put_(),), (put_(version=2),))
    assert await store.commit([(DropPool(name=name, expected_version=version),)], at=AT) == [Stale(index=0)]
    assert list(await store.load_pools()) == [pool(version=2)]


async def test_groups_of_one_commit_see_each_others_pools_in_order(store: Store) -> None:
    results = await store.commit(
        [
            (put_(),),
            (put_(version=2, capacity=20),),
            (put_(version=2, capacity=99),),
            (DropPool(name="p", expected_version=2),),
            (DropPool(name="p", expected_version=2),),
            (put_(capacity=30),),
        ],
        at=AT,
    )
    assert [type(result) for result in results] == [
        Committed,
        Committed,
        Stale,
        Committed,
        Stale,
        Committed,
    ]
    assert list(await store.load_pools()) == [pool(capacity=30)]


async def test_of_two_who_change_one_version_the_second_is_stale(store: Store) -> None:
    await commit(store, (put_(),))
    results = await store.commit([(put_(version=2, capacity=1),), (put_(version=2, capacity=2),)], at=AT)
    assert [type(result) for result in results] == [Committed, Stale]
    assert list(await store.load_pools()) == [pool(version=2, capacity=1)]


async def test_pools_are_no_public_changes(store: Store) -> None:
    assert await commit(store, (put_(),), (put_(version=2),), (DropPool(name="p", expected_version=2),)) == [
        0,
        0,
        0,
    ]
    assert (await store.last_seq(), await changes(store)) == (0, [])


async def test_a_mixed_group_is_stored_as_a_whole(world: World) -> None:
    given = record(1)
    await put(world.store, given)
    seqs = await commit(
        world.store,
        (put_(), update(given, RUNNING), put_("q"), Insert(record=record(2)), put_(version=2)),
    )
    assert [seq > 0 for seq in seqs] == [False, True, False, True, False]
    store = await world.reopen()
    assert list(await store.load_pools()) == [pool(version=2), pool("q")]
    assert len(await listed(store)) == 2


async def test_a_refused_group_leaves_no_trace_of_its_pools(store: Store) -> None:
    taken = record(1)
    await put(store, taken)
    await commit(store, (put_(),), (put_("kept"),))
    results = await store.commit(
        [
            (
                put_(version=2, capacity=99),
                put_("new"),
                put_("lost"),
                DropPool(name="kept", expected_version=1),
                Insert(record=replace(record(2), name=taken.name)),
            ),
            (put_("new", capacity=5),),
            (put_(version=2, capacity=20),),
            (put_("kept", version=2),),
        ],
        at=AT,
    )
    assert isinstance(results[0], Duplicate)
    assert results[0].index == 4
    assert all(isinstance(result, Committed) for result in results[1:])
    assert list(await store.load_pools()) == [
        pool("kept", version=2),
        pool("new", capacity=5),
        pool(version=2, capacity=20),
    ]


async def test_a_stale_pool_takes_its_group_with_it(store: Store) -> None:
    given = record(1)
    await put(store, given)
    (result,) = await store.commit(
        [
            (
                update(given, RUNNING),
                Insert(record=record(2)),
                Bury(name=record(3).name, message="", at=AT),
                put_(version=2),
            )
        ],
        at=AT,
    )
    assert result == Stale(index=3)
    (found,) = await listed(store)
    assert found.execution.state == given.execution.state
    assert await store.last_seq() == 1
    await put(store, record(3))


async def test_many_pools_come_back_by_name(world: World) -> None:
    names = [f"pool:{number:04d}" for number in range(1300)]
    await commit(world.store, *((put_(name, capacity=index),) for index, name in enumerate(reversed(names))))
    store = await world.reopen()
    assert [each.spec.name for each in await store.load_pools()] == names
    results = await store.commit([(put_(name, version=2),) for name in names], at=AT)
    assert all(isinstance(result, Committed) for result in results)
    await commit(store, tuple(DropPool(name=name, expected_version=2) for name in names[1:]))
    assert list(await store.load_pools()) == [pool(names[0], version=2)]


@pytest.mark.parametrize("name", [ODD, "*", "bigquery:a.b~c%2F*", "", "x" * 5000, "'); DROP TABLE pools; --"])
async def test_odd_names_come_back_as_they_were(world: World, name: str) -> None:
    given = StoredPool(
        spec=PoolSpec(name=name, capacity=0, projects={ODD: ProjectShare()}, description=ODD), version=1
    )
    await commit(world.store, (PutPool(pool=given),))
    store = await world.reopen()
    assert list(await store.load_pools()) == [given]
    assert await store.commit([(PutPool(pool=given),)], at=AT) == [Stale(index=0)]
    await commit(store, (DropPool(name=name, expected_version=1),))
    assert list(await store.load_pools()) == []


async def test_names_that_differ_in_case_are_two(store: Store) -> None:
    await commit(store, (put_("A"),), (put_("a"),))
    assert [each.spec.name for each in await store.load_pools()] == ["A", "a"]


async def test_a_purge_leaves_the_pools(store: Store) -> None:
    await commit(store, (put_(),))
    await store.purge(ended_before=AT * 2, changes_before=AT * 2, limit=100)
    assert list(await store.load_pools()) == [pool()]


async def test_who_was_superseded_changes_no_pool(world: World) -> None:
    await commit(world.store, (put_(),))
    await world.supersede()
    results = await world.store.commit([(put_(version=2),), (DropPool(name="p", expected_version=1),)], at=AT)
    assert results == [Stale(index=0), Stale(index=0)]
    assert list(await (await world.reopen()).load_pools()) == [pool()]


async def test_of_many_who_change_one_version_at_once_one_does(store: Store) -> None:
    await commit(store, (put_(),))
    results = await asyncio.gather(
        *(store.commit([(put_(version=2, capacity=number),)], at=AT) for number in range(20))
    )
    won = [number for number, (result,) in enumerate(results) if isinstance(result, Committed)]
    assert len(won) == 1
    assert list(await store.load_pools()) == [pool(version=2, capacity=won[0])]


async def test_a_cancelled_change_is_still_stored(store: Store) -> None:
    waiting = asyncio.ensure_future(store.commit([(put_(),), (put_("q"),)], at=AT))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await put(store, record(1))
    assert list(await store.load_pools()) == [pool(), pool("q")]


async def test_a_closed_store_tells_no_pools(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.load_pools()
