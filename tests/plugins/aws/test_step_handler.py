"""One step's life against an EMR in memory: where it goes, what is looked up, what is kept and what is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from propwash.sdk import (
    Deletion,
    Permanent,
    RemotePhase,
    Throttled,
    Unavailable,
)
from propwash_aws.steps.handler import StepHandler
from propwash_aws.steps.keys import StepKey
from tests.plugins.aws.emr_fake import LOST, OWNER, THROTTLE, FakeEmr, refused
from tests.plugins.aws.emr_requests import CONNECTION, new_name, seen, step_handler, step_request


@pytest.fixture
def emr() -> FakeEmr:
    return FakeEmr()


@pytest.fixture
async def handler(emr: FakeEmr) -> AsyncIterator[StepHandler]:
    handler = step_handler(emr)
    yield handler
    await handler.close()


async def test_step_goes_to_the_cluster_under_its_name(emr: FakeEmr, handler: StepHandler) -> None:
    request = step_request(
        emr, cluster_id=emr.add_cluster(), spark_submit=["a.py", "{{ .inputs.day }}"], inputs={"day": 7}
    )
    job = await handler.create(request)
    ((_, asked),) = emr.calls
    assert asked["Steps"] == [
        {
            "Name": request.name,
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-submit", "a.py", "7"]},
        }
    ]
    assert job.observation.phase is RemotePhase.PENDING
    assert (await handler.find(CONNECTION, request.name, handler.hint(CONNECTION, request.spec))) is not None


async def test_creates_of_one_cluster_share_a_call_and_keep_their_ids(
    emr: FakeEmr, handler: StepHandler
) -> None:
    cluster = emr.add_cluster()
    requests = [step_request(emr, cluster_id=cluster) for _ in range(200)]
    jobs = await asyncio.gather(*(handler.create(one) for one in requests))
    assert emr.count("AddJobFlowSteps") == 1
    ids = {one["Name"]: one["Id"] for one in emr.steps[cluster]}
    assert [job.meta for job in jobs] == [
        StepKey(cluster, str(ids[one.name]), one.name).meta() for one in requests
    ]


async def test_batches_are_of_one_role_each(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    role = "arn:aws:iam::123456789012:role/steps"
    roles: tuple[dict[str, Any], ...] = ({}, {"execution_role_arn": role}) * 3
    requests = [step_request(emr, inputs={}, cluster_id=cluster, **more) for more in roles]
    await asyncio.gather(*(handler.create(one) for one in requests))
    assert [asked.get("ExecutionRoleArn") for _, asked in emr.calls] == [None, role]


async def test_one_bad_step_does_not_fail_the_others_of_its_call(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    bad = step_request(emr, cluster_id=cluster, hadoop_jar_step={"jar": "bad"})
    good = [step_request(emr, cluster_id=cluster) for _ in range(15)]
    answers = await asyncio.gather(
        *(handler.create(one) for one in (*good[:7], bad, *good[7:])), return_exceptions=True
    )
    assert isinstance(answers.pop(7), Permanent)
    assert not [one for one in answers if isinstance(one, BaseException)]
    assert all(emr.live(one.name) == 1 for one in good)
    assert emr.live(bad.name) == 0


async def test_role_that_may_not_be_passed_is_asked_for_once(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    emr.before["AddJobFlowSteps"] = [refused("not authorized: iam:PassRole", "AccessDeniedException")]
    requests = [step_request(emr, cluster_id=cluster) for _ in range(9)]
    answers = await asyncio.gather(*(handler.create(one) for one in requests), return_exceptions=True)
    assert all(isinstance(one, Permanent) for one in answers)
    assert emr.count("AddJobFlowSteps") == 1


async def test_throttling_amid_halves_is_told_to_the_rest(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    emr.before["AddJobFlowSteps"] = [refused("Invalid jar", "ValidationException"), THROTTLE]
    requests = [step_request(emr, cluster_id=cluster) for _ in range(8)]
    answers = await asyncio.gather(*(handler.create(one) for one in requests), return_exceptions=True)
    assert all(isinstance(one, Throttled) for one in answers)
    assert emr.count("AddJobFlowSteps") == 2


async def test_full_cluster_makes_the_rest_wait(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    for _ in range(250):
        emr.add_step(cluster, "others")
    requests = [step_request(emr, cluster_id=cluster) for _ in range(20)]
    answers = await asyncio.gather(*(handler.create(one) for one in requests), return_exceptions=True)
    full = [one for one in answers if isinstance(one, Throttled)]
    assert {one.reason for one in full} == {"CLUSTER_FULL"}
    assert 1 <= 20 - len(full) <= 6
    assert sum(emr.live(one.name) for one in requests) == 20 - len(full)
    assert emr.count("AddJobFlowSteps") <= 8


async def test_lost_answers_of_one_call_are_all_found_again(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    emr.after["AddJobFlowSteps"] = [LOST]
    requests = [step_request(emr, cluster_id=cluster) for _ in range(200)]
    answers = await asyncio.gather(*(handler.create(one) for one in requests), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in answers)
    hint = handler.hint(CONNECTION, requests[0].spec)
    found = await asyncio.gather(*(handler.find(CONNECTION, one.name, hint) for one in requests))
    assert all(found)
    assert [emr.live(one.name) for one in requests] == [1] * 200
    assert emr.count("AddJobFlowSteps") == 1
    assert emr.count("ListSteps") == 4


async def test_answer_with_too_few_ids_is_doubt(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    emr.AddJobFlowSteps = lambda params: {"StepIds": []}  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await handler.create(step_request(emr, cluster_id=cluster))


async def test_oldest_of_a_name_is_kept_and_the_others_cancelled(emr: FakeEmr, handler: StepHandler) -> None:
    request = step_request(emr, cluster_id=emr.add_cluster())
    first = await handler.create(request)
    emr.tick()
    for _ in range(3):
        await handler.create(request)
    found = await handler.find(CONNECTION, request.name, handler.hint(CONNECTION, request.spec))
    assert found is not None
    assert found.meta == first.meta
    assert emr.live(request.name) == 1
    assert emr.count("CancelSteps") == 3


async def test_duplicate_that_cannot_be_cancelled_is_not_adopted_over(
    emr: FakeEmr, handler: StepHandler
) -> None:
    request = step_request(emr, cluster_id=emr.add_cluster())
    for _ in range(2):
        await handler.create(request)
    emr.refuses_cancel = "Steps of this release cannot be cancelled while RUNNING"
    with pytest.raises(Unavailable) as raised:
        await handler.find(CONNECTION, request.name, handler.hint(CONNECTION, request.spec))
    assert raised.value.reason == "CANCEL_REFUSED"
    assert "this release" in raised.value.message


async def test_refused_cancel_is_said_and_tried_again(emr: FakeEmr, handler: StepHandler) -> None:
    request = step_request(emr, cluster_id=emr.add_cluster())
    job, hint = await handler.create(request), handler.hint(CONNECTION, request.spec)
    emr.refuses_cancel = "not now"
    with pytest.raises(Unavailable):
        await handler.delete(CONNECTION, request.name, job.meta, hint)
    emr.refuses_cancel = ""
    assert await handler.delete(CONNECTION, request.name, job.meta, hint) is Deletion.PENDING
    assert await handler.delete(CONNECTION, request.name, job.meta, hint) is Deletion.GONE


async def test_ignored_cancel_is_not_gone(emr: FakeEmr, handler: StepHandler) -> None:
    request = step_request(emr, cluster_id=emr.add_cluster())
    job, hint = await handler.create(request), handler.hint(CONNECTION, request.spec)
    emr.ignores_cancel = True
    for meta in (job.meta, None) * 3:
        assert await handler.delete(CONNECTION, request.name, meta, hint) is Deletion.PENDING


async def test_cancel_says_how_the_spec_wants_it(emr: FakeEmr, handler: StepHandler) -> None:
    request = step_request(emr, cluster_id=emr.add_cluster(), step_cancellation_option="TERMINATE_PROCESS")
    await handler.create(request)
    await handler.delete(CONNECTION, request.name, None, handler.hint(CONNECTION, request.spec))
    assert emr.calls[-1][1]["StepCancellationOption"] == "TERMINATE_PROCESS"


async def test_orphan_is_deleted_without_a_hint(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    name = new_name(emr)
    emr.add_step(cluster, name, "RUNNING")
    (listed,) = await handler.list(CONNECTION, OWNER)
    assert await handler.delete(CONNECTION, name, listed.meta, b"") is Deletion.PENDING
    assert await handler.delete(CONNECTION, name, listed.meta, b"") is Deletion.GONE


async def test_200_deletes_of_a_cluster_share_their_calls(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    requests = [step_request(emr, cluster_id=cluster) for _ in range(200)]
    jobs = await asyncio.gather(*(handler.create(one) for one in requests))
    hint = handler.hint(CONNECTION, requests[0].spec)
    emr.calls.clear()
    for wanted in (Deletion.PENDING, Deletion.GONE):
        said = await asyncio.gather(
            *(
                handler.delete(CONNECTION, one.name, job.meta, hint)
                for one, job in zip(requests, jobs, strict=True)
            )
        )
        assert set(said) == {wanted}
    assert emr.count("CancelSteps") == 1
    assert emr.count("ListSteps") == 4 + 1 + 20


async def test_throttled_create_is_throttled_for_all_of_its_call(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    emr.before["AddJobFlowSteps"] = [THROTTLE]
    requests = [step_request(emr, cluster_id=cluster) for _ in range(9)]
    answers = await asyncio.gather(*(handler.create(one) for one in requests), return_exceptions=True)
    assert all(isinstance(one, Throttled) for one in answers)
    assert emr.count("AddJobFlowSteps") == 1


async def test_unreadable_meta_spoils_no_other(emr: FakeEmr, handler: StepHandler) -> None:
    job = await handler.create(step_request(emr, cluster_id=emr.add_cluster()))
    answers = await handler.get(CONNECTION, [b"[1]", job.meta])
    assert isinstance(answers[b"[1]"], Unavailable)
    assert (await seen(handler, job.meta)).phase is RemotePhase.PENDING
