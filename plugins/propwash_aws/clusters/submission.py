"""Builds the input of RunJobFlow.

Source: Amazon EMR API Reference, RunJobFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from propwash.sdk import CreateRequest, Permanent, Value
from propwash_aws.clusters.spec import BootstrapAction, ClusterSpec, ClusterStep
from propwash_aws.names import job_tags, mark
from propwash_aws.templating import render

MOST_CHARACTERS = 10_240
_OURS = {"name", "steps", "bootstrap_actions", "tags"}


def cluster_request(request: CreateRequest[ClusterSpec]) -> dict[str, object]:
    """RunJobFlow's input; raises Permanent for inputs that cannot be filled in and for a step that is too long."""
    spec = request.spec
    made: dict[str, object] = spec.model_dump(by_alias=True, exclude_none=True, exclude=_OURS)
    made["Name"] = request.name
    is_alone = (spec.step_concurrency_level or 1) == 1
    made["Steps"] = [
        _step(step, request.inputs, path=f"steps[{number}]", is_alone=is_alone)
        for number, step in enumerate(spec.steps)
    ]
    if spec.bootstrap_actions is not None:
        made["BootstrapActions"] = [
            _bootstrap(action, request.inputs, path=f"bootstrap_actions[{number}]")
            for number, action in enumerate(spec.bootstrap_actions)
        ]
    made["Tags"] = [{"Key": key, "Value": value} for key, value in _tags(request).items()]
    return made


def jar_step(
    *,
    jar: str,
    args: Sequence[str],
    main_class: str | None = None,
    properties: Mapping[str, str] | None = None,
    path: str,
) -> dict[str, object]:
    """A HadoopJarStep as the API has it; raises Permanent STEP_TOO_LONG where its strings have more characters than
    EMR takes (AddJobFlowSteps: 10,240 in all).
    """
    made: dict[str, object] = {"Jar": jar, "Args": list(args)}
    if main_class is not None:
        made["MainClass"] = main_class
    if properties:
        made["Properties"] = [{"Key": key, "Value": value} for key, value in properties.items()]
    length = characters(made)
    if length > MOST_CHARACTERS:
        raise Permanent(
            "STEP_TOO_LONG",
            f"{path}: the strings have {length} characters, inputs filled in; EMR takes {MOST_CHARACTERS}: "
            "put what is long into a file in S3",
        )
    return made


def characters(value: object) -> int:
    """How many characters the strings of a message have."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(characters(item) for item in value.values())
    return sum(characters(item) for item in value) if isinstance(value, list | tuple) else 0


def filled(args: Sequence[str], inputs: Mapping[str, Value], *, path: str) -> list[str]:
    """Arguments with the inputs filled in; raises Permanent."""
    return [render(arg, inputs, f"{path}[{number}]") for number, arg in enumerate(args)]


def _step(step: ClusterStep, inputs: Mapping[str, Value], *, path: str, is_alone: bool) -> dict[str, object]:
    jar, path = step.hadoop_jar_step, f"{path}.hadoop_jar_step"
    made: dict[str, object] = {
        "Name": step.name,
        "ActionOnFailure": step.action_on_failure or ("TERMINATE_CLUSTER" if is_alone else "CONTINUE"),
        "HadoopJarStep": jar_step(
            jar=jar.jar,
            args=filled(jar.args, inputs, path=f"{path}.args"),
            main_class=jar.main_class,
            properties={
                key: render(value, inputs, f"{path}.properties.{key}")
                for key, value in (jar.properties or {}).items()
            },
            path=path,
        ),
    }
    if step.step_monitoring_configuration is not None:
        made["StepMonitoringConfiguration"] = step.step_monitoring_configuration
    return made


def _tags(request: CreateRequest[ClusterSpec]) -> dict[str, str]:
    return job_tags(
        mark(owner=request.owner, uid=request.uid, attempt=request.attempt),
        of_spec=request.spec.tags or {},
        of_execution=request.labels,
        user_name=request.spec.name,
    )


def _bootstrap(action: BootstrapAction, inputs: Mapping[str, Value], *, path: str) -> dict[str, object]:
    script = action.script_bootstrap_action
    arguments = filled(script.args, inputs, path=f"{path}.script_bootstrap_action.args")
    return {"Name": action.name, "ScriptBootstrapAction": {"Path": script.path, "Args": arguments}}
