"""Where a step goes and where it is looked for: clusters by id and by name, those that ended, those that are swept."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from propwash.sdk import (
    Deletion,
    NotFound,
    Permanent,
    RemotePhase,
    Retryable,
)
from propwash_aws.steps.handler import StepHandler
from propwash_aws.steps.keys import StepKey
from tests.plugins.aws.emr_fake import OWNER, FakeEmr, refused
from tests.plugins.aws.emr_requests import CONNECTION, new_name, step_handler, step_request


@pytest.fixture
def emr() -> FakeEmr:
    return FakeEmr()


@pytest.fixture
async def handler(emr: FakeEmr) -> AsyncIterator[StepHandler]:
    handler = step_handler(emr)
    yield handler
    await handler.close()


@pytest.mark.parametrize("state", ["TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS"])
async def test_cluster_that_is_over_refuses_for_good(emr: FakeEmr, handler: StepHandler, state: str) -> None:
    cluster = emr.add_cluster(state=state)
    with pytest.raises(Permanent) as raised:
        await handler.create(step_request(emr, cluster_id=cluster))
    assert raised.value.reason == "CLUSTER_GONE"


async def test_unknown_cluster_refuses_for_good(emr: FakeEmr, handler: StepHandler) -> None:
    with pytest.raises(Permanent) as raised:
        await handler.create(step_request(emr, cluster_id="j-NEVER"))
    assert raised.value.reason == "CLUSTER_GONE"


async def test_name_takes_the_cluster_in_a_fitting_state(emr: FakeEmr, handler: StepHandler) -> None:
    emr.add_cluster("etl", "TERMINATED")
    wanted = emr.add_cluster("etl", "RUNNING")
    emr.add_cluster("other")
    request = step_request(emr, cluster_name="etl")
    job = await handler.create(request)
    assert job.meta == StepKey(wanted, str(emr.steps[wanted][0]["Id"]), request.name).meta()
    found = await handler.find(CONNECTION, request.name, handler.hint(CONNECTION, request.spec))
    assert found is not None
    assert found.meta == job.meta


async def test_name_without_a_cluster_is_refused(emr: FakeEmr, handler: StepHandler) -> None:
    emr.add_cluster("etl", "STARTING")
    with pytest.raises(Permanent) as raised:
        await handler.create(step_request(emr, cluster_name="etl"))
    assert raised.value.reason == "CLUSTER_NOT_FOUND"
    await handler.create(step_request(emr, cluster_name="etl", cluster_states=["STARTING"]))


async def test_ambiguous_name_is_refused_unless_the_newest_is_wanted(
    emr: FakeEmr, handler: StepHandler
) -> None:
    emr.add_cluster("etl")
    emr.tick()
    newest = emr.add_cluster("etl")
    with pytest.raises(Permanent) as raised:
        await handler.create(step_request(emr, cluster_name="etl"))
    assert raised.value.reason == "CLUSTER_AMBIGUOUS"
    assert newest in raised.value.message
    await handler.create(step_request(emr, cluster_name="etl", when_ambiguous="newest"))
    assert len(emr.steps[newest]) == 1


async def test_named_cluster_that_goes_meanwhile_leaves_another_attempt(
    emr: FakeEmr, handler: StepHandler
) -> None:
    emr.add_cluster("etl")
    emr.before["AddJobFlowSteps"] = [refused("Specified job flow ID does not exist.", "ValidationException")]
    with pytest.raises(Retryable) as raised:
        await handler.create(step_request(emr, cluster_name="etl"))
    assert raised.value.reason == "CLUSTER_GONE"


async def test_duplicates_in_other_clusters_of_the_name_are_found(emr: FakeEmr, handler: StepHandler) -> None:
    clusters = [emr.add_cluster("etl"), emr.add_cluster("etl")]
    request = step_request(emr, cluster_name="etl")
    for cluster in clusters:
        emr.add_step(cluster, request.name)
        emr.tick()
    hint = handler.hint(CONNECTION, request.spec)
    found = await handler.find(CONNECTION, request.name, hint)
    assert found is not None
    assert emr.live(request.name) == 1
    assert await handler.delete(CONNECTION, request.name, found.meta, hint) is Deletion.PENDING
    assert emr.live(request.name) == 0
    assert await handler.delete(CONNECTION, request.name, found.meta, hint) is Deletion.GONE


async def test_look_up_by_name_sees_clusters_that_ended_since(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster("etl")
    request = step_request(emr, cluster_name="etl")
    await handler.create(request)
    emr.set_step(str(emr.steps[cluster][0]["Id"]), "COMPLETED")
    emr.set_cluster(cluster, "TERMINATED", "USER_REQUEST")
    emr.end_cluster(cluster)
    found = await handler.find(CONNECTION, request.name, handler.hint(CONNECTION, request.spec))
    assert found is not None
    assert found.observation.phase is RemotePhase.SUCCEEDED


async def test_look_up_stops_at_steps_older_than_the_execution(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    for _ in range(500):
        emr.add_step(cluster, "others", "COMPLETED")
    emr.tick(3600)
    request = step_request(emr, cluster_id=cluster)
    await handler.create(request)
    assert await handler.find(CONNECTION, request.name, handler.hint(CONNECTION, request.spec)) is not None
    assert emr.count("ListSteps") == 1


async def test_forgotten_cluster_leaves_nothing(emr: FakeEmr, handler: StepHandler) -> None:
    key = StepKey("j-GONE", "s-1", new_name(emr))
    answers = await handler.get(CONNECTION, [key.meta()])
    assert isinstance(answers[key.meta()], NotFound)
    assert await handler.delete(CONNECTION, key.name, key.meta(), b"") is Deletion.ABSENT


async def test_clusters_of_the_setting_are_swept_by_id_and_name(emr: FakeEmr, handler: StepHandler) -> None:
    clusters = [emr.add_cluster("one"), emr.add_cluster("two"), emr.add_cluster("three")]
    for cluster in clusters:
        emr.add_step(cluster, new_name(emr))
        emr.add_step(cluster, "somebody's")
    assert len(await handler.list(CONNECTION, OWNER)) == 3
    emr.settings = emr.settings.model_copy(update={"clusters": (clusters[0], "two")})
    assert len(await handler.list(CONNECTION, OWNER)) == 2


async def test_delete_ends_a_duplicate_in_another_cluster_of_the_name(
    emr: FakeEmr, handler: StepHandler
) -> None:
    first, second = emr.add_cluster("etl"), emr.add_cluster("etl")
    request = step_request(emr, cluster_name="etl")
    meta = StepKey(first, emr.add_step(first, request.name, "COMPLETED"), request.name).meta()
    emr.add_step(second, request.name, "RUNNING")
    hint = handler.hint(CONNECTION, request.spec)
    assert await handler.delete(CONNECTION, request.name, meta, hint) is Deletion.PENDING
    assert emr.live(request.name) == 0
    assert await handler.delete(CONNECTION, request.name, meta, hint) is Deletion.GONE


async def test_clusters_that_ended_before_the_execution_are_not_looked_into(
    emr: FakeEmr, handler: StepHandler
) -> None:
    for _ in range(5):
        cluster = emr.add_cluster("etl", "TERMINATED")
        emr.end_cluster(cluster)
    emr.tick(3600)
    request = step_request(emr, cluster_name="etl")
    assert await handler.find(CONNECTION, request.name, handler.hint(CONNECTION, request.spec)) is None
    assert emr.count("ListSteps") == 0
    assert emr.count("ListClusters") == 2


async def test_sweep_leaves_another_owners_steps_alone(emr: FakeEmr, handler: StepHandler) -> None:
    emr.add_step(emr.add_cluster(), new_name(emr, "another"))
    assert await handler.list(CONNECTION, OWNER) == []
