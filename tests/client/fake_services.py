"""The native API over a dict: durable as long as the test, breakable on command."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]

from propwash.pb.v1 import execution_pb2 as e
from propwash.pb.v1 import execution_service_pb2 as m
from propwash.pb.v1 import (
    execution_service_pb2_grpc,
    value_pb2,
)

TERMINAL = {e.PHASE_SUCCEEDED, e.PHASE_FAILED, e.PHASE_ABORTED, e.PHASE_TIMED_OUT}
OUTCOMES = {
    "succeed": e.PHASE_SUCCEEDED,
    "fail": e.PHASE_FAILED,
    "abort": e.PHASE_ABORTED,
    "time out": e.PHASE_TIMED_OUT,
}
_TURN_S = 0.2
_Context = grpc.ServicerContext


@dataclass
class World:
    """What survives a restart. refusals are answered instead of the next calls, lost ones after applying them."""

    executions: dict[str, e.Execution] = field(default_factory=dict)
    by_request_id: dict[str, str] = field(default_factory=dict)
    changes: list[e.Execution] = field(default_factory=list)
    refusals: deque[grpc.StatusCode] = field(default_factory=deque)
    full_for_s: int | None = None
    """Where given, no create is let in, and it is advised to try again after so long."""
    most_at_once: int | None = None
    """Where given, larger batches are told that they never come in."""
    lost_answers: int = 0
    break_watch_after: deque[int] = field(default_factory=deque)
    compacted_before: int = 0
    calls: list[tuple[str, Message]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    moved: threading.Condition = field(default_factory=threading.Condition)

    def change(self, execution: e.Execution) -> None:
        """Commit a change."""
        with self.moved:
            stored = e.Execution()
            stored.CopyFrom(execution)
            stored.etag = str(len(self.changes) + 1)
            stored.update_time.GetCurrentTime()
            self.executions[stored.name] = stored
            self.changes.append(stored)
            self.moved.notify_all()

    def wait_for_call(self, method: str) -> None:
        """Return when the method has been called."""
        with self.moved:
            self.moved.wait_for(lambda: any(called == method for called, _ in self.calls), timeout=10.0)

    def move(self, name: str, phase: e.Phase.ValueType) -> None:
        """Bring an execution to a phase."""
        changed = e.Execution()
        changed.CopyFrom(self.executions[name])
        changed.phase = phase
        self.change(changed)


def refuse(
    context: _Context,
    code: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    field: str = "",
    retry_after_s: int | None = None,
) -> NoReturn:
    """End the call as the real server does."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain="propwash.dev")]
    if field:
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(field=field, description=message)
        details.append(bad)
    if retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = retry_after_s
        details.append(retry)
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort does not return")


