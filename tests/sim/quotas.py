"""The pools of a simulated world: who has which share and limit, and capacities that change while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from propwash.core.pool import PoolSpec, ProjectShare
from propwash.ports import CommitResult, PutPool, StoredPool

if TYPE_CHECKING:
    from tests.sim.world import World

PROJECTS = ("ad", "ads", "map")
"""One is the beginning of another."""
RESIZED_FOR_S = 200.0
RESTORED_AFTER_S = 400.0


class Quotas:
    """Draws from a generator of its own, so that what it draws changes nothing else."""

    def __init__(self, world: World, rng: Random, capacities: Mapping[str, int]) -> None:
        self._world = world
        self._rng = rng
        self._capacities = capacities
        world.disk.pools = {name: self._spec(name, units) for name, units in capacities.items()}

    def draw_project(self) -> str:
        """Whose an execution is."""
        return self._rng.choice(PROJECTS)

    def draw_priority(self) -> int:
        """How an execution stands to others."""
        return self._rng.choice((0, 0, 7))

    def change_now_and_then(self) -> None:
        """Where resize is a fault of the world: other capacities for a while, then what was."""
        world, rng = self._world, self._rng
        if "resize" not in world.faults:
            return
        for _ in range(rng.randint(1, 5)):
            world.at(world.now() + rng.uniform(0, RESIZED_FOR_S), self._resize, "resize", outlives=True)
        for name, units in self._capacities.items():
            when = world.now() + RESTORED_AFTER_S
            world.at(when, partial(self._change, name, units), "restore", name, outlives=True)

    def _spec(self, name: str, capacity: int) -> PoolSpec:
        rng = self._rng
        named = {
            project: ProjectShare(weight=rng.choice((0.0, 1.0, 3.0)), limit=rng.choice((None, None, 2)))
            for project in PROJECTS
            if rng.random() < 0.5
        }
        return PoolSpec(name=name, capacity=capacity, projects=named)

    def _resize(self) -> None:
        self._change(self._rng.choice(tuple(self._capacities)), self._rng.choice((0, 1, 2, 4)))

    def _change(self, name: str, capacity: int) -> None:
        """As engine.pools does: durable first, then in force."""
        world = self._world
        spec = replace(world.ledger.definitions.pools[name], capacity=capacity)

        def decided(_: CommitResult) -> None:
            world.invariants.resized(name)
            world.reconciler.grant(world.ledger.configure(spec, world.now()))

        world.disk.append((PutPool(pool=StoredPool(spec=spec, version=1)),), decided)
