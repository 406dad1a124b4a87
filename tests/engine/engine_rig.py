"""An engine over a store in memory and the toy system, in virtual time; restart is a crash and a new start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from propwash.core.effects import Effect
from propwash.core.events import Event
from propwash.core.model import Execution, Fault, OutcomeKind, Phase, Policy, Traits
from propwash.core.pool import PoolView
from propwash.engine.budgets import Budget
from propwash.engine.engine import Engine
from propwash.engine.options import EngineOptions, RateLimit
from propwash.engine.supervision import Supervisor
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.handlers.discovery import given
from propwash.handlers.host import HandlerHost
from propwash.handlers.registry import load
from propwash.ports import Clock, ConnectionStatus, Draft, ExecutionName, Record, TaskRequest
from propwash.sdk import Handler, Plugin, Value
from propwash.sdk.testing import ToyHandler, ToySpec, ToySystem
from propwash.store.memory import MemoryStore
from tests.engine.virtual_time import LoopClock

OWNER = "us"
ENDLESS = 1e7


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStep:
    at: float
    name: str
    event: str
    phase: Phase


@dataclass(slots=True)
class EngineLog:
    """An Instrument that remembers."""

    clock: Clock
    steps: list[EngineStep] = field(default_factory=list)
    calls: list[tuple[float, str, str]] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    troubles: list[tuple[str, str]] = field(default_factory=list)
    sweeps: list[tuple[int, int]] = field(default_factory=list)
    breakers: list[tuple[float, bool]] = field(default_factory=list)
    """When one opened (True) or closed (False)."""
    forgotten: list[str] = field(default_factory=list)
    depths: dict[str, int] = field(default_factory=dict)
    views: dict[str, PoolView] = field(default_factory=dict)
    statuses: list[ConnectionStatus] = field(default_factory=list)

    def stepped(
        self,
        name: ExecutionName,
        before: Execution | None,
        event: Event | None,
        after: Execution,
        effects: Sequence[Effect],
    ) -> None:
        kind = "" if event is None else type(event).__name__
        self.steps.append(EngineStep(at=self.clock.now(), name=name.execution, event=kind, phase=after.phase))

    def called(self, *, task_type: str, connection: str, method: str, code: str, seconds: float) -> None:
        self.calls.append((self.clock.now(), method, code))

    def committed(self, *, changes: int, seconds: float) -> None:
        self.commits.append(changes)

    def commit_failed(self, message: str) -> None:
        self.failures.append(message)

    def queued(self, *, lane: str, depth: int) -> None:
        self.depths[lane] = depth

    def dequeued(self, *, lane: str, seconds: float) -> None:
        pass

    def lagged(self, seconds: float) -> None:
        pass

    def pools(self, views: Sequence[PoolView]) -> None:
        self.views = {view.name: view for view in views}

    def connections(self, statuses: Sequence[ConnectionStatus]) -> None:
        self.statuses = list(statuses)

    def units(self, pool: str) -> tuple[int, int, int]:
        """Capacity, units held, executions that wait, as last told."""
        view = self.views[pool]
        return view.capacity, view.occupied, view.waiting

    def breaker(
        self,
        *,
        handler: str,
        connection: str,
        is_open: bool,
        fault: Fault | None = None,
        seconds: float = 0.0,
    ) -> None:
        if is_open or seconds:
            self.breakers.append((self.clock.now(), is_open))

    def swept(self, *, task_type: str, connection: str, listed: int, orphans: int) -> None:
        self.sweeps.append((listed, orphans))

    def forgot(self, name: ExecutionName, after: Execution) -> None:
        self.forgotten.append(name.execution)

    def trouble(self, component: str, message: str, **fields: str) -> None:
        self.troubles.append((component, message))


def execution_name(execution: str) -> ExecutionName:
    return ExecutionName(project="p", domain="d", execution=execution)


def draft_of(
    execution: str,
    *,
    policy: Policy | None = None,
    request_id: str = "",
    **spec: Value,
) -> Draft:
    request = TaskRequest(
        task_type="toy",
        spec=spec,
        request_id=request_id,
        digest=repr((execution, policy, sorted(spec.items()))).encode(),
    )
    return Draft(name=execution_name(execution), request=request, policy=policy or Policy())


class EngineRig:
    """The world of one test. Each crash or restart leaves the toy system as it is."""

    def __init__(
        self,
        options: EngineOptions,
        traits: Traits,
        system: ToySystem,
        *,
        handler: Callable[[ToySystem], Handler[ToySpec]],
        connections: Sequence[ConfiguredConnection],
    ) -> None:
        self.clock = LoopClock()
        system.now = self.clock.now
        system.has_unique_names = traits.has_unique_names
        self.system = system
        self.log = EngineLog(self.clock)
        self.store = MemoryStore(owner=OWNER)
        self.options = options
        self._traits = traits
        self._handler = handler
        self.connections = connections
        self._is_up = False
        self._failed: asyncio.Future[None] | None = None

    async def start(self) -> None:
        handler = self._handler(self.system)
        # Of this object alone: the class is shared by all tests.
        setattr(handler, "traits", self._traits)  # noqa: B010  a class variable for mypy
        plugin = Plugin(name="toys", make=lambda: (handler,))
        self.host = HandlerHost(
            await load([given(plugin)]),
            connections=Connections(self.connections),
            clock=self.clock,
            instrument=self.log,
        )
        await self.store.open()
        self.engine = Engine(
            clock=self.clock,
            store=self.store,
            handlers=self.host,
            instrument=self.log,
            options=self.options,
        )
        await self.engine.start()
        self._failed = asyncio.ensure_future(self.engine.failed())
        self._is_up = True

    async def crash(self) -> None:
        """Nothing that the old engine does after this counts, and nothing is finished for it."""
        self._is_up = False
        survivor = self.store.crash()
        await self.engine.stop()
        self.store = survivor

    async def restart(self) -> None:
        await self.crash()
        await self.start()

    async def close(self) -> None:
        if self._is_up:
            self._is_up = False
            await self.engine.stop()
            await self.store.close()
            await self.host.close()

    def check(self) -> None:
        """Raise what a task of the engine died of."""
        if self._failed is not None and self._failed.done() and not self._failed.cancelled():
            self._failed.result()

    async def create(self, execution: str, *, policy: Policy | None = None, **spec: Value) -> Record:
        draft = draft_of(execution, policy=policy, request_id="", **spec)
        (record,) = await self.engine.executions.create([draft])
        return record

    async def abort(self, execution: str, *, allow_missing: bool = False) -> Record | None:
        return await self.engine.executions.abort(
            execution_name(execution), message="enough", allow_missing=allow_missing
        )

    async def read(self, execution: str) -> Record:
        (record,) = await self.store.get([execution_name(execution)])
        assert record is not None, execution
        return record

    async def phase(self, execution: str) -> Phase:
        return (await self.read(execution)).execution.phase

    async def after(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now() + seconds)

    async def until(self, execution: str, *phases: Phase, within_s: float = 1000.0) -> Record:
        """Wait, in virtual time, for one of the phases; for any terminal one where none is given."""
        end_at = self.clock.now() + within_s
        while True:
            record = await self.read(execution)
            phase = record.execution.phase
            if phase in phases or (not phases and phase.is_terminal):
                return record
            assert self.clock.now() < end_at, (
                f"{execution} is still {phase}: {record.execution.state} {self.log.calls[-5:]}"
            )
            await self.after(0.01 if self.clock.now() < end_at - within_s + 5 else 0.25)

    async def outcome(self, execution: str, *, within_s: float = 1000.0) -> OutcomeKind:
        return OutcomeKind[(await self.until(execution, within_s=within_s)).execution.phase.name]

    def live(self) -> int:
        return len(self.system.live_jobs())

    def count(self, operation: str) -> int:
        return self.system.calls.get(operation, 0)

    def codes(self, method: str) -> list[str]:
        return [code for _, name, code in self.log.calls if name == method]


@asynccontextmanager
async def engine_rig(
    options: EngineOptions | None = None,
    *,
    traits: Traits | None = None,
    system: ToySystem | None = None,
    handler: Callable[[ToySystem], Handler[ToySpec]] = ToyHandler,
    connections: Sequence[ConfiguredConnection] = (),
    **pools: int,
) -> AsyncIterator[EngineRig]:
    """A started engine. Its sweep is rare unless options say otherwise, and its polls are every second."""
    chosen = options or EngineOptions(sweep_every_s=1e6)
    rig = EngineRig(
        replace(chosen, pools=pools) if pools else chosen,
        traits or Traits(settle_s=5.0, poll_floor_s=1.0, poll_ceiling_s=5.0),
        system or ToySystem(),
        handler=handler,
        connections=connections,
    )
    await rig.start()
    try:
        yield rig
    finally:
        try:
            rig.check()
        finally:
            await rig.close()


def supervised_budget(clock: Clock, supervisor: Supervisor, *, rate: float, burst: float) -> Budget:
    """A budget whose timers are tasks of the supervisor, as in the engine."""

    async def wait(at: float, do: Callable[[], None]) -> None:
        await clock.sleep_until(at)
        do()

    limit = RateLimit(rate=rate, burst=burst)
    return Budget(clock, limit, at=lambda at, do: supervisor.spawn(wait(at, do), "budget waits"))


async def settled() -> None:
    """Let what is ready run, without time."""
    for _ in range(20):
        await asyncio.sleep(0)
