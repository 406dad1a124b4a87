"""What each status of a server means for a create, which may have made a job, and for a look, which ends nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from datetime import timedelta

import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import StatusCode

from propwash.sdk import Permanent, RemotePhase, Retryable, Throttled, Unavailable, Verdict
from propwash_upstream import handler, upstreams
from propwash_upstream.errors import CallError, of_create, of_look, retry_after_s
from tests.plugins.upstream.connector_fake import Plan
from tests.plugins.upstream.upstream_rig import NEVER_MADE, upstream_rig

TRACEBACK = """failed to create spark task with error:
 Trace:

    Traceback (most recent call last):
      File "connector.py", line 3, in create
        raise ValueError("no such cluster")
    ValueError: no such cluster

Message:

    ValueError: no such cluster."""
DOUBT = Unavailable
CREATES: list[tuple[StatusCode, str, type[Verdict], str]] = [
    (StatusCode.INTERNAL, TRACEBACK, Retryable, "CONNECTOR_RAISED"),
    (StatusCode.UNKNOWN, "Unexpected <class 'KeyError'>: 'a'", Retryable, "CONNECTOR_RAISED"),
    (StatusCode.INTERNAL, "Received RST_STREAM with error code 2", DOUBT, "UPSTREAM_ANSWERED_ERROR"),
    (StatusCode.NOT_FOUND, "Cannot find connector for task type: spark.", Throttled, "CONNECTOR_NOT_FOUND"),
    (StatusCode.NOT_FOUND, "Cannot find agent for task type: spark.", Throttled, "CONNECTOR_NOT_FOUND"),
    (StatusCode.NOT_FOUND, "no table t", DOUBT, "UPSTREAM_NOT_FOUND"),
    (StatusCode.UNIMPLEMENTED, "Method not found!", Throttled, "UPSTREAM_UNIMPLEMENTED"),
    (StatusCode.UNAUTHENTICATED, "who are you", Throttled, "UPSTREAM_UNAUTHENTICATED"),
    (StatusCode.PERMISSION_DENIED, "not you", Throttled, "UPSTREAM_PERMISSION_DENIED"),
    (StatusCode.RESOURCE_EXHAUSTED, "slow down", Throttled, "UPSTREAM_EXHAUSTED"),
    (
        StatusCode.RESOURCE_EXHAUSTED,
        "SERVER: Received message larger than max (5 vs. 4)",
        Permanent,
        "REQUEST_TOO_LARGE",
    ),
    (StatusCode.INVALID_ARGUMENT, "a bad template", Permanent, "INVALID_ARGUMENT"),
    (StatusCode.UNAVAILABLE, "Stream removed (Socket closed)", DOUBT, "UPSTREAM_UNAVAILABLE"),
    # Of the server's own surroundings: the call itself came through.
    (StatusCode.UNAVAILABLE, "failed to connect to all addresses", DOUBT, "UPSTREAM_UNAVAILABLE"),
    (StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", DOUBT, "UPSTREAM_SILENT"),
    (StatusCode.CANCELLED, "CANCELLED", DOUBT, "UPSTREAM_BROKE_OFF"),
    (StatusCode.ABORTED, "try again", DOUBT, "UPSTREAM_ANSWERED_ERROR"),
    (StatusCode.ALREADY_EXISTS, "there is one", DOUBT, "UPSTREAM_ANSWERED_ERROR"),
    (StatusCode.FAILED_PRECONDITION, "not now", DOUBT, "UPSTREAM_ANSWERED_ERROR"),
    (StatusCode.DATA_LOSS, "", DOUBT, "UPSTREAM_ANSWERED_ERROR"),
    (StatusCode.OUT_OF_RANGE, "", DOUBT, "UPSTREAM_ANSWERED_ERROR"),
]


def test_every_status_is_among_them() -> None:
    assert {code for code, *_ in CREATES} == set(StatusCode) - {StatusCode.OK}


@pytest.mark.parametrize(("code", "details", "kind", "reason"), CREATES)
async def test_the_status_of_a_create(
    code: StatusCode, details: str, kind: type[Verdict], reason: str
) -> None:
    async with upstream_rig() as rig:
        rig.connectors.plan("create", code, details)
        with pytest.raises(Verdict) as raised:
            await rig.create()
        assert (type(raised.value), raised.value.reason) == (kind, reason)
        assert raised.value.message.startswith(f"{code.name}: ")


@pytest.mark.parametrize(("code", "details"), [(code, details) for code, details, *_ in CREATES])
async def test_no_status_of_a_get_ends_a_job(code: StatusCode, details: str) -> None:
    async with upstream_rig() as rig:
        job = await rig.create()
        rig.connectors.plan("get", code, details)
        with pytest.raises(Verdict) as raised:
            await rig.handler.get_one(rig.connection, job.meta)
        expected = Throttled if code is StatusCode.RESOURCE_EXHAUSTED else Unavailable
        assert type(raised.value) is expected
        assert not (await rig.handler.get_one(rig.connection, job.meta)).phase.is_final


@pytest.mark.parametrize(
    ("setting", "kind"), [("retry", Retryable), ("fail", Permanent), ("doubt", Unavailable)]
)
async def test_what_a_raised_error_is_worth_is_a_setting(setting: str, kind: type[Verdict]) -> None:
    async with upstream_rig(when_create_raises=setting) as rig:
        rig.connectors.plan("create", StatusCode.INTERNAL, TRACEBACK)
        with pytest.raises(kind, match=r"^INTERNAL: ValueError: no such cluster$"):
            await rig.create()


def status_of(*details: Message) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata of a status with such details."""
    status = status_pb2.Status(code=8, message="slow down")
    for detail in details:
        status.details.add().Pack(detail)
    return (("x-other", b"1"), ("grpc-status-details-bin", status.SerializeToString()))


