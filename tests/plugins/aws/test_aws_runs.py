"""Job runs of both forms: made once, found again, ended for certain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from propwash.sdk import (
    Deletion,
    RemotePhase,
    Throttled,
    Unavailable,
)
from propwash_aws.runs.keys import RunKey, read_meta
from tests.plugins.aws.runs_fake import FORMS, dropped, garbled, lost, refusing, throttled
from tests.plugins.aws.runs_rig import RunsRig, runs_rig


@pytest.fixture(params=FORMS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[RunsRig]:
    async with runs_rig(request.param) as made:
        yield made


async def test_a_create_is_one_call_under_our_name_and_token(rig: RunsRig) -> None:
    request = rig.request()
    job = await rig.handler.create(request)
    run = rig.run_of(request.name)
    assert (run.token, job.observation.phase) == (request.name, RemotePhase.PENDING)
    assert read_meta(job.meta) == RunKey("00main", run.id, request.name)
    assert rig.fake.calls == {"ListPlaces": 1, "StartJobRun": 1}
    await rig.handler.create(rig.request())
    assert rig.fake.calls["ListPlaces"] == 1, "the list of places is kept"


async def test_a_repeated_create_is_the_same_run(rig: RunsRig) -> None:
    request = rig.request()
    first, again = await rig.handler.create(request), await rig.handler.create(request)
    assert first.meta == again.meta
    assert len(rig.fake.runs) == 1


@pytest.mark.parametrize("fault", [lost, garbled])
async def test_a_lost_create_is_found_by_its_name(rig: RunsRig, fault: object) -> None:
    request = rig.request()
    rig.fake.fault("StartJobRun", fault)  # type: ignore[arg-type]  # one of the faults
    with pytest.raises(Unavailable):
        await rig.handler.create(request)
    found = await rig.handler.find(rig.connection, request.name, request.hint)
    assert found is not None
    assert found.observation.phase is RemotePhase.RUNNING
    assert (await rig.handler.create(request)).meta == found.meta
    assert rig.fake.live(request.name) == 1


async def test_a_dropped_create_is_not_found(rig: RunsRig) -> None:
    request = rig.request()
    rig.fake.fault("StartJobRun", dropped)
    with pytest.raises(Unavailable):
        await rig.handler.create(request)
    assert await rig.handler.find(rig.connection, request.name, request.hint) is None


async def test_two_hundred_lost_answers_make_one_run_each_and_take_few_look_ups(rig: RunsRig) -> None:
    requests = [rig.request() for _ in range(200)]
    rig.fake.fault("StartJobRun", lost, times=200)
    made = await asyncio.gather(*(rig.handler.create(one) for one in requests), return_exceptions=True)
    assert {type(one) for one in made} == {Unavailable}
    rig.fake.calls.clear()
    found = await asyncio.gather(*(rig.handler.find(rig.connection, one.name, one.hint) for one in requests))
    assert all(found)
    assert [rig.fake.live(one.name) for one in requests] == [1] * 200
    lists = rig.fake.calls["ListJobRuns"]
    assert lists <= (200 if rig.form == "containers" else 8), lists
    assert rig.fake.calls["GetJobRun"] == 200
    ends = [
        await rig.handler.delete(rig.connection, one.name, job.meta if job else None, one.hint)
        for one, job in zip(requests, found, strict=True)
    ]
    assert set(ends) == {Deletion.PENDING}
    assert sum(run.is_live for run in rig.fake.runs) == 0


async def test_a_list_that_does_not_show_the_newest_makes_no_second_run(rig: RunsRig) -> None:
    request = rig.request()
    rig.fake.fault("StartJobRun", lost)
    with pytest.raises(Unavailable):
        await rig.handler.create(request)
    rig.fake.lists_after_s = 60.0
    assert await rig.handler.find(rig.connection, request.name, request.hint) is None
    await rig.handler.create(request)
    assert rig.fake.live(request.name) == 1, "the token is remembered where the list is behind"


async def test_of_several_runs_of_a_name_the_oldest_stays(rig: RunsRig) -> None:
    request = rig.request()
    rig.fake.forgets_tokens = True
    first = await rig.handler.create(request)
    rig.fake.now_s += 5
    await rig.handler.create(request)
    await rig.handler.create(request)
    found = await rig.handler.find(rig.connection, request.name, request.hint)
    assert found is not None
    assert found.meta == first.meta
    assert rig.fake.live(request.name) == 1


async def test_a_conflict_adopts_the_run_that_is_there(rig: RunsRig) -> None:
    request = rig.request()
    first = await rig.handler.create(request)
    rig.fake.fault("StartJobRun", refusing("ConflictException", "the token is in use", 409))
    assert (await rig.handler.create(request)).meta == first.meta
    rig.fake.fault("StartJobRun", refusing("ConflictException", "the token is in use", 409))
    with pytest.raises(Unavailable) as raised:
        await rig.handler.create(rig.request())
    assert raised.value.reason == "CONFLICT"


@pytest.mark.parametrize("operation", ["StartJobRun", "ListJobRuns", "GetJobRun"])
async def test_throttling_is_throttling(rig: RunsRig, operation: str) -> None:
    job = await rig.handler.create(rig.request())
    request = rig.request()
    rig.fake.fault(operation, throttled)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "StartJobRun": lambda: rig.handler.create(request),
        "ListJobRuns": lambda: rig.handler.find(rig.connection, request.name, request.hint),
        "GetJobRun": lambda: rig.handler.delete(rig.connection, request.name, job.meta, b""),
    }
    with pytest.raises(Throttled) as raised:
        await calls[operation]()
    assert raised.value.retry_after_s == 3.0
    assert rig.fake.live(request.name) == 0


async def test_a_delete_is_done_when_the_state_says_so(rig: RunsRig) -> None:
    request = rig.request()
    job = await rig.handler.create(request)
    rig.fake.cancels_needed = 2
    for expected in (Deletion.PENDING, Deletion.PENDING, Deletion.GONE, Deletion.GONE):
        seen = await rig.handler.delete(rig.connection, request.name, job.meta, request.hint)
        assert seen is expected
    assert rig.run_of(request.name).cancels == 2, "a cancel that was ignored is repeated"
    seen_as = await rig.look(job.meta)
    assert (seen_as.phase, seen_as.reason) == (RemotePhase.FAILED, "CANCELLED")


async def test_a_run_that_is_being_cancelled_is_not_cancelled_again(rig: RunsRig) -> None:
    request = rig.request()
    job = await rig.handler.create(request)
    run = rig.run_of(request.name)
    run.shows = "CANCELLING" if rig.form == "serverless" else "CANCEL_PENDING"
    assert await rig.handler.delete(rig.connection, request.name, job.meta, b"") is Deletion.PENDING
    assert run.cancels == 0


async def test_a_cancel_that_comes_too_late_is_pending_and_then_gone(rig: RunsRig) -> None:
    request = rig.request()
    job = await rig.handler.create(request)
    rig.fake.fault("CancelJobRun", refusing("ValidationException", "it has ended"))
    assert await rig.handler.delete(rig.connection, request.name, job.meta, b"") is Deletion.PENDING
    rig.run_of(request.name).state = "FAILED"
    assert await rig.handler.delete(rig.connection, request.name, job.meta, b"") is Deletion.GONE


async def test_a_delete_without_a_meta_finds_the_run_by_name(rig: RunsRig) -> None:
    request = rig.request()
    assert await rig.handler.delete(rig.connection, request.name, None, request.hint) is Deletion.ABSENT
    await rig.handler.create(request)
    for expected in (Deletion.PENDING, Deletion.GONE):
        seen = await rig.handler.delete(rig.connection, request.name, None, request.hint)
        assert seen is expected
