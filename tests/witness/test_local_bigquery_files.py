"""Load, extract and copy jobs against local-bigquery, whose objects are files of a folder of its own."""

from __future__ import annotations

from typing import Any

import pytest

from propwash.sdk import CreateRequest, Deletion, RemotePhase
from propwash_bigquery.job_handler import BigQueryJobHandler
from tests.witness.bigquery_witness import DATASET, PROJECT, BigQueryWitness, witness

pytestmark = pytest.mark.xdist_group("local-bigquery")


def table(name: str) -> dict[str, str]:
    return {"projectId": PROJECT, "datasetId": DATASET, "tableId": name}


async def made(there: BigQueryWitness, name: str, rows: int) -> None:
    query = f"CREATE OR REPLACE TABLE {PROJECT}.{DATASET}.{name} AS SELECT n FROM UNNEST(GENERATE_ARRAY(1, {rows})) n"
    seen = await there.done(there.request(there.query, query=query), there.query)
    assert seen.phase is RemotePhase.SUCCEEDED, seen


async def counted(there: BigQueryWitness, name: str) -> int:
    asked = there.request(there.query, query=f"SELECT COUNT(*) AS n FROM {PROJECT}.{DATASET}.{name}")
    job = await there.query.create(asked)
    await there.ended(there.query, job.meta)
    ((count,),) = (await there.query.results(there.connection, job.meta, "", 1)).rows
    assert isinstance(count, int)
    return count


async def test_a_table_is_extracted_and_loaded_again(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        await made(there, "extracted", 30)
        extract = there.request(
            there.extract,
            source_table=table("extracted"),
            destination_uris=("gs://bucket/{{ .inputs.folder }}/rows-*.csv",),
            inputs={"folder": there.owner},
        )
        seen = await there.done(extract, there.extract)
        assert seen.phase is RemotePhase.SUCCEEDED, seen
        assert seen.outputs["destination_uri_file_counts"] == (1,)

        load = there.request(
            there.load,
            source_uris=(f"gs://bucket/{there.owner}/rows-*.csv",),
            destination_table=table("loaded"),
            skip_leading_rows=1,
            write_disposition="WRITE_TRUNCATE",
            schema={"fields": [{"name": "n", "type": "INTEGER"}]},
        )
        seen = await there.done(load, there.load)
        assert seen.phase is RemotePhase.SUCCEEDED, seen
        assert (seen.outputs["output_rows"], seen.outputs["input_files"]) == (30, 1)
        assert await counted(there, "loaded") == 30


async def test_a_table_is_copied(local_bigquery: str) -> None:
    async with witness(local_bigquery) as there:
        await made(there, "copied", 7)
        copy = there.request(
            there.copy,
            source_table=table("copied"),
            destination_table=table("copy_of_it"),
            write_disposition="WRITE_TRUNCATE",
        )
        seen = await there.done(copy, there.copy)
        assert seen.phase is RemotePhase.SUCCEEDED, seen
        assert seen.outputs["copied_rows"] == 7
        assert await counted(there, "copy_of_it") == 7


@pytest.mark.parametrize("form", ["load", "extract", "copy"])
async def test_a_job_that_fails_says_why_and_is_adopted_and_gone(local_bigquery: str, form: str) -> None:
    async with witness(local_bigquery) as there:
        handler: BigQueryJobHandler[Any]
        spec: dict[str, Any]
        match form:
            case "load":
                handler = there.load
                spec = {"source_uris": ("gs://bucket/absent.csv",), "destination_table": table("l")}
            case "extract":
                handler = there.extract
                spec = {"source_table": table("absent"), "destination_uris": ("gs://bucket/never.csv",)}
            case _:
                handler = there.copy
                spec = {"source_table": table("absent"), "destination_table": table("c")}
        asked: CreateRequest[Any] = there.request(handler, **spec)
        seen = await there.done(asked, handler)
        assert seen.phase is RemotePhase.FAILED
        assert seen.reason
        again = await handler.create(asked)
        assert again.observation.phase is RemotePhase.FAILED
        found = await handler.find(there.connection, asked.name, asked.hint)
        assert found is not None
        assert found.meta == again.meta
        assert await handler.delete(there.connection, asked.name, again.meta, asked.hint) is Deletion.GONE
        assert await handler.list(there.connection, there.owner) == []
