"""The two that offer ports.Pools: the engine, and the fake that the API's tests stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeAlias

from propwash.core.pool import PoolSpec
from propwash.engine.options import EngineOptions
from propwash.ports import ExecutionName, NoSuchPool, Pools
from tests.api.api_fake_pools import FakePools
from tests.engine.engine_rig import ENDLESS, EngineRig, engine_rig, execution_name


class PoolsWorld(Protocol):
    """Pools, and executions that use them. Every configured pool has two units."""

    @property
    def pools(self) -> Pools:
        """The one under test."""

    async def ask(self, execution: str, pool: str) -> None:
        """One more wants a unit; it has one where one is free."""

    async def leave(self, execution: str, pool: str) -> None:
        """One gives its unit back, or waits no longer."""


class FakeWorld:
    """The fake's."""

    def __init__(self, configured: tuple[str, ...]) -> None:
        self.pools = self.fake = FakePools()
        self.fake.configure(*(PoolSpec(name=name, capacity=2) for name in configured))

    async def ask(self, execution: str, pool: str) -> None:
        """See PoolsWorld."""
        try:
            view = self.fake.one(pool).view
            has_room = view.occupied < view.capacity
        except NoSuchPool:
            has_room = True
        (self.fake.hold if has_room else self.fake.want)(pool, _name(execution))

    async def leave(self, execution: str, pool: str) -> None:
        """See PoolsWorld."""
        self.fake.release(pool, _name(execution))


class EngineWorld:
    """The engine's."""

    def __init__(self, rig: EngineRig) -> None:
        self._rig = rig
        self.pools = rig.engine.pools

    async def ask(self, execution: str, pool: str) -> None:
        """See PoolsWorld."""
        await self._rig.create(execution, pool=pool, duration_s=ENDLESS)

    async def leave(self, execution: str, pool: str) -> None:
        """See PoolsWorld."""
        del pool
        await self._rig.abort(execution)
        await self._rig.until(execution)


@asynccontextmanager
async def fake_world(*configured: str) -> AsyncIterator[PoolsWorld]:
    """A world of the fake."""
    yield FakeWorld(configured)


@asynccontextmanager
async def engine_world(*configured: str) -> AsyncIterator[PoolsWorld]:
    """A world of the engine."""
    options = EngineOptions(sweep_every_s=1e6, pools=dict.fromkeys(configured, 2))
    async with engine_rig(options) as rig:
        yield EngineWorld(rig)


MakeWorld: TypeAlias = Callable[..., AbstractAsyncContextManager[PoolsWorld]]
Play: TypeAlias = Coroutine[object, object, None]


def _name(execution: str) -> ExecutionName:
    return execution_name(execution)
