"""The stand-in against Snowflake's own description of the SQL API: every documented status code.

Skipped, and says so, where the description is not on this machine; PROPWASH_SNOWFLAKE_OPENAPI says where it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

from propwash.sandbox import FaultKind, MethodClass, Standing
from tests.plugins.snowflake import sql_api
from tests.plugins.snowflake.snowflake_rig import LONG, SnowflakeRig, snowflake_rig

pytestmark = pytest.mark.skipif(
    not sql_api.place().is_file(),
    reason=f"Snowflake's OpenAPI description is not at {sql_api.VARIABLE}, nor beside the repository",
)

HEADERS = {"User-Agent": "contract/1.0", "Accept": "application/json", "Authorization": "Bearer somebody"}
NOBODYS = "01b2c3d4-0000-4000-8000-000000000000"


class Answered:
    """One answer: its status, its headers and its body, as JSON where it is that."""

    def __init__(self, status: int, headers: dict[str, str], raw: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body: Any = (
            json.loads(raw) if headers.get("Content-Type", "").startswith("application/json") else raw
        )


class Contract:
    """Calls the stand-in as anybody would."""

    def __init__(self, rig: SnowflakeRig, session: aiohttp.ClientSession) -> None:
        self.rig = rig
        self._session = session

    async def call(self, verb: str, path: str, *, body: object = None, **more: Any) -> Answered:
        headers = {**HEADERS, **more.pop("headers", {})}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        url = self.rig.sandbox.url + path
        async with self._session.request(verb, url, data=data, headers=headers, **more) as answer:
            return Answered(answer.status, dict(answer.headers), await answer.read())

    async def submit(self, sql: str = "SELECT 1 AS n", *, is_async: bool = True, **more: Any) -> Answered:
        labels = more.pop("labels", {})
        body: dict[str, Any] = {"statement": sql, **more.pop("fields", {})}
        if labels:
            body["parameters"] = {"QUERY_TAG": json.dumps({"propwash": "contract", "labels": labels})}
        params = {"async": "true"} if is_async else {}
        return await self.call("POST", "/api/v2/statements", body=body, params=params, **more)

    async def get(self, handle: str = NOBODYS, **more: Any) -> Answered:
        return await self.call("GET", f"/api/v2/statements/{handle}", **more)

    async def cancel(self, handle: str = NOBODYS, **more: Any) -> Answered:
        return await self.call("POST", f"/api/v2/statements/{handle}/cancel", **more)

    async def handle(self, sql: str = "SELECT 1 AS n", *, is_over: bool = False, **more: Any) -> str:
        """A statement, still running or over."""
        submitted = await self.submit(sql, labels={} if is_over else LONG, **more)
        assert submitted.status == 202, submitted.body
        if is_over:
            await self.rig.settle()
        return str(submitted.body["statementHandle"])

    def refuse(self, status: int) -> None:
        kind = FaultKind.THROTTLE if status == 429 else FaultKind.SERVER_ERROR
        self.rig.fault(kind, *MethodClass, more={"status": status})

    def forbid(self) -> None:
        self.rig.world.identities.set("snowflake", {"somebody": Standing.FORBIDDEN})

    def revoke(self) -> None:
        self.rig.world.identities.set("snowflake", {"somebody": Standing.UNKNOWN})


Case = Callable[[Contract], Coroutine[Any, Any, Answered]]
"""Has the stand-in answer with one status."""


async def _submitted_in_time(contract: Contract) -> Answered:
    waiting = asyncio.create_task(contract.submit("SELECT 1 AS n", is_async=False))
    while not waiting.done():
        contract.rig.advance(0.01)
        await asyncio.to_thread(lambda: None)
    return await waiting


async def _timed_out(contract: Contract) -> Answered:
    fields = {"timeout": 2}
    waiting = asyncio.create_task(contract.submit(is_async=False, labels=LONG, fields=fields))
    while not waiting.done():
        contract.rig.advance(0.5)
        await asyncio.to_thread(lambda: None)
    return await waiting


async def _forbidden(contract: Contract, made: Case) -> Answered:
    contract.forbid()
    return await made(contract)


def refused(status: int, call: Case) -> Case:
    """The gateway's or the service's own refusal."""

    async def case(contract: Contract) -> Answered:
        contract.refuse(status)
        return await call(contract)

    return case


def standing(call: Case, *, is_forbidden: bool = False) -> Case:
    """An identity that is no longer, or not, allowed."""

    async def case(contract: Contract) -> Answered:
        if is_forbidden:
            contract.forbid()
        else:
            contract.revoke()
        return await call(contract)

    return case


async def _read_over(contract: Contract) -> Answered:
    return await contract.get(await contract.handle(is_over=True))


async def _read_running(contract: Contract) -> Answered:
    return await contract.get(await contract.handle())


async def _read_failed(contract: Contract) -> Answered:
    return await contract.get(await contract.handle("SELECT no_such_column", is_over=True))


async def _cancelled(contract: Contract) -> Answered:
    return await contract.cancel(await contract.handle())


async def _cancel_with_odd_id(contract: Contract) -> Answered:
    return await contract.cancel(await contract.handle(), params={"requestId": "no uuid"})


async def _submit_sync_failing(contract: Contract) -> Answered:
    waiting = asyncio.create_task(contract.submit("SELEC 1", is_async=False))
    while not waiting.done():
        contract.rig.advance(0.01)
        await asyncio.to_thread(lambda: None)
    return await waiting


XML = {"Content-Type": "text/xml"}
CASES: dict[tuple[str, int], Case] = {
    ("submit", 200): _submitted_in_time,
    ("submit", 202): Contract.submit,
    ("submit", 400): lambda contract: contract.call("POST", "/api/v2/statements", body=b"{not json"),
    ("submit", 401): standing(Contract.submit),
    ("submit", 403): standing(Contract.submit, is_forbidden=True),
    ("submit", 404): lambda contract: contract.call(
        "POST", "/api/v2/statement", body={"statement": "SELECT 1"}
    ),
    ("submit", 405): lambda contract: contract.call("GET", "/api/v2/statements"),
    ("submit", 408): _timed_out,
    ("submit", 415): lambda contract: contract.submit(headers=XML),
    ("submit", 422): _submit_sync_failing,
    ("submit", 429): refused(429, Contract.submit),
    ("submit", 500): refused(500, Contract.submit),
    ("submit", 503): refused(503, Contract.submit),
    ("submit", 504): refused(504, Contract.submit),
    ("get", 200): _read_over,
    ("get", 202): _read_running,
    ("get", 400): Contract.get,
    ("get", 401): standing(Contract.get),
    ("get", 403): standing(Contract.get, is_forbidden=True),
    ("get", 404): lambda contract: contract.call("GET", f"/api/v2/statements/{NOBODYS}/rows"),
    ("get", 405): lambda contract: contract.call("DELETE", f"/api/v2/statements/{NOBODYS}"),
    ("get", 415): lambda contract: contract.get(headers=XML),
    ("get", 422): _read_failed,
    ("get", 429): refused(429, Contract.get),
    ("get", 500): refused(500, Contract.get),
    ("get", 503): refused(503, Contract.get),
    ("get", 504): refused(504, Contract.get),
    ("cancel", 200): _cancelled,
    ("cancel", 400): _cancel_with_odd_id,
    ("cancel", 401): standing(Contract.cancel),
    ("cancel", 403): standing(Contract.cancel, is_forbidden=True),
    ("cancel", 404): lambda contract: contract.call("POST", f"/api/v2/statements/{NOBODYS}/cancels"),
    ("cancel", 405): lambda contract: contract.call("GET", f"/api/v2/statements/{NOBODYS}/cancel"),
    ("cancel", 422): Contract.cancel,
    ("cancel", 500): refused(500, Contract.cancel),
    ("cancel", 503): refused(503, Contract.cancel),
    ("cancel", 504): refused(504, Contract.cancel),
}


def test_every_documented_status_has_a_case() -> None:
    documented = {
        (operation, int(status))
        for operation in sql_api.OPERATIONS
        for status in sql_api.responses(operation)
    }
    assert documented == set(CASES)


@pytest.mark.parametrize(("operation", "status"), CASES)
async def test_the_stand_in_answers_as_documented(operation: str, status: int) -> None:
    async with snowflake_rig() as rig, aiohttp.ClientSession() as session:
        answered = await CASES[operation, status](Contract(rig, session))
        assert answered.status == status, answered.body
        sql_api.check_answer(operation, status, answered.body)


async def test_a_result_of_several_partitions_is_as_documented() -> None:
    sql = "SELECT seq AS n, REPEAT('x', 1000) AS t FROM (SELECT SEQ4() AS seq FROM TABLE(GENERATOR(ROWCOUNT => 20000)))"
    async with snowflake_rig() as rig, aiohttp.ClientSession() as session:
        contract = Contract(rig, session)
        handle = await contract.handle(sql, is_over=True)
        first = await contract.get(handle)
        assert first.status == 200, first.body
        sql_api.check_answer("get", 200, first.body)
        assert len(first.body["resultSetMetaData"]["partitionInfo"]) > 1
        assert 'rel="next"' in first.headers["Link"]
        second = await contract.get(handle, params={"partition": "1"})
        assert second.status == 200
        sql_api.check_answer("get", 200, second.body)
