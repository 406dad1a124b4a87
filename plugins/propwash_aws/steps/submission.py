"""Builds the StepConfig of AddJobFlowSteps.

Source: Amazon EMR API Reference, StepConfig and AddJobFlowSteps; EMR Release Guide, "Run commands and scripts on an
Amazon EMR cluster".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from propwash.sdk import CreateRequest, Permanent, Value
from propwash_aws.clusters.submission import filled, jar_step
from propwash_aws.steps.spec import HadoopJarStep, Script, StepSpec
from propwash_aws.templating import render

_RUNNER = "command-runner.jar"


def step_config(request: CreateRequest[StepSpec]) -> dict[str, object]:
    """The step to add; raises Permanent for inputs that cannot be filled in and for a step that is too long."""
    spec = request.spec
    made: dict[str, object] = {
        "Name": request.name,
        "ActionOnFailure": spec.action_on_failure,
        "HadoopJarStep": _jar_step(spec, request.inputs),
    }
    if spec.step_monitoring_configuration is not None:
        made["StepMonitoringConfiguration"] = spec.step_monitoring_configuration.model_dump(
            by_alias=True, exclude_none=True
        )
    return made


def _jar_step(spec: StepSpec, inputs: Mapping[str, Value]) -> dict[str, object]:
    if spec.hadoop_jar_step is not None:
        return _given(spec.hadoop_jar_step, inputs)
    if spec.spark_submit is not None:
        arguments = filled(spec.spark_submit, inputs, path="spark_submit")
        return _command(("spark-submit", *arguments), path="spark_submit")
    if spec.hive_script is not None:
        return _script(spec.hive_script, inputs, tool="hive", path="hive_script")
    if spec.pig_script is not None:
        return _script(spec.pig_script, inputs, tool="pig", path="pig_script")
    raise Permanent("INVALID_SPEC", "the spec says nothing that could be run")


def _given(step: HadoopJarStep, inputs: Mapping[str, Value]) -> dict[str, object]:
    path = "hadoop_jar_step"
    return jar_step(
        jar=step.jar,
        args=filled(step.args, inputs, path=f"{path}.args"),
        main_class=step.main_class,
        properties={
            key: render(value, inputs, f"{path}.properties.{key}")
            for key, value in (step.properties or {}).items()
        },
        path=path,
    )


def _script(script: Script, inputs: Mapping[str, Value], *, tool: str, path: str) -> dict[str, object]:
    place = render(script.script, inputs, f"{path}.script")
    arguments = filled(script.args, inputs, path=f"{path}.args")
    return _command((f"{tool}-script", f"--run-{tool}-script", "--args", "-f", place, *arguments), path=path)


def _command(words: Sequence[str], *, path: str) -> dict[str, object]:
    return jar_step(jar=_RUNNER, args=list(words), path=path)
