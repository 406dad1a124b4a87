"""One simulated world: the real reconciler, core and ledger over a simulated clock, store and remote system.

Everything that may differ is drawn from one seeded generator; every step is a numbered line of the trace.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random

from propwash.core.events import AbortRequested
from propwash.core.ledger import Ledger
from propwash.core.model import (
    Claim,
    Done,
    Execution,
    ExecutionUid,
    Instant,
    Plan,
    Policy,
    Queued,
    Traits,
)
from propwash.engine.reconciler import Reconciler
from propwash.engine.table import Entry, Table
from propwash.ports import ExecutionName, Record, TaskRequest
from tests.sim.calls import Calls
from tests.sim.disk import Disk
from tests.sim.hinting import Hinting
from tests.sim.invariants import Invariants
from tests.sim.quotas import Quotas
from tests.sim.remote import Remote
from tests.sim.stand_ins import Instants, Quiet
from tests.sim.violation import Violation
from tests.sim.words import words

FAULTS = (
    "lost_request",
    "lost_answer",
    "late_create",
    "slow",
    "duplicate",
    "throttle",
    "down",
    "internal",
    "refuse",
    "lag",
    "deaf",
    "vanish",
    "failures",
    "commit_fails",
    "crash",
    "abort",
    "outage",
    "resize",
)
HINT = "hint"
"""Left out like a fault; drawn by tests.sim.hinting."""
BEGIN = 1_000.0
FAULTS_END_AT = 400.0
LEAP_S = 1.0
SETTLE_S = (8.0, 30.0)
"""Shorter and longer than the deadline of a call."""
LIMIT_S = 100_000.0
STEP_LIMIT = 6_000


class World:
    """Runs one seed. without leaves faults out, max_executions bounds the work: what shrinking turns."""

    def __init__(
        self,
        seed: int,
        *,
        without: frozenset[str] = frozenset(),
        max_executions: int = 4,
        is_traced: bool = False,
    ) -> None:
        rng = self.rng = Random(seed)
        chosen = frozenset(fault for fault in FAULTS if rng.random() < 0.45)
        self.faults = chosen - without
        self.trace: list[str] = []
        self._is_traced = is_traced
        self._now = BEGIN
        self._heap: list[tuple[float, int, int, Callable[[], None], tuple[object, ...]]] = []
        self._count = 0
        self.life = 0
        """How often the process has crashed."""
        self.is_changed = False
        """Whether rows, jobs or creates in flight have changed since the last check: nothing else can break it."""
        self.are_rows_changed = False
        """Whether rows have: the ledger is compared with them then."""
        self.disk = Disk(self)
        self.intensity = rng.choice((0.05, 0.15, 0.4))
        # Of a generator of its own: the more systems have a look-up, the more seeds are about what comes of it.
        can_look_up = Random(f"{seed}: can look up").random() < 0.8
        self.traits = Traits(
            has_unique_names=rng.random() < 0.5,
            remembers_deleted_names=rng.random() < 0.2 and can_look_up,
            can_look_up=can_look_up,
            settle_s=rng.choice(SETTLE_S),
            poll_floor_s=2.0,
        )
        self.remote = Remote(
            rng,
            self.traits.has_unique_names,
            self.traits.remembers_deleted_names,
            self.faults,
            self.traits.settle_s,
        )
        self.are_polled_together = rng.random() < 0.5
        self.quotas = Quotas(self, Random(f"{seed}: pools"), {"p": rng.choice((1, 2, 3)), "q": 2})
        self.executions = [self._draw(number) for number in range(min(rng.randint(1, 4), max_executions))]
        self.abort_wanted: set[ExecutionUid] = set()
        self._outage = self._draw_outage()
        self.invariants = Invariants(self)
        self.calls = Calls(self)
        self.hinting = Hinting(self, seed, is_on=HINT not in without)
        self._start([])
        self.quotas.change_now_and_then()

    def now(self) -> Instant:
        """Virtual time."""
        return self._now

    def at(self, when: float, action: Callable[[], None], *what: object, outlives: bool = False) -> None:
        """Do something then, unless the process has crashed by then; outlives is for the remote system's doing."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, -1 if outlives else self.life, action, what))

    def is_out(self) -> bool:
        """Whether the remote system answers nothing now."""
        begins_at, ends_at = self._outage
        return begins_at <= self._now < ends_at

    def chance(self, fault: str, scale: float = 1.0) -> bool:
        """Whether a fault happens here."""
        if fault not in self.faults or self._now >= BEGIN + FAULTS_END_AT:
            return False
        return self.rng.random() < self.intensity * scale

    def run(self) -> World:
        """To the end; raises Violation with the trace in self.trace."""
        for execution in self.executions:
            self.at(self._now + self.rng.uniform(0, 5), partial(self._create, execution), "create")
            if "abort" in self.faults and self.rng.random() < 0.6:
                when = self._now + self.rng.choice((0.0, 5.0, 10.0, 20.0, 90.0)) + self.rng.uniform(0, 6)
                self.at(when, partial(self._abort, execution.uid), "abort", outlives=True)
        self.hinting.begin()
        steps = 0
        while self._heap:
            when, _, life, action, what = heapq.heappop(self._heap)
            if life not in (-1, self.life):
                continue
            if when > self._now + LEAP_S:
                self.invariants.nothing_sleeps_until(when)
            self._now = max(self._now, when)
            self.note(*what)
            action()
            if self.is_changed:
                self.is_changed = False
                self.invariants.check()
            if self.chance("crash", 0.03):
                self.crash("between two steps")
            steps += 1
            if steps > STEP_LIMIT or self._now > BEGIN + LIMIT_S:
                raise Violation(f"not at rest after {steps} steps and {self._now - BEGIN:.0f} s")
        self.invariants.check_at_rest()
        return self

    def note(self, *what: object) -> None:
        """A line of the trace."""
        if self._is_traced:
            self.trace.append(f"{self._now - BEGIN:9.2f}  {words(what)}")

    def _draw_outage(self) -> tuple[float, float]:
        if "outage" not in self.faults:
            return 0.0, 0.0
        begins_at = BEGIN + self.rng.choice((0.0, 10.0, 60.0)) + self.rng.uniform(0, 20)
        return begins_at, begins_at + self.rng.choice((5.0, 30.0, 120.0))

    def _draw(self, number: int) -> Execution:
        rng = self.rng

        def deadline(chance: float) -> float | None:
            return rng.choice((2.0, 5.0, 40.0, 150.0)) if rng.random() < chance else None

        policy = Policy(
            max_attempts=rng.choice((1, 2, 3)),
            wait_deadline_s=deadline(0.1),
            run_deadline_s=deadline(0.15),
            total_deadline_s=deadline(0.1),
        )
        claims = [Claim(pool="p")] if rng.random() < 0.7 else []
        if rng.random() < 0.3:
            claims.append(Claim(pool="q", units=rng.choice((1, 2))))
        plan = Plan(
            task_type="sim",
            project=self.quotas.draw_project(),
            domain="dev",
            claims=tuple(claims),
            priority=self.quotas.draw_priority(),
            policy=policy,
            traits=self.traits,
            is_polled_together=self.are_polled_together,
        )
        return Execution(
            uid=ExecutionUid(f"{number:026d}"),
            plan=plan,
            state=Queued(not_before=0.0),
            attempt=1,
            created_at=0.0,
            updated_at=0.0,
        )

    def _start(self, rows: list[tuple[Execution, int]]) -> None:
        self.table = Table()
        self.ledger = Ledger(self.disk.pools.values())
        self.calls.forget()
        self.disk.forget()
        for execution, version in rows:
            self.table.add(Entry(_name(execution), execution, version, None))
        self.ledger.take_up((entry.execution for entry in self.table), self._now)
        self.ledger.settle()
        self.reconciler = Reconciler(
            clock=self,  # type: ignore[arg-type]  # only now() is used by what is synchronous
            journal=self.disk,  # type: ignore[arg-type]  # only append() is used by the reconciler
            ledger=self.ledger,
            instrument=Quiet(),
            table=self.table,
            perform=self.calls.perform,
            withdraw_create=self.calls.withdraw_create,
        )
        self.reconciler.timers = Instants(self)  # type: ignore[assignment]  # virtual instants
        for _ in self.reconciler.resume():
            pass

    def crash(self, where: str) -> None:
        """Lose what is in memory, and start again from the rows."""
        self.note("CRASH", where)
        self.life += 1
        self.calls.doubt_what_is_in_flight()
        rows = [row for row in self.disk.rows.values() if not isinstance(row[0].state, Done)]
        again = [e for e in self.executions if e.uid not in self.disk.rows]
        self._start(sorted(rows, key=lambda row: (row[0].created_at, row[0].uid)))
        for execution in again:
            self.at(self._now + 1.0, partial(self._create, execution), "create again")

    def _create(self, execution: Execution) -> None:
        if execution.uid in self.disk.rows:
            return

        fresh = replace(
            execution, created_at=self._now, updated_at=self._now, state=Queued(not_before=self._now)
        )
        request = TaskRequest(task_type="sim", spec={})
        record = Record(name=_name(fresh), request=request, execution=fresh, version=1)
        self.reconciler.insert([record], lambda _: None)

    def _abort(self, uid: ExecutionUid) -> None:
        entry = self.table.by_uid(uid)
        if entry is None or isinstance(entry.execution.state, Done):
            return
        if not entry.is_stored:
            self.at(self._now + 0.1, lambda: self._abort(uid), "abort again")
            return
        self.abort_wanted.add(uid)
        self.reconciler.apply(entry, AbortRequested(message="stop"))
        self.disk.append((), lambda _: self.invariants.abort_acknowledged(uid))


def _name(execution: Execution) -> ExecutionName:
    return ExecutionName("sim", "dev", f"e{execution.uid[-1]}")
