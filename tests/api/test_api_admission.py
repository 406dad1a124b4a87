"""How a create that is turned away is answered, with every detail, and that a client which heeds it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from propwash.client import Client, ClientError
from propwash.core.admission import Full, Limit, room_for
from propwash.core.model import OutcomeKind, Queued
from propwash.core.overload import Measure
from propwash.pb.v1.execution_service_pb2 import BatchCreateExecutionsRequest, GetExecutionRequest
from propwash.ports import Draft, ExecutionName, LimitReached, Overloaded, Record
from tests.api.api_fakes import FakeExecutions
from tests.api.api_world import PARENT, World, create, full, taken_apart


@dataclass(frozen=True)
class Details:
    """What a refusal carries besides code and reason."""

    quotas: tuple[tuple[str, str], ...]
    pushback_ms: str | None


def queue_full(retry_after_s: float | None = 2.5) -> LimitReached:
    found = Full(
        limit=Limit.PROJECT_QUEUE, project="p", most=5, count=4, arriving=2, retry_after_s=retry_after_s
    )
    return LimitReached("project 'p' has 4 executions in its queue, 5 are allowed", found)


def too_many() -> LimitReached:
    found = Full(limit=Limit.ACTIVE, project="", most=7, count=7, arriving=1, retry_after_s=1.5)
    return LimitReached("the server has 7 executions that are not terminal", found)


def overloaded() -> Overloaded:
    return Overloaded("its loop is late", measure=Measure.LOOP_LAG, value=1.5, limit=1.0, retry_after_s=1.25)


async def failed(call: Awaitable[Message]) -> tuple[grpc.aio.AioRpcError, Details]:
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        status, quota = status_pb2.Status(), error_details_pb2.QuotaFailure()
        status.ParseFromString(trailers["grpc-status-details-bin"])
        for detail in status.details:
            detail.Unpack(quota)
        pushback = trailers.get("grpc-retry-pushback-ms")
        quotas = tuple((one.subject, one.description) for one in quota.violations)
        return error, Details(quotas, None if pushback is None else str(pushback))
    raise AssertionError(f"was not refused: {answer}")


async def test_a_full_queue_is_told_as_a_quota() -> None:
    async with World().serving() as world:
        world.executions.crash = queue_full()
        error, details = await failed(world.stub.CreateExecution(create("a")))
        other = taken_apart(error)
        assert (other.code, other.reason) == ("RESOURCE_EXHAUSTED", "PROJECT_QUEUE_FULL")
        assert other.metadata == {"project": "p", "limit": "5", "count": "4", "arriving": "2"}
        assert other.retry_after_s == 2.5
        assert details == Details((("projects/p", other.message),), "2500")
        batch = BatchCreateExecutionsRequest(parent=PARENT, requests=[create("a"), create("b")])
        error, details = await failed(world.stub.BatchCreateExecutions(batch))
        assert (taken_apart(error).reason, details.pushback_ms) == ("PROJECT_QUEUE_FULL", "2500")


async def test_what_can_never_come_in_is_not_told_to_come_again() -> None:
    async with World().serving() as world:
        world.executions.crash = queue_full(None)
        error, details = await failed(world.stub.CreateExecution(create("a")))
        assert taken_apart(error).retry_after_s is None
        assert details.pushback_ms is None
        async with Client(f"127.0.0.1:{world.port}") as client:
            with pytest.raises(ClientError) as raised:
                await client.create(project="p", domain="d", task_type="query", spec={"query": "x"})
        assert not raised.value.is_transient
        assert len(world.heard.calls) == 2


async def test_a_full_server_is_told_as_a_quota_of_its_own() -> None:
    async with World().serving() as world:
        world.executions.crash = too_many()
        error, details = await failed(world.stub.CreateExecution(create("a")))
        other = taken_apart(error)
        assert (other.code, other.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_EXECUTIONS")
        assert other.metadata == {"limit": "7", "count": "7", "arriving": "1"}
        assert details == Details((("server", other.message),), "1500")


async def test_overload_is_told_as_unavailable_and_the_rest_goes_on() -> None:
    async with World().serving() as world:
        await world.create("there")
        world.executions.crash = overloaded()
        error, details = await failed(world.stub.CreateExecution(create("a")))
        other = taken_apart(error)
        assert (other.code, other.reason) == ("UNAVAILABLE", "SERVER_OVERLOADED")
        assert other.metadata == {"measure": "LOOP_LAG", "value": "1.500", "limit": "1"}
        assert other.retry_after_s == 1.25
        assert details == Details((), "1250")
        assert (await world.stub.GetExecution(GetExecutionRequest(name=full("there")))).name == full("there")
        health = health_pb2_grpc.HealthStub(world.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


class Narrow(FakeExecutions):
    """Has room for two that queue, and tells of each refusal."""

    refused: asyncio.Event

    async def create(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        rows = self.store.rows.values()
        queued = sum(isinstance(row.execution.state, Queued) for row in rows)
        found = room_for(
            Limit.PROJECT_QUEUE,
            most=2,
            count=queued,
            arriving=len(drafts),
            leaving_per_s=1.0,
            project="p",
            key="k",
        )
        if found is not None:
            self.refused.set()
            # Sooner than the engine would say, as somebody waits for the test.
            soon = Full(
                limit=found.limit, project="p", most=2, count=queued, arriving=len(drafts), retry_after_s=0.01
            )
            raise LimitReached("full", soon)
        return await super().create(drafts)


async def test_a_client_that_comes_again_as_told_comes_in_when_there_is_room() -> None:
    world = World()
    narrow = Narrow(world.store, world.handlers)
    narrow.refused = asyncio.Event()
    world.executions = narrow
    async with world.serving():
        for name in ("a", "b"):
            await world.create(name)
        async with Client(f"127.0.0.1:{world.port}") as client:
            late = asyncio.create_task(
                client.create(
                    project="p", domain="d", task_type="query", spec={"query": "x"}, execution_id="late"
                )
            )
            async with asyncio.timeout(5.0):
                await narrow.refused.wait()
            assert not late.done()
            narrow.end(ExecutionName("p", "d", "a"), OutcomeKind.SUCCEEDED)
            assert (await late).name == full("late")
    assert ("CreateExecution", "RESOURCE_EXHAUSTED", "PROJECT_QUEUE_FULL") in world.heard.calls
