"""What the handlers make of templates, those that Flyte's own SDKs serialised among them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core import tasks_pb2

from propwash.api.flyte.literals import struct_values
from propwash.sdk import FlyteDataset, FlyteDialect, FlyteDone, FlyteTask, TemplateError, Value
from propwash_aws.serverless import ServerlessHandler
from propwash_aws.serverless.flyte import JobRunTasks
from propwash_bigquery import BigQueryHandler
from propwash_bigquery.flyte import QueryTasks
from propwash_snowflake import SnowflakeHandler
from propwash_snowflake.flyte import StatementTasks

VARIABLE = "PROPWASH_FLYTE_FIXTURES"
FIXTURES = Path(os.environ.get(VARIABLE) or Path(__file__).resolve().parents[3] / "shared" / "fixtures")
TASKS: dict[str, FlyteDialect] = {
    "bigquery": QueryTasks(),
    "snowflake": StatementTasks(),
    "emr": JobRunTasks(),
}
SPECS = {
    "bigquery": BigQueryHandler.spec_type,
    "snowflake": SnowflakeHandler.spec_type,
    "emr": ServerlessHandler.spec_type,
}
REAL: dict[str, dict[str, Any]] = {
    "bigquery": {"project": "a-project"},
    "emr": {"executionRoleArn": "arn:aws:iam::123456789012:role/r"},
}
"""In place of the templates' made-up names, which are too short to be real."""
INPUTS: dict[str, Value] = {"f": 0.5, "name": "x", "ok": True, "version": 3, "n": 7}


@pytest.mark.parametrize(
    "name",
    ["v1_bigquery_simple", "v1_bigquery_full", "v1_snowflake_simple", "v2_snowflake_full", "v1_emr_script"],
)
def test_what_the_sdks_serialise_is_a_valid_spec(name: str) -> None:
    place = FIXTURES / f"{name}.pb"
    if not place.is_file():
        pytest.skip(f"the SDKs' templates are not at {VARIABLE}, nor beside the repository")
    template = tasks_pb2.TaskTemplate.FromString(place.read_bytes())
    system = name.split("_")[1]
    task = FlyteTask(
        task_type=template.type,
        statement=template.sql.statement,
        custom=struct_values(template.custom),
        config=dict(template.config),
        inputs=INPUTS if "full" in name else {},
    )
    asked = TASKS[system].request(task)
    spec = SPECS[system].model_validate({**asked.spec, **REAL.get(system, {})})
    if name == "v1_bigquery_full":
        told = spec.model_dump(exclude_unset=True)
        assert told["maximum_bytes_billed"] in (1_000_000_000, "1000000000")
        assert (told["priority"], told["write_disposition"]) == ("BATCH", "WRITE_TRUNCATE")
        assert asked.inputs == INPUTS
    if name == "v2_snowflake_full":
        assert asked.spec["statement"] == "SELECT ?"
        assert (asked.inputs, asked.spec["role"]) == ({"n": 7}, "R")
        assert asked.account == {"account": "ORG-ACC", "user": "u"}
        assert "GRP_SF_KEY" not in repr(asked)
    if name == "v1_emr_script":
        assert asked.spec["executionTimeoutMinutes"] == 60
        assert asked.account == {"region": "us-east-1"}


@pytest.mark.parametrize(
    ("statement", "inputs", "expected", "names"),
    [
        ("SELECT 1", {}, "SELECT 1", ()),
        ("SELECT '100%%', %(a)s", {}, "SELECT '100%%', %(a)s", ()),
        ("SELECT %(a)s, %(b)s, %(a)s, '5%%'", {"a": 1, "b": 2}, "SELECT ?, ?, ?, '5%'", ("a", "b", "a")),
        ("SELECT {{ .inputs.a }} + {{.inputs.b}}", {"a": 1, "b": 2}, "SELECT ? + ?", ("a", "b")),
        ("SELECT 5 % 2", {"a": 1}, "SELECT 5 % 2", ()),
    ],
)
def test_placeholders_of_a_statement_become_bind_variables(
    statement: str, inputs: dict[str, Any], expected: str, names: tuple[str, ...]
) -> None:
    asked = StatementTasks().request(FlyteTask(task_type="snowflake", statement=statement, inputs=inputs))
    assert (asked.spec["statement"], asked.spec.get("bindings", ())) == (expected, names)
    assert set(asked.inputs) == set(names)


@pytest.mark.parametrize(
    ("system", "fields", "said"),
    [
        ("bigquery", {"statement": ""}, "sql.statement: is empty"),
        ("bigquery", {"statement": "x", "custom": {"ProjectID": 7}}, "custom.ProjectID: should be a text"),
        ("snowflake", {"statement": ""}, "sql.statement: is empty"),
        ("snowflake", {"statement": "%(b)s", "inputs": {"a": 1}}, "sql.statement: %(b)s names no input"),
        ("snowflake", {"statement": "x", "custom": {"account": 7}}, "custom.account: should be a text"),
        (
            "snowflake",
            {"statement": "x", "custom": {"connection_kwargs": {"autocommit": True}}},
            "custom.connection_kwargs.autocommit: is none of",
        ),
        ("emr", {"custom": {"application_id": "a"}}, "custom: should have one of spark_job_driver"),
        ("emr", {"custom": {"spark_job_driver": {"entryPoint": "a"}}}, "custom.application_id: is missing"),
    ],
)
def test_a_template_that_can_never_run_names_its_field(
    system: str, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(TemplateError) as raised:
        TASKS[system].request(FlyteTask(task_type=system, **fields))
    assert str(raised.value).startswith(said)


def test_the_addresses_of_results_are_those_that_the_sdks_read() -> None:
    table = {"results": "bq://example.com:proj.d.t"}
    of_query = FlyteDone(outputs=table, spec={}, settings={}, is_v2=False)
    assert QueryTasks().outputs(of_query) == {"results": FlyteDataset(uri="bq://example.com:proj:d.t")}
    settings = {"user": "u", "account": "a", "warehouse": "W", "database": "D"}
    for is_v2, who in ((False, "u:a"), (True, "u/a")):
        done = FlyteDone(
            outputs={"statement_handle": "h"},
            spec={"schema": "S", "database": "E"},
            settings=settings,
            is_v2=is_v2,
        )
        expected = {"results": FlyteDataset(uri=f"snowflake://{who}/W/E/S/h")}
        assert StatementTasks().outputs(done) == expected
    nothing = FlyteDone(outputs={}, spec={}, settings={}, is_v2=True)
    assert [task.outputs(nothing) for task in TASKS.values()] == [{}, {}, {}]
