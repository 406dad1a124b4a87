"""A world of pools alone: the real ledger, many executions that come, run, are aborted and end, pools that change, and
crashes after which the ledger is made anew from the rows.

Where world.py has everything and few executions, this has many, so that they stand in each other's way.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from propwash.core.ledger import Ledger
from propwash.core.model import (
    Claim,
    CreateStatus,
    Execution,
    ExecutionUid,
    Instant,
    Launching,
    Plan,
    Waiting,
)
from propwash.core.pool import PoolSpec, ProjectShare, merged
from propwash.core.queues import PATIENCE
from tests.sim.violation import Violation

PROJECTS = ("ads", "ad", "maps", "mail", "play")
"""One is the beginning of another."""
DOMAINS = ("dev", "prod")
NAMES = ("a", "b", "c", "t:1", "t:2")


@dataclass
class Watch:
    """How long one has been the first of its line: units granted by each of its pools when that began."""

    granted: dict[str, int]
    parts: dict[str, float]
    """Capacity for its part of the weights, by pool, as it was then."""


@dataclass
class PoolWorld:
    """Runs one seed; run raises Violation. max_executions bounds the work: what shrinking turns."""

    seed: int
    max_executions: int = 60
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = rng = Random(f"{self.seed}: pools")
        self.now: Instant = 1_000.0
        self.heap: list[tuple[float, int, Callable[[], None], str]] = []
        self.count = 0
        self.rows: dict[ExecutionUid, Execution] = {}
        self.specs: dict[str, PoolSpec] = {}
        self.is_calm = rng.random() < 0.4
        """Whether pools stay as they are and nobody crashes, so that a wait can be measured."""
        self.has_limits = rng.random() < 0.5
        self.is_narrow = self.is_calm and rng.random() < 0.25
        """Whether there is one pool, large enough, so that only the projects' limits hold anybody back."""
        if self.is_narrow:
            share = ProjectShare(limit=rng.choice((2, 4)))
            self.specs["a"] = PoolSpec(name="a", capacity=4 * len(PROJECTS), share=share)
        for name in NAMES[: 0 if self.is_narrow else rng.randint(1, 3)]:
            self.specs[name] = self._spec(name)
        if not self.is_narrow and rng.random() < 0.4:
            self.specs["t:*"] = self._spec("t:*")
        self.granted: dict[str, int] = dict.fromkeys(NAMES, 0)
        self.watched: dict[ExecutionUid, Watch] = {}
        self.rounds: dict[int, int] = {}
        """How often one comes again, by its number."""
        self.arrivals = 0
        self.arrived: dict[ExecutionUid, int] = {}
        self.sums: dict[tuple[str, str, str], int] | None = None
        """Units held by pool, project and domain; None when rows have changed."""
        self.ledger = Ledger(self.specs.values())

    def run(self) -> PoolWorld:
        """To the end."""
        rng = self.rng
        number = 0
        most = rng.choice((5, 20, self.max_executions))
        if self.is_calm and rng.random() < 0.7:
            # Some that come again as soon as they have ended, so that there is always more wanted than there is.
            for _ in range(rng.randint(2, 6)):
                self.rounds[number] = rng.choice((20, 100))
                self._at(self.now + rng.uniform(0, 5), partial(self._arrive, self._draw(number)), "arrive")
                number += 1
        while number < min(most, self.max_executions):
            at = self.now + rng.uniform(0, rng.choice((1.0, 200.0)))
            for _ in range(rng.choice((1, 1, 3, 12))):
                self._at(at, partial(self._arrive, self._draw(number)), "arrive")
                number += 1
        if not self.is_calm:
            for _ in range(rng.randint(1, 8)):
                what = rng.choice((self._configure, self._configure, self._remove, self._crash))
                self._at(self.now + rng.uniform(0, 300), what, what.__name__)
            # All is there again in the end, large enough for everybody.
            self._at(self.now + 400.0, self._restore, "restore")
        steps = 0
        while self.heap:
            at, _, action, what = heapq.heappop(self.heap)
            self.now = max(self.now, at)
            self.trace.append(f"{self.now - 1_000.0:9.2f}  {what}")
            action()
            self._check()
            steps += 1
            if steps > 20_000:
                self._fail("everything ends", f"{len(self.rows)} are left after {steps} steps")
        if self.rows:
            self._fail("no starvation", f"{sorted(self.rows)} are left, and nothing more will happen")
        for name, pool in self.ledger.pools.items():
            if pool.occupied or pool.wanting or pool.holding:
                self._fail("no token leaks", f"pool {name} has {pool.occupied} units occupied")
            if pool.senior or pool.weight > 1e-6 or any(one.lines for one in pool.accounts.values()):
                self._fail("no token leaks", f"pool {name} keeps lines")
        return self

    def _fail(self, invariant: str, what: str) -> None:
        raise Violation(f"{invariant}: {what}")

    def _at(self, at: float, action: Callable[[], None], what: str) -> None:
        self.count += 1
        heapq.heappush(self.heap, (at, self.count, action, what))

    def _spec(self, name: str) -> PoolSpec:
        rng = self.rng
        capacity = rng.choice((1, 2, 3, 5, 10))

        def share() -> ProjectShare:
            limits = [
                rng.choice((1, 2, 5)) if self.has_limits and rng.random() < 0.4 else None for _ in range(2)
            ]
            weight = rng.choice((0.5, 1.0, 1.0, 3.0) if self.is_calm else (0.0, 0.5, 1.0, 3.0))
            return ProjectShare(weight=weight, limit=limits[0], namespace_limit=limits[1])

        named = rng.sample(PROJECTS, rng.randint(0, 3))
        return PoolSpec(
            name=name, capacity=capacity, share=share(), projects={project: share() for project in named}
        )

    def _draw(self, number: int) -> Execution:
        rng = self.rng
        project = rng.choice(PROJECTS)
        names = [name for name in NAMES if name in self.specs or (name[0] == "t" and "t:*" in self.specs)]
        chosen = rng.sample(names, min(len(names), rng.choice((1, 1, 1, 2, 3))))
        claims = []
        for name in chosen:
            most = self._spec_of(name).most(project) if self._spec_of(name) else 0
            if most:
                claims.append(Claim(pool=name, units=rng.choice((1, 1, rng.randint(1, most)))))
        plan = Plan(
            task_type="sim",
            project=project,
            domain=rng.choice(DOMAINS),
            claims=tuple(claims),
            priority=rng.choice((0, 0, 0, 1, 5)),
        )
        return Execution(
            uid=ExecutionUid(f"{number:026d}"),
            plan=plan,
            state=Waiting(since=0.0),
            attempt=1,
            created_at=0.0,
            updated_at=0.0,
        )

    def _spec_of(self, name: str) -> PoolSpec | None:
        return self.specs.get(name) or (self.specs.get("t:*") if name[0] == "t" else None)

    def _arrive(self, execution: Execution) -> None:
        self.arrivals += 1
        self.arrived[execution.uid] = self.arrivals
        self.rows[execution.uid] = execution = execution.with_state(Waiting(since=self.now))
        self._granted(self.ledger.request(execution, self.now))
        if self.rng.random() < 0.1:
            self._at(
                self.now + self.rng.uniform(0, 30),
                partial(self._end, execution.uid),
                f"abort {execution.uid[-2:]}",
            )

    def _end(self, uid: ExecutionUid) -> None:
        row = self.rows.pop(uid, None)
        if row is None:
            return
        self.sums = None
        self.watched.pop(uid, None)
        self._granted(self.ledger.release(uid, self.now))
        first = int(uid) % 1000
        if self.rounds.get(first, 0) > 0:
            self.rounds[first] -= 1
            self._arrive(replace(row, uid=ExecutionUid(f"{int(uid) + 1000:026d}")))

    def _granted(self, uids: tuple[ExecutionUid, ...]) -> None:
        for uid in uids:
            execution = self.rows[uid]
            if execution.holds_tokens:
                self._fail("granted once", f"{uid} holds its tokens already")
            self._check_grant(execution)
            if self.is_calm:
                self._check_order(execution, uids)
            for claim in execution.plan.claims:
                self.granted[claim.pool] += claim.units
            self.watched.pop(uid, None)
            self.sums = None
            self.rows[uid] = execution.with_state(
                Launching(granted_at=self.now, create=CreateStatus.SENT, not_before=self.now)
            )
            lasts_s = self.rng.choice((0.0, 1.0, 10.0)) * self.rng.random()
            self._at(self.now + lasts_s, partial(self._end, uid), f"end {uid[-2:]}")

    def _check_grant(self, execution: Execution) -> None:
        """There is room for it, in its pools and within its limits, by the rows."""
        plan = execution.plan
        for claim in merged(plan.claims):
            spec = self._spec_of(claim.pool)
            if spec is None:
                self._fail("pools", f"{execution.uid} is granted units of {claim.pool}, which is not there")
                return
            share = spec.projects.get(plan.project, spec.share)
            for held, most, what in (
                (self._held(claim.pool), spec.capacity, "capacity"),
                (self._held(claim.pool, plan.project), share.limit, "limit of the project"),
                (
                    self._held(claim.pool, plan.project, plan.domain),
                    share.namespace_limit,
                    "limit of the namespace",
                ),
            ):
                if most is not None and held + claim.units > most:
                    self._fail("pools", f"{execution.uid} takes {claim.pool} over its {what} of {most}")

    def _held(self, pool: str, project: str = "", domain: str = "") -> int:
        """Units by the rows."""
        if self.sums is None:
            self.sums = {}
            for row in self.rows.values():
                for claim in row.plan.claims if row.holds_tokens else ():
                    plan = row.plan
                    for key in ("", ""), (plan.project, ""), (plan.project, plan.domain):
                        self.sums[claim.pool, *key] = self.sums.get((claim.pool, *key), 0) + claim.units
        return self.sums.get((pool, project, domain), 0)

    def _configure(self) -> None:
        name = self.rng.choice(tuple(self.specs) or ("a",))
        self.specs[name] = spec = self._spec(name)
        self._granted(self.ledger.configure(spec, self.now))

    def _remove(self) -> None:
        name = self.rng.choice(tuple(self.specs) or ("a",))
        if name in self.specs:
            del self.specs[name]
            self._granted(self.ledger.remove(name, self.now))

    def _restore(self) -> None:
        for name in (*NAMES, "t:*"):
            self.specs[name] = PoolSpec(name=name, capacity=10)
            self._granted(self.ledger.configure(self.specs[name], self.now))

    def _crash(self) -> None:
        self.ledger = Ledger(self.specs.values())
        self.ledger.take_up(sorted(self.rows.values(), key=lambda row: _since(row)), self.now)
        self._granted(self.ledger.grant_all(self.now))

    def _check(self) -> None:
        """After each step."""
        if faults := self.ledger.audit(self.rows.values()):
            self._fail("ledger is an index", "; ".join(faults))
        waiting = [row for row in self.rows.values() if row.wants_tokens]
        fitting = {row.uid: row for row in waiting if self._fits(row)}
        for row in fitting.values():
            if not any(self._blocks(other, row) for other in waiting if other.uid not in fitting):
                self._fail("a freed token is granted at once", f"{row.uid} could be, and nobody is before it")
        if self.is_calm:
            self._check_waits()

    def _fits(self, row: Execution) -> bool:
        plan = row.plan
        for claim in plan.claims:
            spec = self._spec_of(claim.pool)
            if spec is None:
                return False
            share = spec.projects.get(plan.project, spec.share)
            if claim.units > min(
                spec.capacity - self._held(claim.pool),
                10**9 if share.limit is None else share.limit - self._held(claim.pool, plan.project),
                10**9
                if share.namespace_limit is None
                else share.namespace_limit - self._held(claim.pool, plan.project, plan.domain),
            ):
                return False
        return True

    def _blocks(self, other: Execution, row: Execution) -> bool:
        """Whether one that has no room may be what keeps another from its grant."""
        if self.is_narrow:
            return self._goes_first(other, row)
        mine = {claim.pool for claim in row.plan.claims}
        shared = [claim for claim in other.plan.claims if claim.pool in mine]
        if not shared or self._is_stuck(other):
            return False
        if not self.is_calm or self._may_be_senior(other):
            return True
        is_short = any(claim.units > self._capacity(claim.pool) - self._held(claim.pool) for claim in shared)
        return is_short and other.plan.priority >= row.plan.priority

    def _goes_first(self, other: Execution, row: Execution) -> bool:
        """Within the limit of a project: by priority and arrival."""
        return (
            other.plan.project == row.plan.project
            and other.plan.priority >= row.plan.priority
            and self.arrived[other.uid] < self.arrived[row.uid]
        )

    def _may_be_senior(self, row: Execution) -> bool:
        """Whether it has been first for so long that room may be kept for it."""
        if self._is_limited(row):
            return True
        watch = self.watched.get(row.uid)
        return watch is not None and any(
            self.granted[pool] - granted >= 0.5 * PATIENCE * watch.parts[pool]
            for pool, granted in watch.granted.items()
        )

    def _capacity(self, name: str) -> int:
        spec = self._spec_of(name)
        return 0 if spec is None else spec.capacity

    def _check_order(self, execution: Execution, together: tuple[ExecutionUid, ...]) -> None:
        """Nobody passes one that has no room in its only pool, and that goes first for sure."""
        plan = execution.plan
        if self.is_narrow:
            for other in self.rows.values():
                if other.uid not in together and other.wants_tokens and self._goes_first(other, execution):
                    self._fail("nobody passes within a limit", f"{execution.uid} passes {other.uid}")
            return
        mine = {claim.pool for claim in plan.claims}
        if self._may_be_senior(execution):
            return
        for other in self.rows.values():
            if other.uid in together or not other.wants_tokens or len(other.plan.claims) != 1:
                continue
            if self._is_limited(other):
                continue
            (claim,) = other.plan.claims
            if claim.pool not in mine or claim.units <= self._capacity(claim.pool) - self._held(claim.pool):
                continue
            is_before = other.plan.priority > plan.priority or (
                (other.plan.priority, other.plan.project) == (plan.priority, plan.project)
                and self.arrived[other.uid] < self.arrived[execution.uid]
                and other.plan.domain == plan.domain
                and len(mine) == 1
            )
            if is_before:
                self._fail("nobody passes", f"{execution.uid} passes {other.uid}")

    def _is_stuck(self, row: Execution) -> bool:
        for claim in row.plan.claims:
            spec = self._spec_of(claim.pool)
            if spec is None or claim.units > spec.most(row.plan.project):
                return True
        return False

    def _check_waits(self) -> None:
        """No first of a line with a weight waits while its pools turn over more often than the bound says."""
        heads: dict[tuple[object, ...], Execution] = {}
        for row in self.rows.values():
            if row.wants_tokens:
                key = (
                    row.plan.priority,
                    row.plan.project,
                    row.plan.domain,
                    *(claim.pool for claim in merged(row.plan.claims)),
                )
                heads.setdefault(key, row)
        for row in heads.values():
            watch = self.watched.get(row.uid)
            if watch is None or self._is_limited(row):
                self.watched[row.uid] = self._watch(row)
                continue
            is_over = [
                self.granted[pool] - granted > (PATIENCE * watch.parts[pool] + self._slack(pool))
                for pool, granted in watch.granted.items()
            ]
            if all(is_over) and is_over:
                self._fail("no starvation", f"{row.uid} waits though its pools have turned over")

    def _slack(self, pool: str) -> float:
        """For those that were senior before it, and for the room that is gathered for it."""
        lines = {
            (one.plan.priority, one.plan.project, one.plan.domain, one.plan.claims)
            for one in self.rows.values()
        }
        return self._capacity(pool) * (2.0 + len(lines))

    def _watch(self, row: Execution) -> Watch:
        granted, parts = {}, {}
        for claim in row.plan.claims:
            spec = self._spec_of(claim.pool)
            assert spec is not None
            weights = {
                one.plan.project: spec.share_of(one.plan.project).weight
                for one in self.rows.values()
                if any(other.pool == claim.pool for other in one.plan.claims)
            }
            granted[claim.pool] = self.granted[claim.pool]
            weight = spec.share_of(row.plan.project).weight
            parts[claim.pool] = spec.capacity * sum(weights.values()) / weight
        return Watch(granted, parts)

    def _is_limited(self, row: Execution) -> bool:
        """Whether a limit of its own, or one that waits for it, holds it back."""
        return any(
            share.limit is not None or share.namespace_limit is not None
            for claim in row.plan.claims
            if (spec := self._spec_of(claim.pool)) is not None
            and (share := spec.projects.get(row.plan.project, spec.share))
        )


def _pools_of(row: Execution) -> tuple[str, ...]:
    return tuple(claim.pool for claim in merged(row.plan.claims))


def _since(row: Execution) -> float:
    return row.state.since if isinstance(row.state, Waiting) else 0.0


def shorter(world: PoolWorld, most: int) -> PoolWorld:
    """The same seed with fewer executions."""
    return replace(world, max_executions=most, trace=[])
