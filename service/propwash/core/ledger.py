"""The ledger: who holds units of which pool, who waits, and who is next.

Theory of operation
===================

A Ledger is an index over rows, never a second counter: it has one entry for each execution that holds or wants tokens,
is rebuilt from the rows at start, and ``audit`` compares it with them. It decides synchronously; the engine stores each
grant in the same commit as the state that consumes it. It asks no clock: every change is given the instant.

**All or nothing.** An execution is granted all that it claims, of all pools, or waits. It never holds a part.

**Who is next.** Those that wait for the same pools with the same priority, for the same project and domain, are a
*line*: first come, first served. Lines are ordered by priority, then by their project's dominant share of the pools
that they want, for its weight (shares.py), then by arrival. Lines that want the same pools are a *group*, and only its
first is looked at: what is behind it wants the same.

**Where it waits.** A group waits *at* one pool: one that has no room for its first. When that pool gets room, those
that wait there are looked at in order. The first that has room everywhere is granted. The first that has no room here
ends it: nobody passes it here, so that a large claim gathers room. What has room here and not elsewhere goes on to wait
there, and holds nobody up here. So a freed unit is granted at once, and nobody looks at the many who wait.

**Limits.** A line whose first has met the limit of its project or domain is *parked* at that limit, and holds nobody
else up; when the limit has room, the parked are looked at again. Within a limit, too, nobody passes an earlier one.

**Long waits.** A group that goes from pool to pool may find, each time, that the others were faster; and a low priority
may never be first. So each line's first is given a *mark* in each pool: ``PATIENCE`` times the pool's capacity, granted
to whomever, for its part of the weights. Beyond the mark its wait is too long, unless its project has its part of the
pool and is granted no more of it: then it waits in fairness. When its wait is too long in all its pools (or they have
room anyway), it is *senior*: room is kept for it in all of them. Where seniors want the same pools, the earlier goes
first, so that no two wait for each other. A claim with a weight is thus granted after a bounded turnover of its pools,
whatever else comes.

**What can never be granted** (a claim larger than its pool, or than a limit, since that was lowered; a pool that was
removed) is set aside, keeps its place by arrival, and holds nobody up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Final

from propwash.core.definitions import Definitions
from propwash.core.lines import Pool, Waiter
from propwash.core.model import Claim, Execution, ExecutionUid, Instant, Waiting
from propwash.core.pool import PoolSpec, merged
from propwash.core.queues import Queues
from propwash.core.shares import Account

MOST_IDLE: Final = 256
"""Accounts of projects that neither hold nor want anything that a pool keeps when it has too many."""
NEGLIGIBLE: Final = 0.01
"""Units of average use that are not worth keeping."""


@dataclass(frozen=True, slots=True)
class _Holder:
    project: str
    domain: str
    claims: tuple[Claim, ...]


class Ledger:
    """Tokens of all pools. Every method is deterministic and does no input or output; units are whole numbers.

    What a method grants is answered in the order in which it was granted. definitions say which pools there are; they
    are changed by configure and remove alone.
    """

    def __init__(self, specs: Iterable[PoolSpec] = ()) -> None:
        self.definitions = Definitions()
        self._pools: dict[str, Pool] = {}
        self._holding: dict[ExecutionUid, _Holder] = {}
        self._waiting: dict[ExecutionUid, Waiter] = {}
        self._queues = Queues()
        self._numbers = count(1)
        for spec in specs:
            self.configure(spec, 0.0)

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The index of each pool that is there or in use, by name; only to be looked at."""
        return self._pools

    def waiter(self, uid: ExecutionUid) -> Waiter | None:
        """The one of that uid, if it waits; only to be looked at."""
        return self._waiting.get(uid)

    def take_up(self, executions: Iterable[Execution], now: Instant) -> None:
        """Index rows: holders as they are, waiters in the order given. Grants nothing.

        A pool that rows name and that is not there any more is taken up as removed.
        """
        for execution in executions:
            plan = execution.plan
            if execution.holds_tokens and plan.claims:
                self._hold(execution.uid, _Holder(plan.project, plan.domain, merged(plan.claims)), now)
            elif execution.wants_tokens:
                self._wait(execution, now)

    def settle(self) -> None:
        """Presume that all has long been held as it is; once, when all rows are taken up."""
        for pool in self._pools.values():
            for account in pool.accounts.values():
                account.settle()

    def request(self, execution: Execution, now: Instant) -> tuple[ExecutionUid, ...]:
        """Wait for what an execution claims; who is granted now."""
        uid, plan = execution.uid, execution.plan
        if not plan.claims:
            return (uid,)
        if uid in self._holding or uid in self._waiting:
            return ()
        self._wait(execution, now)
        return self._grant(now)

    def release(self, uid: ExecutionUid, now: Instant) -> tuple[ExecutionUid, ...]:
        """Give back what an execution holds or wants; who is granted now."""
        waiter = self._waiting.get(uid)
        if waiter is not None:
            claims = waiter.claims
            self._queues.leave(waiter, now)
            self._forget(waiter)
        else:
            holder = self._holding.pop(uid, None)
            if holder is None:
                return ()
            claims = holder.claims
            self._give_back(uid, holder, now)
        granted = self._grant(now)
        for claim in claims:
            self._tidy(claim.pool, now)
        return granted

    def configure(self, spec: PoolSpec, now: Instant) -> tuple[ExecutionUid, ...]:
        """Make or change a pool or a template; who is granted now. Below the occupancy nobody is admitted until it has
        sunk.
        """
        self.definitions.put(spec)
        if not spec.is_template:
            self._pool(spec.name)
        return self._redefined(spec, now)

    def remove(self, name: str, now: Instant) -> tuple[ExecutionUid, ...]:
        """Take a pool or a template away; who is granted now, of other pools alone."""
        spec = self.definitions.drop(name)
        return () if spec is None else self._redefined(spec, now)

    def grant_all(self, now: Instant) -> tuple[ExecutionUid, ...]:
        """Grant what can be granted: after take_up, where the crash came between a release and its grants."""
        self._queues.touched |= dict.fromkeys(self._pools.values())
        return self._grant(now)

    def audit(self, executions: Iterable[Execution]) -> tuple[str, ...]:
        """Every difference between this index and the rows; empty when all is well."""
        holding: dict[str, dict[ExecutionUid, int]] = {name: {} for name in self._pools}
        wanting: dict[str, set[ExecutionUid]] = {name: set() for name in self._pools}
        for execution in executions:
            for claim in merged(execution.plan.claims):
                if execution.holds_tokens:
                    holding.setdefault(claim.pool, {})[execution.uid] = claim.units
                elif execution.wants_tokens:
                    wanting.setdefault(claim.pool, set()).add(execution.uid)
        faults = []
        for name in sorted({*holding, *wanting}):
            pool = self._pools.get(name) or Pool(PoolSpec(name=name, capacity=0))
            rows, waiters = holding.get(name, {}), wanting.get(name, set())
            accounted = sum(account.whole.held for account in pool.accounts.values())
            if pool.holding != rows or pool.occupied != sum(rows.values()) or accounted != pool.occupied:
                faults.append(
                    f"pool {name}: {pool.occupied} of {pool.holding}, {accounted} accounted, but rows say {rows}"
                )
            if set(pool.wanting) != waiters:
                faults.append(f"pool {name}: waiters {sorted(pool.wanting)} but rows say {sorted(waiters)}")
        return tuple(faults)

    def _grant(self, now: Instant) -> tuple[ExecutionUid, ...]:
        granted, touched = [], self._queues.touched
        while touched:
            pool = next(iter(touched))
            waiter = self._queues.next(pool, now)
            if waiter is None:
                del touched[pool]
                continue
            granted.append(waiter.uid)
            self._hold(waiter.uid, _Holder(waiter.project, waiter.domain, waiter.claims), now)
            for claim in waiter.claims:
                pool = self._pools[claim.pool]
                pool.granted += claim.units
                pool.accounts[waiter.project].granted += claim.units
            self._queues.leave(waiter, now)
            self._forget(waiter)
        return tuple(granted)

    def _hold(self, uid: ExecutionUid, holder: _Holder, now: Instant) -> None:
        self._holding[uid] = holder
        for claim in holder.claims:
            pool = self._pool(claim.pool)
            pool.holding[uid] = claim.units
            pool.occupied += claim.units
            account = self._account(pool, holder.project, now)
            pool.changed(account, partial(account.hold, holder.domain, claim.units, now))

    def _give_back(self, uid: ExecutionUid, holder: _Holder, now: Instant) -> None:
        for claim in holder.claims:
            pool = self._pools[claim.pool]
            pool.occupied -= pool.holding.pop(uid)
            account = self._account(pool, holder.project, now)
            pool.changed(account, partial(account.hold, holder.domain, -claim.units, now))
            self._queues.touched[pool] = None
            self._queues.lowered(account, now)
            for scope in (account.whole, account.domain(holder.domain)):
                self._queues.unpark(scope, now)

    def _wait(self, execution: Execution, now: Instant) -> None:
        plan, state = execution.plan, execution.state
        waiter = Waiter(
            uid=execution.uid,
            claims=merged(plan.claims),
            project=plan.project,
            domain=plan.domain,
            priority=plan.priority,
            number=next(self._numbers),
            since=state.since if isinstance(state, Waiting) else now,
        )
        self._waiting[waiter.uid] = waiter
        for claim in waiter.claims:
            self._pool(claim.pool).wanting[waiter.uid] = waiter
        self._enter(waiter, now)

    def _enter(self, waiter: Waiter, now: Instant) -> None:
        pools = [self._pool(claim.pool) for claim in waiter.claims]
        accounts = tuple((pool, self._account(pool, waiter.project, now)) for pool in pools)
        self._queues.enter(waiter, accounts, now)

    def _forget(self, waiter: Waiter) -> None:
        del self._waiting[waiter.uid]
        for claim in waiter.claims:
            del self._pools[claim.pool].wanting[waiter.uid]

    def _pool(self, name: str) -> Pool:
        pool = self._pools.get(name)
        if pool is None:
            spec, template = self.definitions.of(name)
            pool = Pool(spec or PoolSpec(name=name, capacity=0), template=template, is_removed=spec is None)
            self._pools[name] = pool
        return pool

    def _account(self, pool: Pool, project: str, now: Instant) -> Account:
        account = pool.accounts.get(project)
        if account is None:
            share = pool.spec.share_of(project)
            account = pool.accounts[project] = Account(project=project, share=share, at=now)
        return account

    def _redefined(self, changed: PoolSpec, now: Instant) -> tuple[ExecutionUid, ...]:
        names = [name for name in self._pools if name == changed.name or changed.covers(name)]
        for name in names:
            pool = self._pools[name]
            waiters = sorted(pool.wanting.values(), key=lambda waiter: waiter.number)
            for waiter in reversed(waiters):
                self._queues.leave(waiter, now)
            spec, pool.template = self.definitions.of(name)
            pool.spec, pool.is_removed = spec or replace(pool.spec, capacity=0), spec is None
            for account in pool.accounts.values():
                account.share = pool.spec.share_of(account.project)
            pool.weigh()
            # In the order of their arrival: what could not be granted before keeps its place.
            for waiter in waiters:
                self._enter(waiter, now)
            self._queues.touched[pool] = None
        granted = self._grant(now)
        for name in names:
            self._tidy(name, now)
        return granted

    def _tidy(self, name: str, now: Instant) -> None:
        """Forget what nobody uses: a pool without a definition of its own, and accounts that have faded."""
        pool = self._pools.get(name)
        if pool is None:
            return
        if not (pool.holding or pool.wanting or name in self.definitions.pools):
            del self._pools[name]
        elif len(pool.accounts) > pool.most_accounts:
            idle = [account for account in pool.accounts.values() if not account.is_active]
            idle.sort(key=lambda account: account.averaged(now))
            for place, account in enumerate(idle, start=1):
                if place > MOST_IDLE or account.averaged(now) < NEGLIGIBLE:
                    del pool.accounts[account.project]
            pool.most_accounts = 2 * len(pool.accounts) + MOST_IDLE
