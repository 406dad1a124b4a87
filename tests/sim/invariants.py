"""The promises, as checks on a simulated world: at each step, at each write, at each send, and at rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from propwash.core import machine
from propwash.core.effects import Delete, Effect
from propwash.core.events import Ticked, Verb
from propwash.core.model import (
    Cleaning,
    CreateStatus,
    Done,
    Execution,
    ExecutionUid,
    Launching,
    Outcome,
    OutcomeKind,
    Phase,
    Running,
)
from propwash.core.replies import CREATE_IN_DOUBT
from propwash.engine.circuits import Source
from propwash.engine.table import Entry
from tests.sim.remote import Job
from tests.sim.silence import Silence
from tests.sim.thrift import Thrift
from tests.sim.violation import Violation

if TYPE_CHECKING:
    from tests.sim.world import World

ATTEMPT_ENDS = {
    *("JOB_BROKE_ONCE", "SIM_RETRYABLE", "RUN_DEADLINE_EXCEEDED", "RESOURCE_LOST"),
    CREATE_IN_DOUBT,
}


class Invariants:
    """Checks of one world; every breach is raised as a Violation under the invariant's name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._acknowledged_aborts: dict[ExecutionUid, bool] = {}
        self._gone: set[ExecutionUid] = set()
        self._granted_at: dict[tuple[ExecutionUid, int], float] = {}
        self.silence = Silence(world, self.fail)
        self._ceiling: dict[str, int] = {}
        """Units by pool that may be held: more than the capacity where that was lowered."""
        self.thrift = Thrift(world, self.fail)
        self._known: set[int] = set()
        """The jobs whose metas were ever stored."""

    def fail(self, invariant: str, what: str) -> None:
        """Raise a Violation."""
        raise Violation(f"{invariant}: {what}")

    def check(self) -> None:
        """After each step."""
        world = self._world
        rows, live = world.disk.rows, world.remote.live(world.now())
        for uid, jobs in list(live.items()):
            if len({job.attempt for job in jobs}) < len(jobs):
                self.fail("one live job", f"an attempt of {uid[-1]} has several of {len(jobs)}")
            live[uid] = jobs = [job for job in jobs if not self._is_lost(job)]
            if len(jobs) > 1:
                self.fail("one live attempt", f"{uid[-1]} has {len(jobs)}")
            if jobs and (uid not in rows or isinstance(rows[uid][0].state, Done)):
                self.fail("nothing left behind", f"{uid[-1]} is not there or has ended, and has a live job")
        self._check_pools(rows, live)
        if not world.are_rows_changed:
            return
        world.are_rows_changed = False
        # A grant to an execution whose insert is under way is stepped when the insert is durable.
        is_ahead = any(entry.deferred for entry in world.table)
        faults = () if is_ahead else world.ledger.audit(entry.execution for entry in world.table)
        if faults:
            self.fail("ledger is an index", "; ".join(faults))
        if faults := world.table.census.audit(entry.execution for entry in world.table):
            self.fail("census is an index", "; ".join(faults))

    def _check_pools(
        self, rows: Mapping[ExecutionUid, tuple[Execution, int]], live: Mapping[ExecutionUid, Sequence[Job]]
    ) -> None:
        world = self._world
        specs = world.ledger.definitions.all()
        used = dict.fromkeys(specs, 0)
        held = dict.fromkeys(specs, 0)
        of_project: dict[tuple[str, str], int] = {}
        for uid, (row, _) in rows.items():
            holds, uses = row.holds_tokens, bool(live.get(uid)) or uid in world.calls.in_flight
            for claim in row.plan.claims:
                used[claim.pool] += claim.units if uses else 0
                held[claim.pool] += claim.units if holds else 0
                key = claim.pool, row.plan.project
                of_project[key] = of_project.get(key, 0) + (claim.units if holds else 0)
        for pool, spec in specs.items():
            # Who holds units when the capacity is lowered keeps them; nobody is admitted until they are given back.
            now = max(used[pool], held[pool], world.ledger.pools[pool].occupied)
            ceiling = max(spec.capacity, min(self._ceiling.get(pool, 0), now))
            self._ceiling[pool] = ceiling
            if now > ceiling:
                self.fail("pools", f"{pool} has {ceiling}, live {used[pool]}, held {held[pool]}")
        for (pool, project), units in of_project.items():
            limit = specs[pool].share_of(project).limit
            if limit is not None and units > limit:
                self.fail("pools", f"{project} may have {limit} of {pool}, and holds {units}")

    def resized(self, pool: str) -> None:
        """The capacity is about to change: what is held now may be held on."""
        self._ceiling[pool] = max(
            self._ceiling.get(pool, 0),
            self._world.ledger.pools[pool].occupied,
            sum(
                claim.units
                for row, _ in self._world.disk.rows.values()
                if row.holds_tokens
                for claim in row.plan.claims
                if claim.pool == pool
            ),
        )

    def _is_lost(self, job: Job) -> bool:
        """Whether only an answer that was lost told of the job, at a system that cannot be asked for it by name: the
        one window in which a job is left behind.
        """
        world = self._world
        is_doubted = (job.uid, job.attempt) in world.calls.doubted
        return is_doubted and job.number not in self._known and not world.traits.can_look_up

    def nothing_sleeps_until(self, when: float) -> None:
        """Before time leaps: the process has set itself an instant for everything that is to happen by then."""
        late = when - 0.5
        for entry in self._world.table:
            execution = entry.execution
            if entry.pending or not entry.is_stored:
                continue
            if machine.advance(execution, Ticked(), late) is not execution:
                self.fail("nothing oversleeps", f"{execution.uid[-1]} would pass an instant of its own")
            for effect in machine.due(execution, late):
                if effect.verb not in entry.in_flight:
                    self.fail("nothing oversleeps", f"{effect} of {execution.uid[-1]} would wait for nothing")

    def written(self, before: Execution | None, after: Execution) -> None:
        """At each write of a row."""
        uid, state = after.uid, after.state
        if after.attempt > after.plan.policy.max_attempts:
            self.fail("attempts", f"{uid[-1]} is at attempt {after.attempt}")
        if before is not None:
            self._written_over(before, after)
        for failure in after.failures:
            if failure.reason not in ATTEMPT_ENDS:
                self.fail("our trouble uses no attempt", f"{uid[-1]} lost an attempt to {failure.reason}")
            if failure.reason == CREATE_IN_DOUBT and not self._may_doubt(uid, failure.attempt):
                self.fail("doubt is resolved", f"{uid[-1]} lost attempt {failure.attempt} to it")
        if len(after.failures) != after.attempt - 1:
            self.fail("our trouble uses no attempt", f"{uid[-1]} skipped an attempt")
        if isinstance(state, Launching | Running | Cleaning):
            granted_at = self._granted_at.setdefault((uid, after.attempt), state.granted_at)
            if granted_at != state.granted_at:
                self.fail("run time", f"{uid[-1]} was granted twice in one attempt")
        if isinstance(state, Running | Cleaning) and state.meta is not None:
            self._known.add(int(state.meta))
        if isinstance(state, Running):
            job = self._world.remote.by_number[int(state.meta)]
            if (job.uid, job.attempt) != (uid, after.attempt):
                self.fail("adoption", f"{uid[-1]} holds a job of another attempt")
        if isinstance(state, Done):
            self._ended(after, state.outcome)

    def _written_over(self, before: Execution, after: Execution) -> None:
        uid = after.uid
        if isinstance(before.state, Done):
            self.fail("terminal is absorbing", f"{uid[-1]} changed after its end")
        if after.attempt < before.attempt:
            self.fail("phases", f"{uid[-1]} went back to an earlier attempt")
        if after.attempt == before.attempt and after.phase.value < before.phase.value:
            self.fail("phases", f"{uid[-1]} went from {before.phase.name} back to {after.phase.name}")
        if after.attempt > before.attempt and after.phase is not Phase.QUEUED:
            self.fail("phases", f"{uid[-1]} began an attempt as {after.phase.name}")

    def _ended(self, execution: Execution, outcome: Outcome) -> None:
        world, uid, now, policy = self._world, execution.uid, self._world.now(), execution.plan.policy
        jobs = world.remote.jobs.get((uid, execution.attempt), [])
        match outcome.kind:
            case OutcomeKind.SUCCEEDED:
                is_true = any(job.has_ended("good", now) for job in jobs)
            case OutcomeKind.ABORTED:
                is_true = uid in world.abort_wanted
            case OutcomeKind.TIMED_OUT:
                deadlines = {
                    "WAIT_DEADLINE_EXCEEDED": (policy.wait_deadline_s, execution.created_at),
                    "RUN_DEADLINE_EXCEEDED": (
                        policy.run_deadline_s,
                        self._granted_at.get((uid, execution.attempt), now),
                    ),
                    "TOTAL_DEADLINE_EXCEEDED": (policy.total_deadline_s, execution.created_at),
                }
                deadline_s, since = deadlines[outcome.reason]
                is_true = deadline_s is not None and now >= since + deadline_s
            case OutcomeKind.FAILED:
                is_true = self._has_failed(execution, outcome.reason)
        if not is_true:
            self.fail("no false ending", f"{uid[-1]} ended as {outcome.kind.name} {outcome.reason}")

    def _may_doubt(self, uid: ExecutionUid, attempt: int) -> bool:
        """Whether an attempt may end because it cannot be known whether its job exists."""
        traits = self._world.traits
        can_resolve = traits.can_look_up or traits.has_unique_names
        return not can_resolve and (uid, attempt) in self._world.calls.doubted

    def _has_failed(self, execution: Execution, reason: str) -> bool:
        world, now = self._world, self._world.now()
        jobs = world.remote.jobs.get((execution.uid, execution.attempt), [])
        match reason:
            case "RESOURCE_LOST":
                return any(job.is_vanished for job in jobs)
            case "JOB_BROKE" | "JOB_BROKE_ONCE":
                return any(not job.is_live(now) and not job.has_ended("good", now) for job in jobs)
            case reason if reason == CREATE_IN_DOUBT:
                return self._may_doubt(execution.uid, execution.attempt)
            case "SIM_PERMANENT" | "SIM_RETRYABLE":
                return execution.uid in world.calls.refused
            case _:
                return False

    def abort_acknowledged(self, uid: ExecutionUid) -> None:
        """An abort was answered OK: it is durable, or the end was decided before."""
        self._world.disk.aborted.add(uid)
        row = self._world.disk.rows.get(uid)
        if row is None:
            self.fail("acknowledged is durable", f"{uid[-1]} was aborted and is not stored")
            return
        state = row[0].state
        is_decided = isinstance(state, Done) or (
            isinstance(state, Cleaning) and isinstance(state.then, Outcome)
        )
        if not is_decided:
            self.fail("acknowledged is durable", f"the abort of {uid[-1]} is not in its row")

    def performed(self, entry: Entry, effect: Effect) -> None:
        """An effect goes out of the reconciler."""
        row = self._world.disk.rows.get(entry.execution.uid)
        if row is None or machine.is_durable_change(row[0], entry.execution):
            self.fail("intent before act", f"{effect} follows from what is not stored")
        if effect.attempt != entry.execution.attempt:
            self.fail("effects name the attempt", f"{effect} of attempt {entry.execution.attempt}")

    def sent(self, entry: Entry, effect: Effect) -> None:
        """A call is about to be sent to the remote system."""
        world, uid = self._world, entry.execution.uid
        row = world.disk.rows.get(uid)
        if row is None:
            self.fail("intent before act", f"{effect} for what is not stored")
            return
        is_by_name = effect.verb is Verb.FIND or (isinstance(effect, Delete) and effect.meta is None)
        if is_by_name and not world.traits.can_look_up:
            self.fail("nothing is asked by name", f"{effect} for {uid[-1]}")
        if effect.verb is Verb.CREATE:
            state = row[0].state
            is_intended = isinstance(state, Launching) and state.create is CreateStatus.SENT
            if not is_intended or row[0].attempt != effect.attempt:
                self.fail(
                    "intent before act", f"a create of {uid[-1]} without its intent: {type(state).__name__}"
                )
            if uid in world.disk.aborted:
                self.fail("abort sticks", f"{uid[-1]} is created after its abort")
            if uid in world.calls.in_flight:
                self.fail("one effect of a key in flight", f"{uid[-1]} is created twice at once")
        if isinstance(row[0].state, Done):
            self.fail("terminal wants nothing", f"{effect} for {uid[-1]}, which has ended")
        self.silence.probed(entry, effect)
        self.thrift.sent(entry, effect)

    def check_at_rest(self) -> None:
        """When nothing is left to happen."""
        world = self._world
        for execution in world.executions:
            row = world.disk.rows.get(execution.uid)
            if row is None:
                self.fail("acknowledged is durable", f"{execution.uid[-1]} was never stored")
            elif not isinstance(row[0].state, Done):
                self.fail("everything ends", f"{execution.uid[-1]} rests as {row[0].phase.name}")
        if len(world.table):
            self.fail("memory is freed", f"{len(world.table)} entries are left")
        if not world.calls.circuit.admits(Source.SWEEP, lambda: None):
            self.fail("a breaker closes after an outage", "the next call would wait for ever")
        for name, pool in world.ledger.pools.items():
            if pool.occupied or pool.wanting:
                self.fail(
                    "no token leaks", f"pool {name} has {pool.occupied} held, {len(pool.wanting)} waiting"
                )
        for job in world.remote.by_number.values():
            if job.is_live(world.now()) and not self._is_lost(job):
                self.fail("nothing left behind", f"a job of {job.uid[-1]} is live at rest")
