"""A task's logs and metrics.

Source: flyteidl.admin, agent.proto (GetTaskLogs, GetTaskMetrics); flyteidl.core, metrics.proto, whose data is a range
query's result of Prometheus' HTTP API.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.core import metrics_pb2
from google.protobuf import json_format

from propwash.api.errors import ApiError, not_found
from propwash.api.flyte.keys import Refusal
from propwash.api.flyte.tasks import Tasks
from propwash.api.reading import Reading, check_cursor
from propwash.api.values import fill_instant
from propwash.core.model import Done, Execution, Json
from propwash.ports import Record, Store
from propwash.sdk import LogPage


class Telling:
    """Answers for both versions, whose log lines are the same on the wire."""

    def __init__(self, tasks: Tasks, *, store: Store, reading: Reading) -> None:
        self._tasks = tasks
        self._store = store
        self._reading = reading

    async def logs(
        self, request: agent_pb2.GetTaskLogsRequest
    ) -> AsyncGenerator[agent_pb2.GetTaskLogsResponse, None]:
        """Lines as they come until the task has ended, and after those of each page the token to go on from. With a
        number of lines it ends as soon as there are so many, or no more for now. Raises as Reading.pages does.
        """
        check_cursor(request.token, "token")
        about = await self._tasks.about(request)
        if isinstance(about, Refusal):
            return
        left = request.lines
        pages = self._reading.pages(about, request.token, follow=not request.lines, waits=True)
        async with aclosing(pages):
            async for page in pages:
                if page.lines:
                    yield agent_pb2.GetTaskLogsResponse(body=_body(page))
                yield agent_pb2.GetTaskLogsResponse(
                    header=agent_pb2.GetTaskLogsResponseHeader(token=page.cursor)
                )
                left -= len(page.lines)
                if request.lines and left <= 0:
                    return

    async def metrics(self, request: agent_pb2.GetTaskMetricsRequest) -> agent_pb2.GetTaskMetricsResponse:
        """What is known in numbers; all of it where no query names one. Raises ApiError OUT_OF_RANGE where the span
        that is asked for has none of them.
        """
        about = await self._tasks.about(request)
        made = agent_pb2.GetTaskMetricsResponse()
        if isinstance(about, Refusal):
            return made
        (record,) = await self._store.get([about])
        if record is None:
            raise not_found(str(about), "resource_meta")
        execution = record.execution
        at = execution.state.ended_at if isinstance(execution.state, Done) else execution.updated_at
        if not _is_within(request, at):
            raise ApiError(
                "METRICS_OUT_OF_RANGE",
                f"start_time, end_time: the task's numbers are of {at:.3f}, in seconds since the epoch",
                code=grpc.StatusCode.OUT_OF_RANGE,
            )
        wanted = set(request.queries)
        for name, number in _numbers(execution, at):
            if not wanted or name in wanted:
                made.results.append(_result(name, number, at, record))
        return made


def _body(page: LogPage) -> agent_pb2.GetTaskLogsResponseBody:
    """The lines twice: older readers know the plain texts alone."""
    made = agent_pb2.GetTaskLogsResponseBody(results=[line.text for line in page.lines])
    for line in page.lines:
        added = made.structured_lines.add(message=line.text)
        if line.at is not None:
            fill_instant(added.timestamp, line.at)
    return made


def _is_within(request: agent_pb2.GetTaskMetricsRequest, at: float) -> bool:
    begins_late = request.HasField("start_time") and request.start_time.ToNanoseconds() > at * 1e9
    ends_early = request.HasField("end_time") and request.end_time.ToNanoseconds() < at * 1e9
    return not begins_late and not ends_early


def _numbers(execution: Execution, at: float) -> Iterator[tuple[str, float]]:
    yield "age_seconds", at - execution.created_at
    yield "attempts", float(execution.attempt)
    if isinstance(execution.state, Done):
        yield from _of_outputs(execution.state.outcome.outputs)


def _of_outputs(outputs: Mapping[str, Json]) -> Iterator[tuple[str, float]]:
    """What the remote system counted, such as bytes processed."""
    for name, value in sorted(outputs.items()):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _result(name: str, number: float, at: float, record: Record) -> metrics_pb2.ExecutionMetricResult:
    labels = {"__name__": name, "execution": str(record.name), "task_type": record.request.task_type}
    matrix = {"resultType": "matrix", "result": [{"metric": labels, "values": [[at, f"{number:.17g}"]]}]}
    made = metrics_pb2.ExecutionMetricResult(metric=name)
    json_format.ParseDict(matrix, made.data)
    return made
