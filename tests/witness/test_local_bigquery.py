"""Query jobs against local-bigquery: a stand-in of BigQuery that is not our own idea of it.

What it lacks is in bigquery_witness.LACKS, with the test at the sandbox that stands in.
"""

from __future__ import annotations

import asyncio

import pytest

from propwash.sdk import Deletion, NotFound, Observation, Permanent, RemotePhase
from tests.witness.bigquery_witness import LACKS, LONG, witness
from tests.witness.environments import ROOT

pytestmark = pytest.mark.xdist_group("local-bigquery")


async def test_a_query_runs_to_its_end_and_its_rows_are_typed(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        asked = there.request(
            there.query,
            query="SELECT @n + 1 AS n, @who AS who, NULL AS nothing",
            inputs={"n": 41, "who": "x"},
        )
        job = await there.query.create(asked)
        seen = await there.ended(there.query, job.meta)
        assert seen.phase is RemotePhase.SUCCEEDED
        assert seen.outputs["job_id"] == asked.name
        page = await there.query.results(there.connection, job.meta, "", 10)
        assert [column.name for column in page.columns] == ["n", "who", "nothing"]
        assert page.rows == ((42, "x", None),)
        assert page.total_rows == 1


async def test_rows_are_read_page_by_page(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        asked = there.request(there.query, query="SELECT n FROM UNNEST(GENERATE_ARRAY(1, 25)) n ORDER BY n")
        job = await there.query.create(asked)
        await there.ended(there.query, job.meta)
        rows, cursor = [], ""
        while True:
            page = await there.query.results(there.connection, job.meta, cursor, 10)
            rows += [row[0] for row in page.rows]
            cursor = page.next_cursor
            if not cursor:
                break
        assert rows == list(range(1, 26))


async def test_twelve_creates_of_one_name_are_one_job(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        asked = there.request(there.query, query=LONG)
        jobs = await asyncio.gather(*(there.query.create(asked) for _ in range(12)))
        assert len({job.meta for job in jobs}) == 1
        listed = await there.query.list(there.connection, there.owner)
        assert [one.name for one in listed] == [asked.name]
        await there.gone(there.query, asked, jobs[0].meta)


async def test_a_taken_name_of_another_is_not_adopted(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        asked = there.request(there.query, query="SELECT 1 AS one")
        job = await there.query.create(asked)
        await there.ended(there.query, job.meta)
        stranger = there.request(there.query, query="SELECT 1 AS one")
        object.__setattr__(stranger, "name", asked.name)
        with pytest.raises(Permanent) as refused:
            await there.query.create(stranger)
        assert refused.value.reason == "NAME_TAKEN"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELEC 1", "INVALID_QUERY"),
        ("SELECT ERROR('no')", "INVALID_QUERY"),
        ("SELECT * FROM local.local.absent", "ACCESS_DENIED"),
        ("SELECT CAST('x' AS INT64)", "INVALID_QUERY"),
    ],
)
async def test_a_query_that_fails_says_why(local_bigquery: str, query: str, reason: str) -> None:
    async with witness(local_bigquery) as there:
        seen = await there.done(there.request(there.query, query=query), there.query)
        assert seen.phase is RemotePhase.FAILED
        assert (seen.reason, seen.is_retryable) == (reason, False)
        assert seen.message


async def test_a_dry_run_makes_no_job_and_refuses_what_would_fail(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        good = there.request(there.query, query="SELECT 1 AS one")
        await there.query.validate(good)
        assert await there.query.find(there.connection, good.name, good.hint) is None
        with pytest.raises(Permanent) as refused:
            await there.query.validate(there.request(there.query, query="SELEC 1"))
        assert refused.value.reason == "INVALID_QUERY"


async def test_a_cancel_is_confirmed_by_the_job_itself(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        asked = there.request(there.query, query=LONG)
        job = await there.query.create(asked)
        await there.gone(there.query, asked, job.meta)
        seen = await there.ended(there.query, job.meta)
        assert (seen.phase, seen.reason, seen.is_retryable) == (RemotePhase.FAILED, "STOPPED", False)
        assert await there.query.delete(there.connection, asked.name, job.meta, asked.hint) is Deletion.GONE
        assert await there.query.list(there.connection, there.owner) == []


async def test_a_cancel_by_name_alone_finds_the_job_and_knows_where_there_is_none(
    local_bigquery: str,
) -> None:
    async with witness(local_bigquery) as there:
        asked, absent = (there.request(there.query, query=LONG) for _ in range(2))
        await there.query.create(asked)
        await there.query.delete(there.connection, asked.name, None, asked.hint)
        found = await there.query.find(there.connection, asked.name, asked.hint)
        assert found is not None
        assert (await there.ended(there.query, found.meta)).reason == "STOPPED"
        assert await there.query.delete(there.connection, absent.name, None, absent.hint) is Deletion.ABSENT
        assert await there.query.find(there.connection, absent.name, absent.hint) is None
        missing = there.request(there.query, query=LONG)
        meta = found.meta.replace(asked.name.encode(), missing.name.encode())
        answers = await there.query.get(there.connection, [meta])
        assert isinstance(answers[meta], NotFound)


async def test_a_script_runs_with_its_children(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        script = "DECLARE x INT64 DEFAULT 1; SET x = x + 1; SELECT x AS x;"
        seen = await there.done(there.request(there.query, query=script), there.query)
        assert seen.phase is RemotePhase.SUCCEEDED


async def test_many_jobs_are_observed_by_lists(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        slow = [there.request(there.query, query=LONG) for _ in range(3)]
        quick = [there.request(there.query, query=f"SELECT {number} AS n") for number in range(27)]
        jobs = [await there.query.create(one) for one in slow]
        jobs += await asyncio.gather(*(there.query.create(one) for one in quick))
        metas = [job.meta for job in jobs]
        async with asyncio.timeout(40):
            while True:
                answers = await there.query.get(there.connection, metas)
                assert len(answers) == len(metas)
                phases = [seen.phase for seen in answers.values() if isinstance(seen, Observation)]
                assert len(phases) == len(metas)
                if phases.count(RemotePhase.SUCCEEDED) == len(quick):
                    break
                await asyncio.sleep(0.05)
        listed = await there.query.list(there.connection, there.owner)
        assert sorted(one.name for one in listed) == sorted(one.name for one in slow)
        for job, asked in zip(jobs, slow, strict=False):
            await there.gone(there.query, asked, job.meta)
            assert (await there.ended(there.query, job.meta)).reason == "STOPPED"


async def test_the_connection_passes_its_check(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        found = await there.query.check(there.connection)
        assert [one for one in found if not one.is_ok] == []


def test_what_it_lacks_is_covered_where_it_says() -> None:
    assert [place for place in LACKS.values() if not (ROOT / place).exists()] == []
