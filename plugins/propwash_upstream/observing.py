"""What a connector says of a job, in our words.

Source: flyteidl.core, execution.proto (TaskExecution.Phase) and flyteidl.admin, agent.proto (Resource, and State, which
servers from before the phases have instead); flyteplugins, connector/plugin.go (Status).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from flyteidl.admin import agent_pb2
from flyteidl.core.execution_pb2 import TaskExecution, TaskLog
from google.protobuf.struct_pb2 import Struct
from google.protobuf.struct_pb2 import Value as StructValue

from propwash.sdk import Json, Link, Observation, RemotePhase

LITERALS = "literals"
CUSTOM_INFO = "custom_info"
MOST_OUTPUT_BYTES = 3_500_000
"""Flyte's client takes 4 MiB in one answer."""
MOST_INFO_BYTES = 16 * 1024
PHASES: dict[int, RemotePhase] = {
    TaskExecution.QUEUED: RemotePhase.PENDING,
    TaskExecution.INITIALIZING: RemotePhase.PENDING,
    TaskExecution.WAITING_FOR_RESOURCES: RemotePhase.PENDING,
    TaskExecution.RUNNING: RemotePhase.RUNNING,
    TaskExecution.SUCCEEDED: RemotePhase.SUCCEEDED,
    TaskExecution.FAILED: RemotePhase.FAILED,
    TaskExecution.RETRYABLE_FAILED: RemotePhase.FAILED,
    TaskExecution.ABORTED: RemotePhase.FAILED,
}
"""A phase that is not here counts as running."""
STATES: dict[int, int] = {
    agent_pb2.PENDING: TaskExecution.QUEUED,
    agent_pb2.RUNNING: TaskExecution.RUNNING,
    agent_pb2.SUCCEEDED: TaskExecution.SUCCEEDED,
    agent_pb2.PERMANENT_FAILURE: TaskExecution.FAILED,
}
"""What counts where the phase is UNDEFINED. RETRYABLE_FAILURE is not here: it is 0, which also is what nobody set."""
_MOST_LINKS = 32
_MOST_URI = 2048
_MOST_DEPTH = 16
_WORD = re.compile(r"[^A-Z0-9]+")


def observed(resource: agent_pb2.Resource) -> Observation:
    """The observation. Outputs that are too large to be told make a failure of it."""
    number = int(resource.phase)
    if number == TaskExecution.UNDEFINED:
        number = STATES.get(int(resource.state), number)
    phase = PHASES.get(number, RemotePhase.RUNNING)
    outputs = _outputs(resource) if phase.is_final else {}
    literals = outputs.get(LITERALS, b"")
    if phase is RemotePhase.SUCCEEDED and isinstance(literals, bytes) and len(literals) > MOST_OUTPUT_BYTES:
        said = f"the task has succeeded, but its outputs are {len(literals)} bytes; {MOST_OUTPUT_BYTES} are taken"
        return Observation(
            phase=RemotePhase.FAILED,
            reason="OUTPUTS_TOO_LARGE",
            message=said,
            links=_links(resource.log_links),
        )
    is_failed = phase is RemotePhase.FAILED
    return Observation(
        phase=phase,
        reason=_reason(number, resource.agent_error.code) if is_failed else "",
        message=resource.message if number in PHASES else f"phase {number}: {resource.message}",
        is_retryable=is_failed and number == TaskExecution.RETRYABLE_FAILED,
        links=_links(resource.log_links),
        outputs=outputs,
    )


def _reason(number: int, code: str) -> str:
    """The connector's own code, if it gave one that can be a reason."""
    word = _WORD.sub("_", code.upper()).strip("_")[:63]
    if word and word[0].isalpha():
        return word
    return "CONNECTOR_ABORTED" if number == TaskExecution.ABORTED else "TASK_FAILED"


def _outputs(resource: agent_pb2.Resource) -> dict[str, Json]:
    """The outputs as they came: left out where the connector left them unset, as Flyte then reads a file of outputs."""
    made: dict[str, Json] = {}
    if resource.HasField("outputs"):
        made[LITERALS] = resource.outputs.SerializeToString(deterministic=True)
    if resource.custom_info.fields and resource.custom_info.ByteSize() <= MOST_INFO_BYTES:
        made[CUSTOM_INFO] = _struct(resource.custom_info, _MOST_DEPTH)
    return made


def _struct(struct: Struct, depth: int) -> Json:
    return {name: _json(one, depth - 1) for name, one in struct.fields.items()}


def _json(value: StructValue, depth: int) -> Json:
    if depth == 0:
        return "..."
    match value.WhichOneof("kind"):
        case "number_value":
            return value.number_value
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _struct(value.struct_value, depth)
        case "list_value":
            return tuple(_json(one, depth - 1) for one in value.list_value.values)
        case _:
            return None


def _links(logs: Iterable[TaskLog]) -> tuple[Link, ...]:
    """The links that lead to web pages; a template or a path is none."""
    fitting = [Link(title=one.name or "log", uri=one.uri) for one in logs if _is_web_address(one.uri)]
    return tuple(fitting[:_MOST_LINKS])


def _is_web_address(uri: str) -> bool:
    if len(uri) > _MOST_URI:
        return False
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not parts.password
