"""The handler against the stand-in, over a real port, in time that the test moves by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
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
from propwash_bigquery import BigQueryHandler
from propwash_bigquery.credentials import TokenSource
from propwash_bigquery.desks import Desks
from propwash_bigquery.sandbox import stand_in
from propwash_bigquery.spec import BigQuerySpec

PROJECT = "a-project"
OWNER = "battery"
LONG = {"sandbox-duration-ms": "1000000000"}


@dataclass(slots=True)
class BigQueryRig:
    """A handler, the connection to the stand-in, and the hand on its clock, faults and ledger."""

    handler: BigQueryHandler
    connection: Connection
    sandbox: Sandbox
    clock: ManualClock

    @property
    def world(self) -> World:
        return self.sandbox.world

    def request(
        self,
        query: str = "SELECT 1 AS one",
        *,
        inputs: Mapping[str, Value] | None = None,
        labels: Mapping[str, str] | None = None,
        run_deadline_s: float | None = None,
        owner: str = OWNER,
        **fields: object,
    ) -> CreateRequest[BigQuerySpec]:
        uid = new_uid(self.clock.now())
        return CreateRequest(
            name=remote_name(owner=owner, uid=uid, attempt=1),
            owner=owner,
            uid=uid,
            attempt=1,
            spec=BigQuerySpec.model_validate({"query": query, **fields}),
            inputs=inputs or {},
            labels=labels or {},
            connection=self.connection,
            run_deadline_s=run_deadline_s,
        )

    def long_request(self, **fields: object) -> CreateRequest[BigQuerySpec]:
        return self.request("SELECT 1 AS one", **{"labels": LONG, **fields})  # type: ignore[arg-type]

    def hint(self, request: CreateRequest[BigQuerySpec]) -> bytes:
        return self.handler.hint(self.connection, request.spec)

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
        raise AssertionError("jobs of the stand-in did not end")

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

    def heal(self) -> None:
        self.world.faults.set([], seed=0)

    def calls(self, method: str) -> int:
        """HTTP requests of one API method, whatever was answered."""
        requests = self.world.ledger.summary()["requests"].get("bigquery", {})
        return sum(requests.get(method, {}).values())

    def live_count(self, name: RemoteName) -> int:
        jobs = self.world.ledger.jobs
        return sum(job.name == name and job.state is LedgerState.LIVE for job in jobs)

    async def look(self, meta: bytes) -> Observation:
        answer = (await self.handler.get(self.connection, [meta]))[meta]
        assert isinstance(answer, Observation), answer
        return answer


@asynccontextmanager
async def bigquery_rig(
    *, tokens: TokenSource | None = None, **settings: object
) -> AsyncIterator[BigQueryRig]:
    """A rig; settings are added to the connection's. Without a source of tokens none are sent."""
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
    sandbox = await serve("127.0.0.1", 0, stand_ins={"bigquery": stand_in(world)}, world=world)
    desks = Desks() if tokens is None else Desks(tokens=lambda settings, secrets: tokens)
    handler = BigQueryHandler(desks=desks)
    given = {
        "project": PROJECT,
        "location": "US",
        "credentials": "none" if tokens is None else "default",
        **settings,
    }
    connection = Connection(
        name="bq",
        endpoint=sandbox.url,
        settings={name: value for name, value in given.items() if value is not None},  # type: ignore[misc]
    )
    try:
        yield BigQueryRig(handler, connection, sandbox, clock)
    finally:
        await handler.close()
        await sandbox.close()
        workers.shutdown()
