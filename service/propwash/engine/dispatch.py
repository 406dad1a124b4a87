"""Performs effects: one remote call each, in the lane of its connection, its answer brought back as an event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

from propwash.core import effects, machine
from propwash.core.effects import Effect
from propwash.core.events import Created, Deleted, Event, Faulted, Found, FoundNothing, Verb
from propwash.core.model import Execution, Fault, FaultKind, Policy, RemoteName
from propwash.core.names import account_of, remote_name
from propwash.engine.budgets import CLASSES, Budgets, Urgency
from propwash.engine.circuits import Circuits, Permit, Source
from propwash.engine.lanes import Call, Lane, Work
from propwash.engine.observation import Observer
from propwash.engine.options import EngineOptions
from propwash.engine.supervision import Supervisor
from propwash.engine.table import Entry
from propwash.ports import Clock, Handlers, Instrument, JobRequest, Store, StoreError, TaskRequest

BACKSTOP_S = 60.0
_SOURCE = {Verb.CREATE: Source.CREATE, Verb.FIND: Source.FIND, Verb.DELETE: Source.DELETE}
_URGENCY = {Verb.CREATE: Urgency.NEW, Verb.FIND: Urgency.NEW, Verb.DELETE: Urgency.ABORT}


class Dispatcher:
    """Queues each effect in its lane, asks again whether it is wanted when its turn comes, and makes the call."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        handlers: Handlers,
        instrument: Instrument,
        supervisor: Supervisor,
        options: EngineOptions,
        budgets: Budgets,
        circuits: Circuits,
        observer: Observer,
        reply: Callable[[Entry, Verb, Event | None], None],
    ) -> None:
        self._clock = clock
        self._store = store
        self._handlers = handlers
        self._instrument = instrument
        self._supervisor = supervisor
        self._options = options
        self._budgets = budgets
        self._circuits = circuits
        self._observer = observer
        self._reply = reply
        self._lanes: dict[tuple[str, str, Verb], Lane] = {}
        self._calls: dict[tuple[Entry, Verb], tuple[Lane, Call]] = {}
        """The calls that wait for their turn."""

    def perform(self, entry: Entry, effect: Effect) -> None:
        """Queue an effect; its answer comes through reply, exactly once, unless it is withdrawn."""
        if isinstance(effect, effects.Observe):
            self._observer.put(entry, effect)
            return
        lane = self._lane(entry.execution, effect.verb)
        is_late = entry.is_catching_up and effect.verb is not Verb.DELETE
        urgency = Urgency.CATCH_UP if is_late else _URGENCY[effect.verb]
        call = lane.put(lambda: self._start(entry, effect, lane), urgency=urgency)
        if call.is_waiting:
            self._calls[entry, effect.verb] = lane, call

    def withdraw_create(self, entry: Entry) -> bool:
        """Take back a create that still waits for its turn; it is not answered any more. Whether there was one."""
        waiting = self._calls.pop((entry, Verb.CREATE), None)
        if waiting is not None:
            lane, call = waiting
            lane.withdraw(call)
        return waiting is not None

    def ahead(self, entry: Entry, verb: Verb) -> int | None:
        """How many calls go before the one that waits for this effect; None where none waits."""
        if verb is Verb.OBSERVE:
            return self._observer.ahead(entry)
        waiting = self._calls.get((entry, verb))
        if waiting is None:
            return None
        lane, call = waiting
        return lane.ahead(call)

    def lanes(self, handler: str, connection: str) -> Sequence[tuple[Verb, Lane]]:
        """The lanes of one configured connection of a handler that have been used."""
        lanes = ((verb, self._lanes.get((handler, connection, verb))) for verb in Verb)
        return tuple((verb, lane) for verb, lane in lanes if lane is not None)

    def stop(self) -> None:
        """Start no more calls."""
        for lane in self._lanes.values():
            lane.stop()

    async def quiet(self) -> None:
        """Return when no call is in flight."""
        for lane in list(self._lanes.values()):
            await lane.quiet()

    def name_of(self, execution: Execution) -> RemoteName:
        """The remote name of the execution's present attempt."""
        return remote_name(owner=self._store.owner, uid=execution.uid, attempt=execution.attempt)

    def _start(self, entry: Entry, effect: Effect, lane: Lane) -> Work | None:
        """The call, or None where the effect is no longer wanted: what a state once wanted may not be wanted now."""
        self._calls.pop((entry, effect.verb), None)
        if entry.pending or effect not in machine.due(entry.execution, self._clock.now()):
            self._reply(entry, effect.verb, None)
            return None
        return partial(self._call, entry, effect, lane)

    async def _call(self, entry: Entry, effect: Effect, lane: Lane, permit: Permit) -> None:
        event = await self._answer(entry, effect)
        fault = event.fault if isinstance(event, Faulted) else None
        lane.heed(permit, fault, execution=entry.execution.uid)
        self._reply(entry, effect.verb, event)

    async def _answer(self, entry: Entry, effect: Effect) -> Event:
        plan, attempt, asked_at = entry.execution.plan, effect.attempt, self._clock.now()
        name = self.name_of(entry.execution)
        match effect:
            case effects.Create():
                request = await self._request(entry)
                if isinstance(request, Fault):
                    return Faulted(attempt=attempt, verb=effect.verb, fault=request, asked_at=asked_at)
                job = await self._handlers.create(
                    JobRequest(
                        name=name,
                        owner=self._store.owner,
                        uid=entry.execution.uid,
                        attempt=attempt,
                        request=request,
                        connection=plan.connection,
                        run_deadline_s=_backstop_s(plan.policy),
                        hint=plan.hint,
                    )
                )
                if isinstance(job, Fault):
                    return Faulted(attempt=attempt, verb=effect.verb, fault=job, asked_at=asked_at)
                return Created(attempt=attempt, meta=job.meta, observation=job.observation, asked_at=asked_at)
            case effects.Find():
                found = await self._handlers.find(plan.task_type, plan.connection, name, plan.hint)
                if isinstance(found, Fault):
                    return Faulted(attempt=attempt, verb=effect.verb, fault=found, asked_at=asked_at)
                if found is None:
                    return FoundNothing(attempt=attempt, asked_at=asked_at)
                return Found(
                    attempt=attempt, meta=found.meta, observation=found.observation, asked_at=asked_at
                )
            case effects.Delete(meta=meta):
                deletion = await self._handlers.delete(plan.task_type, plan.connection, name, meta, plan.hint)
                if isinstance(deletion, Fault):
                    return Faulted(attempt=attempt, verb=effect.verb, fault=deletion, asked_at=asked_at)
                return Deleted(attempt=attempt, deletion=deletion, asked_at=asked_at)
            case effects.Observe():
                raise AssertionError("observations are batched, not dispatched")
            case _:
                assert_never(effect)

    async def _request(self, entry: Entry) -> TaskRequest | Fault:
        if entry.request is not None:
            return entry.request
        try:
            (record,) = await self._store.get_by_uid([entry.execution.uid])
        except StoreError as error:
            return Fault(kind=FaultKind.THROTTLED, reason="STORE_UNAVAILABLE", message=str(error))
        if record is None:
            return Fault(
                kind=FaultKind.INTERNAL, reason="ROW_MISSING", message="the execution is not in the store"
            )
        return record.request

    def _lane(self, execution: Execution, verb: Verb) -> Lane:
        plan = execution.plan
        account = account_of(plan.connection)
        key = (self._handlers.handler_key(plan.task_type), account, verb)
        if key not in self._lanes:
            self._lanes[key] = Lane(
                f"{key[0]}/{account}/{verb.value}",
                clock=self._clock,
                supervisor=self._supervisor,
                instrument=self._instrument,
                budget=self._budgets.of(plan.task_type, plan.connection, CLASSES[verb]),
                circuit=self._circuits.of(plan.task_type, plan.connection),
                source=_SOURCE[verb],
                concurrency=self._options.concurrency,
            )
        return self._lanes[key]


def _backstop_s(policy: Policy) -> float | None:
    """When the remote system ends the job by itself, should we not be there to: after our own deadline, so that not the
    faster of two clocks decides how the attempt ended.
    """
    return None if policy.run_deadline_s is None else policy.run_deadline_s + BACKSTOP_S
