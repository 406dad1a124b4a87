"""The parts by themselves: timers, the tree of tasks, and lanes."""

from __future__ import annotations

import asyncio
import random

import pytest

from propwash.core.model import ExecutionUid, Fault, FaultKind
from propwash.engine.budgets import EVERY, Urgency
from propwash.engine.circuits import Circuit, Permit, Source
from propwash.engine.lanes import Call, Lane, Work
from propwash.engine.options import EngineOptions, RateLimit
from propwash.engine.supervision import Supervisor, TaskDied
from propwash.engine.timers import Timers
from tests.engine.budget_rig import supervised_budget
from tests.engine.engine_log import EngineLog
from tests.engine.engine_rig import settled
from tests.engine.virtual_time import LoopClock, run


def uid_of(number: int) -> ExecutionUid:
    return ExecutionUid(f"{number:026}")


def test_timers_wake_in_order_and_once() -> None:
    async def play() -> None:
        clock, woken = LoopClock(), list[tuple[float, ExecutionUid]]()
        timers = Timers(clock, lambda uid: woken.append((clock.now(), uid)))
        running = asyncio.ensure_future(timers.run())
        await settled()
        dice, start = random.Random(1), clock.now()
        due = {uid_of(number): start + dice.uniform(0, 50) for number in range(1000)}
        for uid, at in due.items():
            timers.set(uid, at + 10.0)
            timers.set(uid, at)
        timers.set(uid_of(0), None)
        timers.set(uid_of(1), start + 60.0)
        await clock.sleep_until(start + 70.0)
        assert len(woken) == 999
        assert [uid for _, uid in woken][-1] == uid_of(1)
        assert [at for at, _ in woken] == sorted(at for at, _ in woken)
        for at, uid in woken[:-1]:
            assert due[uid] <= at < due[uid] + 0.001
        assert len(timers) == 0
        running.cancel()

    run(play())


def test_an_earlier_instant_wakes_the_sleeping_timers() -> None:
    async def play() -> None:
        clock, woken = LoopClock(), list[float]()
        timers = Timers(clock, lambda uid: woken.append(clock.now()))
        running = asyncio.ensure_future(timers.run())
        start = clock.now()
        timers.set(uid_of(1), start + 100.0)
        await clock.sleep_until(start + 1.0)
        timers.set(uid_of(2), start + 2.0)
        await clock.sleep_until(start + 3.0)
        assert woken == [pytest.approx(start + 2.0)]
        running.cancel()

    run(play())


def test_a_hundred_thousand_replaced_instants_leave_no_garbage() -> None:
    async def play() -> None:
        timers = Timers(LoopClock(), lambda uid: None)
        for number in range(100_000):
            timers.set(uid_of(number % 50), 1e9 + number)
        assert len(timers) == 50
        assert timers.held <= 2 * 50 + 1001
        for number in range(50):
            timers.set(uid_of(number), None)
        assert len(timers) == 0

    run(play())


def test_a_task_that_dies_is_told_of_by_name() -> None:
    async def play() -> None:
        supervisor = Supervisor()

        async def die() -> None:
            raise KeyError("x")

        supervisor.spawn(die(), "the one")
        with pytest.raises(TaskDied, match="the one raised") as raised:
            await supervisor.failed()
        assert isinstance(raised.value.__cause__, KeyError)
        await supervisor.close()

    run(play())


@pytest.mark.parametrize("is_eternal", [True, False])
def test_an_eternal_task_that_ends_counts_as_dead(is_eternal: bool) -> None:
    async def play() -> None:
        supervisor = Supervisor()
        supervisor.spawn(asyncio.sleep(1.0), "the one", is_eternal=is_eternal)
        failing = asyncio.ensure_future(supervisor.failed())
        await asyncio.sleep(2.0)
        assert failing.done() is is_eternal
        if is_eternal:
            with pytest.raises(TaskDied, match="the one ended"):
                await failing
        await supervisor.close()
        await supervisor.close()

    run(play())


def test_close_ends_every_task_and_starts_none() -> None:
    async def play() -> None:
        supervisor, seen = Supervisor(), list[str]()

        async def work(name: str) -> None:
            try:
                await asyncio.sleep(1e6)
            finally:
                seen.append(name)
                supervisor.spawn(work(f"{name}'"), "heir")

        for name in ("a", "b"):
            supervisor.spawn(work(name), name)
        await settled()
        async with asyncio.timeout(1.0):
            await supervisor.close()
        assert sorted(seen) == ["a", "b"]
        assert len(asyncio.all_tasks()) == 1

    run(play())


class LaneRig:
    """A lane, and calls that last a second and remember when they began."""

    def __init__(self, *, rate: float = 1000.0, burst: float = 1000.0, concurrency: int = 64) -> None:
        self.clock = LoopClock()
        self.log = EngineLog(self.clock)
        self.supervisor = Supervisor()
        self.start_at = self.clock.now()
        self.begun: list[tuple[str, float]] = []
        self.lane = Lane(
            "lane",
            clock=self.clock,
            supervisor=self.supervisor,
            instrument=self.log,
            budget=supervised_budget(self.clock, self.supervisor, rate=rate, burst=burst),
            circuit=Circuit(
                handler="h",
                connection="c",
                limits=EngineOptions().breaker_limits,
                clock=self.clock,
                instrument=self.log,
                at=lambda at, do: None,
            ),
            source=Source.CREATE,
            concurrency=concurrency,
        )

    def put(self, name: str, urgency: Urgency = Urgency.NEW, *, is_wanted: bool = True) -> Call:
        async def call(permit: Permit) -> None:
            assert not permit.is_probe
            self.begun.append((name, round(self.clock.now() - self.start_at, 2)))
            await asyncio.sleep(1.0)

        def start() -> Work | None:
            return call if is_wanted else None

        return self.lane.put(start, urgency=urgency)


