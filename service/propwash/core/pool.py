"""Pools: who holds units, who waits, and who is next.

A Ledger is an index over rows, never a second counter: it has one entry for each execution that holds or wants tokens,
is rebuilt from the rows at start, and ``audit`` compares it with them. It decides synchronously; the engine stores each
grant in the same commit as the state that consumes it.

Order of grants: first come, first served, in each pool. An execution that claims several pools is granted all or
nothing, and is not passed in any of them by one that came later, so that a large request is never starved by small ones
and no two requests can wait for each other: the oldest waiter of all is at the head of every pool that it claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from propwash.core.model import Claim, Execution, ExecutionUid


class Overclaimed(Exception):
    """A claim is larger than its pool can ever grant, or names no pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """What a pool looks like from outside, in units and executions."""

    name: str
    capacity: int
    occupied: int
    holders: int
    waiting: int


@dataclass(slots=True)
class _Pool:
    capacity: int
    occupied: int = 0
    holders: dict[ExecutionUid, int] = field(default_factory=dict)
    queue: dict[ExecutionUid, int] = field(default_factory=dict)


class Ledger:
    """Tokens of all pools. Every method is deterministic and does no input or output; units are whole numbers."""

    def __init__(self, capacities: Mapping[str, int]) -> None:
        self._pools = {name: _Pool(capacity) for name, capacity in sorted(capacities.items())}
        self._waiting: dict[ExecutionUid, tuple[Claim, ...]] = {}
        self._holding: dict[ExecutionUid, tuple[Claim, ...]] = {}

    @classmethod
    def of_rows(cls, capacities: Mapping[str, int], executions: Iterable[Execution]) -> Ledger:
        """The ledger of what is stored; see take_up."""
        ledger = cls(capacities)
        ledger.take_up(executions)
        return ledger

    def take_up(self, executions: Iterable[Execution]) -> None:
        """Index rows: holders as they are, waiters in the order given. Grants nothing.

        A pool that rows name and the configuration does not is taken up with no capacity: it grants nothing more.
        """
        for execution in executions:
            claims = merged(execution.plan.claims)
            if execution.holds_tokens:
                self._hold(execution.uid, claims)
            elif execution.wants_tokens:
                self._wait(execution.uid, claims)

    def has(self, name: str) -> bool:
        """Whether there is such a pool."""
        return name in self._pools

    def check(self, claims: Sequence[Claim]) -> None:
        """Raise Overclaimed where the claims could never be granted."""
        for claim in merged(claims):
            pool = self._pools.get(claim.pool)
            if pool is None:
                raise Overclaimed(f"there is no pool {claim.pool!r}")
            if claim.units < 1 or claim.units > pool.capacity:
                raise Overclaimed(f"pool {claim.pool!r} has {pool.capacity} units, {claim.units} are claimed")

    def request(self, uid: ExecutionUid, claims: Sequence[Claim]) -> tuple[ExecutionUid, ...]:
        """Queue behind all earlier waiters; who is granted now: the one that asks, or nobody."""
        if uid in self._holding or uid in self._waiting:
            return ()
        wanted = merged(claims)
        self._wait(uid, wanted)
        return self._grant([claim.pool for claim in wanted] if wanted else None, only=uid)

    def release(self, uid: ExecutionUid) -> tuple[ExecutionUid, ...]:
        """Give back what uid holds or wants; who is granted now, in order."""
        claims = self._holding.pop(uid, None)
        if claims is not None:
            for claim in claims:
                pool = self._pools[claim.pool]
                pool.occupied -= pool.holders.pop(uid)
        else:
            claims = self._waiting.pop(uid, ())
            for claim in claims:
                del self._pools[claim.pool].queue[uid]
        return self._grant([claim.pool for claim in claims])

    def resize(self, name: str, capacity: int) -> tuple[ExecutionUid, ...]:
        """Change or add a pool; who is granted now. Below the occupancy nobody is admitted until it has sunk."""
        self._pools.setdefault(name, _Pool(0)).capacity = capacity
        return self._grant([name])

    def grant_all(self) -> tuple[ExecutionUid, ...]:
        """Grant what can be granted: after of_rows, where the crash came between a release and its grants."""
        return self._grant(list(self._pools))

    def positions(self) -> Mapping[str, Mapping[ExecutionUid, int]]:
        """Who waits for each pool, by position from 1; takes time with all who wait, so not for a hot path."""
        return {
            name: {uid: position for position, uid in enumerate(pool.queue, start=1)}
            for name, pool in self._pools.items()
            if pool.queue
        }

    def view(self, name: str) -> PoolView:
        """One pool; raises KeyError for a name that neither the configuration nor a row has."""
        pool = self._pools[name]
        return PoolView(
            name=name,
            capacity=pool.capacity,
            occupied=pool.occupied,
            holders=len(pool.holders),
            waiting=len(pool.queue),
        )

    def views(self) -> tuple[PoolView, ...]:
        """Every pool, by name."""
        return tuple(map(self.view, self._pools))

    def audit(self, executions: Iterable[Execution]) -> tuple[str, ...]:
        """Every difference between this index and the rows; empty when all is well."""
        expected = Ledger.of_rows({name: pool.capacity for name, pool in self._pools.items()}, executions)
        faults = []
        for name in sorted({*self._pools, *expected._pools}):
            mine, rows = self._pools.get(name, _Pool(0)), expected._pools.get(name, _Pool(0))
            if mine.holders != rows.holders or mine.occupied != sum(rows.holders.values()):
                faults.append(f"pool {name}: holders {mine.holders} but rows say {rows.holders}")
            if set(mine.queue) != set(rows.queue):
                faults.append(f"pool {name}: waiters {list(mine.queue)} but rows say {list(rows.queue)}")
        return tuple(faults)

    def _hold(self, uid: ExecutionUid, claims: tuple[Claim, ...]) -> None:
        self._holding[uid] = claims
        for claim in claims:
            pool = self._pools.setdefault(claim.pool, _Pool(0))
            pool.holders[uid] = claim.units
            pool.occupied += claim.units

    def _wait(self, uid: ExecutionUid, claims: tuple[Claim, ...]) -> None:
        self._waiting[uid] = claims
        for claim in claims:
            self._pools.setdefault(claim.pool, _Pool(0)).queue[uid] = claim.units

    def _grant(
        self, pools: list[str] | None, *, only: ExecutionUid | None = None
    ) -> tuple[ExecutionUid, ...]:
        granted: list[ExecutionUid] = []
        if pools is None:
            assert only is not None
            self._admit(only)
            return (only,)
        pending = dict.fromkeys(pools)
        while pending:
            name = next(iter(pending))
            head = next(iter(self._pools[name].queue), None)
            if head is None or not self._is_grantable(head):
                del pending[name]
                continue
            claims = self._waiting[head]
            self._admit(head)
            granted.append(head)
            pending.update(dict.fromkeys(claim.pool for claim in claims))
        return tuple(granted)

    def _is_grantable(self, uid: ExecutionUid) -> bool:
        for claim in self._waiting[uid]:
            pool = self._pools[claim.pool]
            if next(iter(pool.queue)) != uid or pool.occupied + claim.units > pool.capacity:
                return False
        return True

    def _admit(self, uid: ExecutionUid) -> None:
        claims = self._waiting.pop(uid)
        for claim in claims:
            del self._pools[claim.pool].queue[uid]
        self._hold(uid, claims)


def merged(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """One claim a pool, in the order of pool names."""
    units: dict[str, int] = {}
    for claim in claims:
        units[claim.pool] = units.get(claim.pool, 0) + claim.units
    return tuple(Claim(pool=pool, units=total) for pool, total in sorted(units.items()))
