"""Anything at any time, by the dice of a seed: what must hold holds at every moment and at rest."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import get_args

import pytest

from propwash.core.model import Policy, Traits
from propwash.engine.options import EngineOptions
from propwash.ports import AlreadyEnded, NotAccepting, StoreUnavailable
from propwash.sdk.testing import ToyFault, ToySystem
from propwash.sdk.testing.toy_system import Ending, Operation
from tests.engine.engine_rig import EngineRig, draft_of, engine_rig
from tests.engine.virtual_time import run

CAPACITY = 3


class EngineChaos:
    """Clients that repeat until they are answered, and a world that fails them."""

    def __init__(self, rig: EngineRig, seed: int) -> None:
        self.rig = rig
        self.dice = random.Random(seed)
        self.aborted: set[str] = set()

    async def client(self, name: str) -> None:
        dice, rig = self.dice, self.rig
        await rig.after(dice.uniform(0, 20))
        draft = draft_of(
            name,
            request_id=name,
            policy=Policy(max_attempts=2, total_deadline_s=dice.choice([None, 30.0])),
            duration_s=dice.choice([0.0, 1.0, 8.0]),
            ending=dice.choice(get_args(Ending)),
            pool=dice.choice(["", "p"]),
        )
        is_unwanted = dice.random() < 0.4
        while True:
            with suppress(NotAccepting, StoreUnavailable):
                await rig.engine.executions.create([draft])
                break
            await rig.after(0.2)
        if not is_unwanted:
            return
        await rig.after(dice.choice([0.0, 0.002, 1.0, 5.0]))
        while True:
            with suppress(NotAccepting, StoreUnavailable):
                with suppress(AlreadyEnded):
                    await rig.abort(name)
                return
            await rig.after(0.2)

    async def world(self) -> None:
        dice, rig = self.dice, self.rig
        for _ in range(12):
            await rig.after(dice.uniform(0, 4))
            match dice.randrange(4):
                case 0:
                    await rig.restart()
                case 1:
                    rig.store.fail_next(dice.randrange(1, 4))
                case _:
                    operation = dice.choice(get_args(Operation))
                    fault = dice.choice(list(ToyFault))
                    rig.system.plan(operation, fault, times=dice.randrange(1, 3), late_s=dice.uniform(0, 4))

    async def watch(self) -> None:
        while True:
            live = [job.name for job in self.rig.system.live_jobs()]
            assert len(live) == len(set(live))
            if self.rig.options.pools and "p" in self.rig.log.views:
                capacity, occupied, _ = self.rig.log.units("p")
                assert occupied <= capacity
            await self.rig.after(0.1)


@pytest.mark.parametrize("has_unique_names", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_all_is_well_in_the_end(seed: int, has_unique_names: bool) -> None:
    async def play() -> None:
        traits = Traits(settle_s=5.0, poll_ceiling_s=2.0, has_unique_names=has_unique_names)
        options = EngineOptions(sweep_every_s=20.0, orphan_settle_s=30.0)
        system = ToySystem(cancel_s=0.5)
        async with engine_rig(options, traits=traits, system=system, p=CAPACITY) as rig:
            chaos = EngineChaos(rig, seed)
            names = [f"e{number}" for number in range(12)]
            watching = asyncio.ensure_future(chaos.watch())
            await asyncio.gather(chaos.world(), *(chaos.client(name) for name in names))
            uids = set()
            for name in names:
                uids.add((await rig.until(name)).execution.uid)
                rig.check()
            assert not watching.done()
            watching.cancel()
            assert rig.live() == 0
            made = [job.name for job in rig.system.ledger()]
            assert {name.split("-")[2] for name in made} <= uids
            if has_unique_names:
                assert len(made) == len(set(made))
            await rig.after(2.0)
            assert rig.log.units("p") == (CAPACITY, 0, 0)

    run(play())
