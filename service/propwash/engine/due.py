"""Whose turn it is to be observed: the job whose last answer is the oldest, and before it who was hinted at."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Sequence
from typing import TypeAlias

from propwash.core.effects import Observe
from propwash.core.model import Instant, Running
from propwash.engine.table import Entry

AGED_EVERY = 4
"""Of so many turns one goes by age alone, so that no flood of hints keeps the others from ever being observed."""

_Item: TypeAlias = tuple[Instant, int, Entry, Observe]


class Due:
    """The observations that wait for one handler and connection. Every method costs at most the logarithm of their
    number, but for order.
    """

    def __init__(self) -> None:
        self._items: dict[Entry, _Item] = {}
        self._by_age: list[_Item] = []
        self._hinted: list[_Item] = []
        """Both are heaps; what is in one of them and no longer in items has been taken."""
        self._ahead: set[Entry] = set()
        """Who waits among the hinted."""
        self._numbers = 0
        self._turns = 0

    def put(self, entry: Entry, effect: Observe) -> None:
        """Have an observation wait; another of the same entry is replaced."""
        self._numbers += 1
        answered_at = _answered_at(entry)
        item = self._items[entry] = (answered_at, self._numbers, entry, effect)
        heapq.heappush(self._by_age, item)
        self._ahead.discard(entry)
        if entry.execution.hinted_at > answered_at:
            self.hasten(entry)

    def hasten(self, entry: Entry) -> None:
        """Let the entry go before those that were not hinted at, if it waits."""
        item = self._items.get(entry)
        if item is not None and entry not in self._ahead:
            self._ahead.add(entry)
            heapq.heappush(self._hinted, item)

    def take(self) -> tuple[Entry, Observe] | None:
        """The one whose turn it is; it waits no longer."""
        self._turns += 1
        heaps = (self._hinted, self._by_age)
        for heap in heaps if self._turns % AGED_EVERY else reversed(heaps):
            while heap:
                item = heapq.heappop(heap)
                _, _, entry, effect = item
                if self._items.get(entry) is item:
                    del self._items[entry]
                    self._ahead.discard(entry)
                    return entry, effect
        return None

    @property
    def has_hinted(self) -> bool:
        """Whether one of those that wait was hinted at."""
        return bool(self._ahead)

    def order(self) -> Sequence[tuple[Instant, int]]:
        """Those that wait, by when they were last answered and by number, the first to go first."""
        return sorted(item[:2] for item in self._items.values())

    def place(self, entry: Entry, order: Sequence[tuple[Instant, int]]) -> int:
        """How many go before an entry that waits, about; order may be of a little before."""
        return 0 if entry in self._ahead else bisect.bisect_left(order, self._items[entry][:2])

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._items

    def __len__(self) -> int:
        return len(self._items)


def _answered_at(entry: Entry) -> Instant:
    state = entry.execution.state
    return state.observed_at if isinstance(state, Running) else 0.0
