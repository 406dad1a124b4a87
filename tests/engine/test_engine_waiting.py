"""What an execution waits for, told from memory: its place in a pool, the rate, a pause, an open breaker, a cleanup."""

from __future__ import annotations

import pytest

from propwash.core.events import Deletion
from propwash.core.model import Phase, Policy, Traits
from propwash.core.pool import Block, Place
from propwash.engine.options import EngineOptions, RateLimit
from propwash.engine.snapshot import Snapshot
from propwash.ports import Behind, Paused, Silent, Wait
from propwash.sdk.testing import ToyFault, ToySystem
from tests.engine.breaker_rig import RARE, OneByOne, break_down, create_many, is_out
from tests.engine.engine_rig import ENDLESS, EngineRig, engine_rig
from tests.engine.virtual_time import LoopClock, run


async def wait_of(rig: EngineRig, execution: str) -> Wait | None:
    return rig.engine.executions.waits(await rig.read(execution))


async def place_of(rig: EngineRig, execution: str) -> tuple[int, int]:
    wait = await wait_of(rig, execution)
    assert wait is not None
    (place,) = wait.pools
    return place.position, place.waiting


def test_a_place_in_a_pool_and_how_it_moves_up() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await rig.create("holder", pool="p", duration_s=20.0)
            for number in range(4):
                await rig.create(f"e{number}", pool="p", duration_s=ENDLESS)
            assert await wait_of(rig, "e2") == Wait(
                pools=(
                    Place(
                        pool="p",
                        units=1,
                        position=3,
                        waiting=4,
                        occupied=1,
                        capacity=1,
                        block=Block.TURN,
                    ),
                )
            )
            await rig.abort("e0")
            await rig.after(1.0)
            assert await place_of(rig, "e2") == (2, 3)
            await rig.until("holder")
            await rig.after(1.0)
            assert await place_of(rig, "e2") == (1, 2)
            # Who came since the last count is behind all.
            await rig.create("late", pool="p")
            assert await place_of(rig, "late") == (3, 3)
            await rig.until("e1", Phase.RUNNING)
            assert await wait_of(rig, "e1") == Wait()

    run(play())


def test_positions_are_counted_once_a_second_however_many_ask() -> None:
    async def play() -> None:
        clock, counts = LoopClock(), list[float]()

        def count() -> int:
            counts.append(clock.now())
            return len(counts)

        snapshot = Snapshot(clock, count)
        start = clock.now()
        for _ in range(400):
            snapshot.value()
            await clock.sleep_until(clock.now() + 0.0255)
        assert len(counts) in (10, 11)
        await clock.sleep_until(start + 1000.0)
        assert len(counts) in (10, 11)

    run(play())


def test_what_is_not_known_here_or_has_moved_on_is_not_told() -> None:
    async def play() -> None:
        async with engine_rig(p=1) as rig:
            await rig.create("holder", pool="p", duration_s=5.0)
            await rig.create("one", pool="p", duration_s=5.0)
            waiting = await rig.read("one")
            await rig.until("one", Phase.RUNNING)
            assert rig.engine.executions.waits(waiting) is None
            await rig.until("one")
            assert await wait_of(rig, "one") is None

    run(play())


def test_calls_that_the_rate_holds_back_know_how_many_go_first() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=1e6, writes=RateLimit(rate=0.5, burst=1.0))
        async with engine_rig(options) as rig:
            names = await create_many(rig, 10)
            await rig.after(0.1)
            assert await wait_of(rig, names[1]) == Wait(hold=Behind(ahead=0, per_s=0.5))
            assert await wait_of(rig, names[9]) == Wait(hold=Behind(ahead=8, per_s=0.5))
            # What is withdrawn is nobody's concern any more.
            await rig.abort(names[1])
            await rig.after(4.0)
            assert await wait_of(rig, names[9]) == Wait(hold=Behind(ahead=5, per_s=0.5))
            await rig.after(60.0)
            assert {await rig.phase(name) for name in names[2:]} == {Phase.RUNNING}

    run(play())


def test_observations_that_the_rate_holds_back_are_told() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=1e6, reads=RateLimit(rate=0.02, burst=1.0))
        async with engine_rig(options) as rig:
            names = await create_many(rig, 3)
            await rig.after(20.0)
            # One call observes all of them.
            assert [await wait_of(rig, name) for name in names] == [
                Wait(hold=Behind(ahead=0, per_s=0.02))
            ] * 3

    run(play())


