"""Templates of EMR Serverless tasks as Flyte's SDK writes them, and what the handler makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from propwash.sdk import FlyteContainer, FlyteRequest, FlyteTask, Json, Value
from propwash_aws.serverless.flyte import JobRunTasks
from propwash_aws.serverless.spec import ServerlessSpec

ROLE = "arn:aws:iam::123456789012:role/r"
APPLICATION = "00f1abcdefghijkl"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/spark:v1"
OTHER_IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/spark:v2"
SPARK = {"entryPoint": "s3://b/m.py", "entryPointArguments": ["a"], "sparkSubmitParameters": "--conf x=y"}
HIVE = {"query": "s3://b/q.ql", "initQueryFile": "s3://b/i.ql", "parameters": "--hiveconf a=b"}
ALWAYS: dict[str, Any] = {
    "execution_role_arn": ROLE,
    "release_label": "emr-7.0.0",
    "application_type": "SPARK",
    "execution_timeout_minutes": 60,
    "sync_image": True,
    "inject_flyte_env": True,
}
"""What the SDK writes for whoever says nothing."""
FLYTE = {"FLYTE_INTERNAL_EXECUTION_ID": "a8xk2", "FLYTE_INTERNAL_TASK_NAME": "flows.etl"}
FLYTE_OPTIONS = (
    "--conf spark.emr-serverless.driverEnv.FLYTE_INTERNAL_EXECUTION_ID=a8xk2 "
    "--conf spark.executorEnv.FLYTE_INTERNAL_EXECUTION_ID=a8xk2 "
    "--conf spark.emr-serverless.driverEnv.FLYTE_INTERNAL_TASK_NAME=flows.etl "
    "--conf spark.executorEnv.FLYTE_INTERNAL_TASK_NAME=flows.etl"
)
PYTHON_OPTIONS = (
    "--conf spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON=/usr/bin/python3 "
    "--conf spark.emr-serverless.driverEnv.PYSPARK_PYTHON=/usr/bin/python3 "
    "--conf spark.executorEnv.PYSPARK_PYTHON=/usr/bin/python3"
)
ARGUMENTS = ("pyflyte-execute", "--output-prefix", "s3://flyte/n0/data/0", "--", "task-name", "etl")
TASKS = JobRunTasks()


def asked(
    custom: Mapping[str, Any],
    *,
    image: str = "cr.flyte.org/flyteorg/flytekit:py3.11",
    env: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    inputs: Mapping[str, Value] | None = None,
) -> FlyteRequest:
    """As FlytePropeller sends such a task: its container is always there."""
    container = FlyteContainer(image=image, args=ARGUMENTS, env=env or {})
    task = FlyteTask(
        task_type="emr_serverless",
        custom={**ALWAYS, **custom},
        container=container,
        environment=environment or {},
        inputs=inputs or {},
    )
    made = TASKS.request(task)
    ServerlessSpec.model_validate(made.spec)
    return made


def script(**custom: Any) -> Mapping[str, Json]:
    return asked({"application_id": APPLICATION, "spark_job_driver": SPARK, **custom}).spec


def described(**custom: Any) -> Any:
    """The application of a script that names none that exists."""
    return asked({"application_name": "etl", "spark_job_driver": SPARK, **custom}).spec["application"]
