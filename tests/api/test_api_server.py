"""The server itself: TLS, health, reflection, bounds, drain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2  # type: ignore[import-untyped]

from propwash.api.options import CannotListen, Tls
from propwash.api.server import ApiServer, channel_options
from propwash.pb.v1 import execution_service_pb2_grpc
from propwash.pb.v1.execution_service_pb2 import (
    GetExecutionRequest,
    WaitExecutionRequest,
    WatchExecutionsRequest,
)
from tests.api.api_certificates import Authority
from tests.api.api_world import LOCAL, PARENT, World, create, full, refused, taken_apart

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
EXECUTIONS, HANDLERS = "propwash.v1.ExecutionService", "propwash.v1.HandlerService"
POOLS = "propwash.v1.PoolService"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World().serving() as made:
        yield made


async def test_health_per_service_and_drain(world: World) -> None:
    stub = health_pb2_grpc.HealthStub(world.channel)
    for service in ("", EXECUTIONS, HANDLERS, POOLS):
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="none"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=EXECUTIONS))
    assert (await watch.read()).status == SERVING
    await world.create("a")
    await world.server.begin_drain()
    assert (await watch.read()).status == NOT_SERVING
    assert (await stub.Check(health_pb2.HealthCheckRequest(service=HANDLERS))).status == NOT_SERVING
    other = await refused(world.stub.CreateExecution(create("b")))
    assert (other.code, other.reason, other.retry_after_s) == ("UNAVAILABLE", "SERVER_DRAINING", 1.0)
    assert (await world.stub.GetExecution(GetExecutionRequest(name=full("a")))).name == full("a")


async def test_calls_in_flight_finish_before_a_stop(world: World) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()
    commit = world.executions.create

    async def slow(drafts: object) -> object:
        entered.set()
        await leave.wait()
        return await commit(drafts)  # type: ignore[arg-type]

    world.executions.create = slow  # type: ignore[assignment, method-assign]
    call = world.stub.CreateExecution(create("a"))
    await entered.wait()
    stop = asyncio.create_task(world.server.stop(5.0), name="stop")
    await asyncio.sleep(0)
    leave.set()
    assert (await call).name == full("a")
    await stop
    assert not world.heard.troubles


async def test_a_stop_does_not_wait_for_ever(world: World) -> None:
    entered = asyncio.Event()

    async def hang(_: object) -> object:
        entered.set()
        return await asyncio.Event().wait()

    world.executions.create = hang  # type: ignore[assignment, method-assign]
    call = world.stub.CreateExecution(create("a"))
    await entered.wait()
    await world.server.stop(0.01)
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    assert world.heard.troubles == ["api: calls were still in flight when the grace was over"]


async def test_a_wait_is_told_of_the_drain(world: World) -> None:
    await world.create("a")
    wait = asyncio.ensure_future(world.stub.WaitExecution(WaitExecutionRequest(name=full("a"))))
    await world.store.read.wait()
    await world.server.begin_drain()
    assert (await refused(wait)).reason == "SERVER_DRAINING"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection(world: World, version: str) -> None:
    ask: Any = world.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    v1 = "grpc.reflection.v1.ServerReflection"
    requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
    requests += [
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)
        for name in (EXECUTIONS, v1, POOLS)
    ]
    listed, described, itself, pools = [answer async for answer in ask(iter(requests))]
    names = {service.name for service in listed.list_services_response.service}
    assert {EXECUTIONS, HANDLERS, POOLS, v1, "grpc.health.v1.Health"} <= names
    files = [
        FileDescriptorProto.FromString(raw)
        for raw in described.file_descriptor_response.file_descriptor_proto
    ]
    assert any(service.name == "ExecutionService" for file in files for service in file.service)
    described_pools = b"".join(pools.file_descriptor_response.file_descriptor_proto)
    assert b"ListPoolWaiters" in described_pools
    assert itself.file_descriptor_response.file_descriptor_proto


async def test_reflection_can_be_off() -> None:
    async with World().serving(replace(LOCAL, has_reflection=False)) as world:
        ask: Any = world.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(iter([b""])).read()
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_an_oversize_message() -> None:
    async with World().serving(replace(LOCAL, max_message_bytes=10_000)) as world:
        found = await refused(world.stub.CreateExecution(create("a", query="x" * 20_000)))
        assert found.code == "RESOURCE_EXHAUSTED"
        assert not world.store.changes
        await world.create("a")


async def test_metadata_too_large(world: World) -> None:
    call = world.stub.GetExecution(GetExecutionRequest(name=full("a")), metadata=(("x", "y" * 20_000),))
    assert (await refused(call)).code == "RESOURCE_EXHAUSTED"


async def test_overload_is_told_to_come_back() -> None:
    async with World().serving(replace(LOCAL, max_concurrent_rpcs=1)) as world:
        watch = world.stub.WatchExecutions(WatchExecutionsRequest(parent=PARENT))
        await watch.read()
        found = await refused(world.stub.GetExecution(GetExecutionRequest(name=full("a"))))
        assert (found.code, found.reason, found.retry_after_s) == ("UNAVAILABLE", "SERVER_OVERLOADED", 0.5)
        watch.cancel()


async def test_a_client_that_takes_nothing_is_ended() -> None:
    options = replace(LOCAL, stream_stall_s=0.05, max_message_bytes=8 * 1024 * 1024)
    # Without these the client's transport takes several megabytes before anybody reads.
    small = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536)]
    async with World().serving(options, [("grpc.max_receive_message_length", -1), *small]) as world:
        for name in "abc":
            await world.create(name, query="x" * 3_000_000)
        watch: Any = world.stub.WatchExecutions(WatchExecutionsRequest(parent=PARENT))
        await watch.initial_metadata()
        while world.heard.open_streams.get("WatchExecutions") != 0:
            world.heard.told.clear()
            await world.heard.told.wait()
        assert (await refused(drained(watch))).reason == "STREAM_STALLED"


async def drained(stream: Any) -> Any:
    """Read to the end."""
    while (answer := await stream.read()) is not grpc.aio.EOF:
        pass
    return answer


async def test_a_cancelled_call_is_counted(world: World) -> None:
    await world.create("a")
    call = world.stub.WaitExecution(WaitExecutionRequest(name=full("a")))
    await world.store.read.wait()
    world.heard.told.clear()
    call.cancel()
    await world.heard.told.wait()
    assert world.heard.calls[-1] == ("WaitExecution", "CANCELLED", "")


async def test_a_taken_port_is_one_clear_line(world: World) -> None:
    options = replace(LOCAL, listen=f"127.0.0.1:{world.port}")
    other = ApiServer(
        options,
        store=world.store,
        executions=world.executions,
        handlers=world.handlers,
        instrument=world.heard,
    )
    with pytest.raises(CannotListen, match=r"cannot listen on 127\.0\.0\.1:.*the port is taken"):
        await other.start()
    await other.stop(1.0)


def test_keepalive_and_age_settings() -> None:
    made = dict(channel_options(replace(LOCAL, max_connection_age_s=60, max_connection_idle_s=5)))
    assert made["grpc.http2.min_ping_interval_without_data_ms"] == 10_000
    assert made["grpc.keepalive_permit_without_calls"] == 1
    assert made["grpc.max_connection_age_ms"] == 60_000
    assert made["grpc.max_connection_age_grace_ms"] == 30_000
    assert made["grpc.max_connection_idle_ms"] == 5_000
    assert "grpc.max_connection_age_ms" not in dict(channel_options(LOCAL))


async def ask(port: int, credentials: grpc.ChannelCredentials) -> str:
    """The code that a call over TLS ends with."""
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        stub = execution_service_pb2_grpc.ExecutionServiceStub(channel)
        return (await refused(stub.GetExecution(GetExecutionRequest(name=full("a")), timeout=10))).code


async def test_tls_and_renewed_files(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    options = replace(LOCAL, tls=Tls(certificate_file=certificate, key_file=key))
    async with World().serving(options) as world:
        assert (
            await ask(world.port, grpc.ssl_channel_credentials(authority.ca_file.read_bytes())) == "NOT_FOUND"
        )
        assert (
            await refused(world.stub.GetExecution(GetExecutionRequest(name=full("a"))))
        ).code == "UNAVAILABLE"
        other = Authority(tmp_path)
        other.issue("server")
        assert await ask(world.port, grpc.ssl_channel_credentials(other.ca_file.read_bytes())) == "NOT_FOUND"
        key.write_text("broken")
        assert await ask(world.port, grpc.ssl_channel_credentials(other.ca_file.read_bytes())) == "NOT_FOUND"


async def test_mtls_wants_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    own, own_key = authority.issue("client")
    options = replace(
        LOCAL, tls=Tls(certificate_file=certificate, key_file=key, client_ca_file=authority.ca_file)
    )
    ca = authority.ca_file.read_bytes()
    async with World().serving(options) as world:
        with_own = grpc.ssl_channel_credentials(ca, own_key.read_bytes(), own.read_bytes())
        assert await ask(world.port, with_own) == "NOT_FOUND"
        assert await ask(world.port, grpc.ssl_channel_credentials(ca)) == "UNAVAILABLE"


async def test_tls_files_that_do_not_fit(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, _ = authority.issue("server")
    _, other_key = authority.issue("other")
    world = World()
    for key in (other_key, tmp_path / "none"):
        options = replace(LOCAL, tls=Tls(certificate_file=certificate, key_file=key))
        with pytest.raises(CannotListen, match="cannot use the TLS files"):
            async with world.serving(options):
                pass


async def test_unknown_method_of_a_streaming_client(world: World) -> None:
    send: Any = world.channel.stream_unary("/none.Service/Nope")
    call = send(iter([b"a", b"b"]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert taken_apart(caught.value).reason == "METHOD_UNKNOWN"