def retry_info(seconds: float) -> Message:
    made: Message = error_details_pb2.RetryInfo()
    made.retry_delay.FromTimedelta(timedelta(seconds=seconds))  # type: ignore[attr-defined]  # untyped
    return made


@pytest.mark.parametrize(
    ("code", "kind"),
    [(StatusCode.RESOURCE_EXHAUSTED, Throttled), (StatusCode.UNAVAILABLE, Unavailable)],
)
async def test_retry_info_is_kept(code: StatusCode, kind: type[Throttled] | type[Unavailable]) -> None:
    async with upstream_rig() as rig:
        trailing = status_of(error_details_pb2.ErrorInfo(reason="SLOW"), retry_info(7.5))
        rig.connectors.plans["create"] = deque([Plan(code=code, details="later", trailing=trailing)])
        with pytest.raises(kind) as raised:
            await rig.create()
        assert getattr(raised.value, "retry_after_s", None) == 7.5


@pytest.mark.parametrize(
    ("metadata", "after_s"),
    [
        ((), None),
        (status_of(), None),
        (status_of(retry_info(0.25)), 0.25),
        (status_of(retry_info(90_000.0)), 3600.0),
        (status_of(retry_info(-1.0)), 0.0),
        ((("grpc-status-details-bin", b"\xff\xff"),), None),
    ],
)
def test_retry_info_forms(metadata: tuple[tuple[str, bytes], ...], after_s: float | None) -> None:
    assert retry_after_s(metadata) == after_s


def test_of_a_traceback_the_last_line_is_told() -> None:
    error = CallError(StatusCode.INTERNAL, TRACEBACK)
    for told in (of_look(error), of_create(error, when_raised="retry")):
        assert told.message == "INTERNAL: ValueError: no such cluster"
    assert CallError(StatusCode.INTERNAL, "").said == "INTERNAL: no details"
    assert len(CallError(StatusCode.INTERNAL, "x" * 5000).said) == 1000


async def test_a_server_that_is_not_there_was_sent_nothing() -> None:
    async with upstream_rig(protocol="v1") as rig:
        await rig.server.stop()
        with pytest.raises(Throttled, match="Connection refused") as raised:
            await rig.create()
        assert raised.value.reason == "UPSTREAM_UNREACHABLE"
        with pytest.raises(Unavailable) as of_get:
            await rig.handler.get_one(rig.connection, NEVER_MADE)
        assert of_get.value.reason == "UPSTREAM_UNREACHABLE"


