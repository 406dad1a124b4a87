"""What the ledger is made of: waiters in lines, lines in groups, groups at pools, and the heaps that say who is first.

A *line* has those that wait with one priority for one set of pools, for one project and domain; first come, first
served. A *group* has the lines that want one set of pools.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic, Protocol, TypeAlias, TypeVar

from propwash.core.model import Claim, ExecutionUid, Instant
from propwash.core.pool import PoolSpec
from propwash.core.shares import Account, Scope, told

Order: TypeAlias = tuple[int, float, int]
"""Who goes first is smallest: the negated priority, the level as told, the number by arrival."""


class Placed(Protocol):
    """What a heap may hold."""

    entry: object
    """Its own entry in the heap, known by its identity; None where it is in none."""

    def order(self, now: Instant) -> Order:
        """Where it stands."""


T = TypeVar("T", bound=Placed)
Entry: TypeAlias = tuple[int, float, int, int, T]
"""An Order, a serial number that keeps entries apart, and whose it is."""


class Heap(Generic[T]):
    """Knows the first of many whose orders rise by themselves, at most: each is put right when it comes to the top.

    An entry counts while its owner has it as its own; others are dropped when they are met, or are too many.
    """

    def __init__(self) -> None:
        self._entries: list[Entry[T]] = []
        self._room = 64
        self._serial = 0

    def put(self, one: T, now: Instant) -> None:
        """Have it in, or have it in anew where its order has sunk."""
        self._serial += 1
        one.entry = entry = (*one.order(now), self._serial, one)
        heappush(self._entries, entry)
        if len(self._entries) > self._room:
            self._entries = [entry for entry in self._entries if entry[4].entry is entry]
            heapify(self._entries)
            self._room = 2 * len(self._entries) + 64

    def first(self, now: Instant) -> T | None:
        """The first; None where there is none."""
        while self._entries:
            entry = self._entries[0]
            one = entry[4]
            if one.entry is not entry:
                heappop(self._entries)
                continue
            order = one.order(now)
            if order <= entry[:3]:
                return one
            one.entry = fresh = (*order, entry[3], one)
            heapreplace(self._entries, fresh)
        return None


@dataclass(slots=True, eq=False)
class Waiter:
    """An execution that waits for its claims."""

    uid: ExecutionUid
    claims: tuple[Claim, ...]
    project: str
    domain: str
    priority: int
    number: int
    """By arrival."""
    since: Instant
    line: Line | None = None
    """None while a claim is larger than what could ever be granted."""


@dataclass(slots=True, eq=False)
class Line:
    """Waiters of one priority, project, domain and set of pools; never empty but when it is given up."""

    priority: int
    project: str
    domain: str
    group: Group
    accounts: tuple[tuple[Pool, Account], ...]
    """Its project's, in the pools that it wants."""
    queue: OrderedDict[ExecutionUid, Waiter] = field(default_factory=OrderedDict)
    parked: Scope | None = None
    """The scope whose limit holds it back."""
    marks: dict[str, float] = field(default_factory=dict)
    """By pool: how many units the pool will have granted, ever, when its first has waited long."""
    overdue: set[str] = field(default_factory=set)
    """The pools in which it has."""
    entry: object = None
    head: Waiter = field(init=False)
    """The first."""
    wants: tuple[tuple[Pool, Account, int], ...] = ()
    """What the first claims: pool, its project's account there, units."""
    _stood: tuple[Instant, Order] | None = None

    def has_head(self) -> None:
        """Look who is first, when another is."""
        self.head = next(iter(self.queue.values()))
        # Pools and claims are both by name.
        pairs = zip(self.accounts, self.head.claims, strict=True)
        self.wants = tuple((pool, account, claim.units) for (pool, account), claim in pairs)
        self._stood = None

    def level(self, now: Instant) -> float:
        """The highest of its project in the pools that it wants: its dominant share, for its weight."""
        return max([account.level(now, pool.spec.capacity) for pool, account in self.accounts])

    def order(self, now: Instant) -> Order:
        """Where its first stands."""
        # Asked for several times in one decision.
        if self._stood is None or self._stood[0] != now:
            self._stood = now, (-self.priority, told(self.level(now), now), self.head.number)
        return self._stood[1]

    def stands_anew(self) -> None:
        """Its project's level has changed."""
        self._stood = None


@dataclass(slots=True, eq=False)
class Group:
    """Lines that want the same pools."""

    pools: tuple[str, ...]
    size: int = 0
    """Lines, parked ones too."""
    lines: Heap[Line] = field(default_factory=Heap)
    """Those that no limit holds back."""
    at: Pool | None = None
    """Where it waits; None where no line of it does."""
    entry: object = None

    def order(self, now: Instant) -> Order:
        """Where its first stands; there has to be one."""
        line = self.lines.first(now)
        assert line is not None
        return line.order(now)


Mark: TypeAlias = tuple[float, int, int, Line, Account, float]
"""Units that the pool will have granted, a serial number that keeps entries apart, the number of the line's first, the
line; its project's account, and units that this will have been granted.
"""


@dataclass(slots=True, eq=False)
class Pool:
    """One pool's part of the index."""

    spec: PoolSpec
    template: str = ""
    is_removed: bool = False
    occupied: int = 0
    granted: int = 0
    """Units, ever: the clock by which long waits are told."""
    weight: float = 0.0
    """Of the accounts that are active."""
    holding: dict[ExecutionUid, int] = field(default_factory=dict)
    wanting: dict[ExecutionUid, Waiter] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    most_accounts: int = 256
    """When there are more, those that have faded are forgotten."""
    groups: Heap[Group] = field(default_factory=Heap)
    """Those that wait here, as here is no room for their first."""
    marks: list[Mark] = field(default_factory=list)
    """A heap, by when the wait of a line's first is long."""
    senior: Line | None = None
    """Whose first has waited too long: room is kept for it."""

    @property
    def reserved(self) -> int:
        """Units that are kept."""
        if self.senior is None:
            return 0
        return next(units for pool, _, units in self.senior.wants if pool is self)

    def free(self, line: Line) -> int:
        """Units that the line may be granted: without what is kept for another."""
        free = self.spec.capacity - self.occupied
        return free if self.senior is line else free - self.reserved

    def weigh(self) -> None:
        """Add the weights up anew, where shares have changed."""
        self.weight = sum(account.share.weight for account in self.accounts.values() if account.is_active)

    def changed(self, account: Account, change: Callable[[], object]) -> None:
        """Change an account of it, and keep its weight."""
        before = account.share.weight if account.is_active else 0.0
        change()
        for line in account.lines:
            line.stands_anew()
        self.weight += (account.share.weight if account.is_active else 0.0) - before
