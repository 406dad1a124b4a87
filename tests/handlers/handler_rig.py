"""A host around handlers that a test gives, with an instrument that remembers and a clock that a test
moves.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from propwash.core.effects import Effect
from propwash.core.events import Event
from propwash.core.model import Execution, ExecutionUid, Fault, Instant
from propwash.core.names import remote_name
from propwash.core.overload import Measure
from propwash.core.pool import PoolView
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.handlers.discovery import given
from propwash.handlers.host import HandlerHost
from propwash.handlers.options import HostOptions
from propwash.handlers.registry import load
from propwash.ports import Admission, Clock, ConnectionStatus, ExecutionName, JobRequest, TaskRequest
from propwash.sdk import Plugin, Value

UID = ExecutionUid("0123456789abcdefghjkmnpqrs")
NAME = remote_name(owner="us", uid=UID, attempt=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    task_type: str
    connection: str
    method: str
    code: str
    seconds: float


class Recorder:
    """Remembers what it was told; has_trouble is set, from any thread, with the first trouble."""

    def __init__(self) -> None:
        self.calls: list[Called] = []
        self.troubles: list[tuple[str, dict[str, str]]] = []
        self.lags: list[float] = []
        self.has_trouble = threading.Event()

    def called(self, *, task_type: str, connection: str, method: str, code: str, seconds: float) -> None:
        self.calls.append(
            Called(task_type=task_type, connection=connection, method=method, code=code, seconds=seconds)
        )

    def lagged(self, seconds: float) -> None:
        self.lags.append(seconds)

    def trouble(self, component: str, message: str, **fields: str) -> None:
        assert component == "handlers"
        self.troubles.append((message, fields))
        self.has_trouble.set()

    def stepped(
        self,
        name: ExecutionName,
        before: Execution | None,
        event: Event | None,
        after: Execution,
        effects: Sequence[Effect],
    ) -> None:
        raise AssertionError("the host steps nothing")

    def hinted(self, *, became: str, count: int) -> None:
        raise AssertionError("the host hears no hints")

    def observed(self, before: Execution, at: float) -> None:
        raise AssertionError("the host observes for another")

    def committed(self, *, changes: int, seconds: float) -> None:
        raise AssertionError("the host commits nothing")

    def commit_failed(self, message: str) -> None:
        raise AssertionError("the host commits nothing")

    def queued(self, *, lane: str, depth: int) -> None:
        raise AssertionError("the host queues nothing")

    def dequeued(self, *, lane: str, seconds: float) -> None:
        raise AssertionError("the host queues nothing")

    def pools(self, views: Sequence[PoolView]) -> None:
        raise AssertionError("the host has no pools")

    def refused(self, *, reason: str, executions: int) -> None:
        raise AssertionError("the host lets nothing in")

    def load(
        self,
        *,
        active: int,
        queued: int,
        lag_s: float,
        backlog: int,
        backlog_s: float,
        overload: Measure | None,
    ) -> None:
        raise AssertionError("the host lets nothing in")

    def connections(self, statuses: Sequence[ConnectionStatus]) -> None:
        raise AssertionError("the host tells of no connections")

    def breaker(
        self,
        *,
        handler: str,
        connection: str,
        is_open: bool,
        fault: Fault | None = None,
        seconds: float = 0.0,
    ) -> None:
        raise AssertionError("the host has no breakers")

    def swept(self, *, task_type: str, connection: str, listed: int, orphans: int) -> None:
        raise AssertionError("the host sweeps nothing")

    def forgot(self, name: ExecutionName, after: Execution) -> None:
        raise AssertionError("the host forgets nothing")


class StillClock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> Instant:
        return self.time

    async def sleep_until(self, at: Instant) -> None:
        raise AssertionError("the host does not sleep")


def task(task_type: str = "toy", *, connection: str = "", **spec: Value) -> TaskRequest:
    return TaskRequest(task_type=task_type, spec=spec, connection=connection)


def job(request: TaskRequest, *, connection: str = "toys") -> JobRequest:
    return JobRequest(name=NAME, owner="us", uid=UID, attempt=1, request=request, connection=connection)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    host: HandlerHost
    recorder: Recorder
    clock: StillClock

    def admit(self, request: TaskRequest, *, project: str = "demo", domain: str = "dev") -> Admission:
        return self.host.admit(request, project=project, domain=domain)


@asynccontextmanager
async def hosting(
    *handlers: object,
    options: HostOptions | None = None,
    connections: Sequence[ConfiguredConnection] = (),
    apart: bool = False,
    clock: Clock | None = None,
) -> AsyncIterator[Rig]:
    """A started host of one plugin named toys, or of one plugin a handler (toys, toys1, ...)."""
    groups = [(one,) for one in handlers] if apart else [handlers]
    plugins = [
        Plugin(name=f"toys{index or ''}", make=functools.partial(tuple, group))
        for index, group in enumerate(groups)
    ]
    registry = await load([given(plugin) for plugin in plugins])
    recorder, still = Recorder(), StillClock()
    host = HandlerHost(
        registry,
        connections=Connections(connections),
        clock=clock or still,
        instrument=recorder,
        options=options or HostOptions(),
    )
    await host.start()
    try:
        yield Rig(host=host, recorder=recorder, clock=still)
    finally:
        async with asyncio.timeout(5):
            await host.close()
