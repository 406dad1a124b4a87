"""Logs, results and handlers, over a real port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from propwash.core.model import Done, OutcomeKind
from propwash.pb.v1.execution_service_pb2 import (
    ReadResultsRequest,
    StreamLogsRequest,
)
from propwash.pb.v1.handler_service_pb2 import (
    HANDLER_STATE_BROKEN,
    HANDLER_STATE_SERVING,
    GetHandlerRequest,
    ListHandlersRequest,
)
from tests.api.api_fake_host import UNAVAILABLE, log_page, result_page
from tests.api.api_world import World, full, refused, taken_apart


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World().serving() as made:
        yield made


async def test_logs(world: World) -> None:
    name = await world.create("a")
    stream = world.stub.StreamLogs(StreamLogsRequest(name=full("a")))
    with pytest.raises(grpc.aio.AioRpcError) as early:
        await stream.read()
    assert taken_apart(early.value).reason == "NO_REMOTE_JOB"
    world.executions.run(name)
    world.handlers.log_pages[""] = log_page("one", "two", cursor="c1")
    world.handlers.log_pages["c1"] = log_page("three", cursor="c2")
    pages = [page async for page in world.stub.StreamLogs(StreamLogsRequest(name=full("a")))]
    assert [line.text for page in pages for line in page.lines] == ["one", "two", "three"]
    assert pages[-1].cursor == "c2"
    world.handlers.log_pages[""] = UNAVAILABLE
    with pytest.raises(grpc.aio.AioRpcError) as down:
        await world.stub.StreamLogs(StreamLogsRequest(name=full("a"))).read()
    found = taken_apart(down.value)
    assert (found.code, found.reason, found.retry_after_s) == ("UNAVAILABLE", "REMOTE_5XX", 2.0)


async def test_a_followed_log_goes_on(world: World) -> None:
    name = await world.create("a")
    world.executions.run(name)
    stream: Any = world.stub.StreamLogs(StreamLogsRequest(name=full("a"), follow=True))
    assert not (await stream.read()).lines
    world.handlers.log_pages[""] = log_page("late", cursor="c1")
    assert (await stream.read()).lines[0].text == "late"
    world.handlers.log_pages["c1"] = log_page("last", cursor="c2")
    world.executions.end(name, OutcomeKind.FAILED)
    assert [line.text for line in (await stream.read()).lines] == ["last"]
    assert await stream.read() is grpc.aio.EOF


async def test_logs_and_results_that_are_not_offered(world: World) -> None:
    world.executions.run(await world.create("a", task_type="mute"))
    with pytest.raises(grpc.aio.AioRpcError) as mute:
        await world.stub.StreamLogs(StreamLogsRequest(name=full("a"))).read()
    assert taken_apart(mute.value).reason == "LOGS_NOT_OFFERED"
    other = await refused(world.stub.ReadResults(ReadResultsRequest(name=full("a"))))
    assert (other.code, other.reason) == ("FAILED_PRECONDITION", "EXECUTION_NOT_SUCCEEDED")
    assert other.metadata["phase"] == "RUNNING"


async def test_results(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name = await world.create("a")
    world.executions.end(name, OutcomeKind.SUCCEEDED)
    monkeypatch.setattr(
        "propwash.api.reading.meta_of", lambda record: isinstance(record.execution.state, Done) and b"m"
    )
    world.handlers.result_pages = {"": result_page(1, 2, next_cursor="n"), "n": result_page(3, 4)}
    first = await world.stub.ReadResults(ReadResultsRequest(name=full("a"), page_size=2))
    assert [row.items[0].integer for row in first.rows] == [1, 2]
    assert (first.columns[0].name, first.total_rows) == ("n", 4)
    rest = await world.stub.ReadResults(ReadResultsRequest(name=full("a"), page_token=first.next_page_token))
    assert [row.items[0].integer for row in rest.rows] == [3, 4]
    assert not rest.next_page_token
    await world.create("b")
    foreign = ReadResultsRequest(name=full("b"), page_token=first.next_page_token)
    assert (await refused(world.stub.ReadResults(foreign))).reason == "PAGE_TOKEN_INVALID"
    world.executions.end(await world.create("c", task_type="mute"), OutcomeKind.SUCCEEDED)
    other = await refused(world.stub.ReadResults(ReadResultsRequest(name=full("c"))))
    assert (other.code, other.reason) == ("UNIMPLEMENTED", "RESULTS_NOT_OFFERED")


async def test_handlers_are_listed_the_broken_too(world: World) -> None:
    first = await world.catalogue.ListHandlers(ListHandlersRequest(page_size=1))
    rest = await world.catalogue.ListHandlers(ListHandlersRequest(page_token=first.next_page_token))
    both = [*first.handlers, *rest.handlers]
    assert [(one.name, one.state) for one in both] == [
        ("handlers/broken", HANDLER_STATE_BROKEN),
        ("handlers/query", HANDLER_STATE_SERVING),
    ]
    assert not any(one.spec_schema for one in both)
    made = await world.catalogue.GetHandler(GetHandlerRequest(name="handlers/query"))
    assert made.spec_schema == '{"type": "object"}'
    other = await refused(world.catalogue.GetHandler(GetHandlerRequest(name="handlers/none")))
    assert (other.code, other.reason) == ("NOT_FOUND", "HANDLER_NOT_FOUND")
