"""Calls over a real port: what is sent, what is believed, and what each error is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from propwash.sdk import NotFound, Permanent, Throttled, Unavailable
from propwash_aws.accounts import Accounts
from propwash_aws.errors import MEANINGS, Meaning, RemoteError, stable_reason, verdict
from tests.plugins.aws.aws_wire import answer, aws_wire, failure

RUNS: dict[str, object] = {"jobRuns": []}


@pytest.fixture
async def accounts() -> AsyncIterator[Accounts]:
    made = Accounts()
    yield made
    await made.close()


async def test_a_call_answers_the_parsed_body_without_its_metadata(accounts: Accounts) -> None:
    async with aws_wire(lambda asked: answer(RUNS)) as wire:
        account = accounts.of(wire.connection())
        assert await account.call("emr-serverless", "ListJobRuns", applicationId="00a") == {"jobRuns": []}
        assert wire.asked[0].path == "/applications/00a/jobruns"
        assert wire.asked[0].access_key == "", "requests without credentials are not signed"
        await accounts.close()


@pytest.mark.parametrize("operation", ["ListJobRuns", "StartJobRun"])
@pytest.mark.parametrize(
    "body", [b"", b"<html>a proxy</html>", b'"text"', b"[]", b"{}", b'{"jobRuns": null}', b'{"jobRuns": ["']
)
async def test_a_body_that_is_not_the_service_s_is_no_answer(
    accounts: Accounts, operation: str, body: bytes
) -> None:
    async with aws_wire(lambda asked: web.Response(body=body, content_type="application/json")) as wire:
        account = accounts.of(wire.connection())
        params: dict[str, object] = {"applicationId": "00a"}
        if operation == "StartJobRun":
            params |= {"clientToken": "t", "executionRoleArn": "arn:aws:iam::123456789012:role/runs"}
        with pytest.raises(Unavailable) as raised:
            await account.call("emr-serverless", operation, **params)
        assert raised.value.reason == "UNEXPECTED_ANSWER"
        await accounts.close()


async def test_an_empty_body_is_an_answer_where_the_model_has_none(accounts: Accounts) -> None:
    async with aws_wire(lambda asked: web.Response(body=b"")) as wire:
        account = accounts.of(wire.connection())
        assert await account.call("emr-serverless", "StartApplication", applicationId="00a") == {}
        await accounts.close()


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"__type":"com.amazonaws#ValidationException","message":"no"}', "ValidationException"),
        (429, b"slow down", ""),
        (500, b"", ""),
        (502, b"<html>bad gateway</html>", ""),
        (403, b"no JSON", ""),
    ],
)
async def test_an_error_answer_keeps_its_code_and_status(
    accounts: Accounts, status: int, body: bytes, code: str
) -> None:
    async with aws_wire(lambda asked: web.Response(status=status, body=body)) as wire:
        with pytest.raises(RemoteError) as raised:
            await accounts.of(wire.connection()).call("emr-serverless", "ListJobRuns", applicationId="00a")
        assert (raised.value.status, raised.value.code) == (status, code)
        assert len(wire.asked) == 1, "botocore repeats nothing: the engine does"
        await accounts.close()


async def test_what_the_model_itself_refuses_is_not_sent(accounts: Accounts) -> None:
    async with aws_wire(lambda asked: answer({})) as wire:
        with pytest.raises(RemoteError) as raised:
            await accounts.of(wire.connection()).call("emr-serverless", "StartJobRun", applicationId="00a")
        assert isinstance(verdict(raised.value, is_submitting=True), Permanent)
        assert not wire.asked
        await accounts.close()


async def test_a_server_that_is_gone_is_no_answer(accounts: Accounts) -> None:
    async with aws_wire(lambda asked: answer(RUNS)) as wire:
        connection = wire.connection()
    with pytest.raises(Unavailable) as raised:
        await accounts.of(connection).call("emr-serverless", "ListJobRuns", applicationId="00a")
    assert raised.value.reason == "NO_ANSWER"


async def test_a_silent_service_is_no_answer_after_the_timeout(accounts: Accounts) -> None:
    async def silent(asked: object) -> web.StreamResponse:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")

    async with aws_wire(lambda asked: answer(RUNS)) as wire:
        # So that the models are loaded, and only the answer is waited for.
        await accounts.of(wire.connection()).call("emr-serverless", "ListJobRuns", applicationId="00a")
        wire.respond = silent
        account = accounts.of(wire.connection(request_timeout_s=0.1))
        with pytest.raises(Unavailable) as raised:
            await account.call("emr-serverless", "ListJobRuns", applicationId="00a")
        assert raised.value.reason == "NO_ANSWER"
        await accounts.close()


async def test_retry_after_is_heeded(accounts: Accounts) -> None:
    async with aws_wire(lambda asked: failure("ThrottlingException", status=429, Retry_After="7")) as wire:
        with pytest.raises(Throttled) as raised:
            await accounts.of(wire.connection()).look("emr-serverless", "ListJobRuns", applicationId="00a")
        assert raised.value.retry_after_s == 7.0
        await accounts.close()


async def test_retry_after_of_a_failing_service_is_heeded(accounts: Accounts) -> None:
    refused = failure("ServiceUnavailableException", status=503, Retry_After="9")
    async with aws_wire(lambda asked: refused) as wire:
        with pytest.raises(Unavailable) as raised:
            await accounts.of(wire.connection()).look("emr-serverless", "ListJobRuns", applicationId="00a")
        assert raised.value.retry_after_s == 9.0
        await accounts.close()


async def test_loading_the_models_leaves_the_loop_free(accounts: Accounts) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before)

    async with aws_wire(lambda asked: answer(RUNS)) as wire:
        watcher = asyncio.create_task(watch())
        await accounts.of(wire.connection()).call("emr-serverless", "ListJobRuns", applicationId="00a")
        watcher.cancel()
        assert longest < 0.25, f"the loop stood still for {longest:.3f} s"
        await accounts.close()


KINDS = {
    Meaning.REFUSED: (Permanent, Unavailable),
    Meaning.THROTTLED: (Throttled, Throttled),
    Meaning.QUOTA: (Throttled, Throttled),
    Meaning.MISSING: (Permanent, NotFound),
    Meaning.CONFLICT: (Unavailable, Unavailable),
    Meaning.CREDENTIALS: (Unavailable, Unavailable),
    Meaning.FORBIDDEN: (Unavailable, Unavailable),
    Meaning.NO_ANSWER: (Unavailable, Unavailable),
}


@pytest.mark.parametrize("is_submitting", [True, False])
@pytest.mark.parametrize("code", [*sorted(MEANINGS), "SomethingNewException", ""])
def test_every_code_has_its_verdict(code: str, is_submitting: bool) -> None:
    meaning = MEANINGS.get(code, Meaning.NO_ANSWER)
    said = verdict(RemoteError(status=400, code=code, message="why"), is_submitting=is_submitting)
    assert type(said) is KINDS[meaning][0 if is_submitting else 1]
    assert "why" in said.message
    if meaning is Meaning.CREDENTIALS:
        assert said.reason == "CREDENTIALS_UNAVAILABLE"
    if meaning is Meaning.FORBIDDEN:
        assert said.reason == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (401, Unavailable, "CREDENTIALS_UNAVAILABLE"),
        (403, Unavailable, "UNEXPECTED_ANSWER"),
        (404, Unavailable, "UNEXPECTED_ANSWER"),
        (429, Throttled, "TOO_MANY_REQUESTS"),
        (500, Unavailable, "UNEXPECTED_ANSWER"),
        (503, Unavailable, "UNEXPECTED_ANSWER"),
    ],
)
def test_a_status_without_a_code_says_what_it_can(status: int, kind: type[Exception], reason: str) -> None:
    said = verdict(RemoteError(status=status, code="", message=""), is_submitting=False)
    assert type(said) is kind
    assert said.reason == reason


PASS_ROLE = "User: arn:aws:iam::1:user/x is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/r"


@pytest.mark.parametrize(
    ("is_submitting", "names_role", "kind", "reason"),
    [
        (True, True, Permanent, "ROLE_NOT_PASSABLE"),
        (True, False, Unavailable, "PERMISSION_DENIED"),
        (False, True, Unavailable, "PERMISSION_DENIED"),
    ],
)
def test_a_role_that_may_not_be_passed_is_the_spec_s_fault_where_it_names_it(
    is_submitting: bool, names_role: bool, kind: type[Exception], reason: str
) -> None:
    error = RemoteError(status=403, code="AccessDeniedException", message=PASS_ROLE)
    said = verdict(error, is_submitting=is_submitting, names_role=names_role)
    assert type(said) is kind
    assert said.reason == reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ResourceNotFoundException", "RESOURCE_NOT_FOUND"),
        ("EKSRequestThrottledException", "EKS_REQUEST_THROTTLED"),
        ("InternalFailure", "INTERNAL_FAILURE"),
        ("400", ""),
    ],
)
def test_reasons_are_stable(code: str, reason: str) -> None:
    assert stable_reason(code) == reason
