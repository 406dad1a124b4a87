"""The official google-cloud-bigquery client, unmodified, on datasets, tables, definition and manipulation."""

from __future__ import annotations

import decimal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from propwash.sandbox import Sandbox, SandboxOptions, running_sandbox
from tests.sandbox.official_bigquery import in_thread, official_client

PROJECT = "acme-data"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(SandboxOptions(stand_ins=["bigquery"])) as serving:
        yield serving


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[bigquery.Client]:
    with official_client(sandbox.url, project=PROJECT) as made:
        yield made


async def test_rows_of_an_anonymous_destination(client: bigquery.Client) -> None:
    def rows() -> list[Any]:
        job = client.query("SELECT 'x' AS a, 1 AS b")
        job.result()
        return [row.values() for row in client.list_rows(client.get_table(job.destination))]

    assert await in_thread(rows) == [("x", 1)]


async def test_definition_and_manipulation(client: bigquery.Client) -> None:
    def run(sql: str, **options: Any) -> bigquery.QueryJob:
        job = client.query(sql, job_config=bigquery.QueryJobConfig(**options))
        job.result()
        return job

    await in_thread(lambda: client.create_dataset("shop"))
    created = await in_thread(
        lambda: run("CREATE TABLE shop.sales (id INT64 NOT NULL, price NUMERIC, at TIMESTAMP)")
    )
    assert (created.statement_type, created.ddl_operation_performed) == ("CREATE_TABLE", "CREATE")
    assert created.ddl_target_table == bigquery.TableReference.from_string("acme-data.shop.sales")
    values = "(1, 1.5, '2024-01-01'), (2, 2.5, '2024-01-02'), (3, NULL, NULL)"
    inserted = await in_thread(lambda: run(f"INSERT shop.sales (id, price, at) VALUES {values}"))
    assert (inserted.num_dml_affected_rows, inserted.statement_type) == (3, "INSERT")
    updated = await in_thread(lambda: run("UPDATE shop.sales SET price = 9 WHERE id >= 2"))
    assert updated.num_dml_affected_rows == 2
    default = bigquery.DatasetReference(PROJECT, "shop")
    read = await in_thread(lambda: run("SELECT SUM(price) AS total FROM sales", default_dataset=default))
    assert next(iter(await in_thread(lambda: list(read.result())))).total == decimal.Decimal("19.5")
    assert read.referenced_tables == [bigquery.TableReference.from_string("acme-data.shop.sales")]
    table = await in_thread(lambda: client.get_table("shop.sales"))
    assert (table.num_rows, [field.field_type for field in table.schema]) == (
        3,
        ["INTEGER", "NUMERIC", "TIMESTAMP"],
    )


async def test_destination_tables_keep_their_dispositions(client: bigquery.Client) -> None:
    await in_thread(lambda: client.create_dataset("out"))
    target = bigquery.TableReference.from_string("acme-data.out.results")

    def write(disposition: str) -> int | None:
        config = bigquery.QueryJobConfig(destination=target, write_disposition=disposition)
        rows: Any = client.query("SELECT 1 AS n", job_config=config).result()
        total: int | None = rows.total_rows
        return total

    assert await in_thread(lambda: write("WRITE_EMPTY")) == 1
    with pytest.raises(exceptions.Conflict, match=r"Already Exists: Table acme-data:out\.results"):
        await in_thread(lambda: write("WRITE_EMPTY"))
    assert await in_thread(lambda: write("WRITE_APPEND")) == 2
    assert await in_thread(lambda: write("WRITE_TRUNCATE")) == 1
    rows = await in_thread(lambda: [row.n for row in client.list_rows(client.get_table(target))])
    assert rows == [1]


async def test_datasets_and_tables(client: bigquery.Client) -> None:
    fields = [
        bigquery.SchemaField("id", "INTEGER", mode="REQUIRED"),
        bigquery.SchemaField("tags", "STRING", mode="REPEATED"),
        bigquery.SchemaField("at", "RECORD", fields=(bigquery.SchemaField("x", "FLOAT"),)),
    ]

    def steps() -> None:
        client.create_dataset("d")
        with pytest.raises(exceptions.Conflict):
            client.create_dataset("d")
        client.create_table(bigquery.Table("acme-data.d.t", schema=fields))
        assert [table.table_id for table in client.list_tables("d")] == ["t"]
        assert [dataset.dataset_id for dataset in client.list_datasets()] == ["d"]
        assert client.get_dataset("d").location == "US"
        with pytest.raises(exceptions.BadRequest, match="still in use"):
            client.delete_dataset("d")
        client.delete_table("acme-data.d.t")
        client.delete_dataset("d", delete_contents=True)
        with pytest.raises(exceptions.NotFound):
            client.get_dataset("d")

    await in_thread(steps)


async def test_a_bill_above_the_limit_is_refused(client: bigquery.Client) -> None:
    def run() -> None:
        client.create_dataset("d")
        client.query("CREATE TABLE d.t AS SELECT 1 AS a").result()
        client.query("SELECT * FROM d.t", job_config=bigquery.QueryJobConfig(maximum_bytes_billed=1)).result()

    # The client knows no HTTP code for this reason, and so its exception's class depends on which call told it.
    with pytest.raises(exceptions.GoogleAPICallError, match="exceeded limit for bytes billed"):
        await in_thread(run)
