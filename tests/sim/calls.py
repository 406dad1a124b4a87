"""The calls of a simulated world: what stands between the reconciler's wishes and the remote system's answers.

Requests and answers are lost, late, slow and repeated here, and refused; the remote system itself is in remote.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from propwash.core import machine
from propwash.core.breaker import BreakerLimits
from propwash.core.effects import Delete, Effect, Observe
from propwash.core.events import Created, Deleted, Event, Faulted, Found, FoundNothing, Missed, Observed, Verb
from propwash.core.model import (
    Cleaning,
    CreateStatus,
    ExecutionUid,
    Fault,
    FaultKind,
    Launching,
    Observation,
    RemotePhase,
)
from propwash.engine.circuits import Circuit, Permit, Source
from propwash.engine.table import Entry
from tests.sim.remote import Invisible, Refused

if TYPE_CHECKING:
    from tests.sim.world import World

DEADLINE_S = 10.0
REFUSALS: Final = {
    "throttle": (FaultKind.THROTTLED,),
    "down": (FaultKind.UNAVAILABLE,),
    "internal": (FaultKind.INTERNAL,),
    "refuse": (FaultKind.PERMANENT, FaultKind.RETRYABLE),
}
OUT: Final = Fault(kind=FaultKind.UNAVAILABLE, reason="SIM_OUT", message="outage")
SOURCES: Final = {
    Verb.DELETE: Source.DELETE,
    Verb.FIND: Source.FIND,
    Verb.CREATE: Source.CREATE,
    Verb.OBSERVE: Source.OBSERVE,
}
TIMED_OUT: Final = Fault(kind=FaultKind.UNAVAILABLE, reason="DEADLINE_EXCEEDED", message="no answer")


class Calls:
    """Stands in for engine.dispatch and the network behind it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng
        self._is_slow = "slow" in world.faults
        self._refusals = tuple((fault, kinds) for fault, kinds in REFUSALS.items() if fault in world.faults)
        self._tickets = 0
        self._queued: dict[Entry, int] = {}
        self.in_flight: dict[ExecutionUid, int] = {}
        """The attempts whose creates this process awaits."""
        self.refused: set[ExecutionUid] = set()
        """Who was ever refused by the remote system."""
        self.limits = BreakerLimits(
            failures=3, after_s=2.0, executions=min(2, len(world.executions)), first_s=2.0, longest_s=20.0
        )
        self._held: dict[Source, deque[tuple[Entry, Effect, int]]] = {}
        self._wakes: dict[Source, Callable[[], None]] = {}
        self.doubted: set[tuple[ExecutionUid, int]] = set()
        """The attempts of which a create was not answered, or not with anything that proves something."""

    def forget(self) -> None:
        """The process has crashed, the memory of the breaker with it."""
        world = self._world
        self._queued = {}
        world.invariants.thrift.forget()
        self.in_flight = {}
        self._held = {source: deque() for source in Source}
        # One object each: who asks twice is woken once.
        self._wakes = {source: partial(self._pump, source) for source in Source}
        self.circuit = Circuit(
            handler="sim",
            connection="sim",
            limits=self.limits,
            clock=world,  # type: ignore[arg-type]  # only now() is used by what is synchronous
            instrument=world.invariants.silence,  # type: ignore[arg-type]  # only breaker() is used
            at=lambda at, do: world.at(at, do, "breaker"),
        )

    def doubt_what_is_in_flight(self) -> None:
        """The process crashes: it may have asked for, and even been told of, what its rows only intend."""
        for row, _ in self._world.disk.rows.values():
            if isinstance(row.state, Launching | Cleaning) and row.state.create is CreateStatus.SENT:
                self.doubted.add((row.uid, row.attempt))

    def perform(self, entry: Entry, effect: Effect) -> None:
        """Queue an effect."""
        world = self._world
        world.invariants.performed(entry, effect)
        delay_s = self._rng.choice((0.0, 0.01, 3.0)) if self._is_slow else 0.01
        self._tickets += 1
        ticket = self._tickets
        if effect.verb is Verb.CREATE:
            self._queued[entry] = ticket
        source = SOURCES[effect.verb]

        def queue() -> None:
            self._held[source].append((entry, effect, ticket))
            self._pump(source)

        world.at(world.now() + delay_s, queue, "send", entry, effect)

    def withdraw_create(self, entry: Entry) -> bool:
        """Take back a create that still waits for its turn."""
        return self._queued.pop(entry, None) is not None

    def _pump(self, source: Source) -> None:
        """As engine.lanes does."""
        held = self._held[source]
        while held and self.circuit.admits(source, self._wakes[source]):
            self._send(*held.popleft())

    def _send(self, entry: Entry, effect: Effect, ticket: int) -> None:
        """As engine.dispatch does when an effect's turn has come."""
        world = self._world
        if effect.verb is Verb.CREATE:
            if self._queued.get(entry) != ticket:
                return
            del self._queued[entry]
        if entry.pending or effect not in machine.due(entry.execution, world.now()):
            world.reconciler.reply(entry, effect.verb, None)
            return
        permit = self.circuit.begin(SOURCES[effect.verb])
        world.invariants.sent(entry, effect)
        world.hinting.sent(entry, effect)
        self._call(entry, effect, permit)

    def _call(self, entry: Entry, effect: Effect, permit: Permit) -> None:
        world, rng, asked_at = self._world, self._rng, self._world.now()
        is_create = effect.verb is Verb.CREATE
        if is_create:
            world.is_changed = True
            self.in_flight[entry.execution.uid] = effect.attempt
        refusal = self._refusal()
        if refusal is not None:
            back_at = asked_at + (rng.uniform(0, 8) if self._is_slow else 0.05)
            world.at(
                back_at,
                lambda: self._answer(entry, effect, refusal, asked_at, permit),
                "refuse",
                entry,
                effect,
            )
            return
        if is_create and world.chance("late_create", 2.0):
            # What this process has not yet sent dies with it; what it has sent arrives within the settle time.
            self._time_out(entry, effect, asked_at, permit)
            leaves_at = asked_at + rng.triangular(0, DEADLINE_S, DEADLINE_S)
            under_way_s = world.traits.settle_s * 0.6 * rng.triangular(0, 1, 1)
            world.at(
                leaves_at,
                lambda: self._travel(entry, effect, asked_at, under_way_s, None),
                "leave",
                entry,
                effect,
            )
        elif world.chance("lost_request"):
            self._time_out(entry, effect, asked_at, permit)
        else:
            self._travel(entry, effect, asked_at, rng.uniform(0, 2) if self._is_slow else 0.02, permit)

    def _travel(
        self, entry: Entry, effect: Effect, asked_at: float, under_way_s: float, permit: Permit | None
    ) -> None:
        """permit is None for what is no longer waited for."""
        world, life = self._world, self._world.life

        def arrive() -> None:
            is_awaited = permit is not None and life == world.life
            if world.is_out():
                if permit is not None and is_awaited:
                    self._time_out(entry, effect, asked_at, permit)
                return
            event = self._serve(entry.execution.uid, effect, asked_at)
            if permit is not None and is_awaited:
                self._return(entry, effect, event, asked_at, permit)

        world.at(world.now() + under_way_s, arrive, "arrive", entry, effect, outlives=True)

    def _return(
        self, entry: Entry, effect: Effect, event: Event | Fault, asked_at: float, permit: Permit
    ) -> None:
        world, rng = self._world, self._rng
        slowest_s = 2.0 if effect.verb is not Verb.DELETE else rng.choice((2.0, 9.0))
        back_at = world.now() + (rng.uniform(slowest_s - 2.0, slowest_s) if self._is_slow else 0.02)
        if world.chance("lost_answer") or back_at > asked_at + DEADLINE_S:
            self._time_out(entry, effect, asked_at, permit)
            return
        world.at(
            back_at, lambda: self._answer(entry, effect, event, asked_at, permit), "answer", entry, event
        )
        if world.chance("duplicate", 2.0):
            again_at = back_at + rng.choice((0.01, 5.0, 13.0, 25.0))
            again = _event(effect, event, asked_at)
            world.at(again_at, lambda: world.reconciler.apply(entry, again), "again", entry, event)

    def _time_out(self, entry: Entry, effect: Effect, asked_at: float, permit: Permit) -> None:
        over_at = asked_at + DEADLINE_S
        self._world.at(
            over_at,
            lambda: self._answer(entry, effect, TIMED_OUT, asked_at, permit),
            "no answer",
            entry,
            effect,
        )

    def _refusal(self) -> Fault | None:
        if self._world.is_out():
            return OUT
        for fault, kinds in self._refusals:
            if self._world.chance(fault, 0.3 if fault == "refuse" else 1.0):
                kind = self._rng.choice(kinds)
                wait_s = self._rng.choice((None, 7.0, 30.0)) if fault in ("throttle", "refuse") else None
                return Fault(kind=kind, reason=f"SIM_{kind.name}", message=fault, retry_after_s=wait_s)
        return None

    def _serve(self, uid: ExecutionUid, effect: Effect, asked_at: float) -> Event | Fault:
        world, attempt, now = self._world, effect.attempt, self._world.now()
        remote = world.remote
        if isinstance(effect, Observe):
            if world.chance("vanish", 0.2):
                remote.by_number[int(effect.meta)].is_vanished = True
            shown = remote.observe(int(effect.meta), now)
            if shown is None:
                return Missed(attempt=attempt, asked_at=asked_at)
            return Observed(attempt=attempt, observation=shown, asked_at=asked_at)
        if effect.verb is Verb.DELETE:
            number = int(effect.meta) if isinstance(effect, Delete) and effect.meta is not None else None
            deletion = remote.delete(uid, attempt, now, None if world.traits.can_look_up else number)
            return Deleted(attempt=attempt, deletion=deletion, asked_at=asked_at)
        if effect.verb is Verb.FIND:
            found = remote.find(uid, attempt, now)
            if found is None:
                return FoundNothing(attempt=attempt, asked_at=asked_at)
            seen, meta = self._look(found.number)
            return Found(attempt=attempt, meta=meta, observation=seen, asked_at=asked_at)
        world.is_changed = True
        try:
            job = remote.create(uid, attempt, now)
        except Refused:
            return Fault(kind=FaultKind.PERMANENT, reason="SIM_PERMANENT", message="name deleted")
        except Invisible:
            return Fault(kind=FaultKind.UNAVAILABLE, reason="SIM_UNAVAILABLE", message="in flux")
        seen, meta = self._look(job.number)
        return Created(attempt=attempt, meta=meta, observation=seen, asked_at=asked_at)

    def _look(self, number: int) -> tuple[Observation, bytes]:
        seen = self._world.remote.observe(number, self._world.now())
        return seen or Observation(phase=RemotePhase.PENDING), str(number).encode()

    def _answer(
        self, entry: Entry, effect: Effect, event: Event | Fault, asked_at: float, permit: Permit
    ) -> None:
        uid = entry.execution.uid
        fault = event if isinstance(event, Fault) else None
        self._world.invariants.silence.answered(entry, effect, fault)
        self._world.invariants.thrift.answered(entry, effect, fault)
        self.circuit.end(permit, fault, executions=(uid,))
        self._world.invariants.silence.heard()
        if effect.verb is Verb.CREATE:
            self.in_flight.pop(uid, None)
            if isinstance(event, Fault) and event.kind in (FaultKind.PERMANENT, FaultKind.RETRYABLE):
                self.refused.add(uid)
            elif isinstance(event, Fault) and event.kind is not FaultKind.THROTTLED:
                self.doubted.add((uid, effect.attempt))
        self._world.reconciler.reply(entry, effect.verb, _event(effect, event, asked_at))
        if not isinstance(event, Fault):
            self._world.hinting.answered(entry, asked_at)


def _event(effect: Effect, answer: Event | Fault, asked_at: float) -> Event:
    if isinstance(answer, Fault):
        return Faulted(attempt=effect.attempt, verb=effect.verb, fault=answer, asked_at=asked_at)
    return answer
