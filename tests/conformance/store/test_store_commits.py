"""Commits: what is stored, what is refused, and that a group is stored wholly or not at all."""

from __future__ import annotations

from dataclasses import replace

from propwash.ports import (
    Bury,
    Committed,
    Duplicate,
    DuplicateOf,
    ExecutionName,
    Insert,
    Stale,
    Store,
)
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


async def test_an_inserted_execution_reads_back_by_each_key(store: Store) -> None:
    given = record(1, request_id="r", labels={"team": "blue"})
    (seq,) = await put(store, given)
    stored = replace(given, seq=seq)
    assert await store.get([given.name]) == [stored]
    assert await store.get_by_uid([given.execution.uid]) == [stored]
    assert await store.get_by_request_id(project="p", domain="d", request_id="r") == stored
    assert seq == await store.last_seq() > 0


async def test_what_is_not_there_reads_as_none_in_its_place(store: Store) -> None:
    given = record(1)
    await put(store, given)
    found = await store.get([record(2).name, given.name, record(3).name])
    assert [each is not None for each in found] == [False, True, False]
    assert await store.get_by_uid([record(2).execution.uid]) == [None]
    assert await store.get_by_request_id(project="p", domain="d", request_id="r") is None
    assert await store.get_by_request_id(project="p", domain="d", request_id="") is None


async def test_an_update_replaces_the_execution_and_moves_the_version(store: Store) -> None:
    given = record(1)
    first, second = await commit(store, (Insert(record=given),), (update(given, RUNNING),))
    (found,) = await store.get([given.name])
    assert found is not None
    assert (found.execution.state, found.version, found.seq) == (RUNNING, 2, second)
    assert second > first


async def test_a_change_that_is_not_public_has_no_sequence_number(store: Store) -> None:
    given = record(1)
    (first,) = await put(store, given)
    assert await commit(store, (update(given, RUNNING, is_public=False),)) == [0]
    (found,) = await store.get([given.name])
    assert found is not None
    assert (found.execution.state, found.version, found.seq) == (RUNNING, 2, first)


async def test_an_update_changes_nothing_that_never_changes(store: Store) -> None:
    given = record(1)
    await put(store, given)
    altered = replace(given.execution, plan=record(1, project="q").execution.plan, created_at=1.0, attempt=2)
    await commit(store, (replace(update(given, QUEUED), execution=altered),))
    (found,) = await store.get([given.name])
    assert found is not None
    assert found.execution == replace(given.execution, attempt=2)


async def test_an_update_of_another_version_or_of_nothing_is_stale(store: Store) -> None:
    given = record(1)
    await put(store, given)
    results = await store.commit(
        [(update(given, RUNNING, version=2),), (update(record(2), RUNNING),), (update(given, RUNNING),)],
        at=AT,
    )
    assert results[:2] == [Stale(index=0), Stale(index=0)]
    assert isinstance(results[2], Committed)


async def test_groups_of_one_commit_see_each_other_in_order(store: Store) -> None:
    given = record(1)
    results = await store.commit(
        [
            (Insert(record=given),),
            (update(given, RUNNING),),
            (update(given, QUEUED, version=1),),
            (update(given, done(), version=2),),
        ],
        at=AT,
    )
    assert [type(result) for result in results] == [Committed, Committed, Stale, Committed]
    (found,) = await store.get([given.name])
    assert found is not None
    assert (found.version, found.execution.state) == (3, done())


async def test_a_taken_name_is_a_duplicate_that_shows_what_is_there(store: Store) -> None:
    given = record(1)
    (seq,) = await put(store, given)
    other = replace(record(2), name=given.name)
    (result,) = await store.commit([(Insert(record=other),)], at=AT)
    assert result == Duplicate(index=0, of=DuplicateOf.NAME, existing=replace(given, seq=seq))
    assert await store.get_by_uid([other.execution.uid]) == [None]


async def test_a_used_request_id_is_a_duplicate_within_its_parent_only(store: Store) -> None:
    given = record(1, request_id="r")
    (seq,) = await put(store, given)
    results = await store.commit(
        [
            (Insert(record=record(2, request_id="r")),),
            (Insert(record=record(3, request_id="r", domain="other")),),
            (Insert(record=record(4, request_id="r", project="other")),),
            (Insert(record=record(5, request_id="s")),),
        ],
        at=AT,
    )
    assert results[0] == Duplicate(index=0, of=DuplicateOf.REQUEST_ID, existing=replace(given, seq=seq))
    assert all(isinstance(result, Committed) for result in results[1:])


async def test_a_repeat_with_name_and_request_id_is_told_by_its_request_id(store: Store) -> None:
    given = record(1, request_id="r")
    await put(store, given)
    repeat = replace(record(2, request_id="r"), name=given.name)
    (result,) = await store.commit([(Insert(record=repeat),)], at=AT)
    assert isinstance(result, Duplicate)
    assert result.of is DuplicateOf.REQUEST_ID


async def test_two_inserts_of_one_request_id_in_one_commit(store: Store) -> None:
    given = record(1, request_id="r")
    results = await store.commit(
        [(Insert(record=given),), (update(given, RUNNING),), (Insert(record=record(2, request_id="r")),)],
        at=AT,
    )
    assert isinstance(results[0], Committed)
    assert isinstance(results[2], Duplicate)
    assert (results[2].of, results[2].existing) == (
        DuplicateOf.REQUEST_ID,
        (await store.get([given.name]))[0],
    )
    assert len(await listed(store)) == 1


