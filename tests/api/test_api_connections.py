"""How connections stand, over real gRPC, as the client and the command line see it."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
import pytest

from propwash.cli.connection_sheets import status_sheet, throttle_sheet
from propwash.client import BreakerState as ClientBreakerState
from propwash.client import Client
from propwash.core.model import Fault, FaultKind
from propwash.pb.v1 import connection_service_pb2 as pb
from propwash.pb.v1 import connection_service_pb2_grpc
from propwash.ports import (
    BreakerState,
    BreakerStatus,
    ConnectionStatus,
    ThrottleStatus,
    WaitingCalls,
)
from tests.api.api_world import World, taken_apart

CLOSED = BreakerStatus(state=BreakerState.CLOSED, since=None, next_try_at=None, fault=None, openings=0)
FAULT = Fault(kind=FaultKind.UNAVAILABLE, reason="CONNECT_FAILED", message="no answer")
OPEN = BreakerStatus(state=BreakerState.OPEN, since=1_700_000_000.0, next_try_at=4e9, fault=FAULT, openings=3)
CALM = ThrottleStatus(
    configured_rate=100.0,
    configured_burst=10.0,
    rate=100.0,
    left=10.0,
    paused_until=None,
    slowed_at=None,
    throttled=0,
    waiting=WaitingCalls(),
    oldest_since=None,
    in_flight=0,
)
BUSY = ThrottleStatus(
    configured_rate=100.0,
    configured_burst=10.0,
    rate=12.5,
    left=0.25,
    paused_until=4e9,
    slowed_at=1_700_000_100.0,
    throttled=7,
    waiting=WaitingCalls(aborts=2, new=1, observations=40, sweeps=1),
    oldest_since=1_700_000_200.0,
    in_flight=5,
)


class FakeStatuses:
    """Tells what it is given."""

    def __init__(self, *statuses: ConnectionStatus) -> None:
        self._statuses = statuses

    def all(self) -> Sequence[ConnectionStatus]:
        """By connection and handler."""
        return self._statuses


def status(connection: str, handler: str, *, breaker: BreakerStatus = CLOSED) -> ConnectionStatus:
    """A connection whose reads are busy."""
    return ConnectionStatus(
        connection=connection,
        handler=handler,
        plugin="aws",
        task_types=(f"{handler}_task",),
        endpoint="https://emr.example",
        breaker=breaker,
        reads=BUSY,
        writes=CALM,
        deletes=CALM,
        answered_at=None,
    )


def world() -> World:
    """One connection of two handlers, and one of another."""
    found = FakeStatuses(status("aws", "emr", breaker=OPEN), status("aws", "steps"), status("other", "emr"))
    return World(connections=found)


async def test_every_field_comes_through() -> None:
    async with world().serving() as serving, Client(f"127.0.0.1:{serving.port}") as client:
        aws, other = await client.connections()
        assert (aws.id, aws.plugin, aws.endpoint) == ("aws", "aws", "https://emr.example")
        assert [use.handler for use in aws.uses] == ["emr", "steps"]
        emr = aws.uses[0]
        assert (emr.breaker_state, emr.reason, emr.message, emr.openings) == (
            ClientBreakerState.OPEN,
            "CONNECT_FAILED",
            "no answer",
            3,
        )
        assert emr.breaker_open_time is not None
        assert emr.breaker_open_time.timestamp() == 1_700_000_000.0
        assert emr.task_types == ("emr_task",)
        assert emr.answer_time is None
        reads, writes, _ = emr.throttles
        assert (reads.rate, reads.configured_rate, reads.budget_left) == (12.5, 100.0, 0.25)
        assert (reads.throttled_total, reads.in_flight, reads.waiting.total) == (7, 5, 44)
        assert reads.pause_end_time is not None
        assert writes.pause_end_time is None
        assert await client.connection("other") == other


async def test_pages_and_bad_names() -> None:
    async with world().serving() as serving:
        stub = connection_service_pb2_grpc.ConnectionServiceStub(serving.channel)
        first = await stub.ListConnections(pb.ListConnectionsRequest(page_size=1))
        assert [one.name for one in first.connections] == ["connections/aws"]
        second = await stub.ListConnections(
            pb.ListConnectionsRequest(page_size=1, page_token=first.next_page_token)
        )
        assert [one.name for one in second.connections] == ["connections/other"]
        assert second.next_page_token == ""
        for name, reason in (
            ("", "FIELD_REQUIRED"),
            ("aws", "NAME_MALFORMED"),
            ("connections/", "NAME_MALFORMED"),
            ("connections/none", "CONNECTION_NOT_FOUND"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.GetConnection(pb.GetConnectionRequest(name=name))
            assert taken_apart(refused.value).reason == reason


async def test_the_tables_say_what_holds_calls_back() -> None:
    async with world().serving() as serving, Client(f"127.0.0.1:{serving.port}") as client:
        connections = await client.connections()
    throttles = throttle_sheet(connections)
    assert len(throttles.rows) == 9
    row = dict(zip(throttles.headers, throttles.rows[0], strict=True))
    assert (row["CONNECTION"], row["CLASS"], row["RATE"], row["CONFIGURED"]) == (
        "aws",
        "read",
        "12.5/s",
        "100/s",
    )
    assert row["WAITING"] == "44 (2 aborts, 1 new, 40 observations, 1 sweeps)"
    assert row["THROTTLED"] == "7"
    assert row["PAUSED"] not in ("-", "0s")
    told = status_sheet(connections)
    row = dict(zip(told.headers, told.rows[0], strict=True))
    assert (row["BREAKER"], row["READS"], row["WHY"]) == ("OPEN", "12.5/100", "CONNECT_FAILED: no answer")
    assert dict(zip(told.headers, told.rows[1], strict=True))["WHY"] == ""
