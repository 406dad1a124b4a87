"""Every refused input has its documented code, reason and field, and stores nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from propwash.pb.v1.execution_service_pb2 import (
    AbortExecutionRequest,
    BatchCreateExecutionsRequest,
    BatchGetExecutionsRequest,
    CreateExecutionRequest,
    GetExecutionRequest,
    ListExecutionsRequest,
    ReadResultsRequest,
    StreamLogsRequest,
    WaitExecutionRequest,
    WatchExecutionsRequest,
)
from propwash.pb.v1.handler_service_pb2 import GetHandlerRequest, ListHandlersRequest
from propwash.pb.v1.value_pb2 import Value
from tests.api.api_world import PARENT, World, create, full, refused, taken_apart


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World().serving() as made:
        yield made


def changed(change: Callable[[CreateExecutionRequest], object]) -> CreateExecutionRequest:
    """A valid request with one fault."""
    request = create("a")
    change(request)
    return request


def spec_with(value: Value, *, key: str = "x") -> CreateExecutionRequest:
    """A request whose spec has one more value."""
    request = create("a")
    request.execution.spec.entries[key].CopyFrom(value)
    return request


def nested(depth: int, *, in_maps: bool) -> Value:
    """A value of so many levels."""
    value = Value(integer=1)
    for _ in range(depth):
        outer = Value()
        if in_maps:
            outer.map.entries["k"].CopyFrom(value)
        else:
            outer.list.items.add().CopyFrom(value)
        value = outer
    return value


def batch(*requests: CreateExecutionRequest, parent: str = PARENT) -> BatchCreateExecutionsRequest:
    """A batch."""
    return BatchCreateExecutionsRequest(parent=parent, requests=requests)


def policy(**fields: object) -> CreateExecutionRequest:
    """A request with a policy."""
    request = create("a")
    for name, value in fields.items():
        if isinstance(value, Duration):
            getattr(request.execution.policy, name).CopyFrom(value)
        else:
            setattr(request.execution.policy, name, value)
    return request


def labelled(labels: dict[str, str]) -> CreateExecutionRequest:
    """A request with labels."""
    return changed(lambda request: request.execution.labels.update(labels))


def mixed() -> BatchCreateExecutionsRequest:
    """A batch of which one is only to be checked."""
    other = create("b")
    other.validate_only = True
    return batch(create("a"), other)


CREATE = [
    ("FIELD_REQUIRED", "parent", changed(lambda r: r.ClearField("parent"))),
    ("NAME_MALFORMED", "parent", changed(lambda r: setattr(r, "parent", "projects/P/domains/d"))),
    ("NAME_MALFORMED", "parent", changed(lambda r: setattr(r, "parent", "projects/-/domains/d"))),
    ("NAME_MALFORMED", "execution_id", changed(lambda r: setattr(r, "execution_id", "ends-"))),
    ("NAME_MALFORMED", "execution_id", changed(lambda r: setattr(r, "execution_id", "x" * 64))),
    ("NAME_MALFORMED", "execution_id", changed(lambda r: setattr(r, "execution_id", "a\n"))),
    ("FIELD_INVALID", "request_id", changed(lambda r: setattr(r, "request_id", "a b"))),
    ("FIELD_REQUIRED", "execution", changed(lambda r: r.ClearField("execution"))),
    ("FIELD_REQUIRED", "execution.task_type", changed(lambda r: r.execution.ClearField("task_type"))),
    ("FIELD_INVALID", "execution.task_type", changed(lambda r: setattr(r.execution, "task_type", "a b"))),
    ("FIELD_REQUIRED", "execution.spec", changed(lambda r: r.execution.ClearField("spec"))),
    (
        "FIELD_INVALID",
        "execution.connection",
        changed(lambda r: setattr(r.execution, "connection", "c" * 256)),
    ),
    ("UNKNOWN_TASK_TYPE", "execution.task_type", create("a", task_type="none")),
    ("INVALID_SPEC", "execution.spec.query", spec_with(Value(integer=1), key="query")),
    ("VALUE_WITHOUT_KIND", "execution.spec.x", spec_with(Value())),
    ("VALUE_WITHOUT_KIND", "execution.inputs.y", changed(lambda r: r.execution.inputs.entries["y"].Clear())),
    ("VALUE_TOO_DEEP", "execution.spec.x" + "[0]" * 31, spec_with(nested(32, in_maps=False))),
    ("VALUE_TOO_DEEP", "execution.spec.x" + ".k" * 31, spec_with(nested(32, in_maps=True))),
    ("MESSAGE_MALFORMED", None, spec_with(nested(60, in_maps=True))),
    ("VALUE_OUT_OF_RANGE", "execution.spec.x", spec_with(Value(timestamp=Timestamp(seconds=2**50)))),
    ("VALUE_OUT_OF_RANGE", "execution.spec.x", spec_with(Value(timestamp=Timestamp(nanos=1)))),
    ("VALUE_OUT_OF_RANGE", "execution.spec.x", spec_with(Value(duration=Duration(seconds=1, nanos=-5000)))),
    ("VALUE_OUT_OF_RANGE", "execution.spec['a b']", spec_with(Value(duration=Duration(nanos=1)), key="a b")),
    ("POLICY_INVALID", "execution.policy.max_attempts", policy(max_attempts=-1)),
    ("POLICY_INVALID", "execution.policy.max_attempts", policy(max_attempts=101)),
    ("POLICY_INVALID", "execution.policy.wait_timeout", policy(wait_timeout=Duration(seconds=-1))),
    ("POLICY_INVALID", "execution.policy.run_timeout", policy(run_timeout=Duration(nanos=-1))),
    ("POLICY_INVALID", "execution.policy.total_timeout", policy(total_timeout=Duration(seconds=10**10))),
    ("LABELS_INVALID", "execution.labels.", labelled({"": "x"})),
    ("LABELS_INVALID", f"execution.labels.{'k' * 63}", labelled({"k" * 64: "x"})),
    ("LABELS_INVALID", "execution.labels.k", labelled({"k": "x" * 64})),
    ("LABELS_INVALID", "execution.labels", labelled({f"k{i}": "" for i in range(65)})),
]
BATCH = [
    ("FIELD_REQUIRED", "requests", batch()),
    ("BATCH_TOO_LARGE", "requests", batch(*[create() for _ in range(1001)])),
    ("DUPLICATE_IN_BATCH", "requests[1].execution_id", batch(create("a"), create("a"))),
    (
        "DUPLICATE_IN_BATCH",
        "requests[1].request_id",
        batch(create("a", request_id="r"), create("b", request_id="r")),
    ),
    ("BATCH_MIXED", "requests[1].validate_only", mixed()),
    ("NAME_MALFORMED", "requests[1].execution_id", batch(create("a"), create("-"))),
    ("INVALID_SPEC", "requests[0].execution.spec.query", batch(spec_with(Value(boolean=True), key="query"))),
]
READ: list[tuple[str, str, str, Message]] = [
    ("GetExecution", "FIELD_REQUIRED", "name", GetExecutionRequest()),
    ("GetExecution", "NAME_MALFORMED", "name", GetExecutionRequest(name="executions/a")),
    ("BatchGetExecutions", "FIELD_REQUIRED", "names", BatchGetExecutionsRequest(parent=PARENT)),
    ("BatchGetExecutions", "BATCH_TOO_LARGE", "names", BatchGetExecutionsRequest(names=[full("a")] * 1001)),
    ("BatchGetExecutions", "NAME_MALFORMED", "names[0]", BatchGetExecutionsRequest(names=["x"])),
    (
        "BatchGetExecutions",
        "PARENT_MISMATCH",
        "names[1]",
        BatchGetExecutionsRequest(parent=PARENT, names=[full("a"), "projects/q/domains/d/executions/a"]),
    ),
    ("ListExecutions", "NAME_MALFORMED", "parent", ListExecutionsRequest(parent="projects/p")),
    ("ListExecutions", "FIELD_INVALID", "page_size", ListExecutionsRequest(parent=PARENT, page_size=-1)),
    (
        "ListExecutions",
        "PAGE_TOKEN_INVALID",
        "page_token",
        ListExecutionsRequest(parent=PARENT, page_token="?"),
    ),
    (
        "ListExecutions",
        "FILTER_FIELD_UNKNOWN",
        "filter",
        ListExecutionsRequest(parent=PARENT, filter="nope = 1"),
    ),
    ("ListExecutions", "FILTER_SYNTAX", "filter", ListExecutionsRequest(parent=PARENT, filter="phase =")),
    (
        "ListExecutions",
        "FILTER_VALUE_INVALID",
        "filter",
        ListExecutionsRequest(parent=PARENT, filter="attempt = x"),
    ),
    ("ListExecutions", "FILTER_TOO_LARGE", "filter", ListExecutionsRequest(parent=PARENT, filter="(" * 5000)),
    ("WaitExecution", "NAME_MALFORMED", "name", WaitExecutionRequest(name="a")),
    (
        "WaitExecution",
        "FIELD_INVALID",
        "timeout",
        WaitExecutionRequest(name=full("a"), timeout=Duration(seconds=-1)),
    ),
    (
        "WaitExecution",
        "FIELD_INVALID",
        "timeout",
        WaitExecutionRequest(name=full("a"), timeout=Duration(seconds=3601)),
    ),
    ("AbortExecution", "NAME_MALFORMED", "name", AbortExecutionRequest(name="a")),
    ("AbortExecution", "FIELD_INVALID", "message", AbortExecutionRequest(name=full("a"), message="m" * 1025)),
    ("ReadResults", "NAME_MALFORMED", "name", ReadResultsRequest(name="a")),
    ("ReadResults", "FIELD_INVALID", "page_size", ReadResultsRequest(name=full("a"), page_size=-5)),
]
STREAM: list[tuple[str, str, str, Message]] = [
    ("WatchExecutions", "FIELD_REQUIRED", "parent", WatchExecutionsRequest()),
    ("WatchExecutions", "NAME_MALFORMED", "names[0]", WatchExecutionsRequest(parent=PARENT, names=["x"])),
    (
        "WatchExecutions",
        "BATCH_TOO_LARGE",
        "names",
        WatchExecutionsRequest(parent=PARENT, names=[full("a")] * 1001),
    ),
    (
        "WatchExecutions",
        "RESUME_TOKEN_INVALID",
        "resume_token",
        WatchExecutionsRequest(parent=PARENT, resume_token="x"),
    ),
    ("StreamLogs", "NAME_MALFORMED", "name", StreamLogsRequest(name="x")),
    ("StreamLogs", "FIELD_INVALID", "cursor", StreamLogsRequest(name=full("a"), cursor="c" * 2049)),
]


@pytest.mark.parametrize(("reason", "path", "request_"), CREATE)
async def test_create(world: World, reason: str, path: str | None, request_: CreateExecutionRequest) -> None:
    found = await refused(world.stub.CreateExecution(request_))
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", reason)
    assert found.fields == ((path,) if path is not None else ())
    assert not world.store.changes


@pytest.mark.parametrize(("reason", "path", "request_"), BATCH)
async def test_batch_create(
    world: World, reason: str, path: str, request_: BatchCreateExecutionsRequest
) -> None:
    found = await refused(world.stub.BatchCreateExecutions(request_))
    assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", reason, (path,))
    assert not world.store.changes


@pytest.mark.parametrize(("method", "reason", "path", "request_"), READ)
async def test_unary(world: World, method: str, reason: str, path: str, request_: Message) -> None:
    found = await refused(getattr(world.stub, method)(request_))
    assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", reason, (path,))


@pytest.mark.parametrize(("method", "reason", "path", "request_"), STREAM)
async def test_stream(world: World, method: str, reason: str, path: str, request_: Message) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(world.stub, method)(request_).read()
    found = taken_apart(caught.value)
    assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", reason, (path,))


async def test_handlers(world: World) -> None:
    found = await refused(world.catalogue.ListHandlers(ListHandlersRequest(page_size=-1)))
    assert (found.reason, found.fields) == ("FIELD_INVALID", ("page_size",))
    found = await refused(world.catalogue.GetHandler(GetHandlerRequest(name="query")))
    assert (found.reason, found.fields) == ("NAME_MALFORMED", ("name",))


async def test_the_deepest_value_that_is_allowed(world: World) -> None:
    made = await world.stub.BatchCreateExecutions(batch(spec_with(nested(31, in_maps=True))))
    assert made.executions[0].spec.entries["x"] == nested(31, in_maps=True)


async def test_a_page_token_fits_its_parent_and_filter_only(world: World) -> None:
    for name in "abc":
        await world.create(name)
    token = (
        await world.stub.ListExecutions(ListExecutionsRequest(parent=PARENT, page_size=1))
    ).next_page_token
    for other in (
        ListExecutionsRequest(parent="projects/-/domains/d", page_token=token),
        ListExecutionsRequest(parent=PARENT, filter="attempt = 1", page_token=token),
        ListExecutionsRequest(parent=PARENT, page_token=token[:-2] + ("AA" if token[-2:] != "AA" else "BB")),
    ):
        found = await refused(world.stub.ListExecutions(other))
        assert (found.reason, found.fields) == ("PAGE_TOKEN_INVALID", ("page_token",))


async def test_garbage_is_malformed(world: World) -> None:
    call: Any = world.channel.unary_unary("/propwash.v1.ExecutionService/GetExecution")
    found = await refused(call(b"\xff\xff\xff"))
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "MESSAGE_MALFORMED")


async def test_an_unknown_method(world: World) -> None:
    unknown: Any = world.channel.unary_unary("/propwash.v1.ExecutionService/Nope")
    found = await refused(unknown(b""))
    assert (found.code, found.reason) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")
    unknown = world.channel.unary_stream("/none.Service/Nope")
    stream = unknown(b"")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert taken_apart(caught.value).reason == "METHOD_UNKNOWN"


async def test_a_long_path_fits_into_the_trailers(world: World) -> None:
    deep = spec_with(Value(), key="ключ " * 400)
    found = await refused(world.stub.CreateExecution(deep))
    assert found.reason == "VALUE_WITHOUT_KIND"
    assert len(found.message) <= 512
