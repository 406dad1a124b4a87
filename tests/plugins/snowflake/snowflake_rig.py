"""The handler against the stand-in, over a real port, in time that the test moves by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

from propwash.core.names import remote_name
from propwash.engine.ids import new_uid
from propwash.sandbox import (
    FaultKind,
    FaultPlan,
    Ledger,
    LedgerState,
    ManualClock,
    MethodClass,
    Sandbox,
    Schedule,
    Speed,
    SpeedControl,
    World,
    parse_rule,
    serve,
)
from propwash.sdk import Connection, CreateRequest, Observation, RemoteName, Value
from propwash_snowflake import SnowflakeHandler
from propwash_snowflake.desks import Desks
from propwash_snowflake.sandbox import SnowflakeStandIn, stand_in
from propwash_snowflake.spec import SnowflakeSpec

OWNER = "battery"
LONG = {"sandbox-duration-ms": "1000000000"}


@dataclass(slots=True)
class SnowflakeRig:
    """A handler, the connection to the stand-in, and the hand on its clock, faults and ledger."""

    handler: SnowflakeHandler
    connection: Connection
    sandbox: Sandbox
    stand_in: SnowflakeStandIn
    clock: ManualClock

    @property
    def world(self) -> World:
        return self.sandbox.world

    def request(
        self,
        statement: str = "SELECT 1 AS one",
        *,
        inputs: Mapping[str, Value] | None = None,
        labels: Mapping[str, str] | None = None,
        run_deadline_s: float | None = None,
        owner: str = OWNER,
        **fields: object,
    ) -> CreateRequest[SnowflakeSpec]:
        uid = new_uid(self.clock.now())
        return CreateRequest(
            name=remote_name(owner=owner, uid=uid, attempt=1),
            owner=owner,
            uid=uid,
            attempt=1,
            spec=SnowflakeSpec.model_validate({"statement": statement, **fields}),
            inputs=inputs or {},
            labels=labels or {},
            connection=self.connection,
            run_deadline_s=run_deadline_s,
        )

    def long_request(self, **fields: object) -> CreateRequest[SnowflakeSpec]:
        return self.request(**{"labels": LONG, **fields})  # type: ignore[arg-type]

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.schedule.run_due()

    async def settle(self) -> None:
        """Let SQL that runs in worker threads end."""
        for _ in range(2000):
            self.advance(0.01)
            if not self.world.ledger.summary()["live"]:
                return
            await asyncio.to_thread(lambda: None)
        raise AssertionError("statements of the stand-in did not end")

    def fault(
        self,
        kind: FaultKind,
        *methods: MethodClass,
        limit: int | None = 1,
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        rule = {"kind": kind, "probability": 1.0, "limit": limit, **more}
        if methods:
            rule["methods"] = list(methods)
        self.world.faults.set([parse_rule(rule, where="test")], seed=0)

    def calls(self, method: str) -> int:
        """HTTP requests of one operation, whatever was answered."""
        requests = self.world.ledger.summary()["requests"].get("snowflake", {})
        return sum(requests.get(method, {}).values())

    def live_count(self, name: RemoteName) -> int:
        jobs = self.world.ledger.jobs
        return sum(job.name == name and job.state is LedgerState.LIVE for job in jobs)

    async def look(self, meta: bytes) -> Observation:
        answer = (await self.handler.get(self.connection, [meta]))[meta]
        assert isinstance(answer, Observation), answer
        return answer


@asynccontextmanager
async def snowflake_rig(
    *, now: Callable[[], float] | None = None, **settings: object
) -> AsyncIterator[SnowflakeRig]:
    """A rig; settings are added to the connection's, and None takes one out. now is the handler's own time."""
    clock = ManualClock()
    workers = ThreadPoolExecutor(2)
    world = World(
        clock=clock,
        schedule=Schedule(clock),
        ledger=Ledger(),
        faults=FaultPlan(),
        speed=SpeedControl(Speed(cancel_ms=20.0)),
        workers=workers,
    )
    made = stand_in(world)
    sandbox = await serve("127.0.0.1", 0, stand_ins={"snowflake": made}, world=world)
    handler = SnowflakeHandler(desks=Desks(now=now or clock.now, wall=clock.now))
    given = {
        "account": "acme-sandbox",
        "auth": "none",
        "database": "DEMO",
        "warehouse": "DEMO_WH",
        **settings,
    }
    connection = Connection(
        name="sf",
        endpoint=sandbox.url,
        settings={name: value for name, value in given.items() if value is not None},  # type: ignore[misc]
    )
    try:
        yield SnowflakeRig(handler, connection, sandbox, made, clock)
    finally:
        await handler.close()
        await sandbox.close()
        workers.shutdown()
