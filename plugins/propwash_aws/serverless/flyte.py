"""EMR Serverless tasks of Flyte's SDKs.

Source: flytekitplugins-awsemrserverless 1.16.31: custom is in snake case, with the API's own members inside. Without a
driver the container's command, which Flyte has filled in, is run in a Spark driver.
"""

from __future__ import annotations

from collections.abc import Mapping

from propwash.sdk import (
    FlyteDone,
    FlyteJob,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    Json,
    TemplateError,
    Value,
)
from propwash_aws.serverless.flyte_adoption import adopted_job
from propwash_aws.serverless.flyte_application import APPLICATION, application_of
from propwash_aws.serverless.spark_environment import (
    EnvironmentFault,
    SparkEnvironment,
    python_options,
    spark_environment,
    with_defaults,
)

RUN = {
    "execution_role_arn": "executionRoleArn",
    "execution_timeout_minutes": "executionTimeoutMinutes",
    "configuration_overrides": "configurationOverrides",
    "retry_policy": "retryPolicy",
    "tags": "tags",
}
"""What is the run's own, by the API's names."""
DRIVERS = {"spark_job_driver": "sparkSubmit", "hive_job_driver": "hive"}
READ = frozenset(
    {
        "application_id",
        "application_configuration",
        "application_type",
        "inject_flyte_env",
        "region",
        "spark_submit_parameters",
        "sync_image",
    }
)
"""What is read in other ways."""
FIELDS = frozenset({*RUN, *DRIVERS, *APPLICATION, *READ})
_TYPES = ("SPARK", "HIVE")
_NAME = "FLYTE_INTERNAL_TASK_NAME"
_MOST_NAME = 256


class JobRunTasks:
    """Templates of job runs."""

    def request(self, task: FlyteTask) -> FlyteRequest:
        """The job run; raises TemplateError."""
        custom = task.custom
        for name in custom:
            if name not in FIELDS:
                raise TemplateError(f"custom.{name:.100}: is none of the fields of EMR Serverless tasks")
        spec: dict[str, Json] = {to: custom[of] for of, to in RUN.items() if custom.get(of) is not None}
        found = _environment(task)
        spec["jobDriver"] = driver = _driver(task, found)
        _add_configurations(spec, custom, found)
        spec |= application_of(task, is_command="command" in driver)
        if name := task.environment.get(_NAME, ""):
            spec["name"] = name[:_MOST_NAME]
        region = _text(custom, "region")
        return FlyteRequest(
            spec=spec,
            # The function reads its inputs itself.
            inputs={} if "command" in driver else task.inputs,
            account={"region": region} if region else {},
        )

    def outputs(self, done: FlyteDone) -> FlyteOutputs:
        """Of a Python function what it wrote itself, of a program nothing: its outputs are what it made."""
        return None if _writes_outputs(done.spec) else {}

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:
        """The job run of the SDK's EMRServerlessJobMetadata."""
        return adopted_job(meta)


def _driver(task: FlyteTask, found: SparkEnvironment) -> dict[str, Json]:
    custom = task.custom
    given = {name: _driver_given(custom, name) for name in DRIVERS if custom.get(name)}
    kind = _text(custom, "application_type") or _TYPES[0]
    if kind not in _TYPES:
        raise TemplateError("custom.application_type: should be SPARK or HIVE")
    if len(given) > 1:
        raise TemplateError("custom: should have one of spark_job_driver and hive_job_driver, not both")
    if kind == "HIVE" and "hive_job_driver" not in given:
        raise TemplateError("custom.hive_job_driver: is missing, as application_type is HIVE")
    options = _text(custom, "spark_submit_parameters")
    if "hive_job_driver" in given:
        if options:
            raise TemplateError("custom.spark_submit_parameters: is for Spark, and the driver is Hive's")
        return {"hive": given["hive_job_driver"]}
    if "spark_job_driver" in given:
        submit = given["spark_job_driver"]
        own = submit.get("sparkSubmitParameters")
        if own is not None and not isinstance(own, str):
            raise TemplateError("custom.spark_job_driver.sparkSubmitParameters: should be a text")
        return {"sparkSubmit": _with_options(submit, own or "", options, *found.options)}
    return {"command": _with_options(_command(task), options, *python_options(options), *found.options)}


def _driver_given(custom: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    given = custom[name]
    if not isinstance(given, Mapping):
        raise TemplateError(f"custom.{name}: should be an object")
    return given


def _command(task: FlyteTask) -> dict[str, Json]:
    if task.container is None or not task.container.args:
        raise TemplateError(
            "custom: should have one of spark_job_driver and hive_job_driver, or the template a container whose "
            "arguments run a Python function"
        )
    return {"arguments": (*task.container.command, *task.container.args)}


def _with_options(submit: Mapping[str, Json], *options: str) -> dict[str, Json]:
    line = " ".join(one.strip() for one in options if one.strip())
    return {**submit, "sparkSubmitParameters": line} if line else dict(submit)


def _environment(task: FlyteTask) -> SparkEnvironment:
    """What Spark's processes are told: of a function all that its container would have been."""
    if task.custom.get("hive_job_driver"):
        return SparkEnvironment()
    variables: dict[str, str] = {}
    if task.container is not None and not task.custom.get("spark_job_driver"):
        variables |= task.container.env
    if task.custom.get("inject_flyte_env", True):
        variables |= task.environment
    try:
        return spark_environment(variables)
    except EnvironmentFault as fault:
        raise TemplateError(f"environment.{fault}") from fault


def _add_configurations(spec: dict[str, Json], custom: Mapping[str, Json], found: SparkEnvironment) -> None:
    further = custom.get("application_configuration") or ()
    if not isinstance(further, tuple | list):
        raise TemplateError("custom.application_configuration: should be a list")
    if not further and not found.properties:
        return
    overrides = spec.get("configurationOverrides") or {}
    if not isinstance(overrides, Mapping):
        raise TemplateError("custom.configuration_overrides: should be an object")
    had = overrides.get("applicationConfiguration") or ()
    if not isinstance(had, tuple | list):
        raise TemplateError("custom.configuration_overrides.applicationConfiguration: should be a list")
    whole = with_defaults((*had, *further), found.properties)
    spec["configurationOverrides"] = {**overrides, "applicationConfiguration": whole}


def _text(custom: Mapping[str, Json], name: str) -> str:
    value = custom.get(name)
    if value is not None and not isinstance(value, str):
        raise TemplateError(f"custom.{name}: should be a text")
    return value or ""


def _writes_outputs(spec: Mapping[str, Value]) -> bool:
    """Whether a run is of a Python function. Of one that Flyte's own connector began, its first argument tells."""
    match spec.get("jobDriver"):
        case {"command": _}:
            return True
        case {"sparkSubmit": {"entryPointArguments": [str(first), *_]}}:
            return first.startswith("pyflyte-")
        case _:
            return False
