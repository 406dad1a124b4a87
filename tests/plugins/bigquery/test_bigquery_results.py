"""Inputs, result rows and scripts against the stand-in."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import pytest

from propwash.sdk import (
    Permanent,
    RemotePhase,
    Unavailable,
    Value,
)
from tests.plugins.bigquery.bigquery_rig import BigQueryRig, bigquery_rig


@pytest.fixture
async def rig() -> AsyncIterator[BigQueryRig]:
    async with bigquery_rig() as made:
        yield made


async def test_results_are_typed_and_paged(rig: BigQueryRig) -> None:
    query = (
        "SELECT x, x / 2 AS half, CAST(x AS STRING) AS text, x > 1 AS more, b'ab' AS raw, "
        "TIMESTAMP '2024-02-29 12:00:00+00' AS at, [x, NULL] AS list, STRUCT(x AS a, 'b' AS b) AS pair "
        "FROM UNNEST([1, 2, 3]) AS x ORDER BY x"
    )
    job = await rig.handler.create(rig.request(query))
    await rig.settle()
    page = await rig.handler.results(rig.connection, job.meta, "", 2)
    assert page.total_rows == 3
    assert page.rows[0] == (
        1,
        0.5,
        "1",
        False,
        b"ab",
        "2024-02-29T12:00:00.000000Z",
        (1, None),
        {"a": 1, "b": "b"},
    )
    assert page.columns[0].type == "INTEGER"
    assert page.columns[6].type == "ARRAY<INTEGER>"
    rest = await rig.handler.results(rig.connection, job.meta, page.next_cursor, 2)
    assert [row[0] for row in rest.rows] == [3]
    assert rest.next_cursor == ""


async def test_results_of_a_live_job_are_not_there_yet(rig: BigQueryRig) -> None:
    job = await rig.handler.create(rig.long_request())
    reading = asyncio.ensure_future(rig.handler.results(rig.connection, job.meta, "", 2))
    while not reading.done():
        rig.advance(0.01)
        await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="no result yet"):
        await reading


async def test_inputs_are_bound(rig: BigQueryRig) -> None:
    query = (
        "SELECT @n + 1 AS n, @s AS s, ARRAY_LENGTH(@ids) AS ids, @m.a AS a, @nothing IS NULL AS is_null,"
        " @span AS span, @back AS back"
    )
    inputs: dict[str, Value] = {"n": 1, "s": "it's", "ids": [1, 2], "m": {"a": True}, "nothing": None}
    inputs |= {"span": dt.timedelta(hours=26, seconds=3.25), "back": dt.timedelta(minutes=-90)}
    job = await rig.handler.create(rig.request(query, inputs=inputs))
    await rig.settle()
    assert (await rig.look(job.meta)).phase is RemotePhase.SUCCEEDED
    page = await rig.handler.results(rig.connection, job.meta, "", 10)
    assert page.rows == ((2, "it's", 2, True, True, "0-0 1 2:0:3.250000", "0-0 0 -1:30:0"),)


async def test_input_that_cannot_be_bound_is_named(rig: BigQueryRig) -> None:
    with pytest.raises(Permanent, match=r"inputs\.ids\[1\]") as raised:
        await rig.handler.create(rig.request(inputs={"ids": [1, "two"]}))
    assert raised.value.reason == "INVALID_INPUTS"
    assert rig.world.ledger.summary()["total"] == 0


async def test_script_shows_its_children(rig: BigQueryRig) -> None:
    job = await rig.handler.create(rig.request("SELECT 1 AS a; SELECT 2 AS b;"))
    await rig.settle()
    seen = await rig.look(job.meta)
    assert seen.phase is RemotePhase.SUCCEEDED, seen
    assert seen.outputs["statement_type"] == "SCRIPT"
    assert seen.outputs["child_job_count"] == 2
    children = seen.outputs["child_jobs"]
    assert isinstance(children, tuple)
    assert isinstance(children[1], dict)
    assert seen.outputs["results"] == children[1]["results"]
