"""What is turned away by a limit of executions, and what never is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from propwash.core.admission import AdmissionLimits, Limit, ProjectLimits
from propwash.core.model import OutcomeKind, Phase, Policy
from propwash.engine.options import EngineOptions
from propwash.ports import AlreadyExists, Draft, HeldBy, LimitReached
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig, execution_name
from tests.engine.virtual_time import run


def limits(**admission: object) -> EngineOptions:
    return EngineOptions(sweep_every_s=1e6, admission=AdmissionLimits(**admission))  # type: ignore[arg-type]


def waiting(execution: str, *, held_by: HeldBy = HeldBy.ALL, project: str = "p") -> Draft:
    draft = draft_of(execution, request_id=execution, pool="p", duration_s=ENDLESS)
    return replace(draft, held_by=held_by, name=replace(draft.name, project=project))


def slow_commits(rig: EngineRig, seconds: float) -> None:
    async def gate() -> None:
        await rig.after(seconds)

    rig.store.before_commit = gate


async def refusal(rig: EngineRig, *drafts: Draft) -> LimitReached:
    with pytest.raises(LimitReached) as raised:
        await rig.engine.executions.create(drafts)
    return raised.value


async def fill(rig: EngineRig, count: int) -> None:
    """One holds the only token, and so many wait behind it."""
    await rig.engine.executions.create([waiting("holder")])
    await rig.engine.executions.create([waiting(f"e{n}") for n in range(count)])


def audited(rig: EngineRig) -> tuple[int, int]:
    table = rig.engine._table
    assert table.census.audit(entry.execution for entry in table) == ()
    return table.census.active, table.census.queued


def test_a_full_queue_takes_nothing_more_until_there_is_room() -> None:
    async def play() -> None:
        async with engine_rig(limits(max_queued_per_project=3), p=1) as rig:
            await fill(rig, 2)
            await rig.engine.executions.create([waiting("last")])
            assert audited(rig) == (4, 3)
            full = (await refusal(rig, waiting("late"))).full
            assert (full.limit, full.project, full.most, full.count) == (Limit.PROJECT_QUEUE, "p", 3, 3)
            await rig.engine.executions.create([waiting("other", project="q")])
            await rig.abort("e0")
            await rig.engine.executions.create([waiting("late")])
            assert rig.log.refusals == [("PROJECT_QUEUE_FULL", 1)]
            await rig.until("holder", Phase.RUNNING)
            await rig.abort("holder")
            await rig.after(5.0)
            # The other project has less of the pool.
            (other,) = await rig.store.get([replace(execution_name("other"), project="q")])
            assert other is not None
            assert other.execution.phase is Phase.RUNNING
            assert audited(rig) == (4, 3)

    run(play())


def test_an_advised_time_to_retry_holds() -> None:
    async def play() -> None:
        async with engine_rig(limits(max_queued_per_project=20), p=1) as rig:
            jobs = [draft_of(f"e{n}", pool="p", duration_s=2.0) for n in range(20)]
            await rig.engine.executions.create(jobs)
            await rig.engine.executions.create([draft_of("more", pool="p", duration_s=2.0)])
            await rig.after(30.0)
            while True:
                number = len(rig.log.steps)
                try:
                    await rig.engine.executions.create([draft_of(f"x{number}", pool="p", duration_s=2.0)])
                except LimitReached as reached:
                    advised_s = reached.full.retry_after_s
                    break
            assert advised_s is not None
            assert 1.0 <= advised_s <= 15.0
            await rig.after(advised_s)
            await rig.engine.executions.create([draft_of("again", pool="p")])

    run(play())


def test_a_batch_comes_in_whole_or_not_at_all() -> None:
    async def play() -> None:
        async with engine_rig(limits(max_queued_per_project=4), p=1) as rig:
            await fill(rig, 2)
            full = (await refusal(rig, *(waiting(f"x{n}") for n in range(3)))).full
            assert (full.count, full.arriving) == (2, 3)
            assert await rig.store.get([execution_name("x0")]) == [None]
            assert audited(rig) == (3, 2)
            await rig.engine.executions.create([waiting("x0"), waiting("x1")])
            assert audited(rig) == (5, 4)
            assert rig.log.refusals == [("PROJECT_QUEUE_FULL", 3)]

    run(play())


def test_what_is_there_already_is_answered_at_a_full_queue() -> None:
    async def play() -> None:
        async with engine_rig(limits(max_queued_per_project=3), p=1) as rig:
            await fill(rig, 2)
            await rig.engine.executions.create([waiting("e2")])
            (again,) = await rig.engine.executions.create([waiting("e0")])
            assert again.name.execution == "e0"
            assert audited(rig) == (4, 3)
            batch = await rig.engine.executions.create([waiting("e1"), waiting("holder")])
            assert [record.name.execution for record in batch] == ["e1", "holder"]
            with pytest.raises(AlreadyExists) as raised:
                await rig.engine.executions.create(
                    [waiting("e0"), replace(waiting("e1"), request=waiting("x").request)]
                )
            assert raised.value.index == 1
            # The repeat in a batch takes no place, the new one does.
            full = (await refusal(rig, waiting("e0"), waiting("new"))).full
            assert full.arriving == 1
            assert await rig.engine.executions.validate(waiting("e0"))

    run(play())


def test_a_repeat_of_a_create_whose_commit_is_under_way_waits_for_its_answer() -> None:
    async def play() -> None:
        async with engine_rig(limits(max_queued_per_project=1), p=1) as rig:
            await rig.engine.executions.create([waiting("holder")])
            slow_commits(rig, 2.0)
            first = asyncio.ensure_future(rig.engine.executions.create([waiting("a")]))
            again = asyncio.ensure_future(rig.engine.executions.create([waiting("a")]))
            other = asyncio.ensure_future(rig.engine.executions.create([waiting("b")]))
            await asyncio.wait((first, again, other))
            assert first.result() == again.result()
            with pytest.raises(LimitReached):
                await other

    run(play())


def test_the_limit_of_all_counts_what_runs_too() -> None:
    async def play() -> None:
        async with engine_rig(limits(max_active=2)) as rig:
            for name in ("a", "b"):
                await rig.create(name, duration_s=30.0)
            await rig.until("a", Phase.RUNNING)
            assert audited(rig) == (2, 0)
            full = (await refusal(rig, draft_of("c"))).full
            assert (full.limit, full.project, full.most, full.count) == (Limit.ACTIVE, "", 2, 2)
            assert full.retry_after_s is not None
            await rig.until("a")
            assert (await rig.create("c")).name.execution == "c"

    run(play())


def test_a_limit_of_0_stops_a_project_and_its_own_limit_goes_first() -> None:
    async def play() -> None:
        own = {"p": ProjectLimits(max_queued=0), "q": ProjectLimits(max_queued=1)}
        async with engine_rig(limits(max_queued_per_project=0, projects=own), p=1) as rig:
            for project in ("p", "r"):
                assert (await refusal(rig, waiting("a", project=project))).full.retry_after_s is None
            await rig.engine.executions.create([waiting("a", project="q")])

    run(play())


def test_validate_is_held_by_the_same_limits() -> None:
    async def play() -> None:
        async with engine_rig(limits(max_queued_per_project=1), p=1) as rig:
            await rig.engine.executions.create([waiting("a")])
            await rig.engine.executions.validate(waiting("b"))
            await rig.engine.executions.create([waiting("b")])
            with pytest.raises(LimitReached):
                await rig.engine.executions.validate(waiting("c"))

    run(play())


def test_attempts_and_aborts_of_what_is_in_are_never_refused() -> None:
    async def play() -> None:
        async with engine_rig(limits(max_queued_per_project=1, max_active=2), p=1) as rig:
            await rig.create("again", pool="p", policy=Policy(max_attempts=2), ending="fail_retryable")
            await rig.create("behind", pool="p", duration_s=1.0)
            await refusal(rig, waiting("late"))
            assert await rig.outcome("again") is OutcomeKind.FAILED
            assert (await rig.read("again")).execution.attempt == 2
            await rig.create("last", pool="p", duration_s=ENDLESS)
            await rig.abort("last")
            assert await rig.outcome("last") is OutcomeKind.ABORTED
            assert audited(rig) == (0, 0)

    run(play())


@pytest.mark.parametrize(
    ("held_by", "admission", "is_in"),
    [
        (HeldBy.SERVER, {"max_queued_per_project": 0}, True),
        (HeldBy.SERVER, {"max_active": 0}, False),
        (HeldBy.NOTHING, {"max_queued_per_project": 0, "max_active": 0}, True),
    ],
)
def test_some_are_held_by_fewer_limits(held_by: HeldBy, admission: dict[str, int], is_in: bool) -> None:
    async def play() -> None:
        async with engine_rig(limits(**admission), p=1) as rig:
            if is_in:
                await rig.engine.executions.create([waiting("a", held_by=held_by)])
            else:
                await refusal(rig, waiting("a", held_by=held_by))

    run(play())


def test_an_aborted_name_is_born_though_it_takes_no_place() -> None:
    async def play() -> None:
        async with engine_rig(limits(max_active=1), p=1) as rig:
            await rig.abort("a", allow_missing=True)
            (born,) = await rig.engine.executions.create([waiting("a")])
            assert born.execution.phase is Phase.ABORTED
            (again,) = await rig.engine.executions.create([waiting("a")])
            assert again == born
            await rig.engine.executions.create([waiting("b")])
            assert audited(rig) == (1, 0)
            assert rig.engine._intake.full([waiting("a")], [born]) is None

    run(play())


def test_what_queues_for_a_pool_holds_no_request_in_memory() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await rig.create("holder", pool="p", duration_s=5.0)
            await rig.create("behind", pool="p", ending="fail")
            entry = rig.engine._table.by_name(execution_name("behind"))
            assert entry is not None
            assert entry.request is None
            assert await rig.outcome("behind") is OutcomeKind.FAILED

    run(play())


def test_the_census_is_taken_anew_after_a_crash() -> None:
    async def play() -> None:
        async with engine_rig(limits(max_queued_per_project=3), p=1) as rig:
            await fill(rig, 3)
            await rig.until("holder", Phase.RUNNING)
            await rig.restart()
            assert audited(rig) == (4, 3)
            assert (await refusal(rig, waiting("late"))).full.count == 3

    run(play())
