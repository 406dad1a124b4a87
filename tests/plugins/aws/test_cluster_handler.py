"""A transient cluster's life against an EMR in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from propwash.sdk import Deletion, NotFound, Permanent, RemotePhase, Throttled, Unavailable
from propwash_aws.clusters.handler import ClusterHandler
from propwash_aws.clusters.keys import ClusterKey
from tests.plugins.aws.emr_fake import LOST, OWNER, THROTTLE, FakeEmr, refused
from tests.plugins.aws.emr_requests import CONNECTION, cluster_handler, cluster_request, new_name, seen


@pytest.fixture
def emr() -> FakeEmr:
    return FakeEmr()


@pytest.fixture
async def handler(emr: FakeEmr) -> AsyncIterator[ClusterHandler]:
    handler = cluster_handler(emr)
    yield handler
    await handler.close()


def end(emr: FakeEmr) -> None:
    """Terminating clusters terminate."""
    for one in emr.clusters.values():
        status = one["Status"]
        assert isinstance(status, dict)
        if status["State"] == "TERMINATING":
            status["State"] = "TERMINATED"


async def test_cluster_is_the_job(emr: FakeEmr, handler: ClusterHandler) -> None:
    request = cluster_request(emr, name="nightly", tags={"team": "etl"}, labels={"stage": "prod"})
    job = await handler.create(request)
    ((_, asked),) = emr.calls
    assert asked["Name"] == request.name
    assert asked["Instances"] == {
        "MasterInstanceType": "m5.xlarge",
        "InstanceCount": 1,
        "KeepJobFlowAliveWhenNoSteps": False,
        "TerminationProtected": False,
    }
    tags = asked["Tags"]
    assert isinstance(tags, list)
    assert {one["Key"]: one["Value"] for one in tags} == {
        "team": "etl",
        "stage": "prod",
        "propwash-name": "nightly",
        "propwash-owner": OWNER,
        "propwash-execution": request.uid,
        "propwash-attempt": "1",
    }
    assert job.observation.phase is RemotePhase.PENDING


async def test_delete_is_confirmed_by_state(emr: FakeEmr, handler: ClusterHandler) -> None:
    request = cluster_request(emr)
    job = await handler.create(request)
    for meta in (job.meta, None):
        assert await handler.delete(CONNECTION, request.name, meta, b"") is Deletion.PENDING
    assert emr.count("TerminateJobFlows") == 1
    end(emr)
    for meta in (job.meta, None):
        assert await handler.delete(CONNECTION, request.name, meta, b"") is Deletion.GONE


async def test_unknown_name_is_absent(emr: FakeEmr, handler: ClusterHandler) -> None:
    name = new_name(emr)
    assert await handler.find(CONNECTION, name, b"") is None
    assert await handler.delete(CONNECTION, name, None, b"") is Deletion.ABSENT
    key = ClusterKey("j-NEVER", name)
    assert await handler.delete(CONNECTION, name, key.meta(), b"") is Deletion.ABSENT
    assert isinstance((await handler.get(CONNECTION, [key.meta()]))[key.meta()], NotFound)


async def test_protection_put_on_since_is_taken_away(emr: FakeEmr, handler: ClusterHandler) -> None:
    request = cluster_request(emr)
    job = await handler.create(request)
    for one in emr.clusters.values():
        one["TerminationProtected"] = True
    assert await handler.delete(CONNECTION, request.name, job.meta, b"") is Deletion.PENDING
    assert emr.count("SetTerminationProtection") == 1
    end(emr)
    assert await handler.delete(CONNECTION, request.name, job.meta, b"") is Deletion.GONE


async def test_protection_that_may_not_be_taken_away_is_said(emr: FakeEmr, handler: ClusterHandler) -> None:
    request = cluster_request(emr)
    job = await handler.create(request)
    emr.clusters[next(iter(emr.clusters))]["TerminationProtected"] = True
    emr.before["SetTerminationProtection"] = [refused("no", "AccessDeniedException")]
    with pytest.raises(Unavailable) as raised:
        await handler.delete(CONNECTION, request.name, job.meta, b"")
    assert raised.value.reason == "PERMISSION_DENIED"


async def test_oldest_of_a_name_is_kept_and_the_others_ended(emr: FakeEmr, handler: ClusterHandler) -> None:
    request = cluster_request(emr)
    first = await handler.create(request)
    for _ in range(3):
        emr.tick()
        await handler.create(request)
    found = await handler.find(CONNECTION, request.name, b"")
    assert found is not None
    assert found.meta == first.meta
    end(emr)
    assert emr.live_clusters(request.name) == 1


async def test_lost_answers_leave_one_cluster_each(emr: FakeEmr, handler: ClusterHandler) -> None:
    requests = [cluster_request(emr) for _ in range(200)]
    emr.after["RunJobFlow"] = [LOST] * 200
    answers = await asyncio.gather(*(handler.create(one) for one in requests), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in answers)
    found = await asyncio.gather(*(handler.find(CONNECTION, one.name, b"") for one in requests))
    assert all(found)
    assert [emr.live_clusters(one.name) for one in requests] == [1] * 200
    # Four pages that all share.
    assert emr.count("ListClusters") == 4


async def test_look_ups_of_old_and_young_names_share_a_list(emr: FakeEmr, handler: ClusterHandler) -> None:
    requests = []
    for _ in range(3):
        requests.append(cluster_request(emr))
        await handler.create(requests[-1])
        emr.tick(3600)
    found = await asyncio.gather(*(handler.find(CONNECTION, one.name, b"") for one in requests))
    assert all(found)
    assert emr.count("ListClusters") == 1


async def test_200_deletes_share_their_calls(emr: FakeEmr, handler: ClusterHandler) -> None:
    requests = [cluster_request(emr) for _ in range(200)]
    jobs = [await handler.create(one) for one in requests]
    emr.calls.clear()
    for wanted in (Deletion.PENDING, Deletion.GONE):
        said = await asyncio.gather(
            *(
                handler.delete(CONNECTION, one.name, job.meta, b"")
                for one, job in zip(requests, jobs, strict=True)
            )
        )
        assert set(said) == {wanted}
        end(emr)
    assert emr.count("TerminateJobFlows") == 20


async def test_one_cluster_that_cannot_be_ended_spoils_no_other(
    emr: FakeEmr, handler: ClusterHandler
) -> None:
    requests = [cluster_request(emr) for _ in range(4)]
    jobs = [await handler.create(one) for one in requests]
    emr.before["TerminateJobFlows"] = [refused("Cluster id 'j-0001' is not valid.")] * 2
    said = await asyncio.gather(
        *(
            handler.delete(CONNECTION, one.name, job.meta, b"")
            for one, job in zip(requests, jobs, strict=True)
        ),
        return_exceptions=True,
    )
    assert said == [Deletion.PENDING] * 4
    assert sum(emr.live_clusters(one.name) for one in requests) == 4
    states = [one["Status"] for one in emr.clusters.values()]
    assert [one["State"] for one in states if isinstance(one, dict)].count("TERMINATING") == 3


async def test_late_duplicate_is_ended_before_the_end_is_told(emr: FakeEmr, handler: ClusterHandler) -> None:
    request = cluster_request(emr)
    job = await handler.create(request)
    await handler.create(request)
    number = next(iter(emr.clusters))
    emr.set_step(str(emr.steps[number][0]["Id"]), "COMPLETED")
    emr.set_cluster(number, "TERMINATED", "ALL_STEPS_COMPLETED")
    emr.before["TerminateJobFlows"] = [THROTTLE]
    assert isinstance((await handler.get(CONNECTION, [job.meta]))[job.meta], Throttled)
    assert (await seen(handler, job.meta)).phase is RemotePhase.SUCCEEDED
    end(emr)
    assert emr.live_clusters(request.name) == 0


@pytest.mark.parametrize(("number", "calls"), [(1, 1), (10, 10), (11, 1), (50, 1), (1000, 20)])
async def test_calls_to_watch_clusters(
    emr: FakeEmr, handler: ClusterHandler, number: int, calls: int
) -> None:
    metas = []
    for _ in range(number):
        name = new_name(emr)
        metas.append(ClusterKey(emr.add_cluster(name, "RUNNING"), name).meta())
    answers = await handler.get(CONNECTION, metas)
    assert set(answers) == set(metas)
    assert len(emr.calls) == calls


async def test_list_that_is_full_of_others_is_not_read_to_its_end(
    emr: FakeEmr, handler: ClusterHandler
) -> None:
    for _ in range(2000):
        emr.add_cluster("others", "TERMINATED")
    metas = []
    for _ in range(20):
        name = new_name(emr)
        metas.append(ClusterKey(emr.add_cluster(name, "RUNNING"), name).meta())
    answers = await handler.get(CONNECTION, metas)
    assert set(answers) == set(metas)
    assert emr.count("ListClusters") == 4
    assert emr.count("DescribeCluster") == 20


async def test_throttling_stops_the_rest(emr: FakeEmr, handler: ClusterHandler) -> None:
    metas = []
    for _ in range(10):
        name = new_name(emr)
        metas.append(ClusterKey(emr.add_cluster(name), name).meta())
    emr.before["DescribeCluster"] = [THROTTLE] * 10
    answers = await handler.get(CONNECTION, metas)
    assert all(isinstance(one, Throttled) for one in answers.values())
    assert emr.count("DescribeCluster") <= 8


async def test_sweep_sees_our_live_clusters_alone(emr: FakeEmr, handler: ClusterHandler) -> None:
    job = await handler.create(cluster_request(emr))
    emr.add_cluster(new_name(emr, "another"))
    emr.add_cluster(new_name(emr), "TERMINATED")
    emr.add_cluster("etl")
    assert [one.meta for one in await handler.list(CONNECTION, OWNER)] == [job.meta]


async def test_refused_cluster_is_refused_for_good(emr: FakeEmr, handler: ClusterHandler) -> None:
    emr.before["RunJobFlow"] = [refused("Invalid InstanceProfile: x.", "ValidationException")]
    with pytest.raises(Permanent):
        await handler.create(cluster_request(emr))


async def test_answer_without_an_id_is_doubt(emr: FakeEmr, handler: ClusterHandler) -> None:
    emr.RunJobFlow = lambda params: {}  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await handler.create(cluster_request(emr))
