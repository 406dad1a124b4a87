"""How much of a pool each project uses: what decides who is next, and what limits hold whom back.

An account's *usage* is a moving average of the units that the project held, in which what it holds now counts a little
at once (``ENTRY``), so that a burst of claims, all asked for in one instant, is charged as it is granted and not when
the average has caught up. The average makes shares true over time also where a pool has fewer units than there are
projects; that it fades makes an idle hour neither a credit nor, an hour later, a debt.

An account's *level* is its usage for each unit of weight, as a part of the pool. The lowest level is served first. To
compare levels over time without touching them, a level is told as ``log2(level) + now / HALF_LIFE_S``: by this measure
an idle project stands still and one that holds units only rises, so that a level that was told earlier is never too
high, and a heap of such levels is put right by looking again at its first alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from propwash.core.model import Instant
from propwash.core.pool import ProjectShare

if TYPE_CHECKING:
    # A line knows its accounts, and they know it.
    from propwash.core.lines import Line

HALF_LIFE_S: Final = 300.0
"""After which half of what was used is forgotten."""
ENTRY: Final = 0.25
"""How much of a unit that was just granted counts at once."""


@dataclass(slots=True, eq=False)
class Scope:
    """A project, or one of its domains, in one pool: units held, and the lines that its limit holds back."""

    held: int = 0
    parked: dict[Line, None] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Account:
    """One project's use of one pool."""

    project: str
    share: ProjectShare
    at: Instant
    average: float = 0.0
    """Of the units held, at that instant."""
    granted: int = 0
    """Units, ever."""
    whole: Scope = field(default_factory=Scope)
    domains: dict[str, Scope] = field(default_factory=dict)
    lines: dict[Line, None] = field(default_factory=dict)
    """In which it waits for the pool."""

    @property
    def is_active(self) -> bool:
        """Whether it holds units or wants some."""
        return bool(self.whole.held or self.lines)

    def domain(self, name: str) -> Scope:
        """The scope of one domain."""
        scope = self.domains.get(name)
        if scope is None:
            scope = self.domains[name] = Scope()
        return scope

    def averaged(self, now: Instant) -> float:
        """The average now."""
        held = self.whole.held
        return held + (self.average - held) * math.exp2(-max(0.0, now - self.at) / HALF_LIFE_S)

    def hold(self, domain: str, units: int, now: Instant) -> None:
        """Hold so many units more, or fewer."""
        self.average, self.at = self.averaged(now), now
        self.whole.held += units
        self.domain(domain).held += units

    def settle(self) -> None:
        """Presume that it has long held what it holds: after a start, nothing else is known."""
        self.average = float(self.whole.held)

    def has_its_part(self, now: Instant, capacity: int, weights: float) -> bool:
        """Whether it used more, on average, than its part of the capacity by weight; weights are all active ones'."""
        return self.averaged(now) * weights > self.share.weight * capacity

    def level(self, now: Instant, capacity: int) -> float:
        """Usage for each unit of weight, as a part of the capacity; inf without a weight."""
        if not self.share.weight:
            return math.inf
        usage = self.averaged(now) + ENTRY * self.whole.held
        return usage / (self.share.weight * max(capacity, 1))


def told(level: float, now: Instant) -> float:
    """A level in the measure in which it never falls by itself."""
    return math.log2(level) + now / HALF_LIFE_S if level > 0.0 else -math.inf


def nominal(
    accounts: Mapping[str, Account], named: Mapping[str, ProjectShare], capacity: int
) -> dict[str, float]:
    """Each project's part of the capacity by weight, among those that are active and those that are named."""
    weights = {project: share.weight for project, share in named.items()}
    weights |= {project: one.share.weight for project, one in accounts.items() if one.is_active}
    total = math.fsum(weights.values())
    return {project: capacity * weight / total if total else 0.0 for project, weight in weights.items()}
