"""What a create says for those who pass it on: the task's surroundings, and the request itself without its secrets."""

from __future__ import annotations

from flyteidl.admin import agent_pb2


def environment(metadata: agent_pb2.TaskExecutionMetadata) -> dict[str, str]:
    """The variables that FlytePropeller sets in a task's own process, and those that the user asked for.

    Source: flyteplugins, tasks/pluginmachinery/flytek8s/k8s_resource_adds.go (GetContextEnvVars, GetExecutionEnvVars);
    flytekitplugins-awsemrserverless, connector.py (the node and the attempt under Flyte's internal names).
    """
    task = metadata.task_execution_id
    execution = task.node_execution_id.execution_id
    made = {
        "FLYTE_INTERNAL_EXECUTION_ID": execution.name,
        "FLYTE_INTERNAL_EXECUTION_PROJECT": execution.project,
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": execution.domain,
        "FLYTE_INTERNAL_NODE_ID": task.node_execution_id.node_id,
        "FLYTE_ATTEMPT_NUMBER": str(task.retry_attempt),
        "FLYTE_INTERNAL_TASK_RETRY_ATTEMPT": str(task.retry_attempt),
        "FLYTE_INTERNAL_TASK_PROJECT": task.task_id.project,
        "FLYTE_INTERNAL_TASK_DOMAIN": task.task_id.domain,
        "FLYTE_INTERNAL_TASK_NAME": task.task_id.name,
        "FLYTE_INTERNAL_TASK_VERSION": task.task_id.version,
    }
    return {name: value for name, value in made.items() if value} | dict(metadata.environment_variables)


def without_secrets(request: agent_pb2.CreateTaskRequest) -> bytes:
    """The request as it arrived, but for the connection of version 2, which version 1 does not know: it holds secrets
    in clear.
    """
    kept = agent_pb2.CreateTaskRequest(output_prefix=request.output_prefix)
    kept.inputs.CopyFrom(request.inputs)
    kept.template.CopyFrom(request.template)
    kept.task_execution_metadata.CopyFrom(request.task_execution_metadata)
    return kept.SerializeToString(deterministic=True)
