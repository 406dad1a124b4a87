"""Serialises tasks by flytekit's own classes; run by flytekit's interpreter.

python -m tests.flyte.sdk.flytekit_tasks FOLDER
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import sys
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from flytekit import StructuredDataset, TaskMetadata, kwtypes, task
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.core.base_task import PythonTask
from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from flytekit.tools.translator import get_serializable
from flytekitplugins.awsemrserverless import (
    EMRServerless,
    EMRServerlessHiveJobDriver,
    EMRServerlessSparkJobDriver,
)
from flytekitplugins.bigquery import BigQueryConfig, BigQueryTask
from flytekitplugins.snowflake import SnowflakeConfig, SnowflakeTask
from snowflake.connector.connection import DEFAULT_CONFIGURATION

from tests.flyte.sdk import bigquery_options, cases
from tests.flyte.sdk.cases import Case
from tests.flyte.sdk.writing import Folder

TYPES = {"orders": StructuredDataset, **{name: kind for name, (kind, _) in cases.INPUTS.items()}}
VALUES = {
    "orders": StructuredDataset(uri=cases.TABLE),
    **{name: value for name, (_, value) in cases.INPUTS.items()},
}
SETTINGS = SerializationSettings(
    image_config=ImageConfig(default_image=Image(name="default", fqn="ghcr.io/x/y", tag="z")),
    project="sales",
    domain="prod",
    version="v1",
)
SNOWFLAKE = SnowflakeConfig(
    user="loader", account="acme-sandbox", database="DEMO", schema="REPORTS", warehouse="COMPUTE_WH"
)
TIMEOUT = TaskMetadata(timeout=dt.timedelta(minutes=5))


def types_of(case: Case) -> dict[str, Any]:
    return {name: TYPES[name] for name in case.inputs}


def output_of(case: Case) -> Any:
    if not case.has_output:
        return None
    return Annotated[StructuredDataset, kwtypes(**case.columns)] if case.columns else StructuredDataset


def bigquery_task(name: str, case: Case, config: BigQueryConfig, **more: Any) -> BigQueryTask:
    return BigQueryTask(
        name=name,
        query_template=case.statement,
        task_config=config,
        inputs=types_of(case),
        output_structured_dataset_type=output_of(case),
        **more,
    )


def snowflake_task(name: str, case: Case, **more: Any) -> SnowflakeTask:
    return SnowflakeTask(
        name=name,
        query_template=case.statement,
        task_config=SNOWFLAKE,
        inputs=types_of(case),
        output_schema_type=output_of(case),
        **more,
    )


@task(  # type: ignore[untyped-decorator]
    task_config=EMRServerless(
        application_id="00sandboxapp",
        execution_role_arn="arn:aws:iam::123456789012:role/job",
        spark_job_driver=EMRServerlessSparkJobDriver(
            entry_point="s3://bucket/main.py",
            entry_point_arguments=["--day", "2024-02-29"],
            spark_submit_parameters="--conf spark.executor.cores=2",
        ),
        configuration_overrides={
            "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://bucket/logs/"}}
        },
        tags={"team": "sales"},
        execution_timeout_minutes=30,
        region="us-east-1",
    )
)
def spark() -> None:
    """A script that runs at EMR."""


@task(  # type: ignore[untyped-decorator]
    task_config=EMRServerless(
        application_id=cases.HIVE_APPLICATION,
        application_type="HIVE",
        execution_role_arn="arn:aws:iam::123456789012:role/job",
        hive_job_driver=EMRServerlessHiveJobDriver(
            query="s3://bucket/q.sql",
            init_query_file="s3://bucket/init.sql",
            parameters="--hiveconf hive.tez.cpu.vcores=1",
        ),
        region="us-east-1",
    )
)
def hive() -> None:
    """A query that runs at EMR."""


def tasks() -> Iterable[tuple[str, PythonTask, Case]]:
    """Every task with the name of its files."""
    full = bigquery_options.config(**bigquery_options.TOGETHER)
    nothing = Case(statement="SELECT 1 AS one")
    for name, case in cases.BIGQUERY.items():
        if name == "full":
            config = BigQueryConfig(ProjectID="a-project", Location="US", QueryJobConfig=full)
            yield "bigquery-full", bigquery_task(name, case, config, metadata=TIMEOUT), case
        else:
            yield f"bigquery-{name}", bigquery_task(name, case, BigQueryConfig(ProjectID="a-project")), case
    for option, value in bigquery_options.samples():
        config = BigQueryConfig(
            ProjectID="a-project", QueryJobConfig=bigquery_options.config(**{option: value})
        )
        yield f"option-{option}", bigquery_task(option, nothing, config), nothing
    for name, case in cases.SNOWFLAKE.items():
        yield f"snowflake-{name}", snowflake_task(name, case), case
    yield "emr_serverless-spark", spark, nothing
    yield "emr_serverless-hive", hive, nothing


def main(place: Path) -> None:
    folder = Folder(place)
    for name, one, case in tasks():
        template = get_serializable(OrderedDict(), SETTINGS, one).template.to_flyte_idl()
        given = {each: VALUES[each] for each in case.inputs}
        context = FlyteContextManager.current_context()
        inputs = TypeEngine.dict_to_literal_map(context, given, types_of(case)).to_flyte_idl()
        folder.write(name, template, inputs)
    folder.tell(
        "classes",
        {
            "BigQueryConfig": [one.name for one in dataclasses.fields(BigQueryConfig)],
            "EMRServerless": [one.name for one in dataclasses.fields(EMRServerless)],
            "BigQueryTask": list(inspect.signature(BigQueryTask.__init__).parameters),
            "SnowflakeConfig": [one.name for one in dataclasses.fields(SnowflakeConfig)],
            "SnowflakeTask": list(inspect.signature(SnowflakeTask.__init__).parameters),
            "QueryJobConfig": bigquery_options.options(),
            "driver": sorted(DEFAULT_CONFIGURATION),
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
