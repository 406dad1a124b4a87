"""Serialises tasks by flyte-sdk's own classes; run by flyte-sdk's interpreter.

python -m tests.flyte.sdk.flyte_tasks FOLDER
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import inspect
import sys
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from flyte._internal.runtime.convert import convert_from_native_to_inputs
from flyte._internal.runtime.task_serde import get_proto_task
from flyte.extend import TaskTemplate
from flyte.io import DataFrame
from flyte.models import SerializationContext
from flyteplugins.bigquery import BigQueryConfig, BigQueryTask
from flyteplugins.snowflake import Snowflake, SnowflakeConfig
from snowflake.connector.connection import DEFAULT_CONFIGURATION

from tests.flyte.sdk import bigquery_options, cases
from tests.flyte.sdk.cases import Case
from tests.flyte.sdk.writing import Folder

TYPES = {"orders": DataFrame, **{name: kind for name, (kind, _) in cases.INPUTS.items()}}
VALUES = {
    "orders": DataFrame(uri=cases.TABLE),
    **{name: value for name, (_, value) in cases.INPUTS.items()},
}
CONTEXT = SerializationContext(version="v1", project="sales", domain="prod", org="acme")
SNOWFLAKE = SnowflakeConfig(
    user="loader",
    account="acme-sandbox",
    database="DEMO",
    schema="REPORTS",
    warehouse="COMPUTE_WH",
    connection_kwargs={
        "role": "DEMO_ROLE",
        "timezone": "Europe/Zurich",
        "autocommit": True,
        "session_parameters": {"QUERY_TAG": "nightly", "ROWS_PER_RESULTSET": 1000},
    },
)
SECRETS = {
    "secret_group": "sales",
    "snowflake_private_key": "key",
    "snowflake_private_key_passphrase": "passphrase",
}


def types_of(case: Case) -> dict[str, Any]:
    return {name: TYPES[name] for name in case.inputs}


def output_of(case: Case) -> Any:
    if not case.has_output:
        return None
    return Annotated[DataFrame, OrderedDict(case.columns)] if case.columns else DataFrame


def bigquery_task(name: str, case: Case, config: BigQueryConfig, **more: Any) -> BigQueryTask:
    return BigQueryTask(
        name=name,
        query_template=case.statement,
        plugin_config=config,
        inputs=types_of(case),
        output_dataframe_type=output_of(case),
        google_application_credentials="SALES_KEY",
        **more,
    )


def snowflake_task(name: str, case: Case, **more: Any) -> Snowflake:
    return Snowflake(
        name=name,
        query_template=case.statement,
        plugin_config=SNOWFLAKE,
        inputs=types_of(case),
        output_dataframe_type=output_of(case),
        **SECRETS,
        **case.options,
        **more,
    )


def tasks() -> Iterable[tuple[str, TaskTemplate, Mapping[str, Any]]]:
    """Every task with the name of its files, and its inputs."""
    full = bigquery_options.config(**bigquery_options.TOGETHER)
    nothing = Case(statement="SELECT 1 AS one")
    for name, case in cases.BIGQUERY.items():
        given = {each: VALUES[each] for each in case.inputs}
        if name == "full":
            config = BigQueryConfig(ProjectID="a-project", Location="US", QueryJobConfig=full)
            yield (
                "bigquery-full",
                bigquery_task(name, case, config, timeout=dt.timedelta(minutes=5)),
                given,
            )
        else:
            yield f"bigquery-{name}", bigquery_task(name, case, BigQueryConfig(ProjectID="a-project")), given
    for option, value in bigquery_options.samples():
        config = BigQueryConfig(
            ProjectID="a-project", QueryJobConfig=bigquery_options.config(**{option: value})
        )
        yield f"option-{option}", bigquery_task(option, nothing, config), {}
    for name, case in cases.SNOWFLAKE.items():
        yield f"snowflake-{name}", snowflake_task(name, case), {each: VALUES[each] for each in case.inputs}
    yield "snowflake-batch", snowflake_task("batch", cases.BATCH), cases.BATCH_VALUES


def main(place: Path) -> None:
    folder = Folder(place)
    for name, one, given in tasks():
        inputs = asyncio.run(convert_from_native_to_inputs(one.native_interface, **given)).proto_inputs
        folder.write(name, get_proto_task(one, CONTEXT), inputs)
    folder.tell(
        "classes",
        {
            "BigQueryConfig": [one.name for one in dataclasses.fields(BigQueryConfig)],
            "BigQueryTask": list(inspect.signature(BigQueryTask.__init__).parameters),
            "SnowflakeConfig": [one.name for one in dataclasses.fields(SnowflakeConfig)],
            "SnowflakeTask": list(inspect.signature(Snowflake.__init__).parameters),
            "QueryJobConfig": bigquery_options.options(),
            "driver": sorted(DEFAULT_CONFIGURATION),
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
