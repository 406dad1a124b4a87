"""How fast a connection is called: its own limits go before its handler's, and those before the engine's; whoever
reads, writes or deletes shares one budget.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from propwash.core.model import OutcomeKind, Phase, Traits
from propwash.engine.budgets import Budgets, CallClass
from propwash.engine.options import EngineOptions, RateLimit
from propwash.engine.supervision import Supervisor
from propwash.handlers.connections import ConfiguredConnection
from propwash.ports import NotAccepting
from propwash.sdk import CallLimits, Connection, CreateRequest, Handler, Observation, Rate
from propwash.sdk.testing import ToyFault, ToyHandler, ToySpec
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig
from tests.engine.virtual_time import run

RARE = EngineOptions(sweep_every_s=1e6)
READS = ("get", "get_one", "find", "list")


class Limited(ToyHandler):
    limits: ClassVar[CallLimits] = CallLimits(
        reads=Rate(per_s=2.0, burst=4.0), writes=Rate(per_s=5.0, burst=5.0)
    )

    async def validate(self, request: CreateRequest[ToySpec]) -> None:
        await self.system.reach("submit")


class OneByOne(ToyHandler):
    limits: ClassVar[CallLimits] = CallLimits(reads=Rate(per_s=10.0, burst=20.0))
    get = Handler.get  # type: ignore[assignment]  # as if it were not overridden

    async def get_one(self, connection: Connection, meta: bytes) -> Observation:
        answer = self.calls.get([meta])[meta]
        assert isinstance(answer, Observation)
        return answer


def toys(**limits: Rate) -> ConfiguredConnection:
    return ConfiguredConnection(
        plugin="toys", connection=Connection(name="toys"), limits=CallLimits(**limits)
    )


def most_in(at: list[float], window_s: float) -> int:
    return max((sum(1 for one in at if first <= one < first + window_s) for first in at), default=0)


def calls(rig: EngineRig, *methods: str) -> list[float]:
    return [at for at, method, _ in rig.log.calls if method in methods]


async def create_many(rig: EngineRig, count: int) -> None:
    drafts = [draft_of(f"e{number}", duration_s=ENDLESS) for number in range(count)]
    await rig.engine.executions.create(drafts)


def test_the_handlers_limits_go_before_the_engines() -> None:
    async def play() -> None:
        async with engine_rig(RARE, handler=Limited) as rig:
            await create_many(rig, 40)
            await rig.after(60.0)
            sent_at = calls(rig, "create")
            assert len(sent_at) == 40
            assert most_in(sent_at, 1.0) <= 5 + 5
            assert sent_at[-1] - sent_at[0] == pytest.approx(7.0, abs=0.1)

    run(play())


def test_the_connections_limits_go_before_the_handlers() -> None:
    async def play() -> None:
        configured = toys(writes=Rate(per_s=1.0, burst=1.0), deletes=Rate(per_s=0.5, burst=1.0))
        async with engine_rig(RARE, handler=Limited, connections=[configured]) as rig:
            await create_many(rig, 10)
            await rig.after(30.0)
            sent_at = calls(rig, "create")
            assert len(sent_at) == 10
            assert sent_at[-1] - sent_at[0] == pytest.approx(9.0, abs=0.1)
            for number in range(5):
                await rig.abort(f"e{number}")
            await rig.after(60.0)
            deleted_at = calls(rig, "delete")
            assert len(deleted_at) == 5
            assert deleted_at[-1] - deleted_at[0] == pytest.approx(8.0, abs=0.1)

    run(play())


def test_connections_of_one_handler_do_not_share_a_budget() -> None:
    async def play() -> None:
        slow = toys(writes=Rate(per_s=0.1, burst=1.0))
        fast = ConfiguredConnection(plugin="toys", connection=Connection(name="fast"), is_default=True)
        async with engine_rig(RARE, connections=[slow, fast]) as rig:
            await create_many(rig, 50)
            await rig.after(2.0)
            assert len(calls(rig, "create")) == 50

    run(play())


def test_observations_look_ups_and_sweeps_share_the_reads() -> None:
    async def play() -> None:
        options = EngineOptions(sweep_every_s=2.0)
        async with engine_rig(
            options, handler=Limited, traits=Traits(settle_s=5.0, poll_floor_s=0.5, poll_ceiling_s=0.5)
        ) as rig:
            rig.system.plan("submit", ToyFault.DOWN, times=20)
            await create_many(rig, 30)
            await rig.after(120.0)
            # None of the three starves the others.
            assert all(len(calls(rig, method)) > 10 for method in ("get", "find", "list"))
            read_at = calls(rig, *READS)
            assert most_in(read_at, 10.0) <= 4 + 2 * 10
            assert rig.live() == 30

    run(play())


def test_a_handler_without_batches_is_called_within_its_rate() -> None:
    async def play() -> None:
        async with engine_rig(
            RARE, handler=OneByOne, traits=Traits(settle_s=5.0, poll_floor_s=1.0, poll_ceiling_s=1.0)
        ) as rig:
            await create_many(rig, 200)
            await rig.after(60.0)
            read_at = calls(rig, "get_one")
            assert 400 <= len(read_at) <= 20 + 600
            assert most_in(read_at, 10.0) <= 2 * 20 + 10 * 10
            assert len(set(read_at)) > 20

    run(play())


def test_what_asks_for_a_pause_in_a_sweep_pauses_observation_too() -> None:
    async def play() -> None:
        async with engine_rig(EngineOptions(sweep_every_s=10.0)) as rig:
            await create_many(rig, 3)
            await rig.after(9.0)
            rig.system.plan("list", ToyFault.THROTTLE, retry_after_s=30.0)
            await rig.after(2.0)
            paused_at = next(at for at, method, code in rig.log.calls if code.startswith("THROTTLED"))
            await rig.after(60.0)
            read_at = [at for at in calls(rig, *READS) if at > paused_at]
            assert min(read_at) >= paused_at + 30.0

    run(play())


def test_a_closed_connection_keeps_no_other_from_being_swept() -> None:
    async def play() -> None:
        configured = [toys(), ConfiguredConnection(plugin="toys", connection=Connection(name="other"))]
        options = EngineOptions(sweep_every_s=10.0)
        async with engine_rig(options, connections=configured) as rig:
            await rig.after(1.0)
            rig.system.plan("list", ToyFault.THROTTLE, retry_after_s=3600.0)
            await rig.after(1000.0)
            # One of the two is closed for an hour, and the other swept every time.
            assert 95 <= len(calls(rig, "list")) <= 105

    run(play())


def test_a_dry_run_counts_as_a_write() -> None:
    async def play() -> None:
        configured = toys(writes=Rate(per_s=0.25, burst=1.0))
        async with engine_rig(RARE, handler=Limited, connections=[configured]) as rig:
            validate = rig.engine.executions.validate
            began_at = rig.clock.now()
            await asyncio.gather(validate(draft_of("a")), validate(draft_of("b")))
            assert rig.clock.now() - began_at == pytest.approx(4.0, abs=0.1)
            more = [asyncio.ensure_future(validate(draft_of(name))) for name in ("c", "d")]
            await rig.after(0.1)
            with pytest.raises(NotAccepting, match=r"limit of calls lets a dry run pass in 1[12] s"):
                await validate(draft_of("e"))
            await asyncio.gather(*more)
            await rig.create("f")
            assert await rig.phase("f") is Phase.INITIALIZING
            assert await rig.outcome("f") is OutcomeKind.SUCCEEDED

    run(play())


@pytest.mark.parametrize(
    ("kind", "rate"), [(CallClass.READ, 3.0), (CallClass.WRITE, 2.0), (CallClass.DELETE, 1000.0)]
)
def test_each_class_has_its_limit(kind: CallClass, rate: float) -> None:
    async def play() -> None:
        async with engine_rig(RARE, connections=[toys(reads=Rate(per_s=3.0, burst=3.0))]) as rig:
            handlers = rig.host
            options = EngineOptions(writes=RateLimit(rate=2.0, burst=2.0))
            supervisor = Supervisor()
            budgets = Budgets(clock=rig.clock, handlers=handlers, supervisor=supervisor, options=options)
            budget = budgets.of("toy", "toys", kind)
            assert budget.limit.rate == rate
            assert budgets.of("toy", "toys", kind) is budget
            assert budgets.of("toy", "gone", kind) is not budget
            assert budgets.of("unheard", "toys", kind).limit.rate in (2.0, 200.0, 1000.0)
            await supervisor.close()

    run(play())