class Executions(execution_service_pb2_grpc.ExecutionServiceServicer):
    """ExecutionService over a World."""

    def __init__(self, world: World, stopping: threading.Event) -> None:
        self._world = world
        self._stopping = stopping

    def _begin(self, method: str, request: Message, context: _Context) -> None:
        world = self._world
        kept = type(request)()
        kept.CopyFrom(request)
        with world.moved:
            world.calls.append((method, kept))
            world.moved.notify_all()
        world.metadata = {str(key): str(value) for key, value in context.invocation_metadata()}
        if world.full_for_s is not None and "create" in method:
            message = "project 'default' has 5 executions in its queue, 5 are allowed"
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            refuse(context, code, "PROJECT_QUEUE_FULL", message, retry_after_s=world.full_for_s)
        if world.refusals:
            context.abort(world.refusals.popleft(), "told to refuse")

    def _found(self, name: str, context: _Context) -> e.Execution:
        found = self._world.executions.get(name)
        if found is None:
            refuse(context, grpc.StatusCode.NOT_FOUND, "EXECUTION_NOT_FOUND", f"there is no {name}")
        return found

    def _create(self, request: m.CreateExecutionRequest, context: _Context) -> e.Execution:
        world, body = self._world, request.execution
        if body.task_type != "query":
            refuse(
                context,
                grpc.StatusCode.INVALID_ARGUMENT,
                "UNKNOWN_TASK_TYPE",
                f"no handler serves {body.task_type}",
                field="execution.task_type",
            )
        known = world.by_request_id.get(request.request_id)
        if known is not None:
            return world.executions[known]
        name = f"{request.parent}/executions/{request.execution_id or f'made{len(world.executions)}'}"
        if name in world.executions:
            refuse(context, grpc.StatusCode.ALREADY_EXISTS, "EXECUTION_EXISTS", f"{name} exists")
        made = e.Execution()
        made.CopyFrom(body)
        made.name, made.uid, made.phase, made.attempt = name, f"u{len(world.executions)}", e.PHASE_QUEUED, 1
        made.create_time.GetCurrentTime()
        if request.validate_only:
            return made
        world.by_request_id[request.request_id] = name
        world.change(made)
        outcome = OUTCOMES.get(body.spec.entries["query"].text)
        if outcome is not None:
            world.move(name, outcome)
        return world.executions[name]

    def CreateExecution(self, request: m.CreateExecutionRequest, context: _Context) -> e.Execution:
        self._begin("create", request, context)
        made = self._create(request, context)
        if self._world.lost_answers:
            self._world.lost_answers -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return made

    def BatchCreateExecutions(
        self, request: m.BatchCreateExecutionsRequest, context: _Context
    ) -> m.BatchCreateExecutionsResponse:
        self._begin("batch_create", request, context)
        most = self._world.most_at_once
        if most is not None and len(request.requests) > most:
            refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "PROJECT_QUEUE_FULL", "never so many at once")
        return m.BatchCreateExecutionsResponse(
            executions=[self._create(each, context) for each in request.requests]
        )

    def GetExecution(self, request: m.GetExecutionRequest, context: _Context) -> e.Execution:
        self._begin("get", request, context)
        return self._found(request.name, context)

    def BatchGetExecutions(
        self, request: m.BatchGetExecutionsRequest, context: _Context
    ) -> m.BatchGetExecutionsResponse:
        self._begin("batch_get", request, context)
        return m.BatchGetExecutionsResponse(executions=[self._found(name, context) for name in request.names])

    def ListExecutions(self, request: m.ListExecutionsRequest, context: _Context) -> m.ListExecutionsResponse:
        self._begin("list", request, context)
        start = int(request.page_token or 0)
        ordered = list(reversed(self._world.executions.values()))
        end = start + (request.page_size or 100)
        return m.ListExecutionsResponse(
            executions=ordered[start:end], next_page_token=str(end) if end < len(ordered) else ""
        )

    def WaitExecution(self, request: m.WaitExecutionRequest, context: _Context) -> e.Execution:
        self._begin("wait", request, context)
        self._found(request.name, context)
        with self._world.moved:
            self._world.moved.wait_for(
                lambda: self._world.executions[request.name].phase in TERMINAL or self._stopping.is_set(),
                timeout=request.timeout.ToTimedelta().total_seconds(),
            )
        if self._stopping.is_set():
            refuse(context, grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", "stopping", retry_after_s=0)
        return self._world.executions[request.name]

    def AbortExecution(self, request: m.AbortExecutionRequest, context: _Context) -> e.Execution:
        self._begin("abort", request, context)
        if request.allow_missing and request.name not in self._world.executions:
            return e.Execution(name=request.name, phase=e.PHASE_ABORTED)
        if self._found(request.name, context).phase in TERMINAL - {e.PHASE_ABORTED}:
            refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "EXECUTION_ENDED", "it has ended")
        self._world.move(request.name, e.PHASE_ABORTED)
        return self._world.executions[request.name]

    def HintExecution(self, request: m.HintExecutionRequest, context: _Context) -> m.HintExecutionResponse:
        self._begin("hint", request, context)
        if request.remote_name:
            return m.HintExecutionResponse(heard=False)
        return m.HintExecutionResponse(heard=self._found(request.name, context).phase not in TERMINAL)

    def WatchExecutions(
        self, request: m.WatchExecutionsRequest, context: _Context
    ) -> Iterator[m.WatchExecutionsResponse]:
        self._begin("watch", request, context)
        world = self._world
        limit = world.break_watch_after.popleft() if world.break_watch_after else None
        for sent, answer in enumerate(self._stream(request, context)):
            if sent == limit:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the stream breaks")
            yield answer
        if self._stopping.is_set():
            refuse(context, grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", "stopping", retry_after_s=0)

    def _stream(
        self, request: m.WatchExecutionsRequest, context: _Context
    ) -> Iterator[m.WatchExecutionsResponse]:
        world, kinds = self._world, m.WatchExecutionsResponse
        after = int(request.resume_token) if request.resume_token else None
        if after is not None and after < world.compacted_before:
            after = None
            yield kinds(kind=kinds.KIND_RESET)
        if after is None:
            after, snapshot = len(world.changes), list(world.executions.values())
            if not request.changes_only:
                for each in self._wanted(snapshot, request):
                    yield kinds(kind=kinds.KIND_SNAPSHOT, execution=each)
            yield kinds(kind=kinds.KIND_SYNCED, resume_token=str(after))
        while context.is_active() and not self._stopping.is_set():
            with world.moved:
                if len(world.changes) == after and not self._stopping.is_set():
                    world.moved.wait(_TURN_S)
            for change in world.changes[after:]:
                after += 1
                if list(self._wanted([change], request)):
                    yield kinds(kind=kinds.KIND_CHANGE, execution=change, resume_token=str(after))

    def _wanted(
        self, executions: Iterable[e.Execution], request: m.WatchExecutionsRequest
    ) -> Iterator[e.Execution]:
        return (each for each in executions if not request.names or each.name in request.names)

    def StreamLogs(self, request: m.StreamLogsRequest, context: _Context) -> Iterator[m.StreamLogsResponse]:
        self._begin("logs", request, context)
        limit = self._world.break_watch_after.popleft() if self._world.break_watch_after else None
        for number in range(int(request.cursor or 0), 4):
            if limit == 0:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the stream breaks")
            limit = None if limit is None else limit - 1
            yield m.StreamLogsResponse(lines=[m.LogLine(text=f"line {number}")], cursor=str(number + 1))

    def ReadResults(self, request: m.ReadResultsRequest, context: _Context) -> m.ReadResultsResponse:
        self._begin("results", request, context)
        start = int(request.page_token or 0)
        end = min(start + request.page_size, 5)
        rows = [
            value_pb2.ListValue(
                items=[value_pb2.Value(integer=number), value_pb2.Value(text=f"row {number}")]
            )
            for number in range(start, end)
        ]
        columns = [m.Column(name="n", type="INT64"), m.Column(name="who", type="STRING", nullable=True)]
        return m.ReadResultsResponse(
            columns=columns, rows=rows, total_rows=5, next_page_token=str(end) if end < 5 else ""
        )
