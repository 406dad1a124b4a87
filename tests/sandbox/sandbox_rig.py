"""A BigQuery stand-in in this process, under a clock moved by hand, called through the frame but without a port."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from multidict import MultiDict

from propwash.sandbox import (
    Answer,
    Call,
    FaultPlan,
    Ledger,
    ManualClock,
    Schedule,
    SpeedControl,
    World,
    parse_plan,
)
from propwash.sandbox.exchange import Exchange
from propwash.sandbox.limits import Limits
from propwash_bigquery.sandbox import BigQueryStandIn


class Rig:
    """Calls methods by their names. Nothing is due before pass_time() says that time has passed."""

    def __init__(self, *, limits: Limits | None = None) -> None:
        self.clock = ManualClock()
        self.workers = ThreadPoolExecutor(1)
        self.world = World(
            clock=self.clock,
            schedule=Schedule(self.clock),
            ledger=Ledger(),
            faults=FaultPlan(),
            speed=SpeedControl(),
            workers=self.workers,
        )
        self.stand_in = BigQueryStandIn(self.world)
        self.exchange = Exchange(self.world, self.stand_in, limits or Limits())
        self._routes = {route.name: route for route in self.stand_in.routes()}

    async def close(self) -> None:
        """End what the rig began."""
        await self.exchange.close()
        await self.stand_in.close()
        self.workers.shutdown()

    def pass_time(self, seconds: float) -> None:
        """Let time pass and do what became due."""
        self.clock.advance(seconds)
        self.world.schedule.run_due()

    def break_with(self, kind: str, **more: Any) -> None:
        """From now on every call that the kind applies to meets this fault."""
        rules, seed = parse_plan({"rules": [{"kind": kind, "probability": 1, **more}]})
        self.world.faults.set(rules, seed=seed)

    def mend(self) -> None:
        """No more faults."""
        self.world.faults.set((), seed=0)

    async def call(self, method: str, job: str = "", *, body: Any = None, query: Any = ()) -> Answer | None:
        """One call; None is a connection closed without an answer."""
        path = {"project": "p", "job": job}
        raw = b"" if body is None else json.dumps(body).encode()
        return await self.exchange.answer(
            self._routes[method], Call(path=path, query=MultiDict(query), body=raw)
        )

    async def insert(
        self, job: str, *, sql: str = "SELECT 1 AS n", lasting_ms: int = 0, **labels: str
    ) -> Answer | None:
        """jobs.insert under this id."""
        return await self.call("jobs.insert", body=insert_body(job, sql=sql, lasting_ms=lasting_ms, **labels))

    async def state(self, job: str) -> str:
        """The job's state as jobs.get tells it, or the reason of the error."""
        answer = await self.call("jobs.get", job)
        assert answer is not None
        value = json.loads(answer.body)
        if answer.status != 200:
            return str(value["error"]["errors"][0]["reason"])
        return str(value["status"]["state"])

    async def listed(self, **query: str) -> list[str]:
        """The ids that jobs.list gives."""
        answer = await self.call("jobs.list", query=query)
        assert answer is not None
        return [job["jobReference"]["jobId"] for job in json.loads(answer.body).get("jobs", [])]

    async def settle_late(self) -> None:
        """Wait for creates that became due to be applied."""
        await self.exchange.settled()


def insert_body(
    job: str, *, sql: str = "SELECT 1 AS n", lasting_ms: int = 0, **labels: str
) -> dict[str, Any]:
    """The body of a jobs.insert; labels are written with "_" for "-"."""
    dashed = {name.replace("_", "-"): value for name, value in labels.items()}
    return {
        "jobReference": {"projectId": "p", "jobId": job, "location": "US"},
        "configuration": {
            "query": {"query": sql, "useLegacySql": False},
            "labels": {"sandbox-duration-ms": str(lasting_ms), **dashed},
        },
    }
