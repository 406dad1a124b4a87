"""A Snowflake stand-in in this process, under a clock moved by hand, called through the frame but without a port."""

from __future__ import annotations

import gzip
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
from propwash_snowflake.sandbox import SnowflakeStandIn

HEADERS = {"User-Agent": "rig/1.0", "Accept": "application/json"}


class SnowflakeRig:
    """Calls operations by their names. Nothing is due before pass_time() says that time has passed."""

    def __init__(self, *, limits: Limits | None = None, workers: int = 1) -> None:
        self.clock = ManualClock()
        self.workers = ThreadPoolExecutor(workers)
        self.world = World(
            clock=self.clock,
            schedule=Schedule(self.clock),
            ledger=Ledger(),
            faults=FaultPlan(),
            speed=SpeedControl(),
            workers=self.workers,
        )
        self.stand_in = SnowflakeStandIn(self.world)
        self.exchange = Exchange(self.world, self.stand_in, limits or Limits())
        self._routes = {route.name: route for route in self.stand_in.routes()}
        self.headers = dict(HEADERS)

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

    async def call(
        self, operation: str, handle: str = "", *, body: Any = None, query: Any = (), **headers: str
    ) -> Answer | None:
        """One call; None is a connection closed without an answer. Headers are written with "_" for "-"."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        call = Call(
            path={"handle": handle}, query=MultiDict(query), headers={**self.headers, **more}, body=raw
        )
        return await self.exchange.answer(self._routes[operation], call)

    async def submit(
        self, sql: str = "SELECT 1 AS n", *, query: Any = (), name: str = "", **more: Any
    ) -> dict[str, Any]:
        """An asynchronous submission; what it answers. labels and other fields of the body are given by name."""
        answer = await self.call(
            "statements.submit",
            body=submission(sql, name=name, **more),
            query={"async": "true", **dict(query)},
        )
        assert answer is not None
        return decoded(answer)

    async def finished(self, handle: str) -> Answer:
        """The answer to a GET once the statement has ended."""
        await self.ended(handle)
        answer = await self.call("statements.get", handle)
        assert answer is not None
        return answer

    async def ended(self, handle: str) -> None:
        """Wait for the statement's end; what is due must have been done by pass_time()."""
        found = self.stand_in.operations.statement(handle)
        assert found is not None
        await self.stand_in.operations.wait(found)

    async def result(self, sql: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """Run one statement to its end; HTTP status and body of the GET that follows."""
        submitted = await self.submit(sql, **more)
        if "statementHandle" not in submitted:
            return 0, submitted
        self.pass_time(0)
        answer = await self.finished(submitted["statementHandle"])
        return answer.status, decoded(answer)

    async def rows(self, sql: str, **more: Any) -> list[list[str | None]]:
        """The first partition of a query's rows."""
        status, body = await self.result(sql, **more)
        assert status == 200, body
        data: list[list[str | None]] = body["data"]
        return data

    async def status(self, handle: str) -> tuple[int, str]:
        """HTTP status and code of a GET."""
        answer = await self.call("statements.get", handle)
        assert answer is not None
        return answer.status, decoded(answer).get("code", "")


def submission(
    sql: str = "SELECT 1 AS n", *, name: str = "", labels: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """The body of a submission whose query tag holds this name and these labels."""
    body: dict[str, Any] = {"statement": sql, **more}
    if name or labels:
        tag = json.dumps({"propwash": name, "labels": labels or {}})
        body["parameters"] = {"QUERY_TAG": tag, **body.get("parameters", {})}
    return body


def decoded(answer: Answer) -> dict[str, Any]:
    """The body of an answer."""
    raw = answer.body
    if answer.headers.get("Content-Encoding") == "gzip":
        raw = gzip.decompress(raw)
    value: dict[str, Any] = json.loads(raw)
    return value
