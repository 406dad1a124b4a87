"""Who is next: how waiters queue, where they wait, what holds them back, and whose wait is too long.

The ledger (ledger.py) says why it is done so. What a change may have made room for is remembered as touched, and the
ledger then looks at those pools, one after the other, until none has a next.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

from propwash.core.lines import Group, Line, Mark, Pool, Waiter
from propwash.core.model import Instant
from propwash.core.shares import Account, Scope

PATIENCE: Final = 4.0
"""How often a pool turns over, for a part of its weights, until a wait is too long."""


class Queues:
    """Every line and group. Pools and accounts are the ledger's, and are given."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, ...], Group] = {}
        self._lines: dict[tuple[int, str, str, tuple[str, ...]], Line] = {}
        self._seniors: OrderedDict[Line, None] = OrderedDict()
        """Lines whose first has waited too long, in that order."""
        self._serials = count()
        self.touched: dict[Pool, None] = {}
        """The pools to look at, in that order."""

    def enter(self, waiter: Waiter, accounts: tuple[tuple[Pool, Account], ...], now: Instant) -> None:
        """Queue a waiter in its line, unless it can never be granted."""
        pairs = zip(accounts, waiter.claims, strict=True)
        if any(claim.units > pool.spec.most(waiter.project) for (pool, _), claim in pairs):
            return
        names = tuple(claim.pool for claim in waiter.claims)
        key = (waiter.priority, waiter.project, waiter.domain, names)
        line = self._lines.get(key)
        if line is None:
            group = self._groups.setdefault(names, Group(names))
            group.size += 1
            line = self._lines[key] = Line(
                priority=waiter.priority,
                project=waiter.project,
                domain=waiter.domain,
                group=group,
                accounts=accounts,
            )
            for pool, account in accounts:
                pool.changed(account, partial(account.lines.setdefault, line))
        waiter.line = line
        line.queue[waiter.uid] = waiter
        if len(line.queue) == 1:
            self._offer(line, now)

    def leave(self, waiter: Waiter, now: Instant) -> None:
        """Take a waiter out of its line."""
        line = waiter.line
        if line is None:
            return
        was_head, waiter.line = line.head is waiter, None
        if not was_head:
            del line.queue[waiter.uid]
            return
        self._touch(line)
        self._wait_anew(line)
        scope, line.parked, line.entry = line.parked, None, None
        if scope is not None:
            del scope.parked[line]
        del line.queue[waiter.uid]
        if line.queue:
            self._offer(line, now)
        else:
            self._close(line, now)
        if scope is not None:
            # Whom it held back within the limit may go on.
            self.unpark(scope, now)

    def lowered(self, account: Account, now: Instant) -> None:
        """A project's level has sunk in a pool: put its lines where they belong."""
        for line in account.lines:
            if line.entry is None:
                continue
            group = line.group
            group.lines.put(line, now)
            if group.lines.first(now) is line and group.at is not None:
                group.at.groups.put(group, now)
                self.touched[group.at] = None

    def unpark(self, scope: Scope, now: Instant) -> None:
        """A limit may have room: have the lines looked at that it held back."""
        parked, scope.parked = scope.parked, {}
        for line in parked:
            line.parked = None
        for line in parked:
            self._offer(line, now)

    def next(self, pool: Pool, now: Instant) -> Waiter | None:
        """Who is to be granted next of those that wait at a pool."""
        self._promote(pool, now)
        while (line := pool.senior) is not None and _has_room(line):
            if (scope := _limit_of(line)) is None:
                return line.head
            self._park(line, scope, now)
        while (group := pool.groups.first(now)) is not None:
            first = group.lines.first(now)
            assert first is not None
            if (scope := _limit_of(first)) is not None:
                self._park(first, scope, now)
                continue
            full = _full(first, pool, now)
            if full is None:
                return first.head
            if full is pool:
                return None
            self._seat(group, full, now)
        return None

    def _touch(self, line: Line) -> None:
        for pool, _ in line.accounts:
            self.touched[pool] = None

    def _offer(self, line: Line, now: Instant) -> None:
        """A line has a new first, or is held back no more: have it looked at."""
        line.has_head()
        self._mark(line)
        group = line.group
        group.lines.put(line, now)
        if group.lines.first(now) is not line:
            return
        # It may be granted where the group's first before it was not; and who waited behind the group may pass it now.
        if group.at is not None:
            self.touched[group.at] = None
        pool, _ = line.accounts[0]
        self._seat(group, pool, now)
        self.touched[pool] = None

    def _close(self, line: Line, now: Instant) -> None:
        """Give an empty line up."""
        group = line.group
        del self._lines[line.priority, line.project, line.domain, group.pools]
        for pool, account in line.accounts:
            pool.changed(account, partial(account.lines.pop, line))
        group.size -= 1
        self._unseat(group, now)
        if not group.size:
            del self._groups[group.pools]

    def _seat(self, group: Group, pool: Pool, now: Instant) -> None:
        group.at = pool
        pool.groups.put(group, now)

    def _unseat(self, group: Group, now: Instant) -> None:
        """Where nothing of a group is to be served, it waits nowhere."""
        if group.lines.first(now) is None:
            group.at = group.entry = None

    def _park(self, line: Line, scope: Scope, now: Instant) -> None:
        self._wait_anew(line)
        line.parked, line.entry = scope, None
        scope.parked[line] = None
        self._unseat(line.group, now)

    def _mark(self, line: Line) -> None:
        """Set the marks at which the wait of a line's first is too long, from now on."""
        line.overdue.clear()
        for pool, account in line.accounts:
            if account.share.weight:
                turns = PATIENCE * pool.spec.capacity
                mark = pool.granted + turns * pool.weight / account.share.weight
                self._put_mark(pool, line, account, mark, account.granted + turns)

    def _put_mark(self, pool: Pool, line: Line, account: Account, mark: float, own: float) -> None:
        line.marks[pool.spec.name] = mark
        heappush(pool.marks, (mark, next(self._serials), line.head.number, line, account, own))
        if len(pool.marks) > 64 + 4 * len(pool.wanting):
            pool.marks = [one for one in pool.marks if _is_mark(pool, one)]
            heapify(pool.marks)

    def _promote(self, pool: Pool, now: Instant) -> None:
        """Make senior whose wait is too long."""
        capacity = pool.spec.capacity
        while pool.marks and pool.marks[0][0] <= pool.granted:
            one = heappop(pool.marks)
            _, _, _, line, account, own = one
            if not _is_mark(pool, one) or line in self._seniors:
                continue
            if account.granted >= own or not account.has_its_part(now, capacity, pool.weight):
                line.overdue.add(pool.spec.name)
                wants = line.wants
                if all(
                    other.spec.name in line.overdue or units <= other.free(line) for other, _, units in wants
                ):
                    self._seniors[line] = None
                    self._keep_room()
                    continue
            # It has waited in fairness, or not yet in its other pools: another turn of this one.
            self._put_mark(pool, line, account, pool.granted + max(1.0, capacity), own)

    def _wait_anew(self, line: Line) -> None:
        """Forget how long a line's first has waited."""
        line.marks.clear()
        line.overdue.clear()
        if line in self._seniors:
            del self._seniors[line]
            for pool, _ in line.accounts:
                if pool.senior is line:
                    pool.senior = None
                    self.touched[pool] = None
            self._keep_room()

    def _keep_room(self) -> None:
        """Say for whom each pool keeps room: the first senior, and each later one whose pools no earlier one wants."""
        kept: dict[Pool, Line] = {}
        for line in self._seniors:
            pools = [pool for pool, _ in line.accounts]
            if not any(pool in kept for pool in pools):
                kept |= dict.fromkeys(pools, line)
        for line in self._seniors:
            for pool, _ in line.accounts:
                if pool.senior is not kept.get(pool):
                    pool.senior = kept.get(pool)
                    self.touched[pool] = None