def test_observations_one_by_one_go_one_after_the_other() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=1e6, reads=RateLimit(rate=0.02, burst=1.0))
        async with engine_rig(options, handler=OneByOne) as rig:
            names = await create_many(rig, 3)
            await rig.after(20.0)
            holds = [wait.hold for name in names if (wait := await wait_of(rig, name)) is not None]
            assert sorted(hold.ahead for hold in holds if isinstance(hold, Behind)) == [0, 1, 2]

    run(play())


def test_a_pause_is_told_to_who_was_told_and_to_who_waits_behind() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            rig.system.plan("submit", ToyFault.THROTTLE, retry_after_s=300.0)
            began_at = rig.clock.now()
            await rig.create("one", duration_s=ENDLESS)
            await rig.after(1.0)
            await rig.create("two", duration_s=ENDLESS)
            one, two = await wait_of(rig, "one"), await wait_of(rig, "two")
            assert one is not None
            assert two is not None
            for wait in (one, two):
                assert isinstance(wait.hold, Paused)
                assert wait.hold.until == pytest.approx(began_at + 300.0, abs=0.1)
            await rig.after(310.0)
            assert await wait_of(rig, "two") == Wait()

    run(play())


def test_an_open_breaker_is_told_to_all_of_its_connection() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            running, *_ = await break_down(rig)
            (opened_at,) = [at for at, is_open in rig.log.breakers if is_open]
            await rig.create("late", duration_s=ENDLESS)
            await rig.abort("e1")
            await rig.after(0.5)
            for name in (running, "late", "e1"):
                wait = await wait_of(rig, name)
                assert wait is not None
                assert isinstance(wait.hold, Silent)
                assert wait.hold.since == opened_at
                assert wait.hold.next_try_at is not None
                assert wait.hold.next_try_at > rig.clock.now()
                assert wait.hold.fault.reason == "KEY_REFUSED"
            is_out(rig, out=False)
            await rig.after(60.0)
            assert await wait_of(rig, running) == Wait()

    run(play())


def test_the_probe_itself_is_not_held_back() -> None:
    async def play() -> None:
        async with engine_rig(RARE) as rig:
            await break_down(rig)
            for name in ("describe", "lookup", "submit", "cancel"):
                rig.system.hold(name)
            await rig.abort("e0")
            await rig.after(6.0)
            probed, other = await wait_of(rig, "e0"), await wait_of(rig, "e1")
            assert probed is not None
            assert probed.hold is None
            assert other is not None
            assert isinstance(other.hold, Silent)
            assert other.hold.next_try_at is None

    run(play())


def test_a_cleanup_tells_what_the_last_delete_was_answered() -> None:
    async def play() -> None:
        async with engine_rig(RARE, system=ToySystem(cancel_s=60.0)) as rig:
            await rig.create("one", duration_s=ENDLESS)
            await rig.until("one", Phase.RUNNING)
            gate = rig.system.hold("cancel")
            await rig.abort("one")
            await gate.reached.wait()
            assert await wait_of(rig, "one") == Wait()
            gate.open()
            await rig.after(1.0)
            wait = await wait_of(rig, "one")
            assert wait is not None
            assert wait.deletion is Deletion.PENDING
            await rig.after(10.0)
            wait = await wait_of(rig, "one")
            assert wait is not None
            assert wait.retry_at is not None
            assert rig.clock.now() < wait.retry_at < rig.clock.now() + 30.0

    run(play())


def test_the_answer_to_a_delete_of_an_earlier_attempt_is_not_told() -> None:
    async def play() -> None:
        traits = Traits(settle_s=5.0, poll_floor_s=1.0, poll_ceiling_s=5.0)
        policy = Policy(max_attempts=2, run_deadline_s=10.0)
        async with engine_rig(RARE, traits=traits, system=ToySystem(cancel_s=3.0)) as rig:
            await rig.create("one", duration_s=ENDLESS, policy=policy)
            await rig.until("one", Phase.CLEANING_UP)
            await rig.after(1.0)
            first = await wait_of(rig, "one")
            assert first is not None
            assert first.deletion is Deletion.PENDING
            await rig.until("one", Phase.RUNNING)
            gate = rig.system.hold("cancel")
            await gate.reached.wait()
            assert (await rig.read("one")).execution.attempt == 2
            second = await wait_of(rig, "one")
            assert second is not None
            assert second.deletion is None
            gate.open()

    run(play())
