"""What a connector server is asked to create: the task as it arrived, or one that is made of a template.

Source: flyteidl.admin, agent.proto; flyteplugins, connector/plugin.go, which fills version 2's connection from the
members taskType, secrets and configs of a template's custom.
"""

from __future__ import annotations

from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl2.core import security_pb2

from propwash.sdk import CreateRequest, Permanent
from propwash_upstream.literals import literal_of
from propwash_upstream.spec import ConnectorSpec


def create_request(request: CreateRequest[ConnectorSpec]) -> agent_pb2.CreateTaskRequest:
    """The create of one attempt. Raises Permanent INVALID_INPUTS for an input that has no literal.

    The first attempt has the output prefix as it is given. Each later one has its number below it, since the same
    prefix is the same job for a server that knows a repeated create.
    """
    spec, attempt = request.spec, request.attempt
    made = agent_pb2.CreateTaskRequest.FromString(spec.request) if spec.request else _of_template(request)
    made.template.type, made.template.task_type_version = spec.task_type, spec.version
    for name, value in request.inputs.items():
        try:
            made.inputs.literals[name].CopyFrom(literal_of(value))
        except (ValueError, OverflowError) as error:
            raise Permanent("INVALID_INPUTS", f"inputs.{name}: {error}") from error
    if attempt > 1:
        made.output_prefix = f"{made.output_prefix.rstrip('/')}/{attempt}"
        made.task_execution_metadata.task_execution_id.retry_attempt += attempt - 1
    return made


def _of_template(request: CreateRequest[ConnectorSpec]) -> agent_pb2.CreateTaskRequest:
    spec = request.spec
    stem = request.name.removesuffix(f"-{request.attempt}")
    made = agent_pb2.CreateTaskRequest(
        template=tasks_pb2.TaskTemplate.FromString(spec.template), output_prefix=spec.output_prefix or stem
    )
    made.inputs.SetInParent()
    metadata = made.task_execution_metadata
    metadata.labels.update(request.labels)
    task = metadata.task_execution_id
    task.task_id.CopyFrom(made.template.id)
    task.node_execution_id.node_id = stem
    execution = task.node_execution_id.execution_id
    execution.project, execution.domain = made.template.id.project, made.template.id.domain
    execution.name = request.uid
    return made


def connection_named(template: tasks_pb2.TaskTemplate) -> security_pb2.Connection | None:
    """Version 2's connection as the template describes it, its secrets by their names alone; None where it describes
    none.
    """
    custom = template.custom.fields
    secrets = custom["secrets"].struct_value.fields if "secrets" in custom else {}
    configs = custom["configs"].struct_value.fields if "configs" in custom else {}
    if not secrets and not configs:
        return None
    return security_pb2.Connection(
        task_type=custom["taskType"].string_value if "taskType" in custom else "",
        secrets=dict.fromkeys(secrets, ""),
        configs={name: one.string_value for name, one in configs.items() if one.HasField("string_value")},
    )
