"""A start with much to take up does not hold the loop: the API answers meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from propwash.core.model import Traits
from propwash.engine import reconciler
from propwash.engine.options import EngineOptions, RateLimit
from tests.engine.engine_rig import ENDLESS, EngineRig, draft_of, engine_rig
from tests.engine.virtual_time import run

TURN, JOBS = 10, 100


def test_the_loop_has_turns_while_executions_are_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "TURN", TURN)

    async def turns_of_a_start(rig: EngineRig) -> int:
        await rig.crash()
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(count())
        await rig.start()
        counting.cancel()
        return turns

    async def play() -> None:
        fast = RateLimit(rate=1e5, burst=1e5)
        options = EngineOptions(sweep_every_s=1e6, writes=fast, reads=fast)
        traits = Traits(settle_s=5.0, poll_floor_s=600.0, poll_ceiling_s=600.0)
        async with engine_rig(options, traits=traits) as rig:
            empty = await turns_of_a_start(rig)
            drafts = [draft_of(f"e{number}", duration_s=ENDLESS) for number in range(JOBS)]
            await rig.engine.executions.create(drafts)
            await rig.after(5.0)
            assert rig.live() == JOBS
            assert await turns_of_a_start(rig) >= empty + JOBS // TURN

    run(play())
