"""Every field that the SDKs' classes can write reaches the remote request, or is refused by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from propwash.core.names import remote_name
from propwash.engine.ids import new_uid
from propwash.sdk import Connection, CreateRequest, FlyteRequest, FlyteTask, Json, TemplateError
from propwash_aws.serverless.flyte import FIELDS as EMR_FIELDS
from propwash_bigquery import BigQueryHandler
from propwash_bigquery.flyte import QueryTasks
from propwash_bigquery.keys import JobKey
from propwash_bigquery.spec import BigQuerySpec
from propwash_snowflake.connection import settings_of
from propwash_snowflake.flyte import StatementTasks
from propwash_snowflake.spec import SnowflakeSpec
from propwash_snowflake.submission import body_of
from tests.flyte.sdk.sdk_params import SerialisedBy, of_both, of_flyte_sdk, of_flytekit
from tests.witness.environments import ROOT

PAGE = (ROOT / "docs" / "flyte.md").read_text(encoding="utf-8")
NOT_IN_QUERY = {"dry_run", "job_timeout_ms", "labels", "max_slots", "reservation"}
"""What the SDKs themselves leave out, as they write the part "query" of a QueryJobConfig alone."""
TASK = {"self", "name", "query_template", "inputs", "kwargs"}
BIGQUERY = {"ProjectID", "Location", "QueryJobConfig"}
SNOWFLAKE = {"account", "user", "warehouse", "database", "schema"}
CLASSES: dict[bool, dict[str, set[str]]] = {
    False: {
        "BigQueryConfig": BIGQUERY,
        "BigQueryTask": {*TASK, "task_config", "output_structured_dataset_type"},
        "SnowflakeConfig": SNOWFLAKE,
        "SnowflakeTask": {*TASK, "task_config", "output_schema_type"},
    },
    True: {
        "BigQueryConfig": BIGQUERY,
        "BigQueryTask": {*TASK, "plugin_config", "output_dataframe_type", "google_application_credentials"},
        "SnowflakeConfig": {*SNOWFLAKE, "connection_kwargs"},
        "SnowflakeTask": {
            *TASK,
            "plugin_config",
            "output_dataframe_type",
            "secret_group",
            "snowflake_private_key",
            "snowflake_private_key_passphrase",
            "batch",
        },
    },
}
"""What the tests of this folder give to the classes."""
HONOURED: dict[str, Json] = {
    "role": "R2",
    "warehouse": "W2",
    "database": "D2",
    "schema": "S2",
    "session_parameters": {"ROWS_PER_RESULTSET": 10},
    "timezone": "Asia/Tokyo",
    # Every statement of the SQL API commits by itself: true is what there is.
    "autocommit": True,
}


def created(asked: FlyteRequest, spec: Any, settings: Mapping[str, Any]) -> CreateRequest[Any]:
    uid = new_uid(1_700_000_000.0)
    return CreateRequest(
        name=remote_name(owner="battery1", uid=uid, attempt=1),
        owner="battery1",
        uid=uid,
        attempt=1,
        spec=spec,
        inputs=asked.inputs,
        labels={},
        connection=Connection(name="c", endpoint="http://127.0.0.1:1", settings=settings),
    )


def query_of(task: FlyteTask) -> dict[str, Any]:
    """configuration.query of the job that would be inserted."""
    asked = QueryTasks().request(task)
    request = created(asked, BigQuerySpec.model_validate(asked.spec), {"project": "a-project"})
    job: Any = BigQueryHandler().resource(request, JobKey("a-project", "", request.name))
    found: dict[str, Any] = job["configuration"]["query"]
    return found


def body(task: FlyteTask) -> dict[str, Any]:
    """The body of the statement that would be submitted."""
    asked = StatementTasks().request(task)
    request = created(
        asked, SnowflakeSpec.model_validate(asked.spec), {"account": "acme-sandbox", "auth": "none"}
    )
    return body_of(request, settings_of(request.connection))


def bare(value: object) -> object:
    """A value as the API compares it: what is null is not there."""
    match value:
        case Mapping():
            return {name: bare(one) for name, one in value.items() if one is not None}
        case list() | tuple():
            return [bare(one) for one in value]
        case _:
            return value


@of_both
def test_the_classes_offer_what_the_tests_give_them(is_v2: bool, serialised: SerialisedBy) -> None:
    told = serialised(is_v2).told("classes")
    assert {name: set(told[name]) for name in CLASSES[is_v2]} == CLASSES[is_v2]


@of_flytekit
def test_every_field_of_an_emr_serverless_task_is_known(is_v2: bool, serialised: SerialisedBy) -> None:
    """What becomes of each is in test_flyte_emr_templates."""
    assert set(serialised(is_v2).told("classes")["EMRServerless"]) == set(EMR_FIELDS)


@of_both
def test_every_option_of_a_query_job_is_in_the_job(is_v2: bool, serialised: SerialisedBy) -> None:
    tasks = serialised(is_v2)
    plain = tasks.task("option-dry_run").custom
    unwritten = set()
    for option in tasks.told("classes")["QueryJobConfig"]:
        task = tasks.task(f"option-{option}")
        given = {
            name: value
            for name, value in task.custom.items()
            if name not in ("ProjectID", "Location", "Domain", "secrets")
        }
        if task.custom == plain:
            unwritten.add(option)
        sent = query_of(task)
        assert {name: bare(sent.get(name)) for name in given} == bare(given), option
    assert unwritten == NOT_IN_QUERY
    assert [name for name in sorted(NOT_IN_QUERY) if f"`{name}`" not in PAGE] == []


@of_both
def test_every_setting_of_a_statement_is_in_its_submission(is_v2: bool, serialised: SerialisedBy) -> None:
    task = serialised(is_v2).task("snowflake-session")
    assert set(task.custom if is_v2 else task.config) >= SNOWFLAKE
    sent = body(task)
    assert (sent["warehouse"], sent["database"], sent["schema"]) == ("COMPUTE_WH", "DEMO", "REPORTS")
    assert StatementTasks().request(task).account == {"account": "acme-sandbox", "user": "loader"}
    if is_v2:
        assert sent["role"] == "DEMO_ROLE"
        parameters = sent["parameters"]
        assert (parameters["TIMEZONE"], parameters["ROWS_PER_RESULTSET"]) == ("Europe/Zurich", "1000")
        assert '"query_tag":"nightly"' in parameters["QUERY_TAG"]
        assert task.custom["secrets"] == {
            "snowflake_private_key": "SALES_KEY",
            "snowflake_private_key_passphrase": "SALES_PASSPHRASE",
        }
        assert "SALES_KEY" not in repr(sent)


@of_flyte_sdk
def test_every_argument_of_snowflake_s_driver_is_in_the_submission_or_refused(
    is_v2: bool, serialised: SerialisedBy
) -> None:
    driver = serialised(is_v2).told("classes")["driver"]
    task = serialised(is_v2).task("snowflake-session")
    without = body(with_argument(task))
    for name in driver:
        asked = with_argument(task, **{name: HONOURED.get(name, "a-secret-7")})
        if name in HONOURED:
            assert name == "autocommit" or body(asked) != without, name
            continue
        with pytest.raises(TemplateError) as raised:
            body(asked)
        assert re.match(rf"custom\.connection_kwargs\.{name}: \w+", str(raised.value))
        assert "a-secret-7" not in str(raised.value)
    assert set(HONOURED) <= set(driver)
    assert [name for name in HONOURED if f"`{name}`" not in PAGE] == []


def with_argument(task: FlyteTask, **arguments: Json) -> FlyteTask:
    return replace(task, custom={**task.custom, "connection_kwargs": arguments})


@pytest.mark.parametrize("place", ["config", "custom"])
def test_a_setting_counts_in_the_old_place_and_in_the_new(place: str) -> None:
    given = {"account": "A", "user": "U", "warehouse": "W", "database": "D", "schema": "S", "role": "R"}
    fields: dict[str, Any] = {place: given}
    task = FlyteTask(task_type="snowflake", statement="SELECT 1", **fields)
    sent = body(task)
    assert {name: sent[name] for name in ("warehouse", "database", "schema", "role")} == {
        "warehouse": "W",
        "database": "D",
        "schema": "S",
        "role": "R",
    }
    assert StatementTasks().request(task).account == {"account": "A", "user": "U"}
