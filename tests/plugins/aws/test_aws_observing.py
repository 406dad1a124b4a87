"""Job runs of both forms: observed in few calls, and never ended by what is not known."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from propwash.sdk import (
    Deletion,
    NotFound,
    Observation,
    RemoteName,
    RemotePhase,
    Unavailable,
)
from propwash_aws.runs.keys import RunKey
from tests.plugins.aws.runs_fake import FORMS, refusing
from tests.plugins.aws.runs_rig import RunsRig, runs_rig


@pytest.fixture(params=FORMS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[RunsRig]:
    async with runs_rig(request.param) as made:
        yield made


async def test_a_run_that_nobody_knows_is_not_found(rig: RunsRig) -> None:
    meta = RunKey("00main", "never", rig.request().name).meta()
    assert isinstance((await rig.handler.get(rig.connection, [meta]))[meta], NotFound)
    assert await rig.handler.delete(rig.connection, rig.request().name, meta, b"") is Deletion.ABSENT


@pytest.mark.parametrize("count", [1, 30])
async def test_an_unknown_state_ends_nothing(rig: RunsRig, count: int) -> None:
    jobs = [await rig.handler.create(rig.request()) for _ in range(count)]
    for run in rig.fake.runs:
        run.shows = "HIBERNATING"
    answers = await rig.handler.get(rig.connection, [job.meta for job in jobs])
    for one in answers.values():
        assert isinstance(one, Observation)
        assert (one.phase, "HIBERNATING" in one.message) == (RemotePhase.RUNNING, True)


async def test_many_live_runs_take_one_list_for_fifty_and_no_get(rig: RunsRig) -> None:
    request = rig.request()
    await rig.handler.create(request)
    template = rig.fake.runs[0]
    metas = []
    for number in range(2_000):
        one = type(template)("00main", f"r{number}", rig.request().name, "", rig.fake.now_s, {})
        rig.fake.runs.append(one)
        metas.append(RunKey("00main", one.id, RemoteName(one.name)).meta())
    rig.fake.most = 1000
    rig.fake.calls.clear()
    answers = await rig.handler.get(rig.connection, metas)
    assert len(answers) == 2_000
    assert {one.phase for one in answers.values() if isinstance(one, Observation)} == {RemotePhase.RUNNING}
    assert rig.fake.calls["GetJobRun"] == 0
    assert rig.fake.calls["ListJobRuns"] <= (41 if rig.form == "serverless" else 21)


async def test_many_that_ended_are_read_in_full_and_those_gone_are_told_apart(rig: RunsRig) -> None:
    jobs = [await rig.handler.create(rig.request()) for _ in range(60)]
    good = "SUCCESS" if rig.form == "serverless" else "COMPLETED"
    for run in rig.fake.runs[:30]:
        run.state = good
    gone = RunKey("00main", "never", rig.request().name).meta()
    rig.fake.calls.clear()
    answers = await rig.handler.get(rig.connection, [*(job.meta for job in jobs), gone])
    phases = [one.phase for job in jobs if isinstance(one := answers[job.meta], Observation)]
    assert phases == [RemotePhase.SUCCEEDED] * 30 + [RemotePhase.RUNNING] * 30
    assert isinstance(answers[gone], NotFound)
    reads = rig.fake.calls["GetJobRun"]
    assert reads == (31 if rig.form == "serverless" else 1)


async def test_a_list_that_is_full_of_others_is_not_read_to_its_end(rig: RunsRig) -> None:
    jobs = [await rig.handler.create(rig.request()) for _ in range(30)]
    ours = list(rig.fake.runs)
    others = [
        type(run)("00main", f"o{n}", "theirs", "", run.created_s, {}) for n in range(100) for run in ours
    ]
    rig.fake.runs += others
    rig.fake.calls.clear()
    answers = await rig.handler.get(rig.connection, [job.meta for job in jobs])
    assert all(isinstance(one, Observation) for one in answers.values())
    assert rig.fake.calls["ListJobRuns"] <= 10
    assert rig.fake.calls["GetJobRun"] == 30


async def test_metas_that_are_not_ours_hurt_no_other(rig: RunsRig) -> None:
    job = await rig.handler.create(rig.request())
    answers = await rig.handler.get(rig.connection, [b"not ours", job.meta])
    assert isinstance(answers[b"not ours"], Unavailable)
    assert isinstance(answers[job.meta], Observation)


async def test_a_failed_list_of_one_place_hurts_no_other_place(rig: RunsRig) -> None:
    rig.fake.add_place("00other", "other")
    field = "applicationId" if rig.form == "serverless" else "virtualClusterId"
    here = [await rig.handler.create(rig.request()) for _ in range(21)]
    there = [await rig.handler.create(rig.request({field: "other"})) for _ in range(21)]
    rig.fake.fault("ListJobRuns", refusing("InternalServerException", "oh", 500))
    answers = await rig.handler.get(rig.connection, [job.meta for job in (*here, *there)])
    assert {type(answers[job.meta]) for job in here} == {Unavailable}
    assert {type(answers[job.meta]) for job in there} == {Observation}
