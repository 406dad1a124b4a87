"""HintExecution over a real channel: what it answers, and whom it admits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import grpc

from propwash.api.options import Tls
from propwash.pb.v1 import execution_service_pb2_grpc
from propwash.pb.v1.execution_service_pb2 import HintExecutionRequest
from propwash.ports import ExecutionName, Hearing, NotAccepting
from tests.api.api_certificates import Authority
from tests.api.api_world import LOCAL, World, full, refused

REMOTE = "pw-us-01hzy3m8p0q4r5s6t7v8w9x0y1-1"
A = ExecutionName("p", "d", "a")


async def admits(authorization: str) -> bool:
    """One token is right."""
    return authorization == "Bearer right"


async def test_a_hint_says_whether_it_is_of_use() -> None:
    async with World().serving() as world:
        world.executions.hearings = {A: Hearing.HEARD, REMOTE: Hearing.ENDED}
        assert (await world.stub.HintExecution(HintExecutionRequest(name=full("a")))).heard
        assert not (await world.stub.HintExecution(HintExecutionRequest(remote_name=REMOTE))).heard
        assert world.executions.hinted == [A, REMOTE]


async def test_what_is_unknown_is_not_found() -> None:
    async with World().serving() as world:
        other = await refused(world.stub.HintExecution(HintExecutionRequest(name=full("a"))))
        assert (other.code, other.reason) == ("NOT_FOUND", "EXECUTION_NOT_FOUND")
        assert other.metadata == {"name": full("a"), "field": "name"}
        other = await refused(world.stub.HintExecution(HintExecutionRequest(remote_name=REMOTE)))
        assert (other.code, other.metadata["field"]) == ("NOT_FOUND", "remote_name")


async def test_bad_names_are_named() -> None:
    async with World().serving() as world:
        for request, reason, path in (
            (HintExecutionRequest(), "FIELD_REQUIRED", "name"),
            (HintExecutionRequest(name="a"), "NAME_MALFORMED", "name"),
            (HintExecutionRequest(remote_name="pw-us-1"), "NAME_MALFORMED", "remote_name"),
            (HintExecutionRequest(name=full("a"), remote_name=REMOTE), "FIELD_INVALID", "remote_name"),
        ):
            other = await refused(world.stub.HintExecution(request))
            assert (other.code, other.reason, other.fields) == ("INVALID_ARGUMENT", reason, (path,))
        assert not world.executions.hinted


async def test_a_server_that_starts_or_drains_says_so() -> None:
    async with World().serving() as world:
        world.executions.deaf = NotAccepting("the server is starting")
        other = await refused(world.stub.HintExecution(HintExecutionRequest(name=full("a"))))
        assert (other.code, other.reason, other.retry_after_s) == ("UNAVAILABLE", "NOT_ACCEPTING", 1.0)


async def test_where_there_is_a_token_it_is_asked_for() -> None:
    async with World(admits_hint=admits).serving() as world:
        world.executions.hearings[A] = Hearing.HEARD
        request = HintExecutionRequest(name=full("a"))
        right, wrong = ("authorization", "Bearer right"), ("authorization", "Bearer wrong")
        for metadata in ((), (wrong,), (wrong, right)):
            other = await refused(world.stub.HintExecution(request, metadata=metadata))
            assert (other.code, other.reason) == ("UNAUTHENTICATED", "TOKEN_REFUSED")
            assert "wrong" not in other.message
        assert not world.executions.hinted
        assert (await world.stub.HintExecution(request, metadata=(right,))).heard


async def test_a_client_certificate_is_as_good_as_the_token(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    own, own_key = authority.issue("client")
    tls = Tls(certificate_file=certificate, key_file=key, client_ca_file=authority.ca_file)
    ca = authority.ca_file.read_bytes()
    request = HintExecutionRequest(name=full("a"))
    async with World(admits_hint=admits).serving(replace(LOCAL, tls=tls)) as world:
        world.executions.hearings[A] = Hearing.HEARD
        credentials = grpc.ssl_channel_credentials(ca, own_key.read_bytes(), own.read_bytes())
        async with grpc.aio.secure_channel(f"localhost:{world.port}", credentials) as channel:
            assert (
                await execution_service_pb2_grpc.ExecutionServiceStub(channel).HintExecution(request)
            ).heard
    async with (
        World(admits_hint=admits).serving(replace(LOCAL, tls=replace(tls, client_ca_file=None))) as world,
        grpc.aio.secure_channel(f"localhost:{world.port}", grpc.ssl_channel_credentials(ca)) as channel,
    ):
        stub = execution_service_pb2_grpc.ExecutionServiceStub(channel)
        assert (await refused(stub.HintExecution(request))).code == "UNAUTHENTICATED"
