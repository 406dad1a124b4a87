"""Logs and metrics of tasks, as both versions' published stubs read them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.service import agent_pb2_grpc
from flyteidl2.connector import connector_pb2, service_pb2_grpc
from google.protobuf import json_format

from propwash.core.model import Json, OutcomeKind
from propwash.ports import AdoptedJob, Record, TaskRequest
from propwash.sdk import FlyteOutputs, FlyteTask, FlyteType
from tests.api.api_fake_host import log_page
from tests.api.api_world import World, full

versions = pytest.mark.parametrize("is_v2", [False, True], ids=["v1", "v2"])


class Queries:
    """Flyte's tasks of the fake host's one task type."""

    def types(self) -> Sequence[FlyteType]:
        return (FlyteType(name="query"),)

    def answers_within_s(self, task_type: str) -> float | None:
        return None

    def is_passed_on(self, task_type: str) -> bool:
        return False

    def request(self, task: FlyteTask, *, project: str, domain: str) -> TaskRequest:
        return TaskRequest(task_type=task.task_type, spec={"query": task.statement})

    def adopted(
        self, task_type: str, meta: Mapping[str, Json], raw: bytes, *, project: str, domain: str
    ) -> tuple[TaskRequest, AdoptedJob] | None:
        return None

    def outputs(self, record: Record, *, is_v2: bool) -> FlyteOutputs:
        return {}


@dataclass
class Reader:
    """The stub of one version, and its messages."""

    world: World
    stub: Any
    messages: Any
    is_v2: bool

    def logs(self, name: str = "a", **fields: Any) -> Any:
        return self.stub.GetTaskLogs(self.messages.GetTaskLogsRequest(resource_meta=meta(name), **fields))

    def lines(self, answer: Any) -> list[str]:
        body = answer.body
        told = [line.message for line in (body.lines if self.is_v2 else body.structured_lines)]
        assert told == list(body.results)
        return told

    async def metrics(self, name: str = "a", **fields: Any) -> dict[str, Any]:
        request = self.messages.GetTaskMetricsRequest(resource_meta=meta(name), **fields)
        answer = await self.stub.GetTaskMetrics(request)
        return {one.metric: json_format.MessageToDict(one.data) for one in answer.results}


def meta(name: str) -> bytes:
    return json.dumps({"propwash": full(name)}).encode()


def reader(world: World, *, is_v2: bool) -> Reader:
    if is_v2:
        v2 = service_pb2_grpc.AsyncConnectorServiceStub(world.channel)  # type: ignore[no-untyped-call]
        return Reader(world, v2, connector_pb2, is_v2)
    v1 = agent_pb2_grpc.AsyncAgentServiceStub(world.channel)  # type: ignore[no-untyped-call]
    return Reader(world, v1, agent_pb2, is_v2)


@versions
async def test_logs_stream_from_before_the_job_to_the_task_s_end(is_v2: bool) -> None:
    async with World(flyte=Queries()).serving() as world:
        there = reader(world, is_v2=is_v2)
        name = await world.create("a")
        stream = there.logs()
        world.executions.run(name)
        world.handlers.log_pages[""] = log_page("one", "two", cursor="c1")
        page = await stream.read()
        while page.WhichOneof("part") == "header":
            # The log is empty until the page is there.
            page = await stream.read()
        assert there.lines(page) == ["one", "two"]
        assert (await stream.read()).header.token == "c1"
        world.handlers.log_pages["c1"] = log_page("last", cursor="c2")
        world.executions.end(name, OutcomeKind.SUCCEEDED)
        assert there.lines(await stream.read()) == ["last"]
        assert (await stream.read()).header.token == "c2"
        assert await stream.read() is grpc.aio.EOF


@versions
async def test_with_a_number_of_lines_pages_are_read_one_by_one(is_v2: bool) -> None:
    async with World(flyte=Queries()).serving() as world:
        there = reader(world, is_v2=is_v2)
        world.executions.run(await world.create("a"))
        world.handlers.log_pages[""] = log_page("one", "two", cursor="c1")
        world.handlers.log_pages["c1"] = log_page("three", cursor="c2")
        first = [answer async for answer in there.logs(lines=1)]
        assert [there.lines(answer) for answer in first if answer.HasField("body")] == [["one", "two"]]
        token = first[-1].header.token
        second = [answer async for answer in there.logs(lines=9, token=token)]
        assert [there.lines(answer) for answer in second if answer.HasField("body")] == [["three"]]


@versions
async def test_logs_that_a_handler_does_not_offer_are_unimplemented(is_v2: bool) -> None:
    async with World(flyte=Queries()).serving() as world:
        world.executions.run(await world.create("a", task_type="mute"))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await reader(world, is_v2=is_v2).logs().read()
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


@versions
async def test_metrics_are_what_the_remote_system_counted(is_v2: bool) -> None:
    async with World(flyte=Queries()).serving() as world:
        there = reader(world, is_v2=is_v2)
        name = await world.create("a")
        world.executions.run(name)
        assert set(await there.metrics()) == {"age_seconds", "attempts"}
        world.executions.end(name, OutcomeKind.SUCCEEDED)
        found = await there.metrics()
        assert set(found) == {"age_seconds", "attempts", "rows"}
        (series,) = found["rows"]["result"]
        assert series["metric"]["execution"] == full("a")
        assert series["values"][0][1] == "3"
        assert set(await there.metrics(queries=["rows", "nothing"])) == {"rows"}
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await there.metrics(end_time=dt.datetime(2001, 1, 1, tzinfo=dt.UTC))
        assert raised.value.code() is grpc.StatusCode.OUT_OF_RANGE
