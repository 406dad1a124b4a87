"""Hints and estimates: a job is asked for when it is worth it, and no flood of hints hammers the remote system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from propwash.core.model import Observation, OutcomeKind, Phase, RemoteName, RemotePhase, Running, Traits
from propwash.core.names import remote_name
from propwash.engine.options import EngineOptions, RateLimit
from propwash.ports import Hearing, NotAccepting
from propwash.sdk import Connection, Verdict
from propwash.sdk.testing import ToyFault, ToyHandler
from tests.engine.engine_rig import ENDLESS, OWNER, EngineRig, draft_of, engine_rig, execution_name, settled
from tests.engine.virtual_time import run

SLOW = Traits(settle_s=5.0, poll_floor_s=1.0, poll_ceiling_s=600.0)
RARE = EngineOptions(sweep_every_s=1e6)


class Estimating(ToyHandler):
    """Says when its jobs will be over, as some systems do."""

    async def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Verdict]:
        answers = dict(await super().get(connection, metas))
        for meta, answer in answers.items():
            if isinstance(answer, Observation) and answer.phase is RemotePhase.RUNNING:
                job = self.system.describe(self.system.key, numbers=[int(meta)])[int(meta)]
                answers[meta] = replace(answer, ask_again_s=job.ends_at - self.system.time())
        return answers


async def hint(rig: EngineRig, *names: str) -> list[Hearing]:
    return list(await rig.engine.executions.hint([execution_name(name) for name in names]))


async def remote_name_of(rig: EngineRig, execution: str, attempt: int = 1) -> RemoteName:
    return remote_name(owner=OWNER, uid=(await rig.read(execution)).execution.uid, attempt=attempt)


def test_a_job_with_a_long_ceiling_is_seen_as_finished_at_once_after_a_hint() -> None:
    async def play() -> None:
        async with engine_rig(traits=SLOW) as rig:
            await rig.create("a", duration_s=5100.0)
            await rig.after(5101.0)
            assert await rig.phase("a") is Phase.RUNNING
            assert await hint(rig, "a") == [Hearing.HEARD]
            await rig.until("a", Phase.SUCCEEDED, within_s=0.5)

    run(play())


def test_a_hint_by_the_remote_name_is_for_its_attempt_alone() -> None:
    async def play() -> None:
        async with engine_rig(traits=SLOW) as rig:
            await rig.create("a", duration_s=5100.0)
            await rig.after(5101.0)
            name = await remote_name_of(rig, "a")
            before = rig.count("describe")
            others = [
                remote_name(owner="them", uid=(await rig.read("a")).execution.uid, attempt=1),
                await remote_name_of(rig, "a", attempt=2),
                "pw-us-01hzy3m8p0q4r5s6t7v8w9x0y1-1",
                "nonsense",
            ]
            assert await rig.engine.executions.hint(others) == [Hearing.UNKNOWN] * 4
            await rig.after(0.5)
            assert rig.count("describe") == before
            assert await rig.engine.executions.hint([name]) == [Hearing.HEARD]
            await rig.until("a", Phase.SUCCEEDED, within_s=0.5)
            assert await rig.engine.executions.hint([name]) == [Hearing.ENDED]
            assert await hint(rig, "a", "b") == [Hearing.ENDED, Hearing.UNKNOWN]
            assert rig.log.hints == {"heard": 1, "ended": 2, "unknown": 5}

    run(play())


def test_a_hint_while_the_job_is_being_observed_is_not_forgotten() -> None:
    async def play() -> None:
        async with engine_rig(traits=SLOW) as rig:
            await rig.create("a", duration_s=5100.0)
            await rig.after(5090.0)
            await hint(rig, "a")
            gate = rig.system.hold("describe")
            await rig.after(0.3)
            assert gate.reached.is_set()
            # The remote system has read the job's state, and its answer is under way: then the job ends.
            await rig.after(2.0)
            assert await hint(rig, "a") == [Hearing.HEARD]
            before = rig.count("describe")
            gate.open()
            await rig.after(1.0)
            assert rig.count("describe") == before + 2

    run(play())


def test_a_flood_of_hints_makes_one_call_in_the_poll_floor() -> None:
    async def play() -> None:
        async with engine_rig(RARE, traits=replace(SLOW, poll_floor_s=2.0)) as rig:
            await rig.create("a", duration_s=ENDLESS)
            await rig.after(1000.0)
            before = rig.count("describe")
            for _ in range(1000):
                await hint(rig, "a")
                await rig.after(0.01)
            assert 4 <= rig.count("describe") - before <= 6

    run(play())


def test_hints_go_through_the_budget_and_do_not_starve_the_others() -> None:
    async def play() -> None:
        options = replace(RARE, reads=RateLimit(rate=5.0, burst=5.0))
        traits = replace(SLOW, poll_ceiling_s=20.0)
        async with engine_rig(options, traits=traits, handler=OneByOne) as rig:
            names = [f"e{number}" for number in range(40)]
            await rig.engine.executions.create([draft_of(name, duration_s=ENDLESS) for name in names])
            await rig.after(250.0)
            asked_before = len([None for _, method, _ in rig.log.calls if method == "get_one"])
            for _ in range(60):
                await hint(rig, *names[:20])
                await rig.after(0.5)
            asked = len([None for _, method, _ in rig.log.calls if method == "get_one"]) - asked_before
            assert asked <= 30 * 5 + 5 + 2
            stalest = max(rig.clock.now() - last_answer(rig, name) for name in names[20:])
            # A quarter of 5 a second is for those that were not hinted at.
            assert stalest <= 20.0 / (5.0 / 4) + 20.0 + 2.0

    run(play())


def test_a_create_in_doubt_is_looked_up_at_once_after_a_hint() -> None:
    async def play() -> None:
        traits = Traits(has_unique_names=False, settle_s=600.0)
        async with engine_rig(traits=traits) as rig:
            rig.system.plan("submit", ToyFault.LOSE_ANSWER)
            await rig.create("a", duration_s=ENDLESS)
            await rig.after(60.0)
            assert await rig.phase("a") is Phase.INITIALIZING
            await rig.engine.executions.hint([await remote_name_of(rig, "a")])
            await rig.until("a", Phase.RUNNING, within_s=1.0)
            assert len(rig.system.ledger()) == 1

    run(play())


def test_a_hint_at_what_waits_or_is_not_stored_does_nothing() -> None:
    async def play() -> None:
        async with engine_rig(traits=SLOW, p=1) as rig:
            await rig.create("a", duration_s=ENDLESS, pool="p")
            await rig.create("b", duration_s=ENDLESS, pool="p")
            assert await hint(rig, "b") == [Hearing.HEARD]
            await rig.after(1.0)
            assert await rig.phase("b") is Phase.WAITING_FOR_RESOURCES
            await rig.engine.drain(deadline_s=1.0)
            with pytest.raises(NotAccepting):
                await hint(rig, "a")

    run(play())


def test_a_hint_is_lost_with_the_process_and_the_job_is_asked_for_anyway() -> None:
    async def play() -> None:
        async with engine_rig(traits=SLOW) as rig:
            await rig.create("a", duration_s=5100.0)
            await rig.after(5101.0)
            await hint(rig, "a")
            await rig.restart()
            await settled()
            assert await rig.outcome("a", within_s=5.0) is OutcomeKind.SUCCEEDED

    run(play())


def test_an_estimate_of_the_system_is_followed() -> None:
    async def play() -> None:
        async with engine_rig(traits=SLOW, handler=Estimating) as rig:
            await rig.create("a", duration_s=300.0)
            await rig.until("a", Phase.SUCCEEDED, within_s=325.0)
            assert rig.count("describe") <= 8
            ended_at = next(step.at for step in rig.log.steps if step.phase is Phase.SUCCEEDED)
            assert ended_at - rig.log.steps[0].at == pytest.approx(300.0, rel=0.0625)

    run(play())


def test_when_the_budget_is_short_the_oldest_answer_goes_first() -> None:
    async def play() -> None:
        options = replace(RARE, reads=RateLimit(rate=5.0, burst=5.0))
        traits = Traits(settle_s=5.0, poll_floor_s=1.0, poll_ceiling_s=20.0)
        async with engine_rig(options, traits=traits, handler=OneByOne) as rig:
            drafts = [draft_of(f"e{number}", duration_s=ENDLESS) for number in range(60)]
            await rig.engine.executions.create(drafts[:20])
            await rig.after(300.0)
            young_at = rig.clock.now()
            await rig.engine.executions.create(drafts[20:])
            await rig.after(30.0)
            seen = [
                (execution.created_at < young_at, at - state.observed_at)
                for at, execution in rig.log.answers
                if at > young_at and isinstance(state := execution.state, Running)
            ]
            assert 140 <= len(seen) <= 160
            # The young are due every second or two, and their turn comes every ten. Who is asked for every 20 seconds
            # does not wait behind them.
            assert max(gap for is_old, gap in seen if is_old) <= 20.0 + 1.0
            assert max(gap for is_old, gap in seen if not is_old) <= 10.0 + 2.0

    run(play())


def test_who_goes_next_is_decided_when_the_budget_lets_it_go() -> None:
    async def play() -> None:
        options = replace(RARE, reads=RateLimit(rate=1.0, burst=20.0))
        traits = Traits(settle_s=5.0, poll_floor_s=1.0, poll_ceiling_s=5.0)
        async with engine_rig(options, traits=traits, handler=OneByOne) as rig:
            drafts = [draft_of(f"e{number}", duration_s=ENDLESS) for number in range(40)]
            await rig.engine.executions.create(drafts)
            for wait_s in (60.0, 7.3, 7.3):
                await rig.after(wait_s)
                hinted_at = rig.clock.now()
                await hint(rig, "e0")
                await rig.after(3.0)
                assert last_answer(rig, "e0") >= hinted_at

    run(play())


class OneByOne(ToyHandler):
    """Has no call for many jobs."""

    get = ToyHandler.__mro__[1].get  # type: ignore[attr-defined]  # as if it were not overridden

    async def get_one(self, connection: Connection, meta: bytes) -> Observation:
        answer = self.calls.get([meta])[meta]
        assert isinstance(answer, Observation)
        return answer


def last_answer(rig: EngineRig, name: str) -> float:
    """When the job was last observed."""
    entry = rig.engine._table.by_name(execution_name(name))
    assert entry is not None
    assert isinstance(entry.execution.state, Running)
    return entry.execution.state.observed_at
