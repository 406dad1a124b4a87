"""One simulated world: the real reconciler, core and ledger over a simulated clock, store and remote system.

Everything that may differ is drawn from one seeded generator; every step is a numbered line of the trace.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from propwash.core import machine
from propwash.core.effects import Effect
from propwash.core.events import (
    AbortRequested,
    Created,
    Deleted,
    Event,
    Faulted,
    Found,
    FoundNothing,
    Missed,
    Observed,
    Verb,
)
from propwash.core.model import (
    Claim,
    Done,
    Execution,
    ExecutionUid,
    Fault,
    FaultKind,
    Instant,
    Observation,
    Plan,
    Policy,
    Queued,
    RemotePhase,
    Traits,
)
from propwash.core.pool import Ledger
from propwash.engine.reconciler import Reconciler
from propwash.engine.table import Entry, Table
from propwash.ports import (
    CommitResult,
    Committed,
    ExecutionName,
    Group,
    Insert,
    Record,
    Stale,
    TaskRequest,
    Update,
)
from tests.sim import invariants
from tests.sim.remote import SETTLE_S, Invisible, Refused, Remote

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
)
CALL_DEADLINE_S = 10.0
FAULTS_END_AT = 400.0
LIMIT_S = 100_000.0
STEP_LIMIT = 6_000


class Violation(AssertionError):
    """A promise was broken."""


@dataclass(slots=True)
class Disk:
    """What is durable, and what has been promised of it."""

    rows: dict[ExecutionUid, tuple[Execution, int]] = field(default_factory=dict)
    created: set[ExecutionUid] = field(default_factory=set)
    aborted: set[ExecutionUid] = field(default_factory=set)


class Quiet:
    """An instrument that says nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class Instants:
    """Stands in for engine.timers.Timers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._at: dict[ExecutionUid, Instant] = {}

    def set(self, uid: ExecutionUid, at: Instant | None) -> None:
        """Wake uid at the instant, or never."""
        if at is None:
            self._at.pop(uid, None)
        elif self._at.get(uid) != at:
            if at <= self._world.now():
                raise Violation(f"the instant to wake at is not in the future: {at}")
            self._at[uid] = at
            self._world.at(at, lambda: self._due(uid, at), f"wake {uid[-1]}")

    def _due(self, uid: ExecutionUid, at: Instant) -> None:
        if self._at.get(uid) == at:
            del self._at[uid]
            self._world.reconciler.wake(uid)


class World:
    """Runs one seed. without leaves faults out, max_executions bounds the work: what shrinking turns."""

    def __init__(self, seed: int, *, without: frozenset[str] = frozenset(), max_executions: int = 4) -> None:
        rng = self.rng = Random(seed)
        chosen = frozenset(fault for fault in FAULTS if rng.random() < 0.45)
        self.faults = chosen - without
        self.trace: list[str] = []
        self._now = 1000.0
        self._heap: list[tuple[float, int, int, Callable[[], None], str]] = []
        self._count = 0
        self._life = 0
        self._tickets = 0
        self.is_changed = False
        """Whether rows, jobs or creates in flight have changed since the last check: nothing else can break it."""
        self.disk = Disk()
        self.intensity = rng.choice((0.05, 0.15, 0.4))
        self.traits = Traits(
            has_unique_names=rng.random() < 0.65,
            remembers_deleted_names=rng.random() < 0.2,
            settle_s=SETTLE_S,
        )
        self.remote = Remote(
            rng, self.traits.has_unique_names, self.traits.remembers_deleted_names, self.faults
        )
        self.capacity = {"p": rng.choice((1, 2, 3)), "q": 2}
        self.executions = [self._draw(number) for number in range(min(rng.randint(1, 4), max_executions))]
        self.creates_in_flight: dict[ExecutionUid, int] = {}
        self.refused: set[ExecutionUid] = set()
        self.abort_wanted: set[ExecutionUid] = set()
        self.invariants = invariants.Invariants(self)
        self._start([])

    def now(self) -> Instant:
        """Virtual time."""
        return self._now

    def at(self, when: float, action: Callable[[], None], label: str, *, outlives: bool = False) -> None:
        """Do something then, unless the process has crashed by then; outlives is for the remote system's doing."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, -1 if outlives else self._life, action, label))

    def chance(self, fault: str, scale: float = 1.0) -> bool:
        """Whether a fault happens here."""
        if fault not in self.faults or self._now >= 1000.0 + FAULTS_END_AT:
            return False
        return self.rng.random() < self.intensity * scale

    def run(self) -> World:
        """To the end; raises Violation with the trace in self.trace."""
        for execution in self.executions:
            self.at(self._now + self.rng.uniform(0, 5), lambda e=execution: self._create(e), "create")
            if "abort" in self.faults and self.rng.random() < 0.6:
                when = self._now + self.rng.choice((0.0, 5.0, 8.0, 20.0, 60.0, 200.0)) + self.rng.random()
                self.at(when, lambda e=execution: self._abort(e.uid), "abort", outlives=True)
        steps = 0
        while self._heap:
            when, _, life, action, label = heapq.heappop(self._heap)
            if life not in (-1, self._life):
                continue
            self._now = max(self._now, when)
            self.trace.append(f"{self._now - 1000.0:9.2f}  {label}")
            action()
            if self.is_changed:
                self.is_changed = False
                self.invariants.check()
            if self.chance("crash", 0.03):
                self._crash("between two steps")
            steps += 1
            if steps > STEP_LIMIT or self._now > 1000.0 + LIMIT_S:
                raise Violation(f"not at rest after {steps} steps and {self._now - 1000.0:.0f} s")
        self.invariants.check_at_rest()
        return self

    def _draw(self, number: int) -> Execution:
        rng = self.rng

        def deadline(chance: float) -> float | None:
            return rng.choice((5.0, 40.0, 150.0)) if rng.random() < chance else None

        policy = Policy(
            max_attempts=rng.choice((1, 2, 3)),
            wait_deadline_s=deadline(0.1),
            run_deadline_s=deadline(0.15),
            total_deadline_s=deadline(0.1),
        )
        claims = [Claim(pool="p")] if rng.random() < 0.7 else []
        if rng.random() < 0.3:
            claims.append(Claim(pool="q", units=rng.choice((1, 2))))
        plan = Plan(task_type="sim", claims=tuple(claims), policy=policy, traits=self.traits)
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
        self.ledger = Ledger(self.capacity)
        self._waiting: list[tuple[Group, Callable[[CommitResult], None]]] = []
        self._is_committing = False
        self.creates_in_flight = {}
        self._queued: dict[Entry, int] = {}
        for execution, version in rows:
            self.table.add(Entry(_name(execution), execution, version, None))
        self.ledger.take_up(entry.execution for entry in self.table)
        self.reconciler = Reconciler(
            clock=self,  # type: ignore[arg-type]  # only now() is used by what is synchronous
            journal=self,  # type: ignore[arg-type]  # only append() is used by the reconciler
            ledger=self.ledger,
            instrument=Quiet(),  # type: ignore[arg-type]  # every name answers
            table=self.table,
            perform=self._perform,
            withdraw_create=self._withdraw_create,
        )
        self.reconciler.timers = Instants(self)  # type: ignore[assignment]  # virtual instants
        self.reconciler.resume()

    def _crash(self, where: str) -> None:
        self.trace.append(f"{self._now - 1000.0:9.2f}  CRASH {where}")
        self._life += 1
        rows = [row for row in self.disk.rows.values() if not isinstance(row[0].state, Done)]
        again = [e for e in self.executions if e.uid not in self.disk.rows]
        self._start(sorted(rows, key=lambda row: (row[0].created_at, row[0].uid)))
        for execution in again:
            self.at(self._now + 1.0, lambda e=execution: self._create(e), "create again")

    def _create(self, execution: Execution) -> None:
        if execution.uid in self.disk.rows:
            return

        fresh = replace(
            execution, created_at=self._now, updated_at=self._now, state=Queued(not_before=self._now)
        )

        def done(result: CommitResult) -> None:
            if isinstance(result, Committed):
                self.disk.created.add(execution.uid)

        self.reconciler.insert(
            [
                Record(
                    name=_name(fresh),
                    request=TaskRequest(task_type="sim", spec={}),
                    execution=fresh,
                    version=1,
                )
            ],
            done,
        )

    def _abort(self, uid: ExecutionUid) -> None:
        entry = self.table.by_uid(uid)
        if entry is None or isinstance(entry.execution.state, Done):
            return
        if not entry.is_stored:
            self.at(self._now + 0.1, lambda: self._abort(uid), "abort again")
            return
        self.abort_wanted.add(uid)
        self.reconciler.apply(entry, AbortRequested(message="stop"))
        self.append((), lambda _: self.invariants.abort_acknowledged(uid))

    def append(self, group: Group, done: Callable[[CommitResult], None]) -> None:
        """Stands in for engine.journal.Journal."""
        self._waiting.append((group, done))
        if not self._is_committing:
            self._is_committing = True
            self.at(self._now + self.rng.choice((0.001, 0.01, 0.5)), self._commit, "commit")

    def _commit(self) -> None:
        if self.chance("commit_fails"):
            self.at(self._now + 1.0, self._commit, "commit again")
            return
        if self.chance("crash", 0.15):
            self._crash("before a commit")
            return
        batch, self._waiting = self._waiting, []
        results = [self._write(group) for group, _ in batch]
        if self.chance("crash", 0.15):
            self._crash("after a commit")
            return
        for (_, done), result in zip(batch, results, strict=True):
            done(result)
        self._is_committing = False
        if self._waiting:
            self._is_committing = True
            self.at(self._now + 0.01, self._commit, "commit")

    def _write(self, group: Group) -> CommitResult:
        for index, change in enumerate(group):
            if isinstance(change, Update) and self.disk.rows[change.uid][1] != change.expected_version:
                return Stale(index=index)
        for change in group:
            if isinstance(change, Insert):
                self._put(change.record.execution, 1)
            elif isinstance(change, Update):
                self._put(change.execution, change.expected_version + 1)
        return Committed(seqs=tuple(1 for _ in group))

    def _put(self, execution: Execution, version: int) -> None:
        self.is_changed = True
        before = self.disk.rows.get(execution.uid)
        self.disk.rows[execution.uid] = (execution, version)
        self.trace.append(f"             durable {execution.uid[-1]}: {_short(execution)}")
        self.invariants.written(before[0] if before else None, execution)

    def _perform(self, entry: Entry, effect: Effect) -> None:
        label = f"send {effect.verb.value} {entry.execution.uid[-1]} attempt {effect.attempt}"
        self.invariants.performed(entry, effect)
        delay = self.rng.choice((0.0, 0.01, 3.0)) if "slow" in self.faults else 0.01
        self._tickets += 1
        ticket = self._tickets
        if effect.verb is Verb.CREATE:
            self._queued[entry] = ticket
        self.at(self._now + delay, lambda: self._send(entry, effect, ticket), label)

    def _withdraw_create(self, entry: Entry) -> bool:
        return self._queued.pop(entry, None) is not None

    def _send(self, entry: Entry, effect: Effect, ticket: int) -> None:
        """As engine.dispatch does when an effect's turn has come."""
        if effect.verb is Verb.CREATE and self._queued.get(entry) != ticket:
            return
        if effect.verb is Verb.CREATE:
            del self._queued[entry]
        if entry.pending or effect not in machine.due(entry.execution, self._now):
            self.reconciler.reply(entry, effect.verb, None)
            return
        self.invariants.sent(entry, effect)
        self._call(entry, effect)

    def _call(self, entry: Entry, effect: Effect) -> None:
        asked_at, rng, uid, life = self._now, self.rng, entry.execution.uid, self._life
        is_create = effect.verb is Verb.CREATE
        if is_create:
            self.is_changed = True
            self.creates_in_flight[uid] = effect.attempt
        refusal = self._refusal(effect)
        if refusal is not None:
            self.at(self._now + 0.05, lambda: self._answer(entry, effect, refusal, asked_at), "answer: fault")
            return
        timeout = Fault(kind=FaultKind.UNAVAILABLE, reason="DEADLINE_EXCEEDED", message="no answer")
        arrives_at = self._now + (rng.uniform(0, 2) if "slow" in self.faults else 0.02)
        is_lost = self.chance("lost_request")
        if is_create and self.chance("late_create"):
            arrives_at, is_lost = self._now + rng.uniform(0, SETTLE_S * 0.6), False
        state: dict[str, bool] = {"answered": False}

        def arrive() -> None:
            event = self._serve(uid, effect, asked_at)
            back_at = self._now + (rng.uniform(0, 2) if "slow" in self.faults else 0.02)
            if life != self._life or self.chance("lost_answer") or back_at > asked_at + CALL_DEADLINE_S:
                return
            self.at(
                back_at,
                lambda: answer(event),
                f"answer {effect.verb.value} {uid[-1]}: {type(event).__name__}",
            )
            if self.chance("duplicate"):
                late = back_at + rng.choice((0.01, 5.0, 50.0))
                self.at(
                    late,
                    lambda: self.reconciler.apply(entry, _event(effect, event, asked_at)),
                    f"again {type(event).__name__}",
                )

        def answer(event: Event | Fault) -> None:
            if not state["answered"]:
                state["answered"] = True
                self._answer(entry, effect, event, asked_at)

        if not is_lost:
            self.at(arrives_at, arrive, f"arrive {effect.verb.value} {uid[-1]}", outlives=True)
        label = f"deadline {effect.verb.value} {uid[-1]}"
        self.at(asked_at + CALL_DEADLINE_S, lambda: answer(timeout), label)

    def _refusal(self, effect: Effect) -> Fault | None:
        kinds = {
            "throttle": FaultKind.THROTTLED,
            "down": FaultKind.UNAVAILABLE,
            "internal": FaultKind.INTERNAL,
            "refuse": self.rng.choice((FaultKind.PERMANENT, FaultKind.RETRYABLE)),
        }
        for fault, kind in kinds.items():
            if self.chance(fault, 0.3 if fault == "refuse" else 1.0):
                wait = self.rng.choice((None, 7.0)) if fault == "throttle" else None
                return Fault(kind=kind, reason=f"SIM_{kind.name}", message=fault, retry_after_s=wait)
        return None

    def _serve(self, uid: ExecutionUid, effect: Effect, asked_at: float) -> Event | Fault:
        remote, attempt, now = self.remote, effect.attempt, self._now
        match effect.verb:
            case Verb.CREATE:
                self.is_changed = True
                try:
                    job = remote.create(uid, attempt, now)
                except Refused:
                    return Fault(kind=FaultKind.PERMANENT, reason="SIM_PERMANENT", message="name deleted")
                except Invisible:
                    return Fault(kind=FaultKind.UNAVAILABLE, reason="SIM_UNAVAILABLE", message="in flux")
                seen = remote.observe(job.number, now) or Observation(phase=RemotePhase.PENDING)
                return Created(attempt=attempt, meta=_meta(job.number), observation=seen, asked_at=asked_at)
            case Verb.FIND:
                found = remote.find(uid, attempt, now)
                if found is None:
                    return FoundNothing(attempt=attempt, asked_at=asked_at)
                seen = remote.observe(found.number, now) or Observation(phase=RemotePhase.PENDING)
                return Found(attempt=attempt, meta=_meta(found.number), observation=seen, asked_at=asked_at)
            case Verb.OBSERVE:
                if self.chance("vanish", 0.2):
                    remote.by_number[int(effect.meta)].is_vanished = True  # type: ignore[union-attr]  # Observe has it
                seen_now = remote.observe(int(effect.meta), now)  # type: ignore[union-attr]  # Observe has it
                if seen_now is None:
                    return Missed(attempt=attempt, asked_at=asked_at)
                return Observed(attempt=attempt, observation=seen_now, asked_at=asked_at)
            case Verb.DELETE:
                deletion = remote.delete(uid, attempt, now)
                return Deleted(attempt=attempt, deletion=deletion, asked_at=asked_at)

    def _answer(self, entry: Entry, effect: Effect, event: Event | Fault, asked_at: float) -> None:
        uid = entry.execution.uid
        if effect.verb is Verb.CREATE:
            self.creates_in_flight.pop(uid, None)
            if isinstance(event, Fault) and event.kind in (FaultKind.PERMANENT, FaultKind.RETRYABLE):
                self.refused.add(uid)
        self.reconciler.reply(entry, effect.verb, _event(effect, event, asked_at))


def _event(effect: Effect, answer: Event | Fault, asked_at: float) -> Event:
    if isinstance(answer, Fault):
        return Faulted(attempt=effect.attempt, verb=effect.verb, fault=answer, asked_at=asked_at)
    return answer


def _name(execution: Execution) -> ExecutionName:
    return ExecutionName("sim", "dev", f"e{execution.uid[-1]}")


def _meta(number: int) -> bytes:
    return str(number).encode()


def _short(execution: Execution) -> str:
    state = execution.state
    extra = "".join(
        f" {key}={getattr(state, key)}" for key in ("create", "then", "outcome") if hasattr(state, key)
    )
    return f"attempt {execution.attempt} {type(state).__name__}{extra}"[:150]
