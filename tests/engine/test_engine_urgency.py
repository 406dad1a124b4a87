"""Who gets the next call where the budget is short: by urgency, decided when the turn has come, and nobody never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

import pytest

from propwash.core.model import Fault, FaultKind, Phase, Traits
from propwash.engine.budgets import EVERY, Urgency
from propwash.engine.circuits import Circuit, Permit, Source
from propwash.engine.options import EngineOptions
from propwash.engine.supervision import Supervisor
from propwash.ports import NotAccepting
from propwash.sdk import CallLimits, Connection, Handler, Observation, Rate
from propwash.sdk.testing import ToyFault, ToyHandler
from tests.engine.budget_rig import supervised_budget
from tests.engine.engine_log import EngineLog
from tests.engine.engine_rig import ENDLESS, draft_of, engine_rig, settled
from tests.engine.virtual_time import LoopClock, run

DOWN = Fault(kind=FaultKind.UNAVAILABLE, reason="DOWN", message="")
READS = ("get_one", "find", "list")


class BudgetRig:
    """A budget of so many calls a second, none at once, and who went when."""

    def __init__(self, *, rate: float = 1.0, burst: float = 1.0) -> None:
        self.clock = LoopClock()
        self.supervisor = Supervisor()
        self.budget = supervised_budget(self.clock, self.supervisor, rate=rate, burst=burst)
        self.began_at = self.clock.now()
        self.gone: list[tuple[str, float]] = []

    def ask(self, name: str, urgency: Urgency, *, again: bool = False) -> None:
        def go() -> bool:
            self.gone.append((name, round(self.clock.now() - self.began_at, 2)))
            if again:
                self.ask(name, urgency, again=True)
            return True

        self.budget.ask(urgency, go)
        self.budget.serve()

    def names(self) -> list[str]:
        return [name for name, _ in self.gone]


def test_the_more_urgent_goes_first_and_among_equals_who_has_waited_longer() -> None:
    async def play() -> None:
        rig = BudgetRig()
        rig.ask("first", Urgency.SWEEP)
        for urgency in sorted(Urgency, reverse=True):
            for number in range(2):
                rig.ask(f"{urgency.name}{number}", urgency)
        await asyncio.sleep(12.0)
        assert rig.names() == [
            "first",
            *(f"{urgency.name}{number}" for urgency in Urgency for number in (0, 1)),
        ]
        assert [at for _, at in rig.gone] == pytest.approx(range(11), abs=0.01)
        await rig.supervisor.close()

    run(play())


@pytest.mark.parametrize("crowd", [Urgency.OBSERVE, Urgency.CATCH_UP, Urgency.SWEEP])
def test_the_most_urgent_waits_for_no_more_than_the_next_turn(crowd: Urgency) -> None:
    async def play() -> None:
        rig = BudgetRig(rate=10.0, burst=10.0)
        for number in range(500):
            rig.ask(f"{crowd.name}{number}", crowd)
        for round_ in range(20):
            await asyncio.sleep(0.73)
            asked_at = rig.clock.now() - rig.began_at
            rig.ask(f"new{round_}", Urgency.NEW)
            await asyncio.sleep(0.21)
            assert dict(rig.gone)[f"new{round_}"] <= asked_at + 0.11
        await rig.supervisor.close()

    run(play())


def test_one_turn_in_so_many_goes_to_the_less_urgent_who_has_waited_longest() -> None:
    async def play() -> None:
        rig = BudgetRig()
        rig.ask("new", Urgency.NEW, again=True)
        await asyncio.sleep(0.5)
        rig.ask("sweep", Urgency.SWEEP)
        rig.ask("observe", Urgency.OBSERVE, again=True)
        await asyncio.sleep(3.0 * EVERY + 5.0)
        others = [(name, index) for index, name in enumerate(rig.names()) if name != "new"]
        assert others == [("sweep", EVERY), *(("observe", EVERY * n) for n in (2, 3))]
        await rig.supervisor.close()

    run(play())


def test_a_turn_that_is_not_used_goes_to_the_next() -> None:
    async def play() -> None:
        rig = BudgetRig()
        rig.ask("first", Urgency.NEW)
        rig.budget.ask(Urgency.ABORT, lambda: False)
        rig.budget.ask(Urgency.NEW, lambda: pytest.fail("withdrawn")).withdraw()
        rig.ask("second", Urgency.OBSERVE)
        await asyncio.sleep(1.1)
        assert rig.gone == [("first", 0.0), ("second", 1.0)]
        await rig.supervisor.close()

    run(play())


def test_what_is_spare_is_given_while_nobody_waits_and_never_ahead_of_time() -> None:
    async def play() -> None:
        rig = BudgetRig(rate=1.0, burst=3.0)
        assert [rig.budget.spare() for _ in range(4)] == [True, True, True, False]
        rig.ask("new", Urgency.NEW)
        await asyncio.sleep(1.0)
        assert not rig.budget.spare()
        assert rig.gone == [("new", 1.0)]
        await rig.supervisor.close()

    run(play())


def test_a_pause_is_heeded_by_all_who_wait() -> None:
    async def play() -> None:
        rig = BudgetRig()
        for number in range(3):
            rig.ask(str(number), Urgency.NEW)
        await asyncio.sleep(0.5)
        assert rig.budget.wait_s(Urgency.NEW) == pytest.approx(2.5)
        slow = Fault(kind=FaultKind.THROTTLED, reason="SLOW", message="", retry_after_s=1.0)
        rig.budget.heed(slow, sent_at=rig.clock.now())
        rig.budget.heed(DOWN, sent_at=rig.clock.now())
        await asyncio.sleep(8.0)
        assert rig.names() == ["0", "1", "2"]
        assert rig.gone[1][1] >= 1.5
        await rig.supervisor.close()

    run(play())


def test_a_plea_of_our_own_slows_nothing_down() -> None:
    async def play() -> None:
        rig = BudgetRig(rate=50.0)
        ours = Fault(kind=FaultKind.THROTTLED, reason="STORE_UNAVAILABLE", message="")
        rig.budget.heed(ours, sent_at=rig.clock.now())
        assert rig.budget.rate == 50.0
        rig.budget.heed(Fault(kind=FaultKind.THROTTLED, reason="SLOW", message=""), sent_at=rig.clock.now())
        assert rig.budget.rate < 50.0
        await rig.supervisor.close()

    run(play())


def circuit_of(clock: LoopClock, at: Callable[[float, Callable[[], None]], None]) -> Circuit:
    return Circuit(
        handler="h",
        connection="c",
        limits=EngineOptions(breaker_failures=1, breaker_executions=1, breaker_after_s=1e-9).breaker_limits,
        clock=clock,
        instrument=EngineLog(clock),
        at=at,
    )


def test_all_of_one_source_are_woken_when_the_breaker_closes() -> None:
    async def play() -> None:
        rig = BudgetRig(rate=100.0, burst=100.0)
        circuit = circuit_of(rig.clock, lambda at, do: None)
        permit = circuit.begin(Source.OBSERVE)
        for _ in range(2):
            await asyncio.sleep(1.0)
            circuit.end(permit, DOWN, executions=("e",))
        assert circuit.opened is not None
        waits = [
            asyncio.ensure_future(circuit.turn(rig.budget, Source.OBSERVE, Urgency.OBSERVE)) for _ in range(3)
        ]
        await settled()
        assert not any(wait.done() for wait in waits)
        circuit.end(permit, None)
        assert all(isinstance(permit, Permit) for permit in await asyncio.gather(*waits))
        await rig.supervisor.close()

    run(play())


def test_who_waits_for_a_turn_is_let_go_at_the_end() -> None:
    async def play() -> None:
        rig = BudgetRig(rate=0.01)
        circuit = circuit_of(rig.clock, lambda at, do: None)
        rig.ask("first", Urgency.NEW)
        permit = asyncio.ensure_future(circuit.turn(rig.budget, Source.SWEEP, Urgency.SWEEP))
        turn = asyncio.ensure_future(rig.budget.turn(Urgency.NEW))
        await settled()
        circuit.stop()
        rig.budget.stop()
        assert await permit is None
        assert await turn is False
        assert await rig.budget.turn(Urgency.NEW) is False
        assert await circuit.turn(rig.budget, Source.SWEEP, Urgency.SWEEP) is None
        await rig.supervisor.close()

    run(play())


def test_who_no_longer_waits_uses_up_no_turn() -> None:
    async def play() -> None:
        rig = BudgetRig()
        rig.ask("first", Urgency.NEW)
        turn = asyncio.ensure_future(rig.budget.turn(Urgency.ABORT))
        await settled()
        turn.cancel()
        rig.ask("second", Urgency.NEW)
        await asyncio.sleep(1.1)
        assert rig.gone == [("first", 0.0), ("second", 1.0)]
        await rig.supervisor.close()

    run(play())


class OneByOne(ToyHandler):
    limits: ClassVar[CallLimits] = CallLimits(
        reads=Rate(per_s=10.0, burst=20.0), writes=Rate(per_s=1000.0, burst=1000.0)
    )
    get = Handler.get  # type: ignore[assignment]  # as if it were not overridden

    async def get_one(self, connection: Connection, meta: bytes) -> Observation:
        answer = self.calls.get([meta])[meta]
        assert isinstance(answer, Observation)
        return answer


def test_a_look_up_for_new_work_goes_before_the_observations_after_a_restart() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=10.0)
        traits = Traits(settle_s=5.0, poll_floor_s=1.0, poll_ceiling_s=1.0)
        async with engine_rig(options, handler=OneByOne, traits=traits) as rig:
            drafts = [draft_of(f"e{number}", duration_s=ENDLESS) for number in range(300)]
            await rig.engine.executions.create(drafts)
            await rig.after(5.0)
            await rig.restart()
            await rig.after(3.0)
            # Its create is made and its answer lost, so it has to be looked up.
            rig.system.plan("submit", ToyFault.LOSE_ANSWER)
            asked_at = rig.clock.now()
            await rig.create("new", duration_s=ENDLESS)
            await rig.after(2.0)
            found_at = next(at for at, method, _ in rig.log.calls if method == "find" and at > asked_at)
            created_at = next(at for at, method, _ in rig.log.calls if method == "create" and at >= asked_at)
            assert created_at <= asked_at + 0.1
            assert found_at <= asked_at + 1.5, "it waited behind the observations"
            await rig.abort("e7")
            await rig.after(0.1)
            assert rig.count("cancel") == 1
            assert await rig.phase("new") is not Phase.QUEUED

    run(play())


def test_under_a_short_budget_everything_is_still_read() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=10.0)
        traits = Traits(settle_s=5.0, poll_floor_s=1.0, poll_ceiling_s=1.0)
        async with engine_rig(options, handler=OneByOne, traits=traits) as rig:
            drafts = [draft_of(f"e{number}", duration_s=ENDLESS) for number in range(100)]
            await rig.engine.executions.create(drafts)
            await rig.after(100.0)
            counted = {method: len(rig.codes(method)) for method in READS}
            assert counted["list"] >= 5
            assert 800 <= counted["get_one"] + counted["list"] <= 20 + 1000

    run(play())


def test_a_dry_run_that_waits_at_the_end_is_told_so() -> None:
    class Slow(ToyHandler):
        limits: ClassVar[CallLimits] = CallLimits(writes=Rate(per_s=0.2, burst=1.0))

    async def play() -> None:
        async with engine_rig(EngineOptions(sweep_every_s=1e6), handler=Slow) as rig:
            validate = rig.engine.executions.validate
            await validate(draft_of("a"))
            waits = asyncio.ensure_future(validate(draft_of("b")))
            await settled()
            await rig.engine.drain(deadline_s=1.0)
            with pytest.raises(NotAccepting, match="stopping"):
                await waits

    run(play())
