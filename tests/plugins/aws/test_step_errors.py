"""Every refusal of a step's calls, and what the engine is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from propwash.sdk import (
    NotFound,
    Permanent,
    Throttled,
    Unavailable,
    Verdict,
)
from propwash_aws.errors import RemoteError
from propwash_aws.steps.handler import StepHandler
from propwash_aws.steps.keys import StepKey
from tests.plugins.aws.emr_fake import CLOSED, FULL, FakeEmr, refused
from tests.plugins.aws.emr_requests import CONNECTION, step_handler, step_request


@pytest.fixture
def emr() -> FakeEmr:
    return FakeEmr()


@pytest.fixture
async def handler(emr: FakeEmr) -> AsyncIterator[StepHandler]:
    handler = step_handler(emr)
    yield handler
    await handler.close()


@dataclass(frozen=True)
class Row:
    """One error answer, what a create makes of it, and what a look does."""

    error: RemoteError
    create: type[Verdict]
    create_reason: str
    look: type[Verdict]


ERRORS = [
    Row(refused(FULL, "ValidationException"), Throttled, "CLUSTER_FULL", Unavailable),
    Row(refused(FULL), Throttled, "CLUSTER_FULL", Unavailable),
    Row(refused(CLOSED, "ValidationException"), Permanent, "CLUSTER_GONE", Unavailable),
    Row(refused(CLOSED), Permanent, "CLUSTER_GONE", Unavailable),
    Row(
        refused("Specified job flow ID does not exist.", "ValidationException"),
        Permanent,
        "CLUSTER_GONE",
        NotFound,
    ),
    Row(refused("Cluster id 'j-1' is not valid."), Permanent, "CLUSTER_GONE", NotFound),
    Row(
        refused("Invalid ActionOnFailure", "ValidationException"),
        Permanent,
        "VALIDATION",
        Unavailable,
    ),
    Row(refused("Something is wrong"), Permanent, "INVALID_REQUEST", Unavailable),
    Row(refused("Rate exceeded", "ThrottlingException"), Throttled, "THROTTLING", Throttled),
    Row(refused("slower", "RequestLimitExceeded"), Throttled, "REQUEST_LIMIT_EXCEEDED", Throttled),
    Row(
        refused("no", "AccessDeniedException"),
        Unavailable,
        "PERMISSION_DENIED",
        Unavailable,
    ),
    Row(
        refused("not authorized to perform: iam:PassRole on role x", "AccessDeniedException"),
        Permanent,
        "ROLE_NOT_PASSABLE",
        Unavailable,
    ),
    Row(
        refused("expired", "ExpiredTokenException"),
        Unavailable,
        "CREDENTIALS_UNAVAILABLE",
        Unavailable,
    ),
    Row(
        refused("?", "InternalServerException", 500),
        Unavailable,
        "INTERNAL_SERVER",
        Unavailable,
    ),
    Row(refused("?", "InternalServerError", 400), Unavailable, "INTERNAL_SERVER_ERROR", Unavailable),
    Row(refused("?", "SomethingNewException", 400), Unavailable, "SOMETHING_NEW", Unavailable),
]


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: f"{row.error.code}-{row.create_reason}")
async def test_error_of_a_create(emr: FakeEmr, handler: StepHandler, row: Row) -> None:
    request = step_request(emr, cluster_id=emr.add_cluster())
    emr.before["AddJobFlowSteps"] = [row.error]
    with pytest.raises(row.create) as raised:
        await handler.create(request)
    assert raised.value.reason == row.create_reason


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: f"{row.error.code}-{row.create_reason}")
async def test_error_of_a_look(emr: FakeEmr, handler: StepHandler, row: Row) -> None:
    request = step_request(emr, cluster_id=emr.add_cluster())
    job = await handler.create(request)
    emr.before["ListSteps"] = [row.error]
    answer: object
    try:
        answer = (await handler.get(CONNECTION, [job.meta]))[job.meta]
    except Verdict as verdict:
        answer = verdict
    assert type(answer) is row.look
    hint = handler.hint(CONNECTION, request.spec)
    emr.before["ListSteps"] = [row.error]
    if row.look is NotFound:
        assert await handler.find(CONNECTION, request.name, hint) is None
        return
    with pytest.raises(row.look):
        await handler.find(CONNECTION, request.name, hint)
    for meta in (job.meta, None):
        emr.before["ListSteps"] = [row.error]
        with pytest.raises(row.look):
            await handler.delete(CONNECTION, request.name, meta, hint)


@pytest.mark.parametrize(
    "error", [refused("Step id 's-1' is not valid."), refused("Step ids [s-1] do not exist")], ids=str
)
async def test_list_that_one_unknown_id_spoils_is_read_one_by_one(
    emr: FakeEmr, handler: StepHandler, error: RemoteError
) -> None:
    cluster = emr.add_cluster()
    request = step_request(emr, cluster_id=cluster)
    job = await handler.create(request)
    unknown = StepKey(cluster, "s-NEVER", request.name).meta()
    emr.before["ListSteps"] = [error]
    answers = await handler.get(CONNECTION, [unknown, job.meta])
    assert isinstance(answers[unknown], NotFound)
    assert not isinstance(answers[job.meta], Verdict)


async def test_empty_description_is_no_step(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    unknown = StepKey(cluster, "s-NEVER", step_request(emr, cluster_id=cluster).name).meta()
    emr.before["ListSteps"] = [refused("Step id 's-NEVER' is not valid.")]
    emr.DescribeStep = lambda params: {"Step": {}}  # type: ignore[method-assign]
    assert isinstance((await handler.get(CONNECTION, [unknown]))[unknown], NotFound)
