"""Snowflake's stand-in really runs SQL: values in the API's text, bindings, DML, several statements, errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.snowflake_sandbox_rig import SnowflakeRig, decoded


@pytest.fixture
async def rig() -> AsyncIterator[SnowflakeRig]:
    made = SnowflakeRig()
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("expression", "kind", "written"),
    [
        ("1 + 1", "FIXED", "2"),
        ("1.50::NUMBER(10, 2)", "FIXED", "1.50"),
        ("0.5::FLOAT", "REAL", "0.5"),
        ("'a' || 'b'", "TEXT", "ab"),
        ("TRUE", "BOOLEAN", "true"),
        ("'2024-02-29'::DATE", "DATE", "19782"),
        ("'12:34:56'::TIME", "TIME", "45296.000000000"),
        ("'2024-01-01 00:00:01'::TIMESTAMP_NTZ", "TIMESTAMP_NTZ", "1704067201.000000000"),
        ("TO_BINARY('CAFE', 'HEX')", "BINARY", "CAFE"),
        ("NULL::INT", "FIXED", None),
        ("PARSE_JSON('{\"a\": 1}'):a::INT", "FIXED", "1"),
        ("IFF(1 > 2, 'x', 'y')", "TEXT", "y"),
    ],
)
async def test_values_are_written_as_the_api_has_them(
    rig: SnowflakeRig, expression: str, kind: str, written: str | None
) -> None:
    status, body = await rig.result(f"SELECT {expression} AS v")
    assert status == 200, body
    (column,) = body["resultSetMetaData"]["rowType"]
    assert (column["name"], column["type"].upper()) == ("V", kind)
    assert body["data"] == [[written]]


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("FIXED", "42", "42"),
        ("REAL", "0.25", "0.25"),
        ("TEXT", "it's; -- not SQL", "it's; -- not SQL"),
        ("BOOLEAN", "true", "true"),
        ("DATE", "1704067200000", "19723"),
        ("TIMESTAMP_NTZ", "1704067201000000000", "1704067201.000000000"),
        ("TEXT", None, None),
    ],
)
async def test_bindings_take_their_types(
    rig: SnowflakeRig, kind: str, value: str | None, written: str | None
) -> None:
    assert await rig.rows("SELECT ? AS v", bindings={"1": {"type": kind, "value": value}}) == [[written]]


async def test_an_array_binding_runs_once_for_each_element(rig: SnowflakeRig) -> None:
    assert (await rig.result("CREATE TABLE t (n INT, s TEXT)"))[0] == 200
    bindings = {
        "1": {"type": "FIXED", "value": ["1", "2", "3"]},
        "2": {"type": "TEXT", "value": ["a", "b", None]},
    }
    status, body = await rig.result("INSERT INTO t VALUES (?, ?)", bindings=bindings)
    assert (status, body["stats"]["numRowsInserted"]) == (200, 3)
    assert await rig.rows("SELECT n, s FROM t ORDER BY n") == [["1", "a"], ["2", "b"], ["3", None]]


async def test_changes_say_how_many_rows(rig: SnowflakeRig) -> None:
    await rig.result("CREATE TABLE t AS SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 10))")
    counted = []
    for sql in ("UPDATE t SET n = 100 WHERE n < 3", "DELETE FROM t WHERE n = 100", "INSERT INTO t SELECT 7"):
        status, body = await rig.result(sql)
        assert status == 200, body
        counted.append({name: count for name, count in body["stats"].items() if count})
    assert counted == [{"numRowsUpdated": 3}, {"numRowsDeleted": 3}, {"numRowsInserted": 1}]
    assert await rig.rows("SELECT COUNT(*) AS n FROM t") == [["8"]]


async def test_the_place_of_a_request_is_where_its_names_are_looked_up(rig: SnowflakeRig) -> None:
    await rig.result("CREATE DATABASE other")
    await rig.result("CREATE SCHEMA other.stage")
    await rig.result("CREATE TABLE other.stage.t AS SELECT 5 AS n")
    assert await rig.rows("SELECT n FROM t", database="OTHER", schema="STAGE") == [["5"]]
    assert (await rig.result("SELECT n FROM t"))[1]["code"] == "002003"
    assert await rig.rows("SELECT CURRENT_DATABASE() AS d, CURRENT_SCHEMA() AS s", database="OTHER") == [
        ["OTHER", "PUBLIC"]
    ]


async def test_several_statements_have_children_of_their_own(rig: SnowflakeRig) -> None:
    many = {"MULTI_STATEMENT_COUNT": "3"}
    status, body = await rig.result(
        "CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2); SELECT SUM(n) AS s FROM t", parameters=many
    )
    assert status == 200, body
    handles = body["statementHandles"]
    assert len(handles) == 3
    answer = [await rig.status(handle) for handle in handles]
    assert [status for status, _ in answer] == [200, 200, 200]


@pytest.mark.parametrize(("count", "code"), [("2", "000008"), (None, "000008")])
async def test_a_wrong_count_of_statements_is_refused(
    rig: SnowflakeRig, count: str | None, code: str
) -> None:
    more: dict[str, Any] = {} if count is None else {"parameters": {"MULTI_STATEMENT_COUNT": count}}
    status, body = await rig.result("SELECT 1; SELECT 2; SELECT 3", **more)
    assert (status, body["code"]) == (422, code)


async def test_a_transaction_of_several_statements_is_all_or_nothing(rig: SnowflakeRig) -> None:
    await rig.result("CREATE TABLE t (n INT)")
    any_count = {"MULTI_STATEMENT_COUNT": "0"}
    await rig.result("BEGIN; INSERT INTO t VALUES (1); ROLLBACK", parameters=any_count)
    await rig.result("BEGIN; INSERT INTO t VALUES (2); COMMIT", parameters=any_count)
    status, _ = await rig.result("BEGIN; INSERT INTO t VALUES (3); SELECT nonsense", parameters=any_count)
    assert status == 422
    assert await rig.rows("SELECT n FROM t") == [["2"]]


@pytest.mark.parametrize(
    ("sql", "code", "state"),
    [
        ("SELEC 1", "001003", "42000"),
        ("SELECT nothing", "000904", "42000"),
        ("SELECT * FROM nowhere", "002003", "42S02"),
        ("SELECT 1 / 0 AS n", "100051", None),
        ("SELECT 'x'::INT AS n", "100038", None),
        ("CREATE TABLE a.b.c (n INT)", "002003", "02000"),
    ],
)
async def test_errors_have_snowflake_s_codes(
    rig: SnowflakeRig, sql: str, code: str, state: str | None
) -> None:
    status, body = await rig.result(sql)
    assert (status, body["code"], body.get("sqlState")) == (422, code, state), body
    assert body["statementHandle"]


@pytest.mark.parametrize("sql", ["USE DATABASE demo", "BEGIN", "COMMIT", "SET x = 1"])
async def test_what_cannot_be_the_only_statement_is_refused(rig: SnowflakeRig, sql: str) -> None:
    status, body = await rig.result(sql)
    assert status == 422
    assert "not supported" in body["message"].lower() or "unsupported" in body["message"].lower(), body


async def test_a_large_result_comes_in_partitions(rig: SnowflakeRig) -> None:
    sql = "SELECT SEQ4() AS n, REPEAT('x', 200) AS s FROM TABLE(GENERATOR(ROWCOUNT => 20000))"
    handle = (await rig.submit(sql))["statementHandle"]
    rig.pass_time(0)
    await rig.ended(handle)
    rows: list[Any] = []
    first = await rig.call("statements.get", handle)
    assert first is not None
    infos = decoded(first)["resultSetMetaData"]["partitionInfo"]
    for number, info in enumerate(infos):
        answer = await rig.call("statements.get", handle, query={"partition": str(number)})
        assert answer is not None
        part = decoded(answer)["data"]
        assert len(part) == info["rowCount"]
        rows += part
    assert len(infos) > 1
    assert sorted(int(row[0]) for row in rows) == list(range(20_000))
    beyond = await rig.call("statements.get", handle, query={"partition": str(len(infos))})
    assert beyond is not None
    assert beyond.status == 400
