"""One request through the frame: limits, the drawn fault, the stand-in's own answer, and the ledger's count of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from propwash.sandbox.faults import Fault, FaultKind
from propwash.sandbox.identities import Standing
from propwash.sandbox.limits import Gate, Limits
from propwash.sandbox.stand_in import Answer, Call, Route, StandIn, World

_REFUSALS = frozenset({FaultKind.THROTTLE, FaultKind.QUOTA, FaultKind.SERVER_ERROR})


class Exchange:
    """Answers the calls to one stand-in."""

    def __init__(self, world: World, stand_in: StandIn, limits: Limits) -> None:
        self._world = world
        self._stand_in = stand_in
        self._late: set[asyncio.Task[None]] = set()
        self._slow: set[asyncio.Future[None]] = set()
        self._resets = 0
        self.gate = Gate(world.clock, limits)

    async def answer(self, route: Route, call: Call) -> Answer | None:
        """The answer to send, or None where the connection must close without one."""
        if route.classify is not None:
            name, method = route.classify(call)
            route = replace(route, name=name, method=method)
        limit = self.gate.enter(route.method, live_jobs=self._world.ledger.live(self._stand_in.name))
        if limit is not None:
            fault = Fault(kind=FaultKind.THROTTLE, is_for_jobs=limit == "concurrent_jobs")
            answer: Answer | None = self._stand_in.refuse(fault)
            self._count(route, answer, limit)
            return answer
        try:
            standing = self._world.identities.standing(self._stand_in.name, self._stand_in.identity(call))
            if standing is not Standing.ACCEPTED:
                answer = self._stand_in.deny(standing)
                self._count(route, answer, standing.value)
                return answer
            drawn = self._world.faults.draw(system=self._stand_in.name, method=route.method)
            if drawn is None:
                made = route.handle(call)
                answer = made if isinstance(made, Answer) else await made
                self._count(route, answer, "")
                return answer
            self._world.ledger.fault(drawn.kind.value)
            answer = await self._faulty(route, call, drawn)
            self._count(route, answer, drawn.kind.value)
            return answer
        finally:
            self.gate.leave()

    def reset(self) -> None:
        """Give up creates that are yet to be applied."""
        self._resets += 1

    async def settled(self) -> None:
        """Return when every late create that became due is applied."""
        await asyncio.gather(*self._late)

    async def close(self) -> None:
        """Give up what is late, and answer what is slow."""
        self.reset()
        for over in self._slow:
            _let_go(over)
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _faulty(self, route: Route, call: Call, fault: Fault) -> Answer | None:
        if fault.kind in _REFUSALS:
            return self._stand_in.refuse(fault)
        match fault.kind:
            case FaultKind.DROPPED_REQUEST:
                return None
            case FaultKind.LATE_CREATE:
                due_at = self._world.clock.now() + fault.duration_s
                self._world.schedule.at(due_at, partial(self._apply_later, route, call, self._resets))
                return None
            case FaultKind.SLOW:
                await self._pass(fault.duration_s)
                return await self._handle(route, call)
            case FaultKind.LOST_ANSWER:
                await self._handle(route, call)
                return None
            case FaultKind.GARBAGE:
                answer = await self._handle(route, call)
                cut = answer.body[: len(answer.body) // 2] or b"<html><body>Bad"
                return replace(answer, body=cut)
            case _:
                call.fault = fault
                return await self._handle(route, call)

    async def _handle(self, route: Route, call: Call) -> Answer:
        made = route.handle(call)
        return made if isinstance(made, Answer) else await made

    async def _pass(self, seconds: float) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slow.add(over)
        self._world.schedule.at(self._world.clock.now() + seconds, partial(_let_go, over))
        try:
            await over
        finally:
            self._slow.discard(over)

    def _apply_later(self, route: Route, call: Call, resets: int) -> None:
        if resets != self._resets:
            return
        task = asyncio.create_task(self._apply(route, call), name=f"sandbox-late-{route.name}")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _apply(self, route: Route, call: Call) -> None:
        answer = await self._handle(route, call)
        self._count(route, answer, "late")

    def _count(self, route: Route, answer: Answer | None, word: str) -> None:
        code = word if answer is None else f"{answer.status} {word}".rstrip()
        self._world.ledger.request(system=self._stand_in.name, method=route.name, code=code)


def _let_go(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
