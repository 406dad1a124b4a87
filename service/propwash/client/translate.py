"""Messages to the client's values and back."""

from __future__ import annotations

import datetime as dt

from google.protobuf.timestamp_pb2 import Timestamp

from propwash.client.model import (
    AttemptFailure,
    Change,
    ChangeKind,
    Column,
    Execution,
    Handler,
    HandlerState,
    Link,
    LogLine,
    NewExecution,
    Phase,
    Policy,
    ResultPage,
)
from propwash.client.values import (
    from_duration,
    from_list,
    from_map,
    from_timestamp,
    to_duration,
    to_map,
)
from propwash.pb.v1 import execution_pb2, execution_service_pb2, handler_service_pb2

# The members stand in the order of the contract's numbers.
_PHASES = dict(enumerate(Phase))
_KINDS = dict(enumerate(ChangeKind))
_STATES = dict(enumerate(HandlerState))


def to_create_request(new: NewExecution, parent: str) -> execution_service_pb2.CreateExecutionRequest:
    """The request for a parent. Raises TypeError and OverflowError for what is no value."""
    policy = new.policy
    body = execution_pb2.Execution(
        task_type=new.task_type,
        spec=to_map(new.spec),
        connection=new.connection,
        labels=dict(new.labels),
        priority=new.priority,
    )
    if new.inputs:
        body.inputs.CopyFrom(to_map(new.inputs))
    if policy != Policy():
        body.policy.max_attempts = policy.max_attempts
        for name in ("wait_timeout", "run_timeout", "total_timeout"):
            span = getattr(policy, name)
            if span:
                getattr(body.policy, name).CopyFrom(to_duration(span))
    return execution_service_pb2.CreateExecutionRequest(
        parent=parent, execution_id=new.execution_id, execution=body, request_id=new.request_id
    )


def from_execution(message: execution_pb2.Execution) -> Execution:
    """The message as a value."""
    return Execution(
        name=message.name,
        uid=message.uid,
        task_type=message.task_type,
        spec=from_map(message.spec),
        inputs=from_map(message.inputs),
        connection=message.connection,
        labels=dict(message.labels),
        policy=Policy(
            max_attempts=message.policy.max_attempts,
            wait_timeout=from_duration(message.policy.wait_timeout),
            run_timeout=from_duration(message.policy.run_timeout),
            total_timeout=from_duration(message.policy.total_timeout),
        ),
        phase=_PHASES.get(message.phase, Phase.UNSPECIFIED),
        attempt=message.attempt,
        message=message.message,
        reason=message.reason,
        links=tuple(Link(title=link.title, uri=link.uri) for link in message.links),
        outputs=from_map(message.outputs),
        remote_name=message.remote_name,
        failures=tuple(
            AttemptFailure(
                attempt=one.attempt, reason=one.reason, message=one.message, time=instant(one.time)
            )
            for one in message.failures
        ),
        create_time=instant(message.create_time),
        update_time=instant(message.update_time),
        end_time=instant(message.end_time),
        observe_time=instant(message.observe_time),
        etag=message.etag,
        priority=message.priority,
    )


def from_change(message: execution_service_pb2.WatchExecutionsResponse) -> Change:
    """The message as a value."""
    return Change(
        kind=_KINDS.get(message.kind, ChangeKind.UNSPECIFIED),
        execution=from_execution(message.execution) if message.HasField("execution") else None,
        resume_token=message.resume_token,
        commit_time=instant(message.commit_time),
    )


def from_log_lines(message: execution_service_pb2.StreamLogsResponse) -> tuple[LogLine, ...]:
    """The lines of one message."""
    return tuple(
        LogLine(text=line.text, time=instant(line.time), cursor=message.cursor) for line in message.lines
    )


def from_results(message: execution_service_pb2.ReadResultsResponse) -> ResultPage:
    """The message as a value."""
    return ResultPage(
        columns=tuple(Column(name=one.name, type=one.type, nullable=one.nullable) for one in message.columns),
        rows=tuple(tuple(from_list(row)) for row in message.rows),
        next_page_token=message.next_page_token,
        total_rows=message.total_rows,
    )


def from_handler(message: handler_service_pb2.Handler) -> Handler:
    """The message as a value."""
    return Handler(
        name=message.name,
        task_type=message.task_type,
        plugin=message.plugin,
        distribution=message.distribution,
        description=message.description,
        state=_STATES.get(message.state, HandlerState.UNSPECIFIED),
        message=message.message,
        spec_schema=message.spec_schema,
        has_logs=message.has_logs,
        has_results=message.has_results,
    )


def instant(message: Timestamp) -> dt.datetime | None:
    """None for a field that is not set, which reads as the epoch."""
    return from_timestamp(message) if message.seconds or message.nanos else None
