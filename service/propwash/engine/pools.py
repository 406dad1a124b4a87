"""The pools while the engine runs: what is configured, what the API made of it, and who holds and wants what.

A pool of the configuration may be changed over the API. The change is stored with a digest of what it replaces, and
holds, over restarts, until the configuration itself says something else of that pool.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import overload

from propwash.core import standing
from propwash.core.ledger import Ledger
from propwash.core.lines import Pool
from propwash.core.model import Cleaning, Execution, Instant, Launching, Running
from propwash.core.pool import PoolSpec
from propwash.engine.decisions import Decisions
from propwash.engine.journal import Journal
from propwash.engine.reconciler import Fenced, Reconciler
from propwash.engine.table import Table
from propwash.ports import (
    Change,
    Clock,
    CommitResult,
    Committed,
    DropPool,
    NoSuchPool,
    NotAccepting,
    PoolConfigured,
    PoolConflict,
    PoolExists,
    PoolHolder,
    PoolInUse,
    PoolStatus,
    PoolWaiter,
    PutPool,
    Store,
    StoredPool,
)


class PoolCatalogue:
    """Implements ports.Pools. load is called once, before the ledger takes up its rows."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        journal: Journal,
        decisions: Decisions,
        ledger: Ledger,
        reconciler: Reconciler,
        table: Table,
        configured: Iterable[PoolSpec],
    ) -> None:
        self._clock = clock
        self._store = store
        self._journal = journal
        self._decisions = decisions
        self._ledger = ledger
        self._reconciler = reconciler
        self._table = table
        self._configured = {spec.name: spec for spec in configured}
        self._stored: dict[str, StoredPool] = {}
        """As they are when all that was appended to the journal is committed."""
        self._is_open = False

    async def load(self) -> None:
        """Define every pool, the stored ones before those of the configuration that they were made from."""
        now = self._clock.now()
        outdated = []
        for pool in await self._store.load_pools():
            if pool.configured == _digest(self._configured.get(pool.spec.name)):
                self._stored[pool.spec.name] = pool
            else:
                outdated.append(DropPool(name=pool.spec.name, expected_version=pool.version))
        for spec in (self._configured | {name: one.spec for name, one in self._stored.items()}).values():
            self._ledger.configure(spec, now)
        if outdated:
            self._journal.append(tuple(outdated), _check)

    def open(self) -> None:
        """Take changes."""
        self._is_open = True

    def close(self) -> None:
        """Take no more changes."""
        self._is_open = False

    def all(self) -> Sequence[PoolStatus]:
        """See ports.Pools."""
        return [self._status(name) for name in sorted({*self._ledger.definitions.all(), *self._ledger.pools})]

    def one(self, name: str) -> PoolStatus:
        """See ports.Pools."""
        if name not in self._ledger.definitions.all() and name not in self._ledger.pools:
            raise NoSuchPool(name)
        return self._status(name)

    def holders(self, name: str) -> Sequence[PoolHolder]:
        """See ports.Pools."""
        found = []
        for one in standing.held(self._index(name)):
            entry = self._table.by_uid(one.uid)
            if entry is not None:
                execution = entry.execution
                found.append(
                    PoolHolder(
                        name=entry.name,
                        attempt=execution.attempt,
                        phase=execution.phase,
                        units=one.units,
                        priority=execution.plan.priority,
                        since=_granted_at(execution),
                    )
                )
        return sorted(found, key=lambda holder: (holder.since, holder.name))

    def waiters(self, name: str) -> Sequence[PoolWaiter]:
        """See ports.Pools."""
        pool = self._index(name)
        return _Waiters(pool, self._table, now=self._clock.now())

    async def create(self, spec: PoolSpec) -> PoolStatus:
        """See ports.Pools."""
        self._check_accepting()
        if spec.name in self._configured or spec.name in self._stored:
            raise PoolExists(spec.name)
        now = self._clock.now()
        await self._put(StoredPool(spec=spec, version=1, created_at=now, updated_at=now))
        return self._status(spec.name)

    async def update(self, spec: PoolSpec, *, version: int | None) -> PoolStatus:
        """See ports.Pools."""
        self._check_accepting()
        before = self._current(spec.name, version)
        now = self._clock.now()
        if before is None:
            configured = _digest(self._configured.get(spec.name))
            after = StoredPool(spec=spec, version=1, configured=configured, created_at=now, updated_at=now)
        else:
            after = replace(before, spec=spec, version=before.version + 1, updated_at=now)
        await self._put(after)
        return self._status(spec.name)

    async def remove(self, name: str, *, force: bool, version: int | None) -> PoolStatus | None:
        """See ports.Pools."""
        self._check_accepting()
        before = self._current(name, version)
        if name in self._configured:
            raise PoolConfigured(name)
        if before is None:
            raise NoSuchPool(name)
        if not force:
            self._check_unused(before.spec)
        del self._stored[name]
        await self._commit(
            DropPool(name=name, expected_version=before.version),
            lambda: self._reconciler.grant(self._ledger.remove(name, self._clock.now())),
        )
        return self._status(name) if name in self._ledger.pools else None

    def _check_accepting(self) -> None:
        if not self._is_open or self._journal.is_failing:
            raise NotAccepting("the server is starting or draining, or its store takes no commits")

    def _current(self, name: str, version: int | None) -> StoredPool | None:
        """What is stored of a pool; None for one of the configuration that was never changed, or of a template."""
        stored, index = self._stored.get(name), self._ledger.pools.get(name)
        is_made = index is not None and index.template != ""
        if stored is None and name not in self._configured and not is_made:
            raise NoSuchPool(name)
        if version is not None and version != (0 if stored is None else stored.version):
            raise PoolConflict(name)
        return stored

    def _check_unused(self, spec: PoolSpec) -> None:
        names = [name for name, pool in self._ledger.pools.items() if name == spec.name]
        if spec.is_template:
            names = [name for name, pool in self._ledger.pools.items() if pool.template == spec.name]
        holders = sum(len(self._ledger.pools[name].holding) for name in names)
        waiting = sum(len(self._ledger.pools[name].wanting) for name in names)
        if holders or waiting:
            raise PoolInUse(spec.name, holders=holders, waiting=waiting)

    async def _put(self, pool: StoredPool) -> None:
        self._stored[pool.spec.name] = pool
        await self._commit(
            PutPool(pool=pool),
            lambda: self._reconciler.grant(self._ledger.configure(pool.spec, self._clock.now())),
        )

    async def _commit(self, change: Change, apply: Callable[[], None]) -> None:
        """Apply a change as soon as it is durable, in the turn of the loop in which that is known."""

        def begin(done: Callable[[CommitResult], None]) -> None:
            def decided(result: CommitResult) -> None:
                _check(result)
                apply()
                done(result)

            self._journal.append((change,), decided)

        await self._decisions.of(begin)

    def _index(self, name: str) -> Pool:
        pool = self._ledger.pools.get(name)
        if pool is not None:
            return pool
        spec = self._ledger.definitions.all().get(name)
        if spec is None:
            raise NoSuchPool(name)
        return Pool(spec)

    def _status(self, name: str) -> PoolStatus:
        pool, stored = self._index(name), self._stored.get(name)
        return PoolStatus(
            spec=pool.spec,
            version=0 if stored is None else stored.version,
            is_configured=name in self._configured,
            view=standing.view(pool),
            projects=standing.projects(pool),
            created_at=None if stored is None else stored.created_at,
            updated_at=None if stored is None else stored.updated_at,
        )