async def test_a_name_that_does_not_resolve_was_sent_nothing() -> None:
    async with upstream_rig(protocol="v1") as rig:
        rig.connection = replace(rig.connection, endpoint="dns:///no-such-host.invalid:80")
        with pytest.raises(Throttled) as raised:
            await rig.create()
        assert raised.value.reason == "UPSTREAM_UNREACHABLE"


async def test_a_server_that_comes_back_is_called_again() -> None:
    async with upstream_rig(protocol="v1") as rig:
        job = await rig.create()
        await rig.server.stop()
        with pytest.raises(Throttled):
            await rig.create()
        await rig.server.start()
        async with asyncio.timeout(5):
            await rig.reconnected()
        assert (await rig.handler.get_one(rig.connection, job.meta)).phase is RemotePhase.RUNNING
        assert await rig.create()


async def test_a_server_that_ends_while_it_creates_leaves_doubt() -> None:
    async with upstream_rig(protocol="v1") as rig:
        rig.connectors.plan("create", hangs=True)
        creating = asyncio.ensure_future(rig.create())
        await rig.connectors.reached.wait()
        await rig.server.stop()
        with pytest.raises(Unavailable):
            await creating


async def test_what_fails_before_anything_is_sent_has_done_nothing() -> None:
    """The version is asked for, or a file is read: a create would be in doubt by the same error."""
    async with upstream_rig() as rig:
        rig.connectors.plan("list", StatusCode.INTERNAL, "no")
        with pytest.raises(Throttled) as raised:
            await rig.create()
        assert raised.value.reason == "CONNECTOR_RAISED"
        rig.connection = replace(rig.connection, settings={"tls": True, "tls_ca": "/nowhere/ca.pem"})
        with pytest.raises(Throttled, match=r"/nowhere/ca\.pem cannot be read: No such file") as raised:
            await rig.create()
        assert raised.value.reason == "CREDENTIALS_UNAVAILABLE"
        rig.connection = replace(rig.connection, settings={}, endpoint="")
        with pytest.raises(Throttled, match="has no endpoint"):
            await rig.create()
        assert rig.connectors.count("create") == 0


async def test_after_a_call_that_nothing_answered_another_connection_is_made() -> None:
    """As when the server's machine is gone: nobody closes the connection, and TCP waits for many minutes."""
    async with upstream_rig(protocol="v1") as rig:
        await rig.create()
        before = rig.channel()
        rig.connectors.plan("get", hangs=True)
        looking = asyncio.ensure_future(rig.handler.get_one(rig.connection, NEVER_MADE))
        await rig.connectors.reached.wait()
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
        assert await rig.create()
        assert rig.channel() is not before
        # And a sign of life was wanted before anything was begun there.
        assert [operation for operation, _ in rig.connectors.calls][-2:] == ["list", "create"]


async def test_a_server_that_is_stuck_is_sent_no_create(monkeypatch: pytest.MonkeyPatch) -> None:
    """As flyte-sdk's is after a sys.exit of a connector: it takes every call and answers none."""
    monkeypatch.setattr(upstreams, "AWAKE_S", 0.0)
    monkeypatch.setattr(handler, "_PREPARE_S", 0.1)
    async with upstream_rig(protocol="v1") as rig:
        assert await rig.create()
        rig.connectors.plan("list", hangs=True)
        with pytest.raises(Throttled) as raised:
            await rig.create()
        assert raised.value.reason == "UPSTREAM_SILENT"
        assert rig.connectors.count("create") == 1
        # Any answer is a sign of life.
        rig.connectors.plan("list", StatusCode.UNIMPLEMENTED, "Method not found!")
        assert await rig.create()


async def test_a_server_that_has_answered_of_late_is_not_asked_for_a_sign_of_life() -> None:
    async with upstream_rig(protocol="v1") as rig:
        for _ in range(5):
            await rig.create()
        assert (rig.connectors.count("list"), rig.connectors.count("create")) == (1, 5)


async def test_one_slow_call_among_others_changes_nothing() -> None:
    async with upstream_rig(protocol="v1") as rig:
        await rig.create()
        before = rig.channel()
        rig.connectors.plan("get", hangs=True)
        looking = asyncio.ensure_future(rig.handler.get_one(rig.connection, NEVER_MADE))
        await rig.connectors.reached.wait()
        await rig.create()
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
        await rig.create()
        assert rig.channel() is before
