"""Pools that behave as the port says, in memory: definitions as the engine keeps them, users as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from propwash.core.model import Instant, Phase
from propwash.core.pool import Block, Place, PoolSpec, PoolView, ProjectView
from propwash.ports import (
    ExecutionName,
    NoSuchPool,
    NotAccepting,
    PoolConfigured,
    PoolConflict,
    PoolExists,
    PoolHolder,
    PoolInUse,
    PoolStatus,
    PoolWaiter,
    StoredPool,
)
from tests.api.api_fake_host import NOW


@dataclass(frozen=True)
class Wants:
    """One that waits."""

    name: ExecutionName
    units: int
    priority: int
    since: Instant


@dataclass
class FakePools:
    """A change is visible when it is durable, which takes a turn of the loop, or as long as the gate is shut."""

    configured: dict[str, PoolSpec] = field(default_factory=dict)
    is_accepting: bool = True
    stored: dict[str, StoredPool] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    templated: dict[str, str] = field(default_factory=dict)
    held: dict[str, list[PoolHolder]] = field(default_factory=dict)
    wanted: dict[str, list[Wants]] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a change is on its way."""
    _writer: asyncio.Lock = field(default_factory=asyncio.Lock)
    changes: int = 0
    based_on: list[int | None] = field(default_factory=list)
    """The versions that were given."""

    def configure(self, *specs: PoolSpec) -> None:
        """Name pools in the configuration."""
        self.configured.update((spec.name, spec) for spec in specs)

    def hold(self, pool: str, name: ExecutionName, *, units: int = 1, since: Instant = NOW) -> None:
        """Grant, whatever the pool has."""
        self._make(pool)
        holder = PoolHolder(name=name, attempt=1, phase=Phase.RUNNING, units=units, priority=0, since=since)
        self.held.setdefault(pool, []).append(holder)

    def want(
        self, pool: str, name: ExecutionName, *, units: int = 1, priority: int = 0, since: Instant = NOW
    ) -> None:
        """Queue."""
        self._make(pool)
        wants = Wants(name=name, units=units, priority=priority, since=since)
        self.wanted.setdefault(pool, []).append(wants)

    def release(self, pool: str, name: ExecutionName) -> None:
        """Give back, or wait no longer."""
        self.held[pool] = [one for one in self.held.get(pool, ()) if one.name != name]
        self.wanted[pool] = [one for one in self.wanted.get(pool, ()) if one.name != name]
        if pool in self.removed and not self._is_used(pool):
            del self.stored[pool]
            self.removed.discard(pool)

    def all(self) -> Sequence[PoolStatus]:
        """By name."""
        return [self._status(name) for name in sorted({*self.configured, *self.stored, *self.templated})]

    def one(self, name: str) -> PoolStatus:
        """One of them."""
        if name not in self.configured and name not in self.stored and name not in self.templated:
            raise NoSuchPool(name)
        return self._status(name)

    def holders(self, name: str) -> Sequence[PoolHolder]:
        """Longest first."""
        self.one(name)
        return sorted(self.held.get(name, ()), key=lambda holder: holder.since)

    def waiters(self, name: str) -> Sequence[PoolWaiter]:
        """By priority, then first come first served."""
        spec = self.one(name).spec
        queue = sorted(self.wanted.get(name, ()), key=lambda wants: (-wants.priority, wants.since))
        return [
            PoolWaiter(
                name=wants.name,
                attempt=1,
                priority=wants.priority,
                since=wants.since,
                place=self._place(spec, wants, position, len(queue)),
            )
            for position, wants in enumerate(queue, 1)
        ]

    async def create(self, spec: PoolSpec) -> PoolStatus:
        """Make one, or take a removed one up again."""
        there = self.stored.get(spec.name)
        if there is not None and spec.name in self.removed:
            self.removed.discard(spec.name)
            return await self._store(replace(there, spec=spec))
        if spec.name in self.configured or there is not None or spec.name in self.templated:
            raise PoolExists(spec.name)
        return await self._store(StoredPool(spec=spec, version=0, created_at=NOW))

    async def update(self, spec: PoolSpec, *, version: int | None) -> PoolStatus:
        """Replace the definition."""
        status = self.one(spec.name)
        self._check(status, version)
        there = self.stored.get(spec.name)
        return await self._store(
            replace(there, spec=spec) if there else StoredPool(spec=spec, version=0, created_at=NOW)
        )

    async def remove(self, name: str, *, force: bool, version: int | None) -> PoolStatus | None:
        """Forget it, or mark it."""
        status = self.one(name)
        self._check(status, version)
        if name in self.configured:
            raise PoolConfigured(name)
        if not self._is_used(name):
            await self._commit()
            self.stored.pop(name, None)
            self.templated.pop(name, None)
            return None
        if not force:
            raise PoolInUse(name, holders=status.view.holders, waiting=status.view.waiting)
        there = self.stored.get(name) or StoredPool(spec=status.spec, version=0, created_at=NOW)
        self.removed.add(name)
        return await self._store(there)

    def _make(self, pool: str) -> None:
        if pool not in self.configured and pool not in self.stored:
            specs = [*self.configured.values(), *(stored.spec for stored in self.stored.values())]
            self.templated[pool] = next(spec.name for spec in specs if spec.covers(pool))

    def _is_used(self, pool: str) -> bool:
        return bool(self.held.get(pool) or self.wanted.get(pool))

    def _check(self, status: PoolStatus, version: int | None) -> None:
        self.based_on.append(version)
        if version is not None and version != status.version:
            raise PoolConflict(status.spec.name)

    async def _commit(self) -> None:
        if not self.is_accepting:
            raise NotAccepting("the engine drains")
        self.begun.set()
        async with self._writer:
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate.wait()
            self.changes += 1

    async def _store(self, pool: StoredPool) -> PoolStatus:
        name = pool.spec.name
        await self._commit()
        present = self.stored.get(name)
        if (present.version if present else 0) != pool.version:
            raise PoolConflict(name)
        self.stored[name] = replace(pool, version=pool.version + 1, updated_at=NOW + self.changes)
        self.templated.pop(name, None)
        return self._status(name)

    def _place(self, spec: PoolSpec, wants: Wants, position: int, waiting: int) -> Place:
        project, used = wants.name.project, self.held.get(spec.name, ())
        share = spec.share_of(project)
        mine = sum(one.units for one in used if one.name.project == project)
        limit, held, block = None, None, Block.CAPACITY if position == 1 else Block.TURN
        if self.one(spec.name).view.is_removed:
            block = Block.REMOVED
        elif wants.units > spec.most(project):
            block = Block.TOO_LARGE
        elif share.limit is not None and mine + wants.units > share.limit:
            limit, held, block = share.limit, mine, Block.PROJECT_LIMIT
        return Place(
            pool=spec.name,
            units=wants.units,
            position=position,
            waiting=waiting,
            occupied=sum(one.units for one in used),
            capacity=spec.capacity,
            block=block,
            limit=limit,
            held=held,
        )

    def _status(self, name: str) -> PoolStatus:
        stored, template = self.stored.get(name), self.templated.get(name, "")
        spec = stored.spec if stored else self.configured.get(name)
        if spec is None:
            spec = replace(self._status(template).spec, name=name)
        projects = self._projects(spec)
        used, queue = self.held.get(name, ()), self.wanted.get(name, ())
        view = PoolView(
            name=name,
            capacity=spec.capacity,
            occupied=sum(one.units for one in used),
            lent=int(sum(project.borrowed for project in projects)),
            reserved=0,
            holders=len(used),
            waiting=len(queue),
            oldest_since=min((one.since for one in queue), default=None),
            granted=sum(one.units for one in used),
            template=template,
            is_removed=name in self.removed,
        )
        return PoolStatus(
            spec=spec,
            version=stored.version if stored else 0,
            is_configured=name in self.configured,
            view=view,
            projects=projects,
            created_at=stored.created_at if stored else None,
            updated_at=stored.updated_at if stored else None,
        )

    def _projects(self, spec: PoolSpec) -> tuple[ProjectView, ...]:
        used, queue = self.held.get(spec.name, ()), self.wanted.get(spec.name, ())
        names = sorted({*spec.projects, *(one.name.project for one in (*used, *queue))})
        weights = sum(spec.share_of(name).weight for name in names) or 1.0
        return tuple(
            ProjectView(
                project=name,
                share=spec.share_of(name),
                held=sum(one.units for one in used if one.name.project == name),
                nominal=spec.capacity * spec.share_of(name).weight / weights,
                waiting=sum(one.name.project == name for one in queue),
            )
            for name in names
        )