class _Waiters(Sequence[PoolWaiter]):
    """Who waits for a pool, read as far as is asked for, within one turn of the loop: there may be very many."""

    def __init__(self, pool: Pool, table: Table, *, now: Instant) -> None:
        self._count = len(pool.wanting)
        self._table = table
        self._rest = standing.wanted(pool, now)
        self._read: list[PoolWaiter] = []

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> PoolWaiter: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PoolWaiter]: ...

    def __getitem__(self, index: int | slice) -> PoolWaiter | Sequence[PoolWaiter]:
        if isinstance(index, slice):
            self._read_to(index.indices(self._count)[1])
        else:
            self._read_to(self._count if index < 0 else index + 1)
        return self._read[index]

    def _read_to(self, count: int) -> None:
        while len(self._read) < count and (one := next(self._rest, None)) is not None:
            entry = self._table.by_uid(one.uid)
            assert entry is not None, "who waits is in the table"
            self._read.append(
                PoolWaiter(
                    name=entry.name,
                    attempt=entry.execution.attempt,
                    priority=one.priority,
                    since=one.since,
                    place=one.place,
                )
            )


def _check(result: CommitResult) -> None:
    if not isinstance(result, Committed):
        raise Fenced("a pool was changed by another writer")


def _digest(spec: PoolSpec | None) -> bytes:
    """Of what the configuration says of a pool; empty where it says nothing."""
    if spec is None:
        return b""
    text = repr((spec.name, spec.capacity, spec.share, sorted(spec.projects.items(), key=lambda one: one[0])))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _granted_at(execution: Execution) -> Instant:
    match execution.state:
        case (
            Launching(granted_at=granted_at)
            | Running(granted_at=granted_at)
            | Cleaning(granted_at=granted_at)
        ):
            return granted_at
        case _:
            return execution.updated_at
