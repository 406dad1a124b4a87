"""The official google-cloud-bigquery client, unmodified, makes real calls to the sandbox over a real port.

It blocks, so its calls run in a thread while the sandbox serves on the test's loop.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from propwash.sandbox import Sandbox, SandboxOptions, running_sandbox
from tests.sandbox.official_bigquery import in_thread, official_client

PROJECT = "acme-data"
UTC = datetime.UTC


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(SandboxOptions(stand_ins=["bigquery"])) as serving:
        yield serving


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[bigquery.Client]:
    with official_client(sandbox.url, project=PROJECT) as made:
        yield made


def lasting(milliseconds: int, **more: Any) -> bigquery.QueryJobConfig:
    return bigquery.QueryJobConfig(labels={"sandbox-duration-ms": str(milliseconds)}, **more)


async def test_named_parameters_keep_their_types(client: bigquery.Client) -> None:
    noon = datetime.datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)
    given: list[tuple[str, str, Any]] = [
        ("i", "INT64", 2**60),
        ("f", "FLOAT64", 1.25),
        ("s", "STRING", "it's"),
        ("b", "BOOL", True),
        ("raw", "BYTES", b"\x00\xffz"),
        ("d", "DATE", datetime.date(2024, 2, 29)),
        ("dt", "DATETIME", datetime.datetime(2024, 2, 29, 1, 2, 3)),
        ("ts", "TIMESTAMP", noon),
        ("n", "NUMERIC", decimal.Decimal("12345678901234567890.123456789")),
        ("big", "BIGNUMERIC", decimal.Decimal("1.000000000001")),
        ("t", "TIME", datetime.time(4, 5, 6)),
        ("nothing", "STRING", None),
    ]
    parameters = [bigquery.ScalarQueryParameter(*each[:2], each[2]) for each in given]
    sql = "SELECT " + ", ".join(f"@{name} AS {name}" for name, _, _ in given)
    config = bigquery.QueryJobConfig(query_parameters=parameters)
    rows = await in_thread(lambda: list(client.query(sql, job_config=config).result()))
    assert dict(rows[0].items()) == {name: value for name, _, value in given}


async def test_positional_array_and_struct_parameters(client: bigquery.Client) -> None:
    config = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter(None, "INT64", 7),
            bigquery.ArrayQueryParameter(None, "STRING", ["a", "b"]),
            bigquery.StructQueryParameter(
                None,
                bigquery.ScalarQueryParameter("x", "INT64", 1),
                bigquery.ArrayQueryParameter(
                    "when", "TIMESTAMP", [datetime.datetime(2024, 1, 1, tzinfo=UTC)]
                ),
            ),
        ]
    )
    rows = await in_thread(lambda: list(client.query("SELECT ?, ? AS l, ? AS s", job_config=config).result()))
    assert rows[0].values() == (7, ["a", "b"], {"x": 1, "when": [datetime.datetime(2024, 1, 1, tzinfo=UTC)]})


async def test_query_and_wait_answers_in_one_call(client: bigquery.Client) -> None:
    sql = "SELECT n, TIMESTAMP '2024-01-01 00:00:00+00' AS at FROM UNNEST([1, 2, 3]) AS n ORDER BY n"
    rows = await in_thread(lambda: list(client.query_and_wait(sql)))
    assert [row.n for row in rows] == [1, 2, 3]
    assert rows[0].at == datetime.datetime(2024, 1, 1, tzinfo=UTC)


async def test_results_come_in_pages(client: bigquery.Client) -> None:
    sql = "SELECT n FROM UNNEST(GENERATE_ARRAY(1, 2500)) AS n ORDER BY n"

    def pages() -> list[list[int]]:
        iterator = client.query(sql).result(page_size=1000)
        return [[row.n for row in page] for page in iterator.pages]

    found = await in_thread(pages)
    assert [len(page) for page in found] == [1000, 1000, 500]
    assert [n for page in found for n in page] == list(range(1, 2501))


async def test_a_job_is_found_by_its_id_with_what_was_given(client: bigquery.Client) -> None:
    config = lasting(0, priority="BATCH")
    await in_thread(
        lambda: client.query("SELECT 1 AS n", job_id="my-job", job_retry=None, job_config=config).result()
    )
    job = await in_thread(lambda: client.get_job("my-job", location="US"))
    assert isinstance(job, bigquery.QueryJob)
    assert (job.state, job.priority, job.query) == ("DONE", "BATCH", "SELECT 1 AS n")
    assert (job.labels, job.statement_type) == ({"sandbox-duration-ms": "0"}, "SELECT")
    assert job.created is not None
    assert job.created <= job.started <= job.ended


async def test_a_taken_id_is_a_conflict_even_when_done_or_deleted(
    sandbox: Sandbox, client: bigquery.Client
) -> None:
    await in_thread(lambda: client.query("SELECT 1", job_id="once", job_retry=None).result())
    with pytest.raises(exceptions.Conflict, match=r"Already Exists: Job acme-data:US\.once"):
        await in_thread(lambda: client.query("SELECT 1", job_id="once", job_retry=None))
    await in_thread(lambda: client.delete_job_metadata("once", location="US"))
    with pytest.raises(exceptions.NotFound):
        await in_thread(lambda: client.get_job("once", location="US"))
    with pytest.raises(exceptions.Conflict):
        await in_thread(lambda: client.query("SELECT 1", job_id="once", job_retry=None))
    summary = sandbox.world.ledger.summary()
    assert (summary["total"], summary["created_twice"], summary["duplicate_requests"]) == (1, 0, 2)


async def test_a_job_elsewhere_needs_its_location(client: bigquery.Client) -> None:
    await in_thread(
        lambda: client.query("SELECT 1", job_id="far", job_retry=None, location="europe-west3").result()
    )
    with pytest.raises(exceptions.NotFound, match="far"):
        await in_thread(lambda: client.get_job("far", location="US"))
    assert (await in_thread(lambda: client.get_job("far", location="europe-west3"))).state == "DONE"


async def test_lists_filter_by_state_and_time(client: bigquery.Client) -> None:
    await in_thread(lambda: client.query("SELECT 1", job_id="old", job_retry=None).result())
    config = lasting(60_000)
    running = await in_thread(
        lambda: client.query("SELECT 2", job_id="new", job_retry=None, job_config=config)
    )

    def ids(**wanted: Any) -> list[str]:
        return [job.job_id for job in client.list_jobs(**wanted)]

    assert await in_thread(ids) == ["new", "old"]
    assert await in_thread(lambda: ids(state_filter="done")) == ["old"]
    assert await in_thread(lambda: ids(state_filter="running")) == ["new"]
    assert await in_thread(lambda: ids(state_filter="pending")) == []
    assert await in_thread(lambda: ids(max_results=1)) == ["new"]
    assert await in_thread(lambda: ids(page_size=1)) == ["new", "old"]
    assert running.created is not None
    later = running.created + datetime.timedelta(hours=1)
    assert await in_thread(lambda: ids(min_creation_time=later)) == []
    assert await in_thread(lambda: ids(max_creation_time=later)) == ["new", "old"]


async def test_cancel_ends_a_waiting_and_a_computing_job(sandbox: Sandbox, client: bigquery.Client) -> None:
    many = "UNNEST(GENERATE_ARRAY(1, 300000))"
    heavy = f"SELECT COUNT(*) FROM {many} x, {many} y WHERE x * y > 5"

    def cancelled(sql: str, config: bigquery.QueryJobConfig) -> dict[str, Any]:
        job = client.query(sql, job_config=config)
        job.cancel()
        assert job.exception(timeout=20) is not None  # type: ignore[no-untyped-call]
        error: dict[str, Any] = job.error_result
        return error

    for sql, config in (("SELECT 1", lasting(60_000)), (heavy, bigquery.QueryJobConfig())):
        error = await in_thread(lambda sql=sql, config=config: cancelled(sql, config))  # type: ignore[misc]
        assert error["reason"] == "stopped"
    summary = sandbox.world.ledger.summary()
    assert (summary["live"], summary["cancelled"]) == (0, 2)


async def test_a_job_past_its_timeout_is_stopped(client: bigquery.Client) -> None:
    config = lasting(60_000, job_timeout_ms=30)
    job = await in_thread(lambda: client.query("SELECT 1", job_config=config))
    assert await in_thread(lambda: job.exception(timeout=20)) is not None  # type: ignore[no-untyped-call]
    message = "Job execution was cancelled: Job timed out after 0.03s"
    assert job.error_result == {"reason": "stopped", "message": message}


async def test_a_script_has_children(client: bigquery.Client) -> None:
    script = "DECLARE x INT64 DEFAULT 5; SET x = x * 2; SELECT x AS first; SELECT x + 1 AS second;"

    def run() -> tuple[bigquery.QueryJob, list[Any], list[Any]]:
        job = client.query(script, job_id="script", job_retry=None)
        rows = [row.second for row in job.result()]
        return job, rows, list(client.list_jobs(parent_job="script"))

    job, rows, children = await in_thread(run)
    assert (rows, job.num_child_jobs, job.statement_type) == ([11], 2, "SCRIPT")
    assert [child.query for child in children] == ["SELECT x + 1 AS second", "SELECT x AS first"]
    assert {child.parent_job_id for child in children} == {"script"}
    assert children[0].script_statistics.evaluation_kind == "STATEMENT"
    assert [job.job_id for job in await in_thread(lambda: list(client.list_jobs()))] == ["script"]


async def test_a_dry_run_leaves_no_job(sandbox: Sandbox, client: bigquery.Client) -> None:
    config = bigquery.QueryJobConfig(dry_run=True)
    job = await in_thread(lambda: client.query("SELECT 1 AS n, 'a' AS s", job_config=config))
    assert (job.dry_run, job.total_bytes_processed, job.statement_type) == (True, 0, "SELECT")
    assert [(field.name, field.field_type) for field in job.schema or ()] == [
        ("n", "INTEGER"),
        ("s", "STRING"),
    ]
    with pytest.raises(exceptions.BadRequest, match="Syntax error"):
        await in_thread(lambda: client.query("SELEC 1", job_config=config))
    assert sandbox.world.ledger.summary()["total"] == 0


@pytest.mark.parametrize(
    ("sql", "kind", "reason", "words"),
    [
        ("SELECT FROM WHERE", exceptions.BadRequest, "invalidQuery", r"Syntax error: .* at \[1:"),
        ("SELECT nope", exceptions.BadRequest, "invalidQuery", r"Unrecognized name: nope at \[1:8\]"),
        ("SELECT 1/0", exceptions.BadRequest, "invalidQuery", "division by zero"),
        ("SELECT ERROR('my fault')", exceptions.BadRequest, "invalidQuery", "my fault"),
        ("SELECT @missing", exceptions.BadRequest, "invalidQuery", "Query parameter 'missing' not found"),
        ("SELECT * FROM t", exceptions.BadRequest, "invalidQuery", "must be qualified with a dataset"),
        ("SELECT * FROM d.t", exceptions.NotFound, "notFound", "Not found: Dataset acme-data:d"),
        ("SELECT * FROM `other-project.d.t`", exceptions.NotFound, "notFound", "Dataset other-project:d"),
    ],
)
async def test_a_bad_query_fails_in_bigquerys_words(
    client: bigquery.Client, sql: str, kind: type[Exception], reason: str, words: str
) -> None:
    job = await in_thread(lambda: client.query(sql, job_retry=None))
    with pytest.raises(kind, match=words):
        await in_thread(lambda: job.result(job_retry=None))
    await in_thread(job.reload)
    assert job.error_result is not None
    assert job.error_result["reason"] == reason


async def test_a_job_can_be_told_its_reason_to_fail(client: bigquery.Client) -> None:
    config = bigquery.QueryJobConfig(labels={"sandbox-fail-reason": "resources-exceeded"})
    job = await in_thread(lambda: client.query("SELECT 1", job_config=config, job_retry=None))
    await in_thread(job.exception)
    assert job.error_result["reason"] == "resourcesExceeded"


async def test_legacy_sql_and_bad_requests_are_refused(client: bigquery.Client) -> None:
    with pytest.raises(exceptions.BadRequest, match="Legacy SQL"):
        await in_thread(
            lambda: client.query("SELECT 1", job_config=bigquery.QueryJobConfig(use_legacy_sql=True))
        )
    with pytest.raises(exceptions.BadRequest, match="Label key"):
        await in_thread(
            lambda: client.query("SELECT 1", job_config=bigquery.QueryJobConfig(labels={"Up": "x"}))
        )
    with pytest.raises(exceptions.BadRequest, match="Invalid job ID"):
        await in_thread(lambda: client.query("SELECT 1", job_id="no spaces", job_retry=None))
