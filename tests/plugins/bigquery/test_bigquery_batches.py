"""Observing many jobs at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import (
    NotFound,
    Observation,
    RemotePhase,
    Throttled,
    Unavailable,
)
from propwash_bigquery.keys import JobKey
from tests.plugins.bigquery.bigquery_rig import PROJECT, BigQueryRig, bigquery_rig


@pytest.fixture
async def rig() -> AsyncIterator[BigQueryRig]:
    async with bigquery_rig() as made:
        yield made


async def test_many_live_jobs_are_observed_by_a_list(rig: BigQueryRig) -> None:
    requests = [rig.long_request() for _ in range(500)]
    jobs = await asyncio.gather(*(rig.handler.create(request) for request in requests))
    metas = [job.meta for job in jobs]
    before = rig.calls("jobs.get")
    answers = await rig.handler.get(rig.connection, metas)
    assert len(answers) == 500
    assert all(isinstance(one, Observation) and one.phase is RemotePhase.RUNNING for one in answers.values())
    assert rig.calls("jobs.list") <= 2
    assert rig.calls("jobs.get") == before


async def test_many_ended_and_gone_jobs_are_told_apart(rig: BigQueryRig) -> None:
    live = [rig.long_request() for _ in range(30)]
    ended = [rig.request(labels={"sandbox-duration-ms": "1000"}) for _ in range(200)]
    failing = [
        rig.request(labels={"sandbox-fail-reason": "backenderror", "sandbox-duration-ms": "1000"})
        for _ in range(5)
    ]
    jobs = [await rig.handler.create(request) for request in (*live, *ended, *failing)]
    rig.advance(2.0)
    gone = JobKey(PROJECT, "US", "pw-never-was", 0).meta()
    answers = await rig.handler.get(rig.connection, [*(job.meta for job in jobs), gone])
    kinds = [answers[job.meta] for job in jobs]
    assert all(isinstance(one, Observation) for one in kinds)
    phases = [one.phase for one in kinds if isinstance(one, Observation)]
    assert phases[:30] == [RemotePhase.RUNNING] * 30
    assert phases[30:230] == [RemotePhase.SUCCEEDED] * 200
    assert phases[230:] == [RemotePhase.FAILED] * 5
    assert isinstance(answers[gone], NotFound)
    assert rig.calls("jobs.list") <= 3
    assert rig.calls("jobs.get") == 1
    listed = answers[jobs[30].meta]
    assert isinstance(listed, Observation)
    assert listed == await rig.look(jobs[30].meta)


async def test_list_that_misses_the_newest_ends_nothing(rig: BigQueryRig) -> None:
    jobs = [await rig.handler.create(rig.long_request()) for _ in range(27)]
    rig.advance(10)
    jobs += [await rig.handler.create(rig.long_request()) for _ in range(3)]
    rig.fault(FaultKind.LIST_MISSES_NEWEST, MethodClass.LIST, limit=None)
    answers = await rig.handler.get(rig.connection, [job.meta for job in jobs])
    assert {type(one) for one in answers.values()} == {Observation}
    assert rig.calls("jobs.get") == 3


@pytest.mark.parametrize("count", [1, 30])
async def test_unknown_state_ends_nothing(rig: BigQueryRig, count: int) -> None:
    jobs = [await rig.handler.create(rig.long_request()) for _ in range(count)]
    rig.fault(FaultKind.UNKNOWN_STATE, limit=None, more={"duration_s": 60.0})
    answers = await rig.handler.get(rig.connection, [job.meta for job in jobs])
    phases = {one.phase for one in answers.values() if isinstance(one, Observation)}
    assert len(answers) == count
    assert phases == {RemotePhase.RUNNING}


async def test_throttled_reads_stop_asking(rig: BigQueryRig) -> None:
    jobs = [await rig.handler.create(rig.long_request()) for _ in range(20)]
    rig.fault(FaultKind.THROTTLE, MethodClass.GET, limit=None)
    answers = await rig.handler.get(rig.connection, [job.meta for job in jobs])
    assert {type(one) for one in answers.values()} == {Throttled}
    assert rig.calls("jobs.get") <= 16


async def test_failed_list_speaks_for_all(rig: BigQueryRig) -> None:
    jobs = [await rig.handler.create(rig.long_request()) for _ in range(25)]
    rig.fault(FaultKind.THROTTLE, MethodClass.LIST, limit=None)
    with pytest.raises(Throttled):
        await rig.handler.get(rig.connection, [job.meta for job in jobs])
    other = await rig.handler.create(rig.long_request(project="other-project"))
    answers = await rig.handler.get(rig.connection, [*(job.meta for job in jobs), other.meta])
    assert isinstance(answers[other.meta], Observation)
    assert isinstance(answers[jobs[0].meta], Throttled)


async def test_unreadable_meta_spoils_no_other(rig: BigQueryRig) -> None:
    job = await rig.handler.create(rig.long_request())
    answers = await rig.handler.get(rig.connection, [b"nonsense", job.meta])
    assert isinstance(answers[b"nonsense"], Unavailable)
    assert isinstance(answers[job.meta], Observation)
