"""The handler against the stand-in: what was submitted, doubt, duplicates, many at once, cleanup, results."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import Deletion, NotFound, Observation, Permanent, RemotePhase, Unavailable
from propwash_snowflake.keys import StatementKey, read_meta
from propwash_snowflake.tagging import job_tag, name_in
from tests.plugins.snowflake.snowflake_rig import LONG, snowflake_rig


async def test_a_lost_answer_is_found_by_its_tag() -> None:
    async with snowflake_rig() as rig:
        request = rig.long_request()
        rig.fault(FaultKind.LOST_ANSWER, MethodClass.CREATE)
        with pytest.raises(Unavailable):
            await rig.handler.create(request)
        found = await rig.handler.find(rig.connection, request.name, b"")
        assert found is not None
        assert found.observation.phase is RemotePhase.RUNNING
        assert rig.live_count(request.name) == 1
        assert await rig.handler.find(rig.connection, rig.long_request().name, b"") is None


async def test_a_repeated_create_is_answered_the_first() -> None:
    async with snowflake_rig() as rig:
        request = rig.long_request()
        first, again = await rig.handler.create(request), await rig.handler.create(request)
        assert first.meta == again.meta
        assert rig.live_count(request.name) == 1


async def test_of_two_copies_the_younger_is_cancelled() -> None:
    async with snowflake_rig() as rig:
        request = rig.request(labels={**LONG, "sandbox-rerun": "yes"})
        first = await rig.handler.create(request)
        rig.advance(1.0)
        await rig.handler.create(request)
        assert rig.live_count(request.name) == 2
        found = await rig.handler.find(rig.connection, request.name, b"")
        rig.advance(1.0)
        assert found is not None
        assert read_meta(found.meta).handle == read_meta(first.meta).handle
        assert rig.live_count(request.name) == 1


async def test_a_requests_own_statements_are_no_copies() -> None:
    async with snowflake_rig() as rig:
        text = "CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2); SELECT n FROM t;"
        request = rig.request(text, statement_count=3)
        job = await rig.handler.create(request)
        await rig.settle()
        found = await rig.handler.find(rig.connection, request.name, b"")
        assert found is not None
        assert read_meta(found.meta).handle == read_meta(job.meta).handle
        assert rig.calls("statements.cancel") == 0


async def test_a_multi_statement_names_its_children() -> None:
    async with snowflake_rig() as rig:
        job = await rig.handler.create(rig.request("SELECT 1; SELECT 2;", statement_count=0))
        await rig.settle()
        told = await rig.look(job.meta)
        assert told.phase is RemotePhase.SUCCEEDED
        children = told.outputs["child_handles"]
        assert isinstance(children, tuple)
        assert len(set(children)) == 2


@pytest.mark.parametrize(("observe", "histories"), [("auto", 1), ("history", 1), ("statements", 0)])
async def test_many_are_watched_by_one_query(observe: str, histories: int) -> None:
    async with snowflake_rig(observe=observe) as rig:
        jobs = [await rig.handler.create(rig.long_request()) for _ in range(30)]
        before = rig.calls("statements.get")
        answers = await rig.handler.get(rig.connection, [job.meta for job in jobs])
        phases = {one.phase for one in answers.values() if isinstance(one, Observation)}
        assert (len(answers), phases) == (30, {RemotePhase.RUNNING})
        assert rig.calls("statements.history") == histories
        assert rig.calls("statements.get") - before == (0 if histories else 30)


async def test_what_a_late_history_leaves_out_is_read() -> None:
    async with snowflake_rig(observe="history") as rig:
        job = await rig.handler.create(rig.long_request())
        rig.fault(FaultKind.LIST_MISSES_NEWEST, MethodClass.LIST, limit=None, more={"duration_s": 60.0})
        assert (await rig.look(job.meta)).phase is RemotePhase.RUNNING


async def test_outputs_are_the_same_whichever_way_it_is_watched() -> None:
    told = []
    for observe in ("history", "statements"):
        async with snowflake_rig(observe=observe) as rig:
            job = await rig.handler.create(rig.request("SELECT 1 AS n, 'a' AS who"))
            await rig.settle()
            told.append(dict((await rig.look(job.meta)).outputs))
    assert told[0].keys() == told[1].keys()
    assert (told[0]["row_count"], told[0]["schema"]) == (1, told[1]["schema"])


async def test_what_neither_knows_is_gone() -> None:
    async with snowflake_rig() as rig:
        meta = StatementKey("01b00000-0000-0000-0000-000000000bad").meta()
        assert isinstance((await rig.handler.get(rig.connection, [meta]))[meta], NotFound)
        assert rig.calls("statements.history") == 1


async def test_delete_is_confirmed_by_state_with_and_without_a_meta() -> None:
    async with snowflake_rig() as rig:
        request, other = rig.long_request(), rig.long_request()
        job, _ = await rig.handler.create(request), await rig.handler.create(other)
        for name, meta in ((request.name, job.meta), (other.name, None)):
            assert await rig.handler.delete(rig.connection, name, meta, b"") is Deletion.PENDING
            rig.advance(1.0)
            assert await rig.handler.delete(rig.connection, name, meta, b"") is Deletion.GONE
        assert rig.world.ledger.summary()["live"] == 0
        assert await rig.handler.delete(rig.connection, rig.request().name, None, b"") is Deletion.ABSENT


async def test_an_ignored_cancel_is_repeated() -> None:
    async with snowflake_rig() as rig:
        request = rig.long_request()
        job = await rig.handler.create(request)
        rig.fault(FaultKind.CANCEL_IGNORED, MethodClass.DELETE)
        for expected in (Deletion.PENDING, Deletion.PENDING, Deletion.GONE):
            assert await rig.handler.delete(rig.connection, request.name, job.meta, b"") is expected
            rig.advance(1.0)


async def test_the_sweep_lists_ours_and_lets_the_warehouse_sleep() -> None:
    async with snowflake_rig() as rig:
        request = rig.long_request()
        job = await rig.handler.create(request)
        await rig.handler.create(rig.long_request(owner="other"))
        listed = await rig.handler.list(rig.connection, "battery")
        assert [(one.name, read_meta(one.meta).handle) for one in listed] == [
            (request.name, read_meta(job.meta).handle)
        ]
        rig.advance(3600.0)
        assert len(await rig.handler.list(rig.connection, "battery")) == 1
        await rig.handler.delete(rig.connection, request.name, job.meta, b"")
        rig.advance(1.0)
        assert await rig.handler.list(rig.connection, "battery") == []
        asked = rig.calls("statements.history")
        assert await rig.handler.list(rig.connection, "battery") == ()
        assert rig.calls("statements.history") == asked
        await rig.handler.create(rig.long_request())
        assert len(await rig.handler.list(rig.connection, "battery")) == 1


async def test_inputs_are_bound_and_rows_are_typed() -> None:
    async with snowflake_rig() as rig:
        at = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
        request = rig.request(
            "SELECT ? AS n, ? AS r, ? AS who, ? AS yes, ? AS at",
            bindings=("n", "r", "who", "yes", {"input": "at", "type": "TIMESTAMP_LTZ"}),
            inputs={"n": 7, "r": 0.5, "who": "it's", "yes": True, "at": at},
        )
        job = await rig.handler.create(request)
        await rig.settle()
        page = await rig.handler.results(rig.connection, job.meta, "", 10)
        assert page.rows == ((7, 0.5, "it's", True, "2026-01-02T03:04:05.000000Z"),)
        assert (page.total_rows, page.next_cursor) == (1, "")


async def test_results_go_on_over_partitions() -> None:
    async with snowflake_rig() as rig:
        job = await rig.handler.create(
            rig.request("SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 2500))")
        )
        await rig.settle()
        cursor, count = "", 0
        for _ in range(5):
            page = await rig.handler.results(rig.connection, job.meta, cursor, 1000)
            count, cursor = count + len(page.rows), page.next_cursor
            if not cursor:
                break
        assert (count, page.total_rows) == (2500, 2500)


@pytest.mark.parametrize(
    ("bindings", "inputs", "said"),
    [
        (("n",), {}, "inputs.n: is missing"),
        ((), {"n": 1}, "inputs.n: is bound to no placeholder"),
        (
            ({"input": "n", "type": "DATE"},),
            {"n": "tomorrow"},
            "inputs.n: str cannot be bound as DATE",
        ),
        (("n",), {"n": {"a": 1}}, "inputs.n: a map cannot be bound"),
        (("n",), {"n": [1, "a"]}, "inputs.n: a list of FIXED and TEXT"),
    ],
)
async def test_inputs_that_do_not_fit(bindings: object, inputs: dict[str, object], said: str) -> None:
    async with snowflake_rig() as rig:
        request = replace(rig.request("SELECT ?", bindings=bindings), inputs=inputs)  # type: ignore[arg-type]
        with pytest.raises(Permanent, match=said):
            await rig.handler.create(request)
        assert rig.world.ledger.summary()["total"] == 0


async def test_the_connection_is_checked_from_end_to_end() -> None:
    async with snowflake_rig() as rig:
        steps = await rig.handler.check(rig.connection)
        assert [(one.what, one.is_ok) for one in steps] == [
            ("settings", True),
            ("token", True),
            ("statement", True),
            ("history", True),
        ]
        assert rig.world.ledger.summary()["total"] == 0
    async with snowflake_rig(history_warehouse="NO_WH") as rig:
        last = (await rig.handler.check(rig.connection))[-1]
        assert (last.what, last.is_ok) == ("history", False)
        assert "history_warehouse" in last.remedy


def test_a_tag_keeps_the_name_first_and_fits() -> None:
    labels = {f"label-{number:03d}": "x" * 50 for number in range(60)}
    request_tag = job_tag("pw-me-0-1", of_spec="mine", labels=labels)  # type: ignore[arg-type]
    assert len(request_tag) <= 2000
    assert name_in(request_tag) == "pw-me-0-1"
    assert '"query_tag":"mine"' in request_tag
    assert name_in("anything else") == name_in("") == ""
