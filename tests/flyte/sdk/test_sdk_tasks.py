"""Tasks of the SDKs' own classes run end to end at the stand-ins, sent by the published stubs over a real port."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import types_pb2
from flyteidl.core.execution_pb2 import TaskExecution

from propwash.api.flyte.literals import plain
from tests.flyte.flyte_callers import flyte
from tests.flyte.sdk import cases
from tests.flyte.sdk.calling import Caller, caller
from tests.flyte.sdk.sdk_params import SerialisedBy, of_both, of_flyte_sdk, of_flytekit
from tests.flyte.sdk.serialised import rows, run_sdk


def dataset(told: agent_pb2.Resource) -> Any:
    return told.outputs.literals["results"].scalar.structured_dataset


def columns(told: agent_pb2.Resource) -> dict[str, Any]:
    """The types of the result's columns; those of elements in a list."""
    found = dataset(told).metadata.structured_dataset_type.columns
    return {
        one.name: one.literal_type.simple
        if one.literal_type.WhichOneof("type") == "simple"
        else [one.literal_type.collection_type.simple]
        for one in found
    }


@of_both
async def test_bigquery_computes_with_inputs_of_every_type(
    is_v2: bool, serialised: SerialisedBy, tmp_path: Path
) -> None:
    async with caller("bigquery", tmp_path, serialised(is_v2)) as there:
        page = await there.rows("bigquery-typed")
        told = {one.name: (one.type, page.rows[0][index]) for index, one in enumerate(page.columns)}
        assert told == {
            "n": ("INTEGER", cases.BIG + 1),
            "x": ("FLOAT", 0.5),
            "yes": ("BOOLEAN", True),
            "s": ("STRING", cases.INPUTS["s"][1]),
            "noon": ("TIMESTAMP", "2024-02-29T10:30:00.250000Z"),
            "day": ("DATE", "2024-02-29"),
            "span": ("INTERVAL", "0-0 1 2:0:3"),
            "most": ("INTEGER", cases.BIG),
            "nothing": ("INTEGER", 0),
            "names": ("ARRAY<STRING>", ("a", "b")),
            "some": ("INTEGER", 3),
            "none": ("INTEGER", None),
            "no_day": ("TIMESTAMP", None),
            "a": ("INTEGER", 1),
            "number": ("INTEGER", 7),
            "color": ("STRING", "RED"),
            "orders": ("STRING", cases.TABLE),
        }
        job = await job_of(there, "bigquery-typed")
        sent = {one["name"]: one["parameterType"] for one in job["configuration"]["query"]["queryParameters"]}
        assert sent["no_ns"] == {"type": "ARRAY", "arrayType": {"type": "INT64"}}


@of_both
async def test_snowflake_computes_with_inputs_of_every_type(
    is_v2: bool, serialised: SerialisedBy, tmp_path: Path
) -> None:
    async with caller("snowflake", tmp_path, serialised(is_v2)) as there:
        page = await there.rows("snowflake-typed")
        told = {one.name: (one.type, page.rows[0][index]) for index, one in enumerate(page.columns)}
        noon = dt.datetime.fromisoformat(str(told.pop("NOON")[1]))
        assert noon == cases.NOON
        kind, no_day = told.pop("NO_DAY")
        assert (kind.startswith("TIMESTAMP"), no_day) == (True, None)
        assert told == {
            "N": ("FIXED", cases.BIG + 1),
            "X": ("REAL", 0.5),
            "YES": ("BOOLEAN", True),
            "S": ("TEXT", cases.INPUTS["s"][1]),
            "SHORT": ("TIME", "01:30:00"),
            "SOME": ("FIXED", 3),
            "NONE": ("FIXED", None),
            "COLOR": ("TEXT", "RED"),
            "ORDERS": ("TEXT", cases.TABLE),
            "REST": ("FIXED", 2),
            "PERCENT": ("TEXT", "100%"),
            "HAS_TWO": ("BOOLEAN", True),
            "HAS_C": ("BOOLEAN", False),
        }


@of_both
@pytest.mark.parametrize(
    ("system", "place"), [("bigquery", f"at {cases.BIG}!"), ("snowflake", f"at {cases.BIG}, 5%")]
)
async def test_placeholders_in_braces_are_values_and_quoted_ones_their_text(
    is_v2: bool, system: str, place: str, serialised: SerialisedBy, tmp_path: Path
) -> None:
    async with caller(system, tmp_path, serialised(is_v2)) as there:
        assert (await there.rows(f"{system}-braces")).rows == ((cases.BIG, "RED", place),)


