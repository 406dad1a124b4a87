"""The official google-cloud-bigquery client, unmodified: load jobs, with the objects behind gs://."""

from __future__ import annotations

import datetime
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


async def test_csv_is_loaded_by_its_schema(bench: Bench) -> None:
    await bench.put("in/sales.csv", SALES)
    schema = [
        ID,
        NAME,
        bigquery.SchemaField("price", "NUMERIC"),
        bigquery.SchemaField("at", "TIMESTAMP"),
    ]
    job = await bench.load("gs://files/in/sales.csv", schema=schema, skip_leading_rows=1)
    assert (job.output_rows, job.input_files, job.input_file_bytes) == (3, 1, len(SALES))
    assert job.output_bytes is not None
    assert job.destination == bigquery.TableReference.from_string("acme-data.d.t")
    rows = await bench.query("SELECT id, name, CAST(price AS STRING), at FROM d.t ORDER BY id")
    assert rows[1] == (2, "milk", "2.250000000", datetime.datetime(2024, 1, 2, 12, 30, tzinfo=datetime.UTC))
    assert rows[2] == (3, None, None, None)


async def test_autodetect_finds_header_and_types(bench: Bench) -> None:
    await bench.put("sales.csv", SALES)
    await bench.load("gs://files/sales.csv", autodetect=True)
    table = await in_thread(lambda: bench.client.get_table("d.t"))
    kinds = {field.name: field.field_type for field in table.schema}
    assert kinds == {"id": "INTEGER", "name": "STRING", "price": "FLOAT", "at": "TIMESTAMP"}
    assert table.num_rows == 3


async def test_json_with_nested_and_repeated_fields(bench: Bench) -> None:
    lines = [
        {"id": 1, "tags": ["a", "b"], "place": {"city": "Oslo", "no": 7}},
        {"id": 2, "tags": [], "place": None},
    ]
    body = gzip.compress("\n".join(json.dumps(line) for line in lines).encode())
    await bench.put("x.json.gz", body)
    fields = (bigquery.SchemaField("city", "STRING"), bigquery.SchemaField("no", "INTEGER"))
    schema = [
        ID,
        bigquery.SchemaField("tags", "STRING", mode="REPEATED"),
        bigquery.SchemaField("place", "RECORD", fields=fields),
    ]
    await bench.load("gs://files/x.json.gz", schema=schema, source_format="NEWLINE_DELIMITED_JSON")
    assert await bench.query("SELECT id, tags, place FROM d.t ORDER BY id") == [
        (1, ["a", "b"], {"city": "Oslo", "no": 7}),
        (2, [], None),
    ]
    await bench.load(
        "gs://files/x.json.gz", "d.found", autodetect=True, source_format="NEWLINE_DELIMITED_JSON"
    )
    assert await bench.query("SELECT place.city FROM d.found WHERE id = 1") == [("Oslo",)]


async def test_wildcards_and_dispositions(bench: Bench) -> None:
    for number in range(3):
        await bench.put(f"part-{number}.csv", f"{number},n{number}\n".encode())
    first = await bench.load("gs://files/part-*.csv", schema=[ID, NAME])
    assert (first.input_files, first.output_rows) == (3, 3)
    await bench.load(["gs://files/part-0.csv", "gs://files/part-1.csv"], schema=[ID, NAME])
    assert await bench.query("SELECT COUNT(*) FROM d.t") == [(5,)]
    await bench.load("gs://files/part-0.csv", write_disposition="WRITE_TRUNCATE")
    assert await bench.query("SELECT id, name FROM d.t") == [(0, "n0")]
    with pytest.raises(exceptions.Conflict, match="Already Exists: Table"):
        await bench.load("gs://files/part-0.csv", write_disposition="WRITE_EMPTY")
    with pytest.raises(exceptions.NotFound, match=r"Table acme-data:d\.none"):
        await bench.load(
            "gs://files/part-0.csv", "d.none", schema=[ID, NAME], create_disposition="CREATE_NEVER"
        )


async def test_fields_are_added_where_that_is_allowed(bench: Bench) -> None:
    await bench.put("one.csv", b"1\n")
    await bench.put("two.csv", b"2,b\n")
    await bench.load("gs://files/one.csv", schema=[ID])
    with pytest.raises(exceptions.BadRequest, match=r"does not match Table .*field: name"):
        await bench.load("gs://files/two.csv", schema=[ID, NAME])
    await bench.load("gs://files/two.csv", schema=[ID, NAME], schema_update_options=["ALLOW_FIELD_ADDITION"])
    assert await bench.query("SELECT id, name FROM d.t ORDER BY id") == [(1, None), (2, "b")]


async def test_bad_records_are_counted_up_to_the_limit(bench: Bench) -> None:
    await bench.put("bad.csv", b"1,a\nx,b\n3\n4,d\n")
    with pytest.raises(exceptions.BadRequest, match="too many errors, giving up") as raised:
        await bench.load("gs://files/bad.csv", schema=[ID, NAME], max_bad_records=1)
    assert raised.value.errors[0]["reason"] == "invalid"
    job = await bench.load("gs://files/bad.csv", schema=[ID, NAME], max_bad_records=2)
    assert job.output_rows == 2
    assert job._properties["statistics"]["load"]["badRecords"] == "2"  # the client shows no such property
    assert await bench.query("SELECT id FROM d.t ORDER BY id") == [(1,), (4,)]


@pytest.mark.parametrize(
    ("uri", "options", "kind", "words"),
    [
        ("gs://files/none.csv", {"schema": [ID]}, exceptions.NotFound, "Not found: URI gs://files/none.csv"),
        ("gs://files/no-*", {"schema": [ID]}, exceptions.NotFound, "Not found: URI"),
        ("gs://files/a.csv", {}, exceptions.BadRequest, "No schema specified on job or table"),
        ("gs://files/*/*", {"schema": [ID]}, exceptions.BadRequest, "more than one wildcard"),
        ("s3://files/a.csv", {"schema": [ID]}, exceptions.BadRequest, "Invalid value"),
        ("gs://files/a.csv", {"source_format": "PARQUET"}, exceptions.BadRequest, "Error while reading data"),
    ],
)
async def test_what_cannot_be_loaded(
    bench: Bench, uri: str, options: dict[str, Any], kind: type[Exception], words: str
) -> None:
    await bench.put("a.csv", b"1\n")
    with pytest.raises(kind, match=words):
        await bench.load(uri, **options)
    with pytest.raises(exceptions.NotFound):
        await in_thread(lambda: bench.client.get_table("d.t"))


async def test_a_missing_dataset_fails_each_form(bench: Bench) -> None:
    await bench.put("a.csv", b"1\n")
    with pytest.raises(exceptions.NotFound, match="Dataset acme-data:none"):
        await bench.load("gs://files/a.csv", "none.t", schema=[ID])
    with pytest.raises(exceptions.NotFound, match="Dataset acme-data:none"):
        await bench.extract("gs://files/x.csv", "acme-data.none.t")
    with pytest.raises(exceptions.NotFound, match="Dataset acme-data:none"):
        await bench.copy("acme-data.none.t")
