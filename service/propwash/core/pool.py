"""What a pool is: its capacity, who may have how much of it, and what is seen of it from outside.

A pool whose name ends with ``*`` is a template: every pool that is claimed, whose name begins with what stands before
the ``*`` and which has no definition of its own, is made after it, with a capacity and limits of its own.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from propwash.core.model import Claim, ExecutionUid, Instant

TEMPLATE = "*"
"""Ends the name of a template."""
LONGEST_POOL_NAME = 200
POOL_NAME_FORM = (
    f"1 to {LONGEST_POOL_NAME} of letters, digits and . _ ~ - %, in parts between colons, none of them empty"
)
"""What a pool's name is, in words, for faults."""
TEMPLATE_NAME_FORM = "* alone, or after the colon of such a name, as in snowflake:*"
_PART = r"[A-Za-z0-9._~%-]+"
_NAME = re.compile(rf"{_PART}(?::{_PART})*")
MOST_UNITS = 10**9
MOST_WEIGHT = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectShare:
    """What one project may have of a pool. Limits are units that it may hold at once; None is no limit.

    Raises ValueError, naming the field, for what could not be kept.
    """

    weight: float = 1.0
    """Its share where all want more than there is, relative to the others'. With 0 it is served when nobody with a
    weight waits, and nothing bounds how long that takes."""
    limit: int | None = None
    """Of all its domains together."""
    namespace_limit: int | None = None
    """Of each of its domains."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and 0 <= self.weight <= MOST_WEIGHT):
            raise ValueError(f"weight must be 0 to {MOST_WEIGHT}, not {self.weight}")
        for name, units in (("limit", self.limit), ("namespace_limit", self.namespace_limit)):
            if units is not None and not 0 <= units <= MOST_UNITS:
                raise ValueError(f"{name} must be 0 to {MOST_UNITS}, not {units}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """A pool as it is meant to be. Raises ValueError, naming the field, for a capacity that could not be kept."""

    name: str
    capacity: int
    """Units."""
    share: ProjectShare = ProjectShare()
    """Of every project that is not named in projects."""
    projects: Mapping[str, ProjectShare] = field(default_factory=dict)
    """By project; replaces share for it as a whole."""
    description: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.capacity <= MOST_UNITS:
            raise ValueError(f"capacity must be 0 to {MOST_UNITS}, not {self.capacity}")

    @property
    def is_template(self) -> bool:
        """Whether it stands for pools to be, and is none itself."""
        return self.name.endswith(TEMPLATE)

    def covers(self, name: str) -> bool:
        """Whether a pool of this name is made after it."""
        return self.is_template and name.startswith(self.name.removesuffix(TEMPLATE))

    def share_of(self, project: str) -> ProjectShare:
        """What a project may have."""
        return self.projects.get(project, self.share)

    def most(self, project: str) -> int:
        """The largest claim of the project that could ever be granted."""
        share = self.share_of(project)
        limits = (self.capacity, share.limit, share.namespace_limit)
        return min(units for units in limits if units is not None)


class Block(enum.Enum):
    """Why a claim is not granted now."""

    CAPACITY = 1
    """The pool has no room for it, and it is next."""
    TURN = 2
    """Others go first."""
    PROJECT_LIMIT = 3
    """Its project holds all that it may."""
    NAMESPACE_LIMIT = 4
    """Its project holds all that it may in this domain."""
    OTHER_POOL = 5
    """Another pool that it claims has no room for it."""
    TOO_LARGE = 6
    """It is larger than its pool, or than a limit of it, since that was lowered."""
    REMOVED = 7
    """The pool was removed: nothing is granted any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a claim stands in the queue of one pool."""

    pool: str
    units: int
    position: int
    """From 1: how many would be granted before it, and itself, if nobody came and nothing changed. Served by share, so
    that it may also grow."""
    waiting: int
    """How many executions wait for the pool."""
    occupied: int
    capacity: int
    block: Block
    limit: int | None = None
    """The limit that it has met, with PROJECT_LIMIT and NAMESPACE_LIMIT; units."""
    held: int | None = None
    """What its project, or that in this domain, holds of it then; units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectView:
    """What one project has of a pool; units, but for waiting, which are executions."""

    project: str
    share: ProjectShare
    held: int
    nominal: float
    """Its part of the capacity by weight, among the projects that hold or want units and those that are named."""
    waiting: int

    @property
    def borrowed(self) -> float:
        """What it holds beyond that, lent to it by those who do not need theirs."""
        return max(0.0, self.held - self.nominal)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """What a pool looks like from outside; units, but for holders and waiting, which are executions."""

    name: str
    capacity: int
    occupied: int
    lent: int
    """Of the occupied, what is held beyond the holders' own parts."""
    reserved: int
    """Of the free, what is kept for one that has waited long."""
    holders: int
    waiting: int
    oldest_since: Instant | None
    """Since when the one waits that has waited longest."""
    granted: int
    """Units granted since the process has started."""
    template: str
    """What it was made after; empty where it has a definition of its own."""
    is_removed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Who holds units of a pool."""

    uid: ExecutionUid
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Who waits for units of a pool, and how."""

    uid: ExecutionUid
    place: Place
    priority: int
    since: Instant


class Overclaimed(Exception):
    """A claim is larger than its pool can ever grant, or names no pool."""


def is_pool_name(name: str) -> bool:
    """Whether a text is a pool's name, by POOL_NAME_FORM."""
    return len(name) <= LONGEST_POOL_NAME and _NAME.fullmatch(name) is not None


def is_template_name(name: str) -> bool:
    """Whether a text is the name of a template, by TEMPLATE_NAME_FORM."""
    if name == TEMPLATE:
        return True
    stem, colon, star = name.rpartition(":")
    return colon != "" and star == TEMPLATE and is_pool_name(stem) and len(name) <= LONGEST_POOL_NAME


def merged(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """One claim a pool, in the order of pool names."""
    units: dict[str, int] = {}
    for claim in claims:
        units[claim.pool] = units.get(claim.pool, 0) + claim.units
    return tuple(Claim(pool=pool, units=total) for pool, total in sorted(units.items()))
