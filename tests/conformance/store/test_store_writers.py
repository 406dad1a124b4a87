"""Many commits, large ones, cancelled ones, and those of a store that another opening has superseded."""

from __future__ import annotations

import asyncio

from propwash.core.model import OutcomeKind, State, Waiting
from propwash.ports import Insert, Record, Stale, Store
from tests.conformance.store.store_records import (
    AT,
    QUEUED,
    RUNNING,
    commit,
    done,
    listed,
    put,
    record,
    update,
)


async def test_a_cancelled_commit_is_still_stored_wholly(store: Store) -> None:
    given = [record(number) for number in range(50)]
    waiting = asyncio.ensure_future(store.commit([tuple(Insert(record=each) for each in given)], at=AT))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await put(store, record(99))
    assert len(await listed(store)) == 51


async def test_many_commits_at_once_lose_nothing(store: Store) -> None:
    await asyncio.gather(*(put(store, record(number)) for number in range(40)))
    found: list[Record] = await listed(store)
    assert len(found) == 40
    assert sorted(each.seq for each in found) == list(range(1, 41))


async def test_large_batches(store: Store) -> None:
    given = [record(number, labels={"n": str(number)}) for number in range(1200)]
    await put(store, *given)
    states: list[State] = [QUEUED, Waiting(since=AT), RUNNING, done(), done(OutcomeKind.FAILED)]
    await commit(store, *((update(each, states[index % 5]),) for index, each in enumerate(given)))
    found = await store.get([each.name for each in given])
    assert [each.execution.state for each in found if each] == [states[index % 5] for index in range(1200)]


async def test_a_superseded_store_writes_nothing(world_superseded: Store) -> None:
    results = await world_superseded.commit(
        [(Insert(record=record(2)),), (update(record(1), RUNNING),)], at=AT
    )
    assert list(results) == [Stale(index=0), Stale(index=0)]
    assert await world_superseded.purge(ended_before=AT * 2, changes_before=AT * 2, limit=10) == 0
    assert [each.version for each in await listed(world_superseded)] == [1]
