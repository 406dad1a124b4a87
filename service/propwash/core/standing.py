"""How a pool stands: what is seen of it from outside. Looks at the ledger's index and changes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heapreplace
from itertools import chain

from propwash.core.lines import Line, Pool, Waiter
from propwash.core.model import ExecutionUid, Instant
from propwash.core.pool import Block, Held, Place, PoolView, ProjectView, Wanted
from propwash.core.shares import ENTRY, nominal


@dataclass(frozen=True, slots=True)
class _Queue:
    """A line as it stands: its first is at base, each next one a step further; the lowest goes first."""

    line: Line
    priority: int
    base: float
    step: float
    size: int
    number: int


class Standing:
    """The queue of one pool at an instant. Counting one's place takes time with the lines, not with all who wait."""

    def __init__(self, pool: Pool, now: Instant) -> None:
        self._pool = pool
        self._queues = [_queue(pool, line, now) for line in _lines(pool)]
        self._indexes: dict[Line, dict[ExecutionUid, int]] = {}

    def place(self, waiter: Waiter) -> Place:
        """Where one stands. One that came after the instant is behind all of its line."""
        pool = self._pool
        position = min(self._position(waiter), max(len(pool.wanting), 1))
        block, limit, held = _block(pool, waiter, is_next=position == 1)
        return Place(
            pool=pool.spec.name,
            units=_units(pool, waiter),
            position=position,
            waiting=len(pool.wanting),
            occupied=pool.occupied,
            capacity=pool.spec.capacity,
            block=block,
            limit=limit,
            held=held,
        )

    def in_order(self) -> Iterator[Waiter]:
        """Everybody, the next first; last those who can never be granted."""
        heap = [
            (-queue.priority, queue.base, queue.number, 0, index) for index, queue in enumerate(self._queues)
        ]
        heapify(heap)
        rest = [iter(queue.line.queue.values()) for queue in self._queues]
        while heap:
            priority, _, number, taken, index = heap[0]
            queue = self._queues[index]
            yield next(rest[index])
            if taken + 1 < queue.size:
                heapreplace(heap, (priority, queue.base + (taken + 1) * queue.step, number, taken + 1, index))
            else:
                heappop(heap)
        yield from (waiter for waiter in self._pool.wanting.values() if waiter.line is None)

    def _position(self, waiter: Waiter) -> int:
        line = waiter.line
        mine = next((queue for queue in self._queues if queue.line is line), None)
        if line is None or mine is None:
            return len(self._pool.wanting)
        index = self._index(line).get(waiter.uid, mine.size)
        at = mine.base + (index * mine.step if index else 0.0)
        ahead = index
        for queue in self._queues:
            if queue is mine or queue.priority < mine.priority:
                continue
            if queue.priority > mine.priority:
                ahead += queue.size
            else:
                ahead += _before(queue, at, is_tied_first=queue.number < mine.number)
        return ahead + 1

    def _index(self, line: Line) -> dict[ExecutionUid, int]:
        found = self._indexes.get(line)
        if found is None:
            found = self._indexes[line] = {uid: index for index, uid in enumerate(line.queue)}
        return found


def _before(queue: _Queue, at: float, *, is_tied_first: bool) -> int:
    """How many of a line stand before a level; at the level itself, those that came first do."""
    if at < queue.base or (at == queue.base and not is_tied_first):
        return 0
    if not queue.step < math.inf or at - queue.base >= queue.step * queue.size:
        return queue.size
    steps = (at - queue.base) / queue.step
    return math.floor(steps) + 1 if is_tied_first else math.ceil(steps)


def view(pool: Pool) -> PoolView:
    """What is seen of a pool at once."""
    projects_ = projects(pool)
    heads = [line.head.since for line in _lines(pool)]
    heads += [waiter.since for waiter in pool.wanting.values() if waiter.line is None]
    return PoolView(
        name=pool.spec.name,
        capacity=pool.spec.capacity,
        occupied=pool.occupied,
        lent=round(sum(project.borrowed for project in projects_)),
        reserved=min(pool.reserved, max(0, pool.spec.capacity - pool.occupied)),
        holders=len(pool.holding),
        waiting=len(pool.wanting),
        oldest_since=min(heads, default=None),
        granted=pool.granted,
        template=pool.template,
        is_removed=pool.is_removed,
    )


def projects(pool: Pool) -> tuple[ProjectView, ...]:
    """What each project has of it: those that hold or want units, or are named in its definition; by name."""
    spec = pool.spec
    parts = nominal(pool.accounts, spec.projects, spec.capacity)
    views = []
    for project in sorted(parts):
        account = pool.accounts.get(project)
        views.append(
            ProjectView(
                project=project,
                share=spec.share_of(project),
                held=0 if account is None else account.whole.held,
                nominal=parts[project],
                waiting=0 if account is None else sum(len(line.queue) for line in account.lines),
            )
        )
    return tuple(views)


def held(pool: Pool) -> tuple[Held, ...]:
    """Who holds units of it."""
    return tuple(Held(uid=uid, units=units) for uid, units in pool.holding.items())


def wanted(pool: Pool, now: Instant) -> Iterator[Wanted]:
    """Who waits for it, in order, as of this instant; made one by one, as there may be many. Nothing of the pool may
    change meanwhile.
    """
    standing = Standing(pool, now)
    for position, waiter in enumerate(standing.in_order(), start=1):
        place = replace(standing.place(waiter), position=position)
        yield Wanted(uid=waiter.uid, place=place, priority=waiter.priority, since=waiter.since)


def _lines(pool: Pool) -> tuple[Line, ...]:
    return tuple(chain.from_iterable(account.lines for account in pool.accounts.values()))


def _queue(pool: Pool, line: Line, now: Instant) -> _Queue:
    account = next(account for other, account in line.accounts if other is pool)
    share = account.share.weight * max(pool.spec.capacity, 1)
    return _Queue(
        line=line,
        priority=line.priority,
        base=line.level(now),
        step=_units(pool, line.head) * (1.0 + ENTRY) / share if share else math.inf,
        size=len(line.queue),
        number=line.head.number,
    )


def _units(pool: Pool, waiter: Waiter) -> int:
    return next(claim.units for claim in waiter.claims if claim.pool == pool.spec.name)


def _block(pool: Pool, waiter: Waiter, *, is_next: bool) -> tuple[Block, int | None, int | None]:
    """Why it is not granted, the limit that it has met, and what is held within that."""
    line, share = waiter.line, pool.spec.share_of(waiter.project)
    if pool.is_removed:
        return Block.REMOVED, None, None
    if line is None:
        is_here = _units(pool, waiter) > pool.spec.most(waiter.project)
        return (Block.TOO_LARGE if is_here else Block.OTHER_POOL), None, None
    account = next(account for other, account in line.accounts if other is pool)
    if line.parked is account.whole:
        return Block.PROJECT_LIMIT, share.limit, account.whole.held
    if line.parked is (scope := account.domain(waiter.domain)):
        return Block.NAMESPACE_LIMIT, share.namespace_limit, scope.held
    if line.parked is not None or (line.group.at is not pool and _units(pool, waiter) <= pool.free(line)):
        return Block.OTHER_POOL, None, None
    return (Block.CAPACITY if is_next else Block.TURN), None, None
