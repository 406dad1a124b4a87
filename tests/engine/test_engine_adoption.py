"""Jobs that another service began are watched and ended, never created, whatever becomes of the engine meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from propwash.core.model import Link, OutcomeKind, Phase, Traits
from propwash.ports import AdoptedJob
from propwash.sdk.testing import ToyFault
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig
from tests.engine.virtual_time import run


async def adopt(rig: EngineRig, *, duration_s: float, pool: str = "") -> None:
    """A job that somebody else began runs; an execution adopts it."""
    job = rig.system.submit(
        rig.system.key, name="theirs", owner="them", duration_s=duration_s, ending="succeed"
    )
    adopted = AdoptedJob(meta=str(job.number).encode(), links=(Link(title="it", uri="https://there"),))
    await rig.engine.executions.create([replace(draft_of("one", pool=pool), adopts=adopted)])


@pytest.mark.parametrize("is_crashing", [False, True])
def test_its_end_is_the_execution_s(is_crashing: bool) -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await adopt(rig, duration_s=30.0)
            assert await rig.phase("one") is Phase.RUNNING
            if is_crashing:
                await rig.restart()
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED
            assert rig.codes("create") == rig.codes("find") == []

    run(play())


@pytest.mark.parametrize("is_crashing", [False, True])
def test_an_abort_ends_it_at_the_remote_system(is_crashing: bool) -> None:
    async def play() -> None:
        async with engine_rig() as rig:
            await adopt(rig, duration_s=ENDLESS)
            rig.system.plan("cancel", ToyFault.DOWN)
            rig.system.plan("cancel", ToyFault.LOSE_ANSWER)
            await rig.abort("one")
            if is_crashing:
                await rig.restart()
            assert await rig.outcome("one") is OutcomeKind.ABORTED
            assert rig.live() == 0

    run(play())


def test_what_ran_before_waits_for_no_tokens_and_holds_none() -> None:
    async def play() -> None:
        async with engine_rig(small=1) as rig:
            await rig.create("first", duration_s=ENDLESS, pool="small")
            await rig.until("first", Phase.RUNNING)
            await adopt(rig, duration_s=10.0, pool="small")
            assert await rig.phase("one") is Phase.RUNNING
            assert await rig.outcome("one") is OutcomeKind.SUCCEEDED
            assert rig.log.units("small") == (1, 1, 0)

    run(play())


def test_one_that_is_not_there_is_lost_and_not_begun_anew() -> None:
    async def play() -> None:
        async with engine_rig(traits=Traits(settle_s=5.0, poll_floor_s=1.0)) as rig:
            adopted = AdoptedJob(meta=b"999")
            await rig.engine.executions.create([replace(draft_of("one"), adopts=adopted)])
            assert await rig.outcome("one") is OutcomeKind.FAILED
            assert rig.codes("create") == []

    run(play())
