"""Synchronous tasks: one call that begins a task, waits for its end and answers what it gave.

Source: flyteidl.service, agent.proto (SyncAgentService.ExecuteTaskSync). FlytePropeller sends the header, then the
inputs, closes its side, and reads one answer, whose phase has to be terminal; a worker of its own waits meanwhile. So
the execution has the handler's cap as its deadline, and what is not over by then is told as a failure that another
attempt may mend. The call may be repeated: the same output prefix is the same execution.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.core import execution_pb2

from propwash.api.errors import ApiError, invalid
from propwash.api.feed import Feed
from propwash.api.flyte.keys import Refusal
from propwash.api.flyte.resources import is_over, refused
from propwash.api.flyte.tasks import Tasks
from propwash.api.reasons import Reason
from propwash.api.waiting import wait_for_end
from propwash.core.model import Phase
from propwash.ports import FlyteTasks, Refused, Store

_LATE = "SYNC_DEADLINE_EXCEEDED"
_CLEANING_S = 2.0
"""How long after the cap the end of the execution may yet come, as it is aborted then."""
_ANSWER_MARGIN = 0.1
"""The part of the caller's own time that is kept for the answer."""
_MOST_INPUT_BYTES = 16 * 1024 * 1024
"""Of all messages of one call."""
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class SyncTasks:
    """Serves version 1; version 2 has no such call, and polls these tasks as any other."""

    def __init__(self, tasks: Tasks, *, store: Store, feed: Feed, flyte: FlyteTasks) -> None:
        self._tasks = tasks
        self._store = store
        self._feed = feed
        self._flyte = flyte

    async def execute(
        self,
        requests: AsyncIterator[agent_pb2.ExecuteTaskSyncRequest],
        context: _Context,
        told: Callable[[agent_pb2.CreateTaskRequest], None],
    ) -> AsyncGenerator[agent_pb2.ExecuteTaskSyncResponse, None]:
        """One answer: the task's end. told is given the request once it is read. Raises ApiError for what is no request
        for a synchronous task, and what the engine raises.
        """
        request = await _read(requests)
        told(request)
        cap_s = self._flyte.answers_within_s(request.template.type)
        if cap_s is None:
            raise self._not_sync(request.template.type)
        resource = await self._ended(request, cap_s, remaining_s=context.time_remaining())
        yield agent_pb2.ExecuteTaskSyncResponse(
            header=agent_pb2.ExecuteTaskSyncResponseHeader(resource=resource)
        )

    async def _ended(
        self, request: agent_pb2.CreateTaskRequest, cap_s: float, *, remaining_s: float | None
    ) -> agent_pb2.Resource:
        try:
            name = await self._tasks.begin(request, within_s=cap_s)
        except Refused as error:
            return refused(Refusal(error.reason, str(error)))
        wait_s = cap_s + _CLEANING_S
        if remaining_s is not None:
            wait_s = min(wait_s, remaining_s * (1 - _ANSWER_MARGIN))
        record = await wait_for_end(self._store, self._feed, name, timeout_s=wait_s)
        resource = self._tasks.resource(record, is_v2=False)
        if not is_over(resource) or record.execution.phase is Phase.TIMED_OUT:
            said = f"{_LATE}: the task was not over after {min(wait_s, cap_s):.3g} s; {resource.message}"
            resource.message = said
            resource.phase = execution_pb2.TaskExecution.RETRYABLE_FAILED
            resource.agent_error.code = _LATE
            resource.agent_error.kind = agent_pb2.AgentError.RECOVERABLE
        return resource

    def _not_sync(self, task_type: str) -> ApiError:
        offered = {one.name: one for one in self._flyte.types()}
        if task_type in offered:
            return invalid(
                "header.template.type", f"{task_type!r:.100} is not synchronous: it has CreateTask"
            )
        known = ", ".join(name for name, one in offered.items() if one.is_sync) or "none"
        message = f"no handler serves the synchronous task type {task_type!r:.100}; served are: {known}"
        return ApiError(Reason.HANDLER_NOT_FOUND, message)


async def _read(requests: AsyncIterator[agent_pb2.ExecuteTaskSyncRequest]) -> agent_pb2.CreateTaskRequest:
    """All that the caller sends: a header, then any number of inputs; raises ApiError for anything else."""
    made: agent_pb2.CreateTaskRequest | None = None
    size = 0
    async for one in requests:
        size += one.ByteSize()
        if size > _MOST_INPUT_BYTES:
            raise invalid("inputs", f"should be at most {_MOST_INPUT_BYTES} bytes in all")
        match one.WhichOneof("part"):
            case "header" if made is None:
                made = agent_pb2.CreateTaskRequest(
                    template=one.header.template,
                    output_prefix=one.header.output_prefix,
                    task_execution_metadata=one.header.task_execution_metadata,
                )
            case "inputs" if made is not None:
                made.inputs.MergeFrom(one.inputs)
            case part:
                raise invalid(part or "header", "should come once and first, and inputs after it")
    if made is None:
        raise invalid("header", "is missing")
    return made
