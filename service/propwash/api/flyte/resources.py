"""Executions as Flyte's resources.

Source: flyteidl.admin, agent.proto. FlytePropeller reads UNDEFINED as a retryable failure, drops the message of
RUNNING, and tells links only with the first event of a phase: so every phase has both from its beginning.
"""

from __future__ import annotations

from flyteidl.admin import agent_pb2
from flyteidl.core import execution_pb2
from google.protobuf import json_format

from propwash.api.flyte.keys import Refusal
from propwash.api.flyte.literals import plain
from propwash.api.flyte.outputs import fill_outputs
from propwash.api.translate import standing
from propwash.core.model import Done, Execution, Json, Link, Outcome, OutcomeKind, Phase
from propwash.ports import Record
from propwash.sdk import FlyteOutputs

PHASES: dict[Phase, execution_pb2.TaskExecution.Phase] = {
    Phase.QUEUED: execution_pb2.TaskExecution.QUEUED,
    Phase.WAITING_FOR_RESOURCES: execution_pb2.TaskExecution.WAITING_FOR_RESOURCES,
    Phase.INITIALIZING: execution_pb2.TaskExecution.INITIALIZING,
    Phase.RUNNING: execution_pb2.TaskExecution.RUNNING,
    # The outcome is told when nothing is left behind.
    Phase.CLEANING_UP: execution_pb2.TaskExecution.RUNNING,
    Phase.SUCCEEDED: execution_pb2.TaskExecution.SUCCEEDED,
    Phase.FAILED: execution_pb2.TaskExecution.FAILED,
    Phase.TIMED_OUT: execution_pb2.TaskExecution.FAILED,
    Phase.ABORTED: execution_pb2.TaskExecution.ABORTED,
}


MOST_BYTES = 4 * 1024 * 1024 - 64 * 1024
"""grpc-go's default limit of a received message, less a margin."""
_FAILURES: dict[execution_pb2.TaskExecution.Phase, agent_pb2.AgentError.Kind] = {
    execution_pb2.TaskExecution.FAILED: agent_pb2.AgentError.NON_RECOVERABLE,
    execution_pb2.TaskExecution.ABORTED: agent_pb2.AgentError.NON_RECOVERABLE,
    execution_pb2.TaskExecution.RETRYABLE_FAILED: agent_pb2.AgentError.RECOVERABLE,
}
_OVER = frozenset({execution_pb2.TaskExecution.SUCCEEDED, *_FAILURES})


def resource(
    record: Record,
    *,
    links: tuple[Link, ...],
    outputs: FlyteOutputs,
    waiting: tuple[str, str] | None = None,
    tells_retryable: bool = True,
) -> agent_pb2.Resource:
    """What Flyte is told of an execution; outputs are what it gave where it succeeded, waiting is reason and message
    where more is known than the record tells. At most MOST_BYTES, as Flyte's client takes no more.
    """
    execution = record.execution
    reason, message = waiting or standing(execution)
    told = f"{reason}: {message}" if reason and message else reason or message
    made = agent_pb2.Resource(phase=_phase(execution, tells_retryable=tells_retryable), message=told)
    for link in links:
        made.log_links.add(name=link.title, uri=link.uri, message_format=execution_pb2.TaskLog.JSON)
    said: dict[str, Json] = {
        "execution": str(record.name),
        "attempt": execution.attempt,
        "phase": execution.phase.name,
    }
    if isinstance(execution.state, Done) and execution.state.outcome.outputs:
        said["outputs"] = execution.state.outcome.outputs
    json_format.ParseDict(plain(said), made.custom_info)
    if made.phase in _FAILURES:
        # Read where the task is synchronous; version 2 does not know the field.
        made.agent_error.code = reason
        made.agent_error.kind = _FAILURES[made.phase]
    if execution.phase is Phase.SUCCEEDED:
        fill_outputs(made, outputs, memo=record.request.memo)
    return made if made.ByteSize() <= MOST_BYTES else _fitted(made)


def _fitted(resource: agent_pb2.Resource) -> agent_pb2.Resource:
    """Without what is told twice; and as failed where the outputs are too large even so: Flyte could never read them,
    and its task would run for ever.
    """
    resource.custom_info.fields.pop("outputs", None)
    if (size := resource.ByteSize()) > MOST_BYTES:
        resource.ClearField("outputs")
        resource.phase = execution_pb2.TaskExecution.FAILED
        said = f"the outputs are {size} bytes, and Flyte takes {MOST_BYTES} in one answer"
        resource.message = f"OUTPUTS_TOO_LARGE: {said}"
        resource.agent_error.code = "OUTPUTS_TOO_LARGE"
    return resource


def is_over(resource: agent_pb2.Resource) -> bool:
    """Whether Flyte asks no more about such a task."""
    return resource.phase in _OVER


def refused(refusal: Refusal) -> agent_pb2.Resource:
    """A task that can never run: failed for good, so that no retry of the user's is burnt."""
    return agent_pb2.Resource(
        phase=execution_pb2.TaskExecution.FAILED,
        message=f"{refusal.reason}: {refusal.message}",
        agent_error=agent_pb2.AgentError(code=refusal.reason, kind=agent_pb2.AgentError.NON_RECOVERABLE),
    )


def unwatched() -> agent_pb2.Resource:
    """Another connector's job that cannot be taken over at this moment: an error would count against it for good."""
    return agent_pb2.Resource(
        phase=execution_pb2.TaskExecution.RUNNING, message="runs, and is about to be taken over"
    )


def _phase(execution: Execution, *, tells_retryable: bool) -> execution_pb2.TaskExecution.Phase:
    """What another attempt may mend is told as such: Flyte then begins one, as far as the user's retries go."""
    match execution.state:
        case Done(outcome=Outcome(kind=OutcomeKind.FAILED | OutcomeKind.TIMED_OUT, is_retryable=True)) if (
            tells_retryable
        ):
            return execution_pb2.TaskExecution.RETRYABLE_FAILED
        case _:
            return PHASES[execution.phase]
