"""What an admission costs: a statement's spec parsed, its pools found, with and without an expression."""

from __future__ import annotations

import asyncio
from time import perf_counter

from propwash.engine.clock import SystemClock
from propwash.handlers import discovery, registry
from propwash.handlers.claiming import ClaimRule
from propwash.handlers.connections import ConfiguredConnection, Connections
from propwash.handlers.expressions import Expression
from propwash.handlers.host import HandlerHost
from propwash.ports import TaskRequest
from propwash.sdk import Connection
from propwash.telemetry import Telemetry
from propwash_snowflake import plugin

_COUNT = 10_000
_AT_ONCE = 100


async def admissions() -> tuple[str, float]:
    """Statements, with what their handler claims by default."""
    return "admissions/s", await _rate(())


async def admissions_by_expression() -> tuple[str, float]:
    """The same, with one claim by an expression on the spec."""
    rule = ClaimRule(setting="claims.gpu", pool="gpu", units=Expression("spec.statement_count * 2"))
    return "admissions/s with an expression", await _rate((rule,))


async def _rate(rules: tuple[ClaimRule, ...]) -> float:
    clock = SystemClock()
    connection = Connection(name="prod", settings={"account": "acme-one", "auth": "none"})
    configured = ConfiguredConnection(plugin="snowflake", connection=connection, claim_rules=rules)
    host = HandlerHost(
        await registry.load([discovery.given(plugin)]),
        connections=Connections([configured]),
        clock=clock,
        instrument=Telemetry(now=clock.now, version="bench"),
    )
    await host.start()
    request = TaskRequest(
        task_type="snowflake", spec={"statement": "SELECT 1", "warehouse": "LARGE_WH", "database": "SALES"}
    )
    began = perf_counter()
    for _ in range(_COUNT // _AT_ONCE):
        for _ in range(_AT_ONCE):
            host.admit(request, project="bench", domain="dev")
        await asyncio.sleep(0)
    rate = _COUNT / (perf_counter() - began)
    await host.close()
    return rate
