"""The promises of pools, as checks on a world of pools.py: at each grant, after each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from propwash.core.model import Execution, ExecutionUid
from propwash.core.pool import merged
from propwash.core.queues import PATIENCE
from tests.sim.violation import Violation

if TYPE_CHECKING:
    from tests.sim.pools import PoolWorld


@dataclass
class Watch:
    """How long one has been the first of its line: units granted by each of its pools when that began."""

    granted: dict[str, int]
    own: dict[str, int]
    """Of these, to its project."""
    parts: dict[str, float]
    """Capacity for its part of the weights, by pool, as it was then."""


class PoolInvariants:
    """Checks of one world; every breach is raised as a Violation under the invariant's name."""

    def __init__(self, world: PoolWorld) -> None:
        self._world = world
        self._granted: dict[str, int] = {}
        """Units ever, by pool."""
        self._own: dict[tuple[str, str], int] = {}
        """The same, by pool and project."""
        self._watched: dict[ExecutionUid, Watch] = {}
        self._sums: dict[tuple[str, str, str], int] | None = None
        """Units held by pool, project and domain; None when rows have changed."""

    def fail(self, invariant: str, what: str) -> None:
        """Raise a Violation."""
        raise Violation(f"{invariant}: {what}")

    def changed(self, uid: ExecutionUid) -> None:
        """A row has gone, or holds its claims now."""
        self._sums = None
        self._watched.pop(uid, None)

    def granted(self, execution: Execution, together: tuple[ExecutionUid, ...]) -> None:
        """An execution is granted its claims, with others in the same step; its row does not say so yet."""
        self._check_room(execution)
        if self._world.is_calm:
            self._check_order(execution, together)
        for claim in execution.plan.claims:
            key = claim.pool, execution.plan.project
            self._granted[claim.pool] = self._granted.get(claim.pool, 0) + claim.units
            self._own[key] = self._own.get(key, 0) + claim.units
        self.changed(execution.uid)

    def _check_room(self, execution: Execution) -> None:
        """There is room for it, in its pools and within its limits, by the rows."""
        plan = execution.plan
        for claim in merged(plan.claims):
            spec = self._world.spec_of(claim.pool)
            if spec is None:
                self.fail("pools", f"{execution.uid} is granted units of {claim.pool}, which is not there")
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
                    self.fail("pools", f"{execution.uid} takes {claim.pool} over its {what} of {most}")

    def _held(self, pool: str, project: str = "", domain: str = "") -> int:
        """Units by the rows."""
        if self._sums is None:
            self._sums = {}
            for row in self._world.rows.values():
                for claim in row.plan.claims if row.holds_tokens else ():
                    plan = row.plan
                    for key in ("", ""), (plan.project, ""), (plan.project, plan.domain):
                        self._sums[claim.pool, *key] = self._sums.get((claim.pool, *key), 0) + claim.units
        return self._sums.get((pool, project, domain), 0)

    def check(self) -> None:
        """After each step."""
        if faults := self._world.ledger.audit(self._world.rows.values()):
            self.fail("ledger is an index", "; ".join(faults))
        waiting = [row for row in self._world.rows.values() if row.wants_tokens]
        fitting = {row.uid: row for row in waiting if self._fits(row)}
        for row in fitting.values():
            if not any(self._blocks(other, row) for other in waiting if other.uid not in fitting):
                self.fail("a freed token is granted at once", f"{row.uid} could be, and nobody is before it")
        if self._world.is_calm:
            self._check_waits()

    def _fits(self, row: Execution) -> bool:
        plan = row.plan
        for claim in plan.claims:
            spec = self._world.spec_of(claim.pool)
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
        if self._world.is_narrow:
            return self._goes_first(other, row)
        mine = {claim.pool for claim in row.plan.claims}
        shared = [claim for claim in other.plan.claims if claim.pool in mine]
        if not shared or self._is_stuck(other):
            return False
        if not self._world.is_calm or self._may_be_senior(other):
            return True
        is_short = any(claim.units > self._capacity(claim.pool) - self._held(claim.pool) for claim in shared)
        return is_short and other.plan.priority >= row.plan.priority

    def _goes_first(self, other: Execution, row: Execution) -> bool:
        """Within the limit of a project: by priority and arrival."""
        return (
            other.plan.project == row.plan.project
            and other.plan.priority >= row.plan.priority
            and self._world.arrived[other.uid] < self._world.arrived[row.uid]
        )

    def _may_be_senior(self, row: Execution) -> bool:
        """Whether it has been first for so long that room may be kept for it."""
        if self._is_limited(row):
            return True
        watch = self._watched.get(row.uid)
        return watch is not None and any(
            self._granted.get(pool, 0) - granted >= 0.5 * PATIENCE * watch.parts[pool]
            for pool, granted in watch.granted.items()
        )

    def _capacity(self, name: str) -> int:
        spec = self._world.spec_of(name)
        return 0 if spec is None else spec.capacity

    def _check_order(self, execution: Execution, together: tuple[ExecutionUid, ...]) -> None:
        """Nobody passes one that has no room in its only pool, and that goes first for sure."""
        plan = execution.plan
        if self._world.is_narrow:
            for other in self._world.rows.values():
                if other.uid not in together and other.wants_tokens and self._goes_first(other, execution):
                    self.fail("nobody passes within a limit", f"{execution.uid} passes {other.uid}")
            return
        mine = {claim.pool for claim in plan.claims}
        if self._may_be_senior(execution):
            return
        for other in self._world.rows.values():
            if other.uid in together or not other.wants_tokens or len(other.plan.claims) != 1:
                continue
            if self._is_limited(other):
                continue
            (claim,) = other.plan.claims
            if claim.pool not in mine or claim.units <= self._capacity(claim.pool) - self._held(claim.pool):
                continue
            is_before = other.plan.priority > plan.priority or (
                (other.plan.priority, other.plan.project) == (plan.priority, plan.project)
                and self._world.arrived[other.uid] < self._world.arrived[execution.uid]
                and other.plan.domain == plan.domain
                and len(mine) == 1
            )
            if is_before:
                self.fail("nobody passes", f"{execution.uid} passes {other.uid}")

    def _is_stuck(self, row: Execution) -> bool:
        for claim in row.plan.claims:
            spec = self._world.spec_of(claim.pool)
            if spec is None or claim.units > spec.most(row.plan.project):
                return True
        return False

    def _check_waits(self) -> None:
        """No first of a line with a weight waits while its pools turn over more often than the bound says."""
        heads: dict[tuple[object, ...], Execution] = {}
        for row in self._world.rows.values():
            if row.wants_tokens:
                key = (
                    row.plan.priority,
                    row.plan.project,
                    row.plan.domain,
                    *(claim.pool for claim in merged(row.plan.claims)),
                )
                heads.setdefault(key, row)
        for row in heads.values():
            watch = self._watched.get(row.uid)
            if watch is None or self._is_limited(row):
                self._watched[row.uid] = self._watch(row)
                continue
            is_over = [
                self._granted.get(pool, 0) - granted > PATIENCE * watch.parts[pool] + self._slack(pool)
                and not self._waits_in_fairness(pool, row, watch)
                for pool, granted in watch.granted.items()
            ]
            if all(is_over) and is_over:
                self.fail("no starvation", f"{row.uid} waits though its pools have turned over")

    def _waits_in_fairness(self, pool: str, row: Execution, watch: Watch) -> bool:
        """Whether its project has its part of the pool, and is granted no more of it."""
        index = self._world.ledger.pools[pool]
        account = index.accounts[row.plan.project]
        own = self._own.get((pool, row.plan.project), 0) - watch.own[pool]
        is_fed = own > PATIENCE * self._capacity(pool) + self._slack(pool)
        return not is_fed and account.has_its_part(self._world.now, self._capacity(pool), index.weight)

    def _slack(self, pool: str) -> float:
        """For those that were senior before it, and for the room that is gathered for it."""
        lines = {
            (one.plan.priority, one.plan.project, one.plan.domain, one.plan.claims)
            for one in self._world.rows.values()
        }
        return self._capacity(pool) * (2.0 + len(lines))

    def _watch(self, row: Execution) -> Watch:
        granted, own, parts = {}, {}, {}
        for claim in row.plan.claims:
            spec = self._world.spec_of(claim.pool)
            assert spec is not None
            weights = {
                one.plan.project: spec.share_of(one.plan.project).weight
                for one in self._world.rows.values()
                if any(other.pool == claim.pool for other in one.plan.claims)
            }
            granted[claim.pool] = self._granted.get(claim.pool, 0)
            own[claim.pool] = self._own.get((claim.pool, row.plan.project), 0)
            weight = spec.share_of(row.plan.project).weight
            parts[claim.pool] = spec.capacity * sum(weights.values()) / weight
        return Watch(granted, own, parts)

    def _is_limited(self, row: Execution) -> bool:
        """Whether a limit of its own, or one that waits for it, holds it back."""
        return any(
            share.limit is not None or share.namespace_limit is not None
            for claim in row.plan.claims
            if (spec := self._world.spec_of(claim.pool)) is not None
            and (share := spec.projects.get(row.plan.project, spec.share))
        )


def _pools_of(row: Execution) -> tuple[str, ...]:
    return tuple(claim.pool for claim in merged(row.plan.claims))
