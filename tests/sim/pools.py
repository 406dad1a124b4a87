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
from propwash.core.pool import PoolSpec, ProjectShare
from tests.sim.pool_invariants import PoolInvariants

PROJECTS = ("ads", "ad", "maps", "mail", "play")
"""One is the beginning of another."""
DOMAINS = ("dev", "prod")
MOST = 40
"""Executions that come, besides those that come again."""
NAMES = ("a", "b", "c", "t:1", "t:2")


@dataclass
class PoolWorld:
    """Runs one seed; run raises Violation. max_executions bounds the work: what shrinking turns."""

    seed: int
    max_executions: int = MOST
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
        self.rounds: dict[int, int] = {}
        """How often one comes again, by its number."""
        self.arrivals = 0
        self.arrived: dict[ExecutionUid, int] = {}
        self.ledger = Ledger(self.specs.values())
        self.invariants = PoolInvariants(self)

    def run(self) -> PoolWorld:
        """To the end."""
        rng = self.rng
        number = 0
        most = rng.choice((5, 12, self.max_executions))
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
                act = rng.choice((self._configure, self._configure, self._remove, self._crash))
                self._at(self.now + rng.uniform(0, 300), act, act.__name__)
            # All is there again in the end, large enough for everybody.
            self._at(self.now + 400.0, self._restore, "restore")
        steps = 0
        while self.heap:
            at, _, action, what = heapq.heappop(self.heap)
            self.now = max(self.now, at)
            self.trace.append(f"{self.now - 1_000.0:9.2f}  {what}")
            action()
            self.invariants.check()
            steps += 1
            if steps > 20_000:
                self.invariants.fail("everything ends", f"{len(self.rows)} are left after {steps} steps")
        if self.rows:
            self.invariants.fail(
                "no starvation", f"{sorted(self.rows)} are left, and nothing more will happen"
            )
        for name, pool in self.ledger.pools.items():
            if pool.occupied or pool.wanting or pool.holding:
                self.invariants.fail("no token leaks", f"pool {name} has {pool.occupied} units occupied")
            if pool.senior or pool.weight > 1e-6 or any(one.lines for one in pool.accounts.values()):
                self.invariants.fail("no token leaks", f"pool {name} keeps lines")
        return self

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
            spec = self.spec_of(name)
            if spec is not None and (most := spec.most(project)):
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

    def spec_of(self, name: str) -> PoolSpec | None:
        return self.specs.get(name) or (self.specs.get("t:*") if name[0] == "t" else None)

    def _arrive(self, execution: Execution) -> None:
        self.arrivals += 1
        self.arrived[execution.uid] = self.arrivals
        self.rows[execution.uid] = execution = execution.with_state(Waiting(since=self.now))
        self._granted(self.ledger.request(execution, self.now))
        if self.rng.random() < (0.4 if self.is_narrow else 0.1):
            self._at(
                self.now + self.rng.uniform(0, 30),
                partial(self._end, execution.uid),
                f"abort {execution.uid[-2:]}",
            )

    def _end(self, uid: ExecutionUid) -> None:
        row = self.rows.pop(uid, None)
        if row is None:
            return
        self.invariants.changed(uid)
        self._granted(self.ledger.release(uid, self.now))
        first = int(uid) % 1000
        if self.rounds.get(first, 0) > 0:
            self.rounds[first] -= 1
            self._arrive(replace(row, uid=ExecutionUid(f"{int(uid) + 1000:026d}")))

    def _granted(self, uids: tuple[ExecutionUid, ...]) -> None:
        for uid in uids:
            execution = self.rows[uid]
            if execution.holds_tokens:
                self.invariants.fail("granted once", f"{uid} holds its tokens already")
            self.invariants.granted(execution, uids)
            self.rows[uid] = execution.with_state(
                Launching(granted_at=self.now, create=CreateStatus.SENT, not_before=self.now)
            )
            lasts_s = self.rng.choice((0.0, 1.0, 10.0)) * self.rng.random()
            self._at(self.now + lasts_s, partial(self._end, uid), f"end {uid[-2:]}")

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
        self.ledger.settle()
        self._granted(self.ledger.grant_all(self.now))


def _since(row: Execution) -> float:
    return row.state.since if isinstance(row.state, Waiting) else 0.0


def breach(seed: int, max_executions: int = MOST) -> tuple[str, tuple[str, ...]] | None:
    """What a seed breaks, and its trace; None where every promise held."""
    world = PoolWorld(seed, max_executions)
    try:
        world.run()
    except Exception as error:  # noqa: BLE001  # whatever a world raises is a finding
        return f"{type(error).__name__}: {error}", tuple(world.trace)
    return None


def search(seeds: range) -> str | None:
    """The first failing seed with as few executions as it takes, told; None where none fails."""
    for seed in seeds:
        found = breach(seed)
        if found is None:
            continue
        for most in range(1, MOST):
            if (shorter := breach(seed, most)) is not None:
                found = shorter
                break
        message, trace = found
        again = f"python -m tests.sim --pools --seed {seed}"
        return "\n".join((f"pools, seed {seed}: {message}", f"again: {again}", *trace))
    return None
