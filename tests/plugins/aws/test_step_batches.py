"""How many calls it takes to watch steps, and which duplicates are seen on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from propwash.sdk import Observation, RemotePhase, Throttled, Unavailable
from propwash_aws.steps.handler import StepHandler
from propwash_aws.steps.keys import StepKey
from tests.plugins.aws.emr_fake import LOST, THROTTLE, FakeEmr
from tests.plugins.aws.emr_requests import CONNECTION, new_name, seen, step_handler


@pytest.fixture
def emr() -> FakeEmr:
    return FakeEmr()


@pytest.fixture
async def handler(emr: FakeEmr) -> AsyncIterator[StepHandler]:
    handler = step_handler(emr)
    yield handler
    await handler.close()


def steps(emr: FakeEmr, cluster: str, number: int, state: str = "RUNNING") -> list[bytes]:
    metas = []
    for _ in range(number):
        name = new_name(emr)
        metas.append(StepKey(cluster, emr.add_step(cluster, name, state), name).meta())
    return metas


async def look(handler: StepHandler, metas: Sequence[bytes]) -> list[Observation]:
    answers = await handler.get(CONNECTION, metas)
    assert set(answers) == set(metas)
    return [one for one in answers.values() if isinstance(one, Observation)]


async def test_10_000_steps_of_40_clusters_take_5_calls_a_cluster(emr: FakeEmr, handler: StepHandler) -> None:
    clusters = [emr.add_cluster(f"c{number}") for number in range(40)]
    metas = [meta for cluster in clusters for meta in steps(emr, cluster, 250)]
    assert len(await look(handler, metas)) == 10_000
    assert emr.count("ListSteps") == len(emr.calls) == 200


async def test_10_000_ended_steps_take_no_call_each(emr: FakeEmr, handler: StepHandler) -> None:
    clusters = [emr.add_cluster(f"c{number}") for number in range(40)]
    metas = [meta for cluster in clusters for meta in steps(emr, cluster, 250, "COMPLETED")]
    assert {one.phase for one in await look(handler, metas)} == {RemotePhase.SUCCEEDED}
    # One look at the live ones, five pages of all, and one description for where the logs are.
    assert emr.count("ListSteps") == 40 * 6
    assert emr.count("DescribeCluster") == 40
    assert len(emr.calls) == 40 * 7
    emr.calls.clear()
    await look(handler, metas)
    assert emr.count("DescribeCluster") == 0


@pytest.mark.parametrize(("number", "calls"), [(1, 1), (10, 1), (11, 1), (50, 1), (51, 2), (250, 5)])
async def test_calls_to_watch_live_steps_of_a_cluster(
    emr: FakeEmr, handler: StepHandler, number: int, calls: int
) -> None:
    metas = steps(emr, emr.add_cluster(), number)
    assert len(await look(handler, metas)) == number
    assert len(emr.calls) == calls


async def test_few_steps_among_many_old_ones_are_read_by_id(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    metas = steps(emr, cluster, 30, "COMPLETED")
    steps(emr, cluster, 1000, "COMPLETED")
    assert len(await look(handler, metas)) == 30
    # Live ones, three pages of the newest in vain, three lists of ten ids.
    assert emr.count("ListSteps") == 1 + 3 + 3


async def test_throttling_stops_the_rest(emr: FakeEmr, handler: StepHandler) -> None:
    metas = [meta for number in range(40) for meta in steps(emr, emr.add_cluster(f"c{number}"), 1)]
    emr.before["ListSteps"] = [THROTTLE] * 40
    answers = await handler.get(CONNECTION, metas)
    assert all(isinstance(one, Throttled) for one in answers.values())
    assert emr.count("ListSteps") <= 8


async def test_throttling_of_one_cluster_is_raised(emr: FakeEmr, handler: StepHandler) -> None:
    metas = steps(emr, emr.add_cluster(), 3)
    emr.before["ListSteps"] = [THROTTLE]
    with pytest.raises(Throttled):
        await handler.get(CONNECTION, metas)


async def test_one_clusters_trouble_is_not_anothers(emr: FakeEmr, handler: StepHandler) -> None:
    metas = [*steps(emr, emr.add_cluster("a"), 2), *steps(emr, emr.add_cluster("b"), 2)]
    emr.before["ListSteps"] = [LOST]
    answers = await handler.get(CONNECTION, metas)
    assert sum(isinstance(one, Unavailable) for one in answers.values()) == 2
    assert sum(isinstance(one, Observation) for one in answers.values()) == 2


async def test_late_duplicate_of_a_watched_step_is_cancelled(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    names = [new_name(emr) for _ in range(12)]
    metas = [StepKey(cluster, emr.add_step(cluster, name, "RUNNING"), name).meta() for name in names]
    emr.add_step(cluster, names[3], "PENDING")
    assert len(await look(handler, metas)) == 12
    assert [emr.live(name) for name in names] == [1] * 12


async def test_duplicate_is_cancelled_before_the_end_is_told(emr: FakeEmr, handler: StepHandler) -> None:
    cluster, name = emr.add_cluster(), new_name(emr)
    meta = StepKey(cluster, emr.add_step(cluster, name, "COMPLETED"), name).meta()
    emr.add_step(cluster, name, "RUNNING")
    emr.refuses_cancel = "not now"
    assert isinstance((await handler.get(CONNECTION, [meta]))[meta], Unavailable)
    emr.refuses_cancel = ""
    assert (await seen(handler, meta)).phase is RemotePhase.SUCCEEDED
    assert emr.live(name) == 0


async def test_looks_at_the_same_time_share_their_calls(emr: FakeEmr, handler: StepHandler) -> None:
    cluster = emr.add_cluster()
    names = [new_name(emr) for _ in range(100)]
    for name in names:
        emr.add_step(cluster, name)
    hint = b'[1,"' + cluster.encode() + b'","",""]'
    found = await asyncio.gather(*(handler.find(CONNECTION, name, hint) for name in names))
    assert all(found)
    assert emr.count("ListSteps") == 2
