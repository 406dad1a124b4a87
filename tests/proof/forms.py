"""Every form of work of the three systems, one plain job of each, for the proofs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from propwash.cli.demo.runs import (
    APPLICATION,
    CLUSTER,
    CONTAINERS,
    ROLE,
    SERVERLESS,
    STEP,
    VIRTUAL_CLUSTER,
    cluster,
)
from propwash.cli.demo.work import DURATION, Work
from propwash.client import Value

BIGQUERY = "bigquery"
SNOWFLAKE = "snowflake"
AWS = "aws"
_TABLE: Mapping[str, Value] = {"dataset_id": "demo", "table_id": "visits"}
CLUSTER_COUNT = 50
"""The sandbox has so many from its start, and each takes 256 steps at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form: the system it runs on, and its jobs by index and milliseconds."""

    name: str
    system: str
    draw: Callable[[int, int], Work]


def _bigquery(kind: str, spec: Callable[[int], Mapping[str, Value]]) -> Form:
    def draw(index: int, ms: int) -> Work:
        return Work(task_type=f"bigquery_{kind}_job_task", spec=spec(index), labels={DURATION: str(ms)})

    return Form(
        name=f"BigQuery {kind}",
        system=BIGQUERY,
        draw=draw,
    )


def _statement(index: int, ms: int) -> Work:
    return Work(task_type="snowflake", spec={"statement": f"SELECT {index} AS n"}, labels={DURATION: str(ms)})


def _run(_index: int, ms: int) -> Work:
    return Work(
        task_type=SERVERLESS,
        spec={
            "application_id": APPLICATION,
            "execution_role_arn": ROLE,
            "job_driver": {"spark_submit": {"entry_point": "s3://demo/visits.py"}},
        },
        labels={DURATION: str(ms)},
    )


def _pod(_index: int, ms: int) -> Work:
    return Work(
        task_type=CONTAINERS,
        spec={
            "virtual_cluster_id": VIRTUAL_CLUSTER,
            "execution_role_arn": ROLE,
            "release_label": "emr-7.5.0-latest",
            "job_driver": {"spark_submit_job_driver": {"entry_point": "s3://demo/visits.py"}},
        },
        labels={DURATION: str(ms)},
    )


def _step(index: int, ms: int) -> Work:
    return Work(
        task_type=STEP,
        spec={
            "cluster_id": cluster(1 + index % CLUSTER_COUNT),
            "spark_submit": ["s3://demo/visits.py", f"--{DURATION}={ms}"],
        },
    )


def _cluster(_index: int, ms: int) -> Work:
    return Work(
        task_type=CLUSTER,
        spec={
            "release_label": "emr-7.5.0",
            "instances": {"master_instance_type": "m5.xlarge", "instance_count": 1},
            "steps": [{"name": "visits", "hadoop_jar_step": {"jar": "s3://demo/visits.jar"}}],
        },
        labels={DURATION: str(ms)},
    )


FORMS: tuple[Form, ...] = (
    _bigquery("query", lambda index: {"query": f"SELECT {index} AS n"}),
    _bigquery(
        "load",
        lambda index: {
            "source_uris": ["gs://demo/visits-*.csv"],
            "source_format": "CSV",
            "skip_leading_rows": 1,
            "schema": {"fields": [{"name": "n", "type": "INT64"}, {"name": "who", "type": "STRING"}]},
            "destination_table": {"dataset_id": "demo", "table_id": f"loaded_{index}"},
        },
    ),
    _bigquery(
        "extract",
        lambda index: {
            "source_table": _TABLE,
            "destination_uris": [f"gs://demo/out/{index}-*.csv"],
            "destination_format": "CSV",
        },
    ),
    _bigquery(
        "copy",
        lambda index: {
            "source_table": _TABLE,
            "destination_table": {"dataset_id": "demo", "table_id": f"copied_{index}"},
        },
    ),
    Form(
        name="Snowflake statement",
        system=SNOWFLAKE,
        draw=_statement,
    ),
    Form(
        name="EMR Serverless job run",
        system=AWS,
        draw=_run,
    ),
    Form(
        name="EMR on EKS job run",
        system=AWS,
        draw=_pod,
    ),
    Form(
        name="EMR step",
        system=AWS,
        draw=_step,
    ),
    Form(
        name="EMR transient cluster",
        system=AWS,
        draw=_cluster,
    ),
)
PREPARATIONS: tuple[Work, ...] = (
    Work(
        task_type="bigquery_query_job_task",
        spec={
            "query": "CREATE SCHEMA IF NOT EXISTS demo; "
            "CREATE TABLE IF NOT EXISTS demo.visits AS SELECT 1 AS n, 'first' AS who;"
        },
    ),
    Work(
        task_type="bigquery_extract_job_task",
        spec={"source_table": _TABLE, "destination_uris": ["gs://demo/visits-*.csv"]},
    ),
)
"""Run one after another before the first job."""
