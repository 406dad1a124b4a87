"""The official google-cloud-bigquery client, unmodified: extract and copy jobs, with the objects behind gs://."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.sandbox.official_bigquery import in_thread
from tests.sandbox.official_transfers import Bench, transfer_bench

PROJECT = "acme-data"
SALES = b"id,name,price,at\n1,tea,1.5,2024-01-01 00:00:00 UTC\n2,milk,2.25,2024-01-02 12:30:00 UTC\n3,,,\n"
ID = bigquery.SchemaField("id", "INTEGER", mode="REQUIRED")
NAME = bigquery.SchemaField("name", "STRING")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with transfer_bench() as made:
        yield made


async def test_a_table_goes_out_and_comes_back(bench: Bench) -> None:
    sql = (
        "CREATE TABLE d.t AS SELECT 1 AS id, 'tea, green' AS name, 1.5 AS price, TRUE AS ok,"
        " TIMESTAMP '2024-01-02 03:04:05.5+00' AS at, DATE '2024-02-29' AS day"
    )
    await bench.query(sql)
    job = await bench.extract("gs://files/out/t.csv")
    assert job.destination_uri_file_counts == [1]
    text = 'id,name,price,ok,at,day\n1,"tea, green",1.5,true,2024-01-02 03:04:05.5 UTC,2024-02-29\n'
    assert (await bench.fetch("out/t.csv")).decode() == text
    await bench.extract(
        "gs://files/out/t.json", destination_format="NEWLINE_DELIMITED_JSON", compression="GZIP"
    )
    record = json.loads(gzip.decompress(await bench.fetch("out/t.json")))
    assert (record["id"], record["price"], record["ok"]) == ("1", 1.5, True)
    await bench.extract("gs://files/out/t.parquet", destination_format="PARQUET", compression="SNAPPY")
    table = await in_thread(lambda: bench.client.get_table("d.t"))
    before = await bench.query("SELECT * FROM d.t")
    await bench.load("gs://files/out/t.csv", "d.csv", schema=table.schema, skip_leading_rows=1)
    await bench.load(
        "gs://files/out/t.json", "d.json", schema=table.schema, source_format="NEWLINE_DELIMITED_JSON"
    )
    await bench.load("gs://files/out/t.parquet", "d.parquet", source_format="PARQUET")
    for name in ("csv", "json", "parquet"):
        assert await bench.query(f"SELECT * FROM d.{name}") == before, name


async def test_a_wildcard_makes_shards(bench: Bench) -> None:
    await bench.query("CREATE TABLE d.t AS SELECT n FROM UNNEST(GENERATE_ARRAY(1, 2500)) AS n")
    job = await bench.extract("gs://files/shards/*.csv", print_header=False)
    assert job.destination_uri_file_counts == [3]
    names = await bench.names("shards/")
    assert names == [f"shards/{number:012d}.csv" for number in range(3)]
    numbers = [int(line) for name in names for line in (await bench.fetch(name)).split()]
    assert sorted(numbers) == list(range(1, 2501))
    several = await bench.extract(["gs://files/a-*.csv", "gs://files/b-*.csv"])
    assert several.destination_uri_file_counts == [2, 2]


async def test_a_nested_table_does_not_fit_csv(bench: Bench) -> None:
    await bench.query("CREATE TABLE d.t AS SELECT [1, 2] AS l, STRUCT(1 AS x, 'a' AS y) AS s")
    with pytest.raises(exceptions.BadRequest, match=r"nested schema\. Field: l"):
        await bench.extract("gs://files/t.csv")
    await bench.extract("gs://files/t.json", destination_format="NEWLINE_DELIMITED_JSON")
    assert json.loads(await bench.fetch("t.json")) == {"l": ["1", "2"], "s": {"x": "1", "y": "a"}}
    await bench.extract("gs://files/t.parquet", destination_format="PARQUET")
    await bench.load("gs://files/t.parquet", "d.back", source_format="PARQUET")
    assert await bench.query("SELECT l, s FROM d.back") == await bench.query("SELECT l, s FROM d.t")


async def test_copies_keep_their_dispositions(bench: Bench) -> None:
    await bench.query("CREATE TABLE d.t AS SELECT 1 AS n UNION ALL SELECT 2")
    await bench.query("CREATE TABLE d.more AS SELECT 3 AS n")
    job = await bench.copy(["acme-data.d.t", "acme-data.d.more"])
    statistics = job._properties["statistics"]["copy"]  # the client shows no such property
    assert statistics == {"copiedRows": "3", "copiedLogicalBytes": "24"}
    with pytest.raises(exceptions.Conflict, match="Already Exists"):
        await bench.copy("acme-data.d.more")
    await bench.copy("acme-data.d.more", write_disposition="WRITE_APPEND")
    assert await bench.query("SELECT SUM(n), COUNT(*) FROM d.u") == [(9, 4)]
    await bench.copy("acme-data.d.more", write_disposition="WRITE_TRUNCATE")
    assert await bench.query("SELECT n FROM d.u") == [(3,)]
    await bench.query("CREATE TABLE d.other AS SELECT 'x' AS s")
    with pytest.raises(exceptions.BadRequest, match="schemas do not match"):
        await bench.copy(["acme-data.d.t", "acme-data.d.other"], "acme-data.d.v")


async def test_snapshot_clone_and_restore(bench: Bench) -> None:
    await bench.query("CREATE TABLE d.t AS SELECT 1 AS n")
    await bench.copy("acme-data.d.t", "acme-data.d.kept", operation_type="SNAPSHOT")
    await bench.query("UPDATE d.t SET n = 2 WHERE TRUE")
    await bench.copy("acme-data.d.t", "acme-data.d.twin", operation_type="CLONE")
    kept, twin = await in_thread(lambda: (bench.client.get_table("d.kept"), bench.client.get_table("d.twin")))
    source = bigquery.TableReference.from_string("acme-data.d.t")
    assert (kept.table_type, twin.table_type) == ("SNAPSHOT", "TABLE")
    assert kept.snapshot_definition is not None
    assert twin.clone_definition is not None
    assert (
        kept.snapshot_definition.base_table_reference == twin.clone_definition.base_table_reference == source
    )
    await bench.copy("acme-data.d.kept", "acme-data.d.back", operation_type="RESTORE")
    assert await bench.query("SELECT n FROM d.back") == [(1,)]
    assert await bench.query("SELECT n FROM d.twin") == [(2,)]
    with pytest.raises(exceptions.BadRequest, match="is not a snapshot"):
        await bench.copy("acme-data.d.t", "acme-data.d.no", operation_type="RESTORE")
    with pytest.raises(exceptions.Conflict):
        await bench.copy("acme-data.d.t", "acme-data.d.kept", operation_type="SNAPSHOT")


async def test_every_form_is_listed_found_and_cancelled(bench: Bench) -> None:
    await bench.put("a.csv", b"1\n")
    labels = {"sandbox-duration-ms": "600000"}
    client = bench.client

    def run() -> list[Any]:
        table = bigquery.TableReference.from_string("acme-data.d.t")
        to_extract = bigquery.ExtractJobConfig(labels=labels)  # type: ignore[no-untyped-call]
        jobs = [
            client.load_table_from_uri(
                "gs://files/a.csv", table, job_config=bigquery.LoadJobConfig(labels=labels)
            ),
            client.extract_table(table, "gs://files/x", job_config=to_extract),
            client.copy_table(table, table, job_config=bigquery.CopyJobConfig(labels=labels)),
        ]
        kinds = [type(job) for job in jobs]
        assert [type(job) for job in client.list_jobs()] == kinds[::-1]
        assert [type(client.get_job(job.job_id, location="US")) for job in jobs] == kinds
        for job in jobs:
            job.cancel()
            assert job.exception(timeout=20) is not None  # type: ignore[no-untyped-call]
        return [job.error_result["reason"] for job in jobs]

    assert await in_thread(run) == ["stopped"] * 3
    summary = bench.sandbox.world.ledger.summary()
    assert (summary["live"], summary["cancelled"]) == (0, 3)


async def test_objects_can_be_removed(bench: Bench) -> None:
    await bench.put("a/b.csv", b"1\n")
    url = f"{bench.sandbox.url}/storage/v1/b/files/o/a%2Fb.csv"
    async with bench.http.get(url) as answer:
        assert (await answer.json())["name"] == "a/b.csv"
    for status in (204, 404):
        async with bench.http.delete(url) as answer:
            assert answer.status == status
    assert await bench.names() == []
