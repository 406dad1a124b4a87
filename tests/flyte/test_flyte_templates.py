"""What the handlers make of templates, those that Flyte's own SDKs serialised among them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core import tasks_pb2

from propwash.api.flyte.literals import struct_values
from propwash.sdk import (
    Column,
    FlyteDataset,
    FlyteDialect,
    FlyteDone,
    FlyteInput,
    FlyteKind,
    FlyteTask,
    Json,
    TemplateError,
    Value,
)
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


def kwargs(given: Any) -> dict[str, Any]:
    return {"statement": "SELECT 1", "custom": {"connection_kwargs": given}}


def pickled(statement: str) -> dict[str, Any]:
    declared = FlyteInput(kind=FlyteKind.LIST, element=FlyteInput(kind=FlyteKind.PICKLE))
    return {"statement": statement, "inputs": {"a": b"\x80"}, "input_types": {"a": declared}}


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


def test_parameters_of_the_configuration_stand_beside_the_inputs_or_declare_their_types() -> None:
    day: Json = {"name": "Day", "parameterType": {"type": "DATE"}, "parameterValue": {"value": None}}
    least: Json = {"name": "least", "parameterType": {"type": "INT64"}, "parameterValue": {"value": "3"}}
    null: Json = {"name": "null", "parameterType": {"type": "DATE"}, "parameterValue": {"value": None}}
    whole, text = FlyteInput(kind=FlyteKind.INTEGER), FlyteInput(kind=FlyteKind.STRING)
    asked = QueryTasks().request(
        FlyteTask(
            task_type="b",
            statement="SELECT 1",
            custom={"Location": None, "priority": None, "queryParameters": (day, least, null)},
            inputs={"day": "2024-02-29", "n": None, "texts": (), "m": None, "k": 1},
            input_types={
                "n": whole,
                "texts": FlyteInput(kind=FlyteKind.LIST, element=text),
                "m": FlyteInput(kind=FlyteKind.MAP, element=whole),
                "k": text,
            },
        )
    )
    assert asked.spec == {
        "query": "SELECT 1",
        "queryParameters": (
            {"name": "Day", "parameterType": {"type": "DATE"}},
            least,
            null,
            {"name": "n", "parameterType": {"type": "INT64"}},
            {"name": "texts", "parameterType": {"type": "ARRAY", "arrayType": {"type": "STRING"}}},
        ),
    }
    task = FlyteTask(task_type="b", statement="SELECT 1", custom={"queryParameters": 1})
    assert QueryTasks().request(task).spec["queryParameters"] == 1


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
            {"statement": "x", "custom": {"batch": "yes"}},
            "custom.batch: should be true or false",
        ),
        ("snowflake", {"statement": "x", "custom": {"acount": "a"}}, "custom.acount: is none of account"),
        ("snowflake", {"statement": "x", "config": {"acount": "a"}}, "config.acount: is none of account"),
        ("snowflake", kwargs("x"), "custom.connection_kwargs: should be a map"),
        (
            "snowflake",
            kwargs({"session_parameters": 1}),
            "custom.connection_kwargs.session_parameters: should",
        ),
        ("snowflake", kwargs({"autocommit": False}), "custom.connection_kwargs.autocommit: every statement"),
        ("snowflake", kwargs({"password": "p"}), "custom.connection_kwargs.password: credentials are those"),
        (
            "snowflake",
            kwargs({"login_timeout": 9}),
            "custom.connection_kwargs.login_timeout: is for Snowflake's",
        ),
        ("snowflake", kwargs({"user": "u"}), "custom.connection_kwargs.user: belongs into custom.user"),
        ("snowflake", {"statement": "{{ .inputs.a }}"}, "sql.statement: {{ .inputs.a }} names no input"),
        (
            "snowflake",
            {"statement": '"%(a)s"', "inputs": {"a": 1}},
            'sql.statement: "%(a)s" has a placeholder',
        ),
        (
            "snowflake",
            {"statement": "$$%(a)s$$", "inputs": {"a": 1}},
            "sql.statement: $$%(a)s$$ has a placeholder",
        ),
        (
            "snowflake",
            {"statement": "'%(a)s'", "inputs": {"a": (1, 2)}},
            "sql.statement: %(a)s is a list, and",
        ),
        ("snowflake", {"statement": "%(a)s", "inputs": {"a": ()}}, "sql.statement: %(a)s is an empty list"),
        ("snowflake", pickled("%(a)s"), "interface.inputs.a: is pickled by Python"),
        ("bigquery", pickled("@a"), "interface.inputs.a: is pickled by Python"),
        ("bigquery", {"statement": "x", "config": {"a": "b"}}, "config.a: a query's settings are in custom"),
        ("bigquery", {"statement": "x", "custom": {"query": "y"}}, "custom.query: is another query than"),
        (
            "bigquery",
            {"statement": "x", "custom": {"ProjectID": "a", "project": "b"}},
            "custom.project: is what custom.ProjectID says",
        ),
        ("bigquery", {"statement": "{{ .inputs.a }}"}, "sql.statement: {{ .inputs.a }} names no input"),
        (
            "bigquery",
            {"statement": "SELECT * FROM `d.{{ .inputs.a }}`", "inputs": {"a": "t"}},
            "sql.statement: `d.{{ .inputs.a }}` has a placeholder where no parameter can stand",
        ),
        (
            "bigquery",
            {"statement": "SELECT b'{{ .inputs.a }}'", "inputs": {"a": "t"}},
            "sql.statement: b'{{ .inputs.a }}' has a placeholder where no parameter can stand",
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
            outputs={
                "statement_handle": "h",
                "schema": ({"name": "A", "type": "fixed", "scale": 2}, {"name": "B", "type": "text"}),
            },
            spec={"schema": "S", "database": "E"},
            settings=settings,
            is_v2=is_v2,
        )
        columns = (Column(name="A", type="FIXED(38,2)"), Column(name="B", type="TEXT"))
        expected = {"results": FlyteDataset(uri=f"snowflake://{who}/W/E/S/h", columns=columns)}
        assert StatementTasks().outputs(done) == expected
    nothing = FlyteDone(outputs={}, spec={}, settings={}, is_v2=True)
    assert [task.outputs(nothing) for task in TASKS.values()] == [{}, {}, {}]
