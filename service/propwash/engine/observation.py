"""Batched observation: what is due for one handler and connection goes into one call; answers come back as events.

Who is asked next is decided when the call may go, and not before: where the budget is short, much has become due since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from propwash.core import effects, machine
from propwash.core.breaker import Sign, sign_of
from propwash.core.events import Event, Faulted, Missed, Observed, Verb
from propwash.core.model import Fault, FaultKind, Instant, Observation
from propwash.engine.budgets import Budget, Budgets, CallClass, Urgency
from propwash.engine.circuits import Circuit, Circuits, Permit, Source
from propwash.engine.due import Due
from propwash.engine.options import EngineOptions
from propwash.engine.snapshot import Snapshot
from propwash.engine.supervision import Supervisor
from propwash.engine.table import Entry
from propwash.ports import Clock, Handlers, Instrument

TURN = 20
"""Answers applied before the loop is given a turn: two milliseconds. A call to the API takes a dozen turns, and while
ten thousand answers are applied each of them waits so long."""


class _Batch:
    """What waits for one handler and connection."""

    def __init__(self, clock: Clock, budget: Budget, circuit: Circuit) -> None:
        self.waiting = Due()
        self.order = Snapshot(clock, self.waiting.order)
        self.since: dict[Entry, Instant] = {}
        """When who waits was put."""
        self.budget = budget
        self.circuit = circuit
        self.is_active = False


class Observer:
    """Gathers observations that are due; one call at a time for each handler and connection, as large as allowed."""

    def __init__(
        self,
        *,
        clock: Clock,
        handlers: Handlers,
        instrument: Instrument,
        supervisor: Supervisor,
        options: EngineOptions,
        budgets: Budgets,
        circuits: Circuits,
        reply: Callable[[Entry, Verb, Event | None], None],
    ) -> None:
        self._clock = clock
        self._handlers = handlers
        self._instrument = instrument
        self._supervisor = supervisor
        self._options = options
        self._budgets = budgets
        self._circuits = circuits
        self._reply = reply
        self._batches: dict[tuple[str, str], _Batch] = {}
        self._is_stopped = False
        self._active = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def put(self, entry: Entry, effect: effects.Observe) -> None:
        """Have a job observed; the answer comes through reply, exactly once."""
        plan, key = entry.execution.plan, self._key(entry)
        batch = self._batches.get(key)
        if batch is None:
            budget = self._budgets.of(plan.task_type, plan.connection, CallClass.READ)
            circuit = self._circuits.of(plan.task_type, plan.connection)
            batch = self._batches[key] = _Batch(self._clock, budget, circuit)
        batch.waiting.put(entry, effect)
        batch.since[entry] = self._clock.now()
        if not batch.is_active and not self._is_stopped:
            batch.is_active = True
            self._active += 1
            self._quiet.clear()
            name = f"observe {key[0]}/{key[1]}"
            self._supervisor.spawn(self._run(key, batch, plan.task_type, plan.connection), name)

    def hasten(self, entry: Entry) -> None:
        """Let a job that waits to be observed go before others: it was hinted at."""
        batch = self._batches.get(self._key(entry))
        if batch is not None:
            batch.waiting.hasten(entry)

    def ahead(self, entry: Entry) -> int | None:
        """How many calls go before the one that observes it; None where it does not wait for any."""
        batch = self._batches.get(self._key(entry))
        if batch is None or entry not in batch.waiting:
            return None
        behind_all = len(batch.waiting) - 1
        place = min(batch.waiting.place(entry, batch.order.value()), behind_all)
        task_type = entry.execution.plan.task_type
        is_batched = self._handlers.is_batched(task_type)
        return place // self._handlers.batch_size(task_type) if is_batched else place

    def waiting(self) -> Sequence[tuple[str, str, int, Instant]]:
        """Handler, connection, how many of its jobs wait, and since when the first of them."""
        return tuple(
            (*key, len(batch.since), min(batch.since.values()))
            for key, batch in self._batches.items()
            if batch.since
        )

    def stop(self) -> None:
        """Start no more calls."""
        self._is_stopped = True

    async def quiet(self) -> None:
        """Return when no call is in flight."""
        await self._quiet.wait()

    def _key(self, entry: Entry) -> tuple[str, str]:
        plan = entry.execution.plan
        return self._handlers.handler_key(plan.task_type), plan.connection

    def _may_call(self) -> bool:
        return not self._is_stopped

    async def _run(self, key: tuple[str, str], batch: _Batch, task_type: str, connection: str) -> None:
        try:
            while batch.waiting and self._may_call():
                await self._gather(batch)
                urgency = Urgency.NEW if batch.waiting.has_hinted else Urgency.OBSERVE
                permit = await batch.circuit.turn(batch.budget, Source.OBSERVE, urgency)
                if permit is None or not self._may_call():
                    return
                await self._observe(batch, task_type, connection, permit)
        finally:
            batch.is_active = False
            if not batch.waiting:
                # Connections that are derived for secrets of tasks come and go.
                del self._batches[key]
            self._active -= 1
            if not self._active:
                self._quiet.set()

    async def _gather(self, batch: _Batch) -> None:
        """Wait for more, for as long as what waits grows by half: those that meet at an instant do not come at once."""
        before, now = 0, len(batch.waiting)
        while 2 * now > 3 * before and self._may_call():
            before = now
            await self._clock.sleep_until(self._clock.now() + self._options.observe_gather_s)
            now = len(batch.waiting)

    async def _observe(self, batch: _Batch, task_type: str, connection: str, permit: Permit) -> None:
        now = self._clock.now()
        is_batched = self._handlers.is_batched(task_type)
        size = self._handlers.batch_size(task_type)
        if not is_batched and permit.is_probe:
            size = 1
        asked: list[tuple[Entry, effects.Observe]] = []
        while len(asked) < size:
            taken = batch.waiting.take()
            if taken is None:
                break
            entry, effect = taken
            since = batch.since.pop(entry, now)
            if effect in machine.due(entry.execution, now):
                if asked and not is_batched and not batch.budget.spare():
                    # One call each: the first has had its turn, and the others go while nobody else waits for theirs.
                    batch.waiting.put(entry, effect)
                    batch.since[entry] = since
                    break
                asked.append((entry, effect))
            else:
                self._reply(entry, Verb.OBSERVE, None)
        if not asked:
            batch.circuit.unused(permit)
            return
        with batch.budget.calling(1 if is_batched else len(asked)):
            answers = await self._handlers.get(task_type, connection, [effect.meta for _, effect in asked])
        heard = [(entry, answers.get(effect.meta, _UNANSWERED)) for entry, effect in asked]
        self._heed(batch, permit, heard, is_batched=is_batched)
        for number, (entry, effect) in enumerate(asked, start=1):
            answer = answers.get(effect.meta, _UNANSWERED)
            before = entry.execution
            self._reply(entry, Verb.OBSERVE, _event(effect, answer, now))
            if isinstance(answer, Observation):
                self._instrument.observed(before, self._clock.now())
            if number % TURN == 0:
                await asyncio.sleep(0)

    def _heed(
        self,
        batch: _Batch,
        permit: Permit,
        answers: Sequence[tuple[Entry, Observation | Fault | None]],
        *,
        is_batched: bool,
    ) -> None:
        """Learn from a round: it counts once, and as answered where anything of it is."""
        faults = [(entry, answer) for entry, answer in answers if isinstance(answer, Fault)]
        slow = [fault for _, fault in faults if fault.kind is FaultKind.THROTTLED]
        if slow:
            batch.budget.heed(slow[0], sent_at=permit.sent_at, calls=1 if is_batched else len(slow))
        if not (slow and is_batched):
            for _ in range(min(len(answers) - len(faults), 1 if is_batched else len(answers))):
                batch.budget.heed(None, sent_at=permit.sent_at)
        silent = [(entry, fault) for entry, fault in faults if sign_of(fault) is Sign.UNANSWERED]
        is_answered = len(faults) < len(answers) or any(
            sign_of(fault) is Sign.ANSWERED for _, fault in faults
        )
        worst = None if is_answered else (silent or faults)[0][1]
        batch.circuit.end(permit, worst, executions=[entry.execution.uid for entry, _ in silent])


_UNANSWERED = Fault(
    kind=FaultKind.INTERNAL, reason="NO_ANSWER", message="the handler left the job out of its answer"
)


def _event(effect: effects.Observe, answer: Observation | Fault | None, asked_at: Instant) -> Event:
    if isinstance(answer, Fault):
        return Faulted(attempt=effect.attempt, verb=Verb.OBSERVE, fault=answer, asked_at=asked_at)
    if answer is None:
        return Missed(attempt=effect.attempt, asked_at=asked_at)
    return Observed(attempt=effect.attempt, observation=answer, asked_at=asked_at)
