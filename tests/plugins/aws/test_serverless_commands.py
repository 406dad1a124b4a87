"""EMR Serverless: commands run by an entry point that is put into S3 once, wherever the connection or the run says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import Connection, CreateRequest, Job, Permanent, Throttled, Unavailable, Verdict
from propwash_aws.accounts import Accounts
from propwash_aws.runs.keys import read_meta
from propwash_aws.serverless import ServerlessHandler
from propwash_aws.serverless.entry_points import PROGRAM, in_folder
from tests.plugins.aws.aws_sandbox_rig import ROLE, AwsRig, aws_rig
from tests.plugins.aws.aws_wire import Asked, aws_wire, caller_answer

ARGUMENTS = ["pyflyte-execute", "--inputs", "s3://b/{{ .inputs.x }}", "", "--", "task-module", "m"]
LOCATION: dict[str, Any] = {"entry_point_location": "s3://code/propwash/"}
LOGS = {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://logs-of-the-run/emr/"}}}


def wanted(rig: AwsRig, **fields: Any) -> CreateRequest[Any]:
    command = {"arguments": ARGUMENTS, "sparkSubmitParameters": "--conf a={{ .inputs.x }}"}
    return rig.request({"jobDriver": {"command": command}, **fields}, inputs={"x": 7})


async def create(handler: Any, request: CreateRequest[Any]) -> Job:
    made: Job = await handler.create(request)
    return made


def started(rig: AwsRig, job: Job) -> dict[str, Any]:
    key = read_meta(job.meta)
    return dict(rig.stand_in.serverless.runs.place(key.place).runs[key.run].asked)


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("s3://code/propwash/", "propwash/"),
        ("s3://code/a/b", "a/b/"),
        ("s3://code", ""),
        ("s3://code/", ""),
    ],
)
async def test_a_command_runs_by_the_stored_entry_point(location: str, folder: str) -> None:
    async with aws_rig("emr_serverless", entry_point_location=location) as rig:
        job = await create(rig.handler, wanted(rig))
        ((bucket, key),) = rig.stand_in.objects.stored
        assert (bucket, key.rpartition("/")[0] + "/" if folder else "") == ("code", folder)
        assert started(rig, job)["jobDriver"] == {
            "sparkSubmit": {
                "entryPoint": f"s3://code/{key}",
                "entryPointArguments": [one or '""' for one in ARGUMENTS],
                "sparkSubmitParameters": "--conf a=7",
            }
        }
        stored = rig.stand_in.objects.stored[bucket, key]
        assert (stored.body, stored.content_type) == (PROGRAM, "text/x-python")


async def test_it_is_stored_once_by_all_servers() -> None:
    async with aws_rig("emr_serverless", **LOCATION) as rig:
        other = ServerlessHandler(accounts=Accounts(now=rig.clock.now, wall=rig.clock.now))
        await asyncio.gather(*(create(rig.handler, wanted(rig)) for _ in range(20)))
        await create(other, wanted(rig))
        await other.close()
        ((place, stored),) = rig.stand_in.objects.stored.items()
        assert stored.written == 1
        assert rig.calls("s3.HeadObject") == 2
        # A rule of the bucket may have removed it by then.
        rig.stand_in.objects.clear()
        rig.advance(3601.0)
        await create(rig.handler, wanted(rig))
        assert list(rig.stand_in.objects.stored) == [place]


async def test_a_lost_answer_leaves_it_where_the_next_look_finds_it() -> None:
    async with aws_rig("emr_serverless", **LOCATION) as rig:
        request = wanted(rig)
        # The HTTP library itself sends a PUT once more.
        rig.fault(FaultKind.LOST_ANSWER, MethodClass.CREATE, limit=2)
        with pytest.raises(Unavailable):
            await create(rig.handler, request)
        assert rig.calls("emr-serverless.StartJobRun") == 0
        await create(rig.handler, request)
        assert len(rig.stand_in.objects.stored) == 1
        assert rig.calls("s3.PutObject") == 2


async def test_signed_requests_are_taken_by_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "AKIATEST")
    monkeypatch.setenv("SECRET", "no-secret")
    keys: dict[str, Any] = {
        "credentials": "keys",
        "access_key_id": "env:KEY",
        "secret_access_key": "env:SECRET",
    }
    async with aws_rig("emr_serverless", **keys, **LOCATION) as rig:
        await create(rig.handler, wanted(rig))
        assert len(rig.stand_in.objects.stored) == 1


async def test_the_bucket_of_the_run_s_logs_serves_where_the_connection_names_none() -> None:
    async with aws_rig("emr_serverless") as rig:
        await create(rig.handler, wanted(rig, configurationOverrides=LOGS))
        ((bucket, key),) = rig.stand_in.objects.stored
        assert (bucket, key.startswith("propwash/entry-point-")) == ("logs-of-the-run", True)


async def test_without_any_place_the_setting_is_named() -> None:
    async with aws_rig("emr_serverless", creates_applications=True) as rig:
        application = {"name": "etl", "releaseLabel": "emr-7.5.0"}
        with pytest.raises(Permanent) as raised:
            await create(rig.handler, wanted(rig, application=application))
        assert raised.value.reason == "ENTRY_POINT_LOCATION_MISSING"
        assert "set entry_point_location in the connection" in raised.value.message
        assert rig.calls("emr-serverless.CreateApplication") == 0


async def test_a_check_puts_it_in_its_place() -> None:
    async with aws_rig("emr_serverless", **LOCATION) as rig:
        found: Any = rig.handler.check(rig.connection)
        last = (await found)[-1]
        assert (last.what, last.is_ok) == ("entry point", True)
        assert last.message == in_folder("s3://code/propwash/").uri
        assert len(rig.stand_in.objects.stored) == 1


Respond = Callable[[Asked], web.Response]


def xml(code: str, status: int) -> Respond:
    body = f"<Error><Code>{code}</Code><Message>no {code}</Message></Error>"
    return lambda asked: web.Response(
        status=status, text="" if asked.method == "HEAD" else body, content_type="application/xml"
    )


def stored(_asked: Asked) -> web.Response:
    return web.Response(headers={"ETag": '"e"'})


async def refusal(head: Respond, put: Respond, *, of_connection: bool) -> Verdict:
    """What becomes of a run where S3 answers so."""

    def respond(asked: Asked) -> web.Response:
        return {"HEAD": head, "PUT": put}[asked.method](asked)

    async with aws_wire(respond) as wire:
        handler = ServerlessHandler(accounts=Accounts())
        settings = LOCATION if of_connection else {}
        connection = wire.connection(serverless_application="00main", execution_role_arn=ROLE, **settings)
        spec = handler.spec_type.model_validate(
            {"jobDriver": {"command": {"arguments": ["a"]}}, "configurationOverrides": LOGS}
        )
        try:
            with pytest.raises(Verdict) as raised:
                await handler.create(asked_of(connection, spec))
        finally:
            await handler.close()
        return raised.value


def asked_of(connection: Connection, spec: Any) -> CreateRequest[Any]:
    uid: Any = "0000000000000000000000000a"
    name: Any = "pw-us-a-1"
    return CreateRequest(
        name=name,
        owner="us",
        uid=uid,
        attempt=1,
        spec=spec,
        inputs={},
        labels={},
        connection=connection,
        hint=b'[1,"00abcdefghijklmn"]',
    )


GONE = xml("", 404)


@pytest.mark.parametrize(
    ("head", "put", "of_connection", "kind", "reason", "said"),
    [
        (GONE, xml("AccessDenied", 403), True, Unavailable, "ENTRY_POINT_NOT_STORED", "AccessDenied"),
        (xml("", 403), xml("AccessDenied", 403), False, Unavailable, "ENTRY_POINT_NOT_STORED", "logUri"),
        (GONE, xml("NoSuchBucket", 404), True, Unavailable, "ENTRY_POINT_NOT_STORED", "s3://code/propwash/"),
        (GONE, xml("NoSuchBucket", 404), False, Permanent, "ENTRY_POINT_NOT_STORED", "s3://logs-of-the-run/"),
        (GONE, xml("SlowDown", 503), True, Throttled, "SLOW_DOWN", "no SlowDown"),
        (xml("", 500), stored, True, Unavailable, "ENTRY_POINT_NOT_STORED", "500"),
        (GONE, lambda _: web.Response(), True, Unavailable, "UNEXPECTED_ANSWER", "S3"),
    ],
)
async def test_a_place_that_does_not_serve_is_the_fault_of_whoever_names_it(
    head: Respond, put: Respond, of_connection: bool, kind: type[Verdict], reason: str, said: str
) -> None:
    verdict = await refusal(head, put, of_connection=of_connection)
    assert (type(verdict), verdict.reason) == (kind, reason)
    assert said in verdict.message


async def test_a_check_says_what_to_allow() -> None:
    def respond(asked: Asked) -> web.Response:
        if asked.path.startswith("/code/"):
            return xml("AccessDenied", 403)(asked)
        if asked.method == "POST":
            return caller_answer()
        return web.json_response({"applications": []})

    async with aws_wire(respond) as wire:
        handler = ServerlessHandler(accounts=Accounts())
        found = await handler.check(wire.connection(**LOCATION))
        await handler.close()
    assert (found[-1].what, found[-1].is_ok) == ("entry point", False)
    assert "s3:PutObject" in found[-1].remedy