def test_a_lane_goes_by_urgency_and_then_by_age() -> None:
    async def play() -> None:
        rig = LaneRig(concurrency=1)
        rig.put("first", Urgency.CATCH_UP)
        for urgency in (Urgency.CATCH_UP, Urgency.NEW, Urgency.ABORT):
            for number in range(2):
                rig.put(f"{urgency.name}{number}", urgency)
        assert rig.log.depths["lane"] == 6
        await asyncio.sleep(20.0)
        assert [name for name, _ in rig.begun] == [
            "first", "ABORT0", "ABORT1", "NEW0", "NEW1", "CATCH_UP0", "CATCH_UP1",
        ]  # fmt: skip
        assert rig.log.depths["lane"] == 0
        await rig.supervisor.close()

    run(play())


@pytest.mark.parametrize(("rate", "concurrency"), [(5.0, 64), (1000.0, 5)])
def test_what_is_less_urgent_in_a_lane_is_not_starved(rate: float, concurrency: int) -> None:
    async def play() -> None:
        rig = LaneRig(rate=rate, burst=1.0, concurrency=concurrency)
        for number in range(4 * EVERY):
            rig.put(f"new{number}", Urgency.NEW)
        for number in range(3):
            rig.put(f"late{number}", Urgency.CATCH_UP)
        await asyncio.sleep(30.0)
        names = [name for name, _ in rig.begun]
        late = [names.index(f"late{number}") for number in range(3)]
        assert late == pytest.approx([EVERY, 2 * EVERY, 3 * EVERY], abs=concurrency)
        assert late[0] >= EVERY - concurrency
        await rig.supervisor.close()

    run(play())


def test_a_lane_makes_so_many_calls_at_once() -> None:
    async def play() -> None:
        rig = LaneRig(concurrency=3)
        for number in range(7):
            rig.put(str(number), is_wanted=number != 3)
        await asyncio.sleep(10.0)
        assert [at for _, at in rig.begun] == [0, 0, 0, 1, 1, 1]
        await rig.supervisor.close()

    run(play())


def test_withdrawn_calls_leave_no_garbage_though_none_has_its_turn() -> None:
    async def play() -> None:
        rig = LaneRig(concurrency=1)
        rig.put("first")
        for number in range(20_000):
            call = rig.put("kept" if number % 1000 == 0 else "withdrawn")
            if number % 1000:
                rig.lane.withdraw(call)
        assert rig.lane._depth() <= 20 + 1001
        await asyncio.sleep(100.0)
        assert [name for name, _ in rig.begun] == ["first", *["kept"] * 20]
        assert rig.lane._withdrawn == 0
        await rig.supervisor.close()

    run(play())


def test_a_lane_waits_for_its_throttle_and_heeds() -> None:
    async def play() -> None:
        rig = LaneRig(rate=0.5, burst=2.0)
        for number in range(4):
            rig.put(str(number))
        await asyncio.sleep(10.0)
        assert [at for _, at in rig.begun] == pytest.approx([0, 0, 2, 4], abs=0.02)
        fault = Fault(kind=FaultKind.THROTTLED, reason="X", message="", retry_after_s=40.0)
        rig.lane.heed(Permit(0, rig.clock.now()), fault, execution="e")
        rig.put("late")
        await asyncio.sleep(60.0)
        name, at = rig.begun[-1]
        assert name == "late"
        assert at == pytest.approx(50.0, abs=0.02)
        await rig.supervisor.close()

    run(play())


def test_a_stopped_lane_starts_nothing_and_is_quiet_when_its_calls_have_ended() -> None:
    async def play() -> None:
        rig = LaneRig(concurrency=1)
        rig.put("a")
        rig.put("b")
        await settled()
        rig.lane.stop()
        quiet = asyncio.ensure_future(rig.lane.quiet())
        await settled()
        assert not quiet.done()
        await quiet
        await asyncio.sleep(5.0)
        assert [name for name, _ in rig.begun] == ["a"]
        await rig.supervisor.close()

    run(play())


def test_a_call_cancelled_before_it_began_leaves_nothing_behind() -> None:
    async def play() -> None:
        rig = LaneRig()
        rig.put("a")
        await rig.supervisor.close()
        assert rig.begun == []

    run(play())


@pytest.mark.parametrize(
    "options",
    [
        lambda: EngineOptions(gather_s=0),
        lambda: EngineOptions(reads=RateLimit(rate=0, burst=1)),
        lambda: EngineOptions(writes=RateLimit(rate=1, burst=0.5)),
        lambda: EngineOptions(pools={"p": -1}),
    ],
)
def test_options_that_could_not_work_are_refused(options: object) -> None:
    assert callable(options)
    with pytest.raises(ValueError):
        options()
