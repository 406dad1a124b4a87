"""Measures the parts that everything else stands on, and prints one line a figure. Run by `make bench`.

Every figure is the best of a few runs, since the machine's noise only ever adds; none of them passes or fails anything.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import uvloop

from propwash.core import machine
from propwash.core.events import Created, Event, Granted, Observed, Ticked
from propwash.core.model import (
    Claim,
    Execution,
    ExecutionUid,
    Observation,
    Plan,
    Policy,
    Queued,
    RemotePhase,
)
from propwash.engine.clock import SystemClock
from propwash.engine.engine import Engine
from propwash.engine.options import EngineOptions, RateLimit
from propwash.handlers import discovery, registry
from propwash.handlers.connections import Connections
from propwash.handlers.host import HandlerHost
from propwash.ports import Draft, ExecutionName, Insert, Record, TaskRequest
from propwash.sdk import Plugin
from propwash.sdk.testing import ToyHandler, ToySystem
from propwash.store.sqlite import SqliteStore
from propwash.telemetry import Telemetry
from tests.bench.admissions import admissions, admissions_by_expression
from tests.bench.flyte_calls import flyte_creates, flyte_gets
from tests.bench.pools import grant_costs

RUNS = 3


def _execution(number: int) -> Execution:
    return Execution(
        uid=ExecutionUid(f"{number:026d}"),
        plan=Plan(task_type="toy", claims=(Claim(pool="p"),)),
        state=Queued(not_before=0.0),
        attempt=1,
        created_at=0.0,
        updated_at=0.0,
    )


def core_steps() -> tuple[str, float]:
    """Steps of the machine, from queued to succeeded."""
    observation = Observation(phase=RemotePhase.RUNNING)
    ended = Observation(phase=RemotePhase.SUCCEEDED)
    events: tuple[Event, ...] = (
        Ticked(),
        Granted(attempt=1),
        Created(attempt=1, meta=b"m", observation=observation, asked_at=1.0),
        Observed(attempt=1, observation=observation, asked_at=2.0),
        Observed(attempt=1, observation=ended, asked_at=3.0),
    )
    count = 20_000
    began = perf_counter()
    for number in range(count):
        execution = _execution(number)
        for now, event in enumerate(events):
            execution, _ = machine.step(execution, event, float(now))
    return "core steps/s", count * len(events) / (perf_counter() - began)


async def store_commits() -> tuple[str, float]:
    """New executions, committed in groups of 500 with an fsync each."""
    with tempfile.TemporaryDirectory() as made:
        store = SqliteStore(Path(made))
        await store.open()
        records = [
            Record(
                name=ExecutionName("bench", "dev", f"e{number}"),
                request=TaskRequest(task_type="toy", spec={"duration_s": 1.0}),
                execution=_execution(number),
                version=1,
            )
            for number in range(10_000)
        ]
        began = perf_counter()
        for first in range(0, len(records), 500):
            await store.commit([(Insert(record=record),) for record in records[first : first + 500]], at=1.0)
        rate = len(records) / (perf_counter() - began)
        await store.close()
    return "durable inserts/s", rate


async def engine_runs() -> tuple[str, float]:
    """Executions from create to succeeded, through engine, host and store, on a remote system in memory."""
    clock = SystemClock()
    toy = Plugin(name="toy", make=lambda: [ToyHandler(ToySystem(now=clock.now))])
    telemetry = Telemetry(now=clock.now, version="bench")
    wide = RateLimit(rate=1e6, burst=1e6)
    with tempfile.TemporaryDirectory() as made:
        store = SqliteStore(Path(made))
        await store.open()
        loaded = await registry.load([discovery.given(toy)])
        host = HandlerHost(loaded, connections=Connections(), clock=clock, instrument=telemetry)
        await host.start()
        options = EngineOptions(reads=wide, writes=wide, deletes=wide, observe_gather_s=0.02)
        engine = Engine(clock=clock, store=store, handlers=host, instrument=telemetry, options=options)
        await engine.start()
        count = 3_000
        began = perf_counter()
        await asyncio.gather(*(engine.executions.create([_draft(number)]) for number in range(count)))
        seen, ended = 0, 0
        while ended < count:
            seen = await engine.executions.newer_than(seen)
            ended = int(
                telemetry.registry.get_sample_value(
                    "propwash_executions_ended_total", {"phase": "SUCCEEDED", "task_type": "toy"}
                )
                or 0
            )
        rate = count / (perf_counter() - began)
        await engine.stop()
        await host.close()
        await store.close()
    return "executions/s, create to succeeded", rate


def _draft(number: int) -> Draft:
    return Draft(
        name=ExecutionName("bench", "dev", f"e{number}"),
        request=TaskRequest(task_type="toy", spec={"duration_s": 0.5}, request_id=f"r{number}", digest=b"d"),
        policy=Policy(),
    )


def main() -> None:
    """Run every measurement."""
    measurements: list[Callable[[], tuple[str, float] | Awaitable[tuple[str, float]]]] = [
        core_steps,
        store_commits,
        engine_runs,
        admissions,
        admissions_by_expression,
        flyte_creates,
        flyte_gets,
    ]
    for measure in measurements:
        figures = []
        for _ in range(RUNS):
            answer = measure()
            figures.append(uvloop.run(_awaited(answer)) if isinstance(answer, Awaitable) else answer)
        name = figures[0][0]
        print(f"{name:42} {max(rate for _, rate in figures):12,.0f}")
    grant_costs()


async def _awaited(answer: Awaitable[tuple[str, float]]) -> tuple[str, float]:
    return await answer


if __name__ == "__main__":
    main()
