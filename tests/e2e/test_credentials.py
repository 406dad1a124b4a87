"""Credentials of a connection to BigQuery's stand-in expire and are rotated in the middle of a run, and its permission
is taken and given back: no execution ends wrongly, what waits says why, and there is one job each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from propwash.api.translate import standing
from propwash.core.model import Execution, Instant, Phase, Policy
from propwash.engine.engine import Engine
from propwash.engine.options import EngineOptions
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.handlers.discovery import given
from propwash.handlers.host import HandlerHost
from propwash.handlers.registry import load
from propwash.ports import Draft, ExecutionName, TaskRequest
from propwash.sandbox import Standing
from propwash.sdk import Plugin
from propwash.store.memory import MemoryStore
from propwash_bigquery.credentials import AccessToken
from tests.engine.engine_rig import EngineLog
from tests.plugins.bigquery.bigquery_rig import LONG, BigQueryRig, bigquery_rig

COUNT = 40
SPEED = 20.0


class FastClock:
    """Runs SPEED times as fast as real time, so that backoffs are short."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def now(self) -> Instant:
        return 1_000_000.0 + (time.monotonic() - self._began_at) * SPEED

    async def sleep_until(self, at: Instant) -> None:
        while (left_s := at - self.now()) > 0:  # noqa: ASYNC110  time itself is waited for
            await asyncio.sleep(left_s / SPEED)


class Tokens:
    """Gives the token that is good at the moment, as a token service does."""

    def __init__(self) -> None:
        self.current = "token-1"

    async def fetch(self) -> AccessToken:
        return AccessToken(value=self.current, lifetime_s=3600.0)

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class World:
    """An engine in fast time over the stand-in, whose time stands still until it is moved."""

    rig: BigQueryRig
    tokens: Tokens
    store: MemoryStore
    engine: Engine

    def stand(self, **standings: Standing) -> None:
        named = {name.replace("_", "-"): standing for name, standing in standings.items()}
        self.rig.world.identities.set("bigquery", named)

    async def submit(self, names: Iterable[str]) -> None:
        request = TaskRequest(
            task_type="bigquery_query_job_task", spec={"query": "SELECT 1 AS one", "labels": LONG}
        )
        drafts = [Draft(name=named(name), request=request, policy=Policy()) for name in names]
        await self.engine.executions.create(drafts)

    async def read(self, names: Iterable[str]) -> list[Execution]:
        records = await self.store.get([named(name) for name in names])
        return [record.execution for record in records if record is not None]

    async def until(self, names: Iterable[str], holds: Callable[[Execution], bool]) -> None:
        """Wait for the commit after which it holds for all of them."""
        wanted = list(names)
        seq = 0
        async with asyncio.timeout(45):
            while not all(map(holds, found := await self.read(wanted))):
                assert len(found) == len(wanted)
                seq = await self.engine.executions.newer_than(max(seq, await self.store.last_seq()))


def named(name: str) -> ExecutionName:
    return ExecutionName(project="sales", domain="prod", execution=name)


def waits_with(*reasons: str) -> Callable[[Execution], bool]:
    return lambda one: standing(one)[0] in reasons and " (since " in standing(one)[1]


def is_in(phase: Phase) -> Callable[[Execution], bool]:
    return lambda one: one.phase is phase


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    tokens = Tokens()
    async with bigquery_rig(tokens=tokens) as rig:
        clock = FastClock()
        log = EngineLog(clock)
        # Of this object alone: so that the test need not wait for polls.
        traits = replace(rig.handler.traits, poll_floor_s=1.0, poll_ceiling_s=2.0)
        setattr(rig.handler, "traits", traits)  # noqa: B010  a class variable for mypy
        host = HandlerHost(
            await load([given(Plugin(name="bigquery", make=lambda: (rig.handler,)))]),
            connections=Connections([ConfiguredConnection(plugin="bigquery", connection=rig.connection)]),
            clock=clock,
            instrument=log,
        )
        store = MemoryStore(owner="battery1")
        await store.open()
        engine = Engine(clock=clock, store=store, handlers=host, instrument=log, options=EngineOptions())
        await engine.start()
        try:
            yield World(rig, tokens, store, engine)
        finally:
            await engine.stop()
            await host.close()
            await store.close()


@pytest.mark.timeout(120)
async def test_a_token_that_expires_and_one_that_may_nothing_end_no_execution() -> None:
    early = [f"early{number}" for number in range(COUNT)]
    late = [f"late{number}" for number in range(5)]
    aborted, kept = early[:5], early[5:]
    async with world() as there:
        there.stand(token_1=Standing.ACCEPTED)
        await there.submit(early)
        await there.until(early, is_in(Phase.RUNNING))

        there.stand(token_1=Standing.EXPIRED)
        await there.submit(late)
        for name in aborted:
            await there.engine.executions.abort(named(name), message="enough", allow_missing=False)
        await there.until([*early, *late], waits_with("CREDENTIALS_UNAVAILABLE", "CREDENTIALS_REFUSED"))
        assert {one.phase for one in await there.read(kept)} == {Phase.RUNNING}
        assert {one.phase for one in await there.read(aborted)} == {Phase.CLEANING_UP}
        assert {one.phase for one in await there.read(late)} == {Phase.INITIALIZING}

        # The new token is good, but its account may nothing yet.
        there.tokens.current = "token-2"
        there.stand(token_1=Standing.EXPIRED, token_2=Standing.FORBIDDEN)
        await there.until(kept, waits_with("PERMISSION_DENIED", "ACCESS_DENIED"))
        assert not any(one.phase.is_terminal for one in await there.read([*early, *late]))

        there.stand(token_2=Standing.ACCEPTED)
        await there.until(aborted, lambda one: one.phase.is_terminal or advanced(there))
        assert {one.phase for one in await there.read(aborted)} == {Phase.ABORTED}
        await there.until([*kept, *late], is_in(Phase.RUNNING))
        await there.until([*kept, *late], lambda one: standing(one)[0] == "")
        jobs = there.rig.world.ledger.jobs
        assert len(jobs) == len({job.name for job in jobs}) == COUNT + len(late)
        there.rig.advance(2e6)
        await there.until([*kept, *late], is_in(Phase.SUCCEEDED))
        assert there.rig.world.ledger.summary()["live"] == 0


def advanced(there: World) -> bool:
    """Let the stand-in's time pass, in which its cancels take effect; always False."""
    there.rig.advance(0.1)
    return False