@of_both
@pytest.mark.parametrize("system", ["bigquery", "snowflake"])
async def test_what_the_sdk_pickled_is_refused_by_its_name(
    is_v2: bool, system: str, serialised: SerialisedBy, tmp_path: Path
) -> None:
    tasks = serialised(is_v2)
    async with flyte(system, tmp_path, is_v2=is_v2) as there:
        answer = await there.tasks.CreateTask(tasks.request(f"{system}-pickled"))
        told = await there.get(bytes(answer.resource_meta))
        assert told.phase == TaskExecution.FAILED
        assert told.message.startswith("INVALID_TEMPLATE: interface.inputs.raw: is pickled by Python")
        assert await there.world.store.last_seq() == 0


@of_both
async def test_a_comment_hides_the_lines_that_the_sdk_joined_to_it(
    is_v2: bool, serialised: SerialisedBy, tmp_path: Path
) -> None:
    async with caller("bigquery", tmp_path, serialised(is_v2)) as there:
        assert [one.name for one in (await there.rows("bigquery-comment")).columns] == ["one"]


@of_both
async def test_a_query_job_s_configuration_is_the_job_s(
    is_v2: bool, serialised: SerialisedBy, tmp_path: Path
) -> None:
    async with caller("bigquery", tmp_path, serialised(is_v2)) as there:
        told, meta = await there.ran("bigquery-full", team="sales")
        assert (await rows(there.flyte, meta)).rows == (("a", "20.5"),)
        assert dataset(told).uri == "bq://a-project:reports.daily"
        # What was there before is replaced.
        assert (await there.sql("SELECT name FROM reports.daily")).rows == (("a",),)
        job = await job_of(there, "bigquery-full")
        configuration = job["configuration"]
        assert (job["jobReference"]["projectId"], job["jobReference"]["location"]) == ("a-project", "US")
        assert configuration["labels"]["team"] == "sales"
        assert configuration["jobTimeoutMs"] == "360000"
        query = configuration["query"]
        parameters = {one["name"]: one for one in query.pop("queryParameters")}
        day = {"parameterType": {"type": "DATE"}, "parameterValue": {"value": "2024-02-29"}}
        assert parameters["day"] == {"name": "day", **day}
        assert parameters["least"]["parameterValue"] == {"value": "10.5"}
        assert query == {
            "query": cases.BIGQUERY["full"].statement,
            "destinationTable": {"projectId": "a-project", "datasetId": "reports", "tableId": "daily"},
            "defaultDataset": {"projectId": "a-project", "datasetId": "sales"},
            "writeDisposition": "WRITE_TRUNCATE",
            "priority": "BATCH",
            "maximumBytesBilled": str(2**53 + 1),
            "useQueryCache": False,
            "useLegacySql": False,
            "parameterMode": "NAMED",
        }


@of_both
async def test_a_statement_runs_in_the_session_that_the_task_asks_for(
    is_v2: bool, serialised: SerialisedBy, tmp_path: Path
) -> None:
    async with caller("snowflake", tmp_path, serialised(is_v2)) as there:
        role = "DEMO_ROLE" if is_v2 else "PUBLIC"
        expected = ("COMPUTE_WH", "DEMO", "REPORTS", role, "a -- b", "5%")
        assert (await there.rows("snowflake-session")).rows == (expected,)


@of_flyte_sdk
async def test_a_batch_inserts_a_row_for_each_element(
    is_v2: bool, serialised: SerialisedBy, tmp_path: Path
) -> None:
    async with caller("snowflake", tmp_path, serialised(is_v2)) as there:
        assert (await there.rows("snowflake-batch")).rows == ((3,),)
        found = await there.sql("SELECT n, name, place FROM REPORTS.points ORDER BY n")
        values = zip(cases.BATCH_VALUES["ns"], cases.BATCH_VALUES["names"], strict=True)
        assert found.rows == tuple((n, name.upper(), "at (0, 0)") for n, name in values)


@of_both
async def test_a_result_has_the_columns_that_the_task_declares(
    is_v2: bool, serialised: SerialisedBy, tmp_path: Path
) -> None:
    async with caller("bigquery", tmp_path, serialised(is_v2)) as there:
        told, _ = await there.ran("bigquery-columns")
        declared = {"n": types_pb2.INTEGER, "name": types_pb2.STRING, "shares": [types_pb2.FLOAT]}
        assert columns(told) == declared
        # BigQuery tells a job's columns in dry runs alone, and nothing is made up.
        assert columns((await there.ran("bigquery-typed"))[0]) == {}
    async with caller("snowflake", tmp_path, serialised(is_v2)) as there:
        told, _ = await there.ran("snowflake-columns")
        assert columns(told) == {"n": types_pb2.INTEGER, "name": types_pb2.STRING}


