"""Batched observation: what is due for one handler and connection goes into one call; answers come back as events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from propwash.core import effects, machine
from propwash.core.events import Event, Faulted, Missed, Observed, Verb
from propwash.core.model import Fault, FaultKind, Instant, Observation
from propwash.engine.budgets import Budget, Budgets, CallClass
from propwash.engine.options import EngineOptions
from propwash.engine.supervision import Supervisor
from propwash.engine.table import Entry
from propwash.ports import Clock, Handlers, Instrument

TURN = 100
"""Answers applied before the loop is given a turn."""


class _Batch:
    """What waits for one handler and connection."""

    def __init__(self, budget: Budget) -> None:
        self.waiting: dict[Entry, effects.Observe] = {}
        self.budget = budget
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
        reply: Callable[[Entry, Verb, Event | None], None],
    ) -> None:
        self._clock = clock
        self._handlers = handlers
        self._instrument = instrument
        self._supervisor = supervisor
        self._options = options
        self._budgets = budgets
        self._reply = reply
        self._batches: dict[tuple[str, str], _Batch] = {}
        self._is_stopped = False
        self._active = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def put(self, entry: Entry, effect: effects.Observe) -> None:
        """Have a job observed; the answer comes through reply, exactly once."""
        plan = entry.execution.plan
        key = (self._handlers.handler_key(plan.task_type), plan.connection)
        batch = self._batches.get(key)
        if batch is None:
            budget = self._budgets.of(plan.task_type, plan.connection, CallClass.READ)
            batch = self._batches[key] = _Batch(budget)
        batch.waiting[entry] = effect
        if not batch.is_active and not self._is_stopped:
            batch.is_active = True
            self._active += 1
            self._quiet.clear()
            name = f"observe {key[0]}/{key[1]}"
            self._supervisor.spawn(self._run(key, batch, plan.task_type, plan.connection), name)

    def stop(self) -> None:
        """Start no more calls."""
        self._is_stopped = True

    async def quiet(self) -> None:
        """Return when no call is in flight."""
        await self._quiet.wait()

    def _may_call(self) -> bool:
        return not self._is_stopped

    async def _run(self, key: tuple[str, str], batch: _Batch, task_type: str, connection: str) -> None:
        try:
            while batch.waiting and self._may_call():
                await self._gather(batch)
                await batch.budget.turn()
                if not self._may_call():
                    return
                await self._observe(batch, task_type, connection)
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

    async def _observe(self, batch: _Batch, task_type: str, connection: str) -> None:
        now = self._clock.now()
        is_batched = self._handlers.is_batched(task_type)
        size = self._handlers.batch_size(task_type)
        if not is_batched:
            size = min(size, max(int(batch.budget.limit.burst), 1))
        asked: list[tuple[Entry, effects.Observe]] = []
        for entry in list(batch.waiting):
            if len(asked) == size:
                break
            effect = batch.waiting.pop(entry)
            if effect in machine.due(entry.execution, now):
                asked.append((entry, effect))
            else:
                self._reply(entry, Verb.OBSERVE, None)
        if not asked:
            return
        if not is_batched:
            # One call each: the first has had its turn, and what comes next waits for the turns of the others.
            batch.budget.reserve(len(asked) - 1)
        answers = await self._handlers.get(task_type, connection, [effect.meta for _, effect in asked])
        is_slowed = False
        for number, (entry, effect) in enumerate(asked, start=1):
            answer = answers.get(effect.meta, _UNANSWERED)
            if isinstance(answer, Fault) and answer.kind is FaultKind.THROTTLED and not is_slowed:
                is_slowed = True
                batch.budget.heed(answer)
            self._reply(entry, Verb.OBSERVE, _event(effect, answer, now))
            if number % TURN == 0:
                await asyncio.sleep(0)


_UNANSWERED = Fault(
    kind=FaultKind.INTERNAL, reason="NO_ANSWER", message="the handler left the job out of its answer"
)


def _event(effect: effects.Observe, answer: Observation | Fault | None, asked_at: Instant) -> Event:
    if isinstance(answer, Fault):
        return Faulted(attempt=effect.attempt, verb=Verb.OBSERVE, fault=answer, asked_at=asked_at)
    if answer is None:
        return Missed(attempt=effect.attempt, asked_at=asked_at)
    return Observed(attempt=effect.attempt, observation=answer, asked_at=asked_at)