def _is_mark(pool: Pool, one: Mark) -> bool:
    """Whether a mark still counts: its line's first is the same, and no limit has held it back since."""
    mark, _, number, line = one[:4]
    return line.marks.get(pool.spec.name) == mark and line.parked is None and line.head.number == number


def _has_room(line: Line) -> bool:
    """Whether the room that is kept for a senior suffices, in all its pools."""
    return all(units <= pool.free(line) for pool, _, units in line.wants)


def _limit_of(line: Line) -> Scope | None:
    """The scope whose limit holds a line's first back. Within a limit nobody passes an earlier one."""
    for _, account, units in line.wants:
        share = account.share
        if share.limit is not None and not _is_within(line, units, account.whole, share.limit):
            return account.whole
        if share.namespace_limit is not None:
            scope = account.domain(line.domain)
            if not _is_within(line, units, scope, share.namespace_limit):
                return scope
    return None


def _is_within(line: Line, units: int, scope: Scope, limit: int) -> bool:
    number = line.head.number
    return scope.held + units <= limit and not any(
        other.priority >= line.priority and other.head.number < number for other in scope.parked
    )


def _full(line: Line, here: Pool, now: Instant) -> Pool | None:
    """The pool that has no room for a line's first, or in which another goes before it; here before the others."""
    full = None
    for pool, _, units in line.wants:
        if units > pool.free(line):
            if pool is here:
                return here
            full = full or pool
        elif pool is not here and full is None:
            before = pool.groups.first(now)
            if before is not None and before is not line.group and before.order(now) < line.order(now):
                full = pool
    return full