async def test_a_duplicate_shows_an_execution_as_the_same_commit_left_it(store: Store) -> None:
    given = record(1)
    await put(store, given)
    results = await store.commit(
        [(update(given, RUNNING),), (Insert(record=replace(record(2), name=given.name)),)], at=AT
    )
    assert isinstance(results[1], Duplicate)
    assert results[1].existing == (await store.get([given.name]))[0]
    assert results[1].existing is not None
    assert results[1].existing.execution.state == RUNNING


async def test_an_execution_without_request_id_collides_with_none(store: Store) -> None:
    await put(store, record(1), record(2), record(3))
    assert len(await listed(store)) == 3


async def test_a_group_is_stored_wholly_or_not_at_all(store: Store) -> None:
    first, second, taken = record(1), record(2, request_id="r"), record(3)
    await put(store, first, taken)
    before = await store.last_seq()
    results = await store.commit(
        [
            (
                update(first, RUNNING),
                Insert(record=second),
                Bury(name=record(9).name, message="", at=AT),
                Insert(record=replace(record(4), name=taken.name)),
            ),
            (Insert(record=record(2, request_id="r", labels={"kept": "yes"})),),
            (update(first, done()),),
            (Insert(record=record(9)),),
        ],
        at=AT,
    )
    assert isinstance(results[0], Duplicate)
    assert results[0].index == 3
    assert [result.seqs for result in results[1:] if isinstance(result, Committed)] == [
        (before + 1,),
        (before + 2,),
        (before + 3,),
    ]
    found = {each.name: each for each in await listed(store)}
    assert found[first.name].execution.state == done()
    assert found[second.name].request.labels == {"kept": "yes"}
    assert record(4).execution.uid not in {each.execution.uid for each in found.values()}


async def test_a_refused_group_of_inserts_leaves_no_trace(store: Store) -> None:
    (result,) = await store.commit(
        [(Insert(record=record(1, request_id="r")), Insert(record=record(2)), update(record(3), QUEUED))],
        at=AT,
    )
    assert result == Stale(index=2)
    assert (await listed(store), await store.last_seq()) == ([], 0)
    await put(store, record(1, request_id="r"), record(2))


async def test_a_group_has_one_sequence_number_a_change(store: Store) -> None:
    given = record(1)
    (result,) = await store.commit(
        [
            (
                Insert(record=given),
                update(given, RUNNING, is_public=False),
                update(given, done(), version=2),
                Bury(name=record(7).name, message="m", at=AT),
            )
        ],
        at=AT,
    )
    assert isinstance(result, Committed)
    assert [seq > 0 for seq in result.seqs] == [True, False, True, False]


async def test_an_abort_before_the_create_is_remembered(store: Store) -> None:
    name = record(1).name
    assert await commit(store, (Bury(name=name, message="not wanted", at=AT),)) == [0]
    (result,) = await store.commit([(Insert(record=record(1)),)], at=AT)
    assert result == Duplicate(index=0, of=DuplicateOf.TOMBSTONE, existing=None, message="not wanted")
    assert await store.get([name]) == [None]


async def test_the_first_of_two_aborts_is_kept(store: Store) -> None:
    name = record(1).name
    await commit(store, (Bury(name=name, message="first", at=AT),))
    await commit(store, (Bury(name=name, message="second", at=AT),))
    (result,) = await store.commit([(Insert(record=record(1)),)], at=AT)
    assert isinstance(result, Duplicate)
    assert result.message == "first"


async def test_a_burial_of_what_is_there_is_a_duplicate(store: Store) -> None:
    given = record(1)
    results = await store.commit(
        [(Insert(record=given),), (Bury(name=given.name, message="", at=AT),)], at=AT
    )
    assert isinstance(results[1], Duplicate)
    assert (results[1].of, results[1].existing) == (DuplicateOf.NAME, (await store.get([given.name]))[0])


async def test_an_abort_and_a_create_in_one_commit(store: Store) -> None:
    results = await store.commit(
        [(Bury(name=record(1).name, message="m", at=AT),), (Insert(record=record(1)),)], at=AT
    )
    assert isinstance(results[0], Committed)
    assert isinstance(results[1], Duplicate)
    assert results[1].of is DuplicateOf.TOMBSTONE


async def test_nothing_to_commit_is_no_commit(store: Store) -> None:
    assert list(await store.commit([], at=AT)) == []
    assert list(await store.commit([()], at=AT)) == [Committed(seqs=())]


async def test_odd_text_comes_back_as_it_was(store: Store) -> None:
    odd = "quote ' double \" percent % semicolon ; null \0 snow \u2603 astral \U0001f600"
    given = replace(record(1, request_id=odd, labels={odd: odd}), name=ExecutionName("p", "d", odd))
    (seq,) = await put(store, given)
    assert await store.get([given.name]) == [replace(given, seq=seq)]
    assert await store.get_by_request_id(project="p", domain="d", request_id=odd) == replace(given, seq=seq)
    (result,) = await store.commit([(Insert(record=record(2, request_id=odd)),)], at=AT)
    assert isinstance(result, Duplicate)