@of_both
async def test_a_result_without_declared_columns_has_those_that_snowflake_tells(
    is_v2: bool, serialised: SerialisedBy, tmp_path: Path
) -> None:
    async with caller("snowflake", tmp_path, serialised(is_v2)) as there:
        told, _ = await there.ran("snowflake-undeclared")
        assert columns(told) == {
            "N": types_pb2.INTEGER,
            "SHARE": types_pb2.FLOAT,
            "NAME": types_pb2.STRING,
            "DAY": types_pb2.DATETIME,
            "YES": types_pb2.BOOLEAN,
        }


@of_both
async def test_the_sdk_s_own_readers_find_the_results(
    is_v2: bool, serialised: SerialisedBy, tmp_path: Path
) -> None:
    files = []
    handle = ""
    for system, name in (("bigquery", "full"), ("bigquery", "columns"), ("snowflake", "columns")):
        async with caller(system, tmp_path, serialised(is_v2)) as there:
            told, _ = await there.ran(f"{system}-{name}")
            if system == "snowflake":
                handle = str(told.custom_info["outputs"]["statement_handle"])  # type: ignore[index]
            else:
                anonymous = str(told.custom_info["outputs"]["results"])  # type: ignore[index]
            files.append(tmp_path / f"{system}-{name}.pb")
            files[-1].write_bytes(dataset(told).SerializeToString())
    read = run_sdk("flyte_reading" if is_v2 else "flytekit_reading", *files, is_v2=is_v2).splitlines()
    project, held, table = anonymous.removeprefix("bq://").split(".")
    assert [json.loads(line) for line in read] == [
        {
            "parent": "projects/a-project",
            "table": "projects/a-project/datasets/reports/tables/daily",
            "selected": [],
        },
        {
            "parent": "projects/a-project",
            "table": f"projects/{project}/datasets/{held}/tables/{table}",
            "selected": ["n", "name", "shares"],
        },
        {
            "user": "loader",
            "account": "acme-sandbox",
            "warehouse": "COMPUTE_WH",
            "database": "DEMO",
            "schema": "REPORTS",
            "query_id": handle,
        },
    ]


@of_flytekit
@pytest.mark.parametrize("name", ["spark", "hive"])
async def test_a_script_of_emr_serverless_runs(
    is_v2: bool, name: str, serialised: SerialisedBy, tmp_path: Path
) -> None:
    async with caller("aws", tmp_path, serialised(is_v2)) as there:
        service = there.flyte.world.scene.rig.stand_in.serverless  # type: ignore[attr-defined]  # AWS's rig has it
        hive = {"type": "HIVE", "releaseLabel": "emr-7.5.0", "clientToken": "one"}
        assert service.applications.create(hive).id == cases.HIVE_APPLICATION
        told, _ = await there.ran(f"emr_serverless-{name}")
        assert told.HasField("outputs")
        assert [link.name for link in told.log_links]
        assert there.flyte.live() == 0
        outputs: Any = told.custom_info["outputs"]
        run = service.runs.find(outputs["application_id"], outputs["job_run_id"])
        custom = plain(there.tasks.task(f"emr_serverless-{name}").custom)
        (driver,) = run.asked["jobDriver"].values()
        wanted: Any = custom[f"{name}_job_driver"]
        # What the SDK asks for besides, such as the variables of the execution, goes behind the driver's own.
        options = driver.pop("sparkSubmitParameters", "")
        assert options.startswith(wanted.pop("sparkSubmitParameters", ""))
        assert driver == wanted
        assert run.asked["executionRoleArn"] == custom["execution_role_arn"]
        assert run.asked["executionTimeoutMinutes"] == custom["execution_timeout_minutes"]


async def job_of(there: Caller, name: str) -> dict[str, Any]:
    """The job at the stand-in, as the API shows it. The task has run already: to ask for it again begins none."""
    told, _ = await there.ran(name)
    outputs: Any = told.custom_info["outputs"]
    base = there.flyte.world.scene.rig.sandbox.url  # type: ignore[attr-defined]  # every rig has one
    path = f"/bigquery/v2/projects/{outputs['project']}/jobs/{outputs['job_id']}"
    headers = {"Authorization": f"Bearer {there.flyte.world.scene.first}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(base + path, params={"location": outputs["location"]}, headers=headers) as answer,
    ):
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found
