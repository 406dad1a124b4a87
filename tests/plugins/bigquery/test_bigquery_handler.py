"""The handler's methods against the stand-in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from propwash.sandbox import FaultKind, LedgerState, MethodClass
from propwash.sdk import (
    Connection,
    Deletion,
    Permanent,
    RemotePhase,
    Throttled,
    Unavailable,
)
from propwash_bigquery.keys import JobKey, read_meta
from tests.plugins.bigquery.bigquery_rig import LONG, OWNER, PROJECT, BigQueryRig, bigquery_rig


@pytest.fixture
async def rig() -> AsyncIterator[BigQueryRig]:
    async with bigquery_rig() as made:
        yield made


async def test_query_runs_to_its_end(rig: BigQueryRig) -> None:
    request = rig.request()
    job = await rig.handler.create(request)
    assert job.observation.links[0].uri.endswith(
        f"?project={PROJECT}&j=bq:US:{request.name}&page=queryresults"
    )
    await rig.settle()
    seen = await rig.look(job.meta)
    assert seen.phase is RemotePhase.SUCCEEDED
    assert seen.outputs["statement_type"] == "SELECT"
    assert str(seen.outputs["results"]).startswith(f"bq://{PROJECT}.")
    assert seen.outputs["job_id"] == request.name
    assert rig.world.ledger.summary()["total"] == 1


async def test_job_carries_labels_and_timeout(rig: BigQueryRig) -> None:
    request = rig.request(labels={"Team": "A b", "9": "x", **LONG}, run_deadline_s=1.5, job_timeout_ms=5000)
    request = replace(request, spec=request.spec.model_copy(update={"labels": {"cost": "low"}}))
    await rig.handler.create(request)
    labels = rig.world.ledger.jobs[0].labels
    assert labels == {
        "cost": "low",
        "team": "a_b",
        "l-9": "x",
        **LONG,
        "propwash-owner": OWNER,
        "propwash-execution": request.uid,
        "propwash-attempt": "1",
    }
    rig.advance(1.4)
    assert rig.live_count(request.name) == 1
    rig.advance(0.2)
    assert rig.live_count(request.name) == 0


async def test_repeated_create_adopts(rig: BigQueryRig) -> None:
    request = rig.long_request()
    first, second = await asyncio.gather(rig.handler.create(request), rig.handler.create(request))
    assert first.meta == second.meta
    assert rig.world.ledger.summary()["total"] == 1
    assert rig.world.ledger.summary()["duplicate_requests"] == 1


async def test_job_of_another_is_not_adopted(rig: BigQueryRig) -> None:
    theirs = rig.long_request()
    await rig.handler.create(replace(theirs, owner="other"))
    with pytest.raises(Permanent) as raised:
        await rig.handler.create(theirs)
    assert raised.value.reason == "NAME_TAKEN"
    assert await rig.handler.find(rig.connection, theirs.name, rig.hint(theirs)) is None


async def test_duplicate_that_is_not_known_yet_is_doubt(rig: BigQueryRig) -> None:
    rig.fault(FaultKind.VANISHING, MethodClass.CREATE, more={"duration_s": 5.0})
    request = rig.long_request()
    await rig.handler.create(request)
    with pytest.raises(Unavailable) as raised:
        await rig.handler.create(request)
    assert raised.value.reason == "DUPLICATE_NOT_FOUND"
    rig.advance(6.0)
    assert (await rig.handler.create(request)).observation.phase is RemotePhase.RUNNING


@pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.GARBAGE])
async def test_lost_create_is_found(rig: BigQueryRig, kind: FaultKind) -> None:
    rig.fault(kind, MethodClass.CREATE)
    request = rig.long_request()
    with pytest.raises(Unavailable):
        await rig.handler.create(request)
    found = await rig.handler.find(rig.connection, request.name, rig.hint(request))
    assert found is not None
    assert (await rig.handler.create(request)).meta == found.meta
    assert rig.world.ledger.summary()["total"] == 1


async def test_find_of_nothing_is_none(rig: BigQueryRig) -> None:
    request = rig.request()
    assert await rig.handler.find(rig.connection, request.name, rig.hint(request)) is None


async def test_hint_outlives_a_change_of_the_connection(rig: BigQueryRig) -> None:
    request = rig.long_request(project="other-project", location="europe-west3")
    hint = rig.hint(request)
    job = await rig.handler.create(request)
    changed = replace(rig.connection, settings={"project": "third-project", "credentials": "none"})
    found = await rig.handler.find(changed, request.name, hint)
    assert found is not None
    assert found.meta == job.meta
    assert await rig.handler.delete(changed, request.name, None, hint) is Deletion.PENDING
    rig.advance(1.0)
    assert await rig.handler.delete(changed, request.name, None, hint) is Deletion.GONE


async def test_job_in_a_region_nobody_named_is_found_and_deleted() -> None:
    async with bigquery_rig(location=None) as rig:
        request = rig.long_request()
        elsewhere = replace(request, spec=request.spec.model_copy(update={"location": "asia-northeast1"}))
        job = await rig.handler.create(elsewhere)
        hint = rig.hint(request)
        found = await rig.handler.find(rig.connection, request.name, hint)
        assert found is not None
        assert read_meta(found.meta) == read_meta(job.meta)
        assert await rig.handler.delete(rig.connection, request.name, None, hint) is Deletion.PENDING
        rig.advance(1.0)
        assert await rig.handler.delete(rig.connection, request.name, None, hint) is Deletion.GONE
        assert rig.live_count(request.name) == 0


@pytest.mark.parametrize(
    ("kind", "more", "expected", "after_s"),
    [
        (FaultKind.THROTTLE, {}, Throttled, None),
        (FaultKind.THROTTLE, {"status": 429, "retry_after_s": 7}, Throttled, 7.0),
        (FaultKind.QUOTA, {}, Throttled, None),
        (FaultKind.SERVER_ERROR, {"status": 500}, Unavailable, None),
        (FaultKind.SERVER_ERROR, {"status": 503}, Unavailable, None),
        (FaultKind.DROPPED_REQUEST, {}, Unavailable, None),
    ],
)
async def test_faults_of_a_create(
    rig: BigQueryRig,
    kind: FaultKind,
    more: dict[str, object],
    expected: type[Exception],
    after_s: float | None,
) -> None:
    rig.fault(kind, MethodClass.CREATE, more=more)
    request = rig.long_request()
    with pytest.raises(expected) as raised:
        await rig.handler.create(request)
    if isinstance(raised.value, Throttled):
        assert raised.value.retry_after_s == after_s
    assert rig.world.ledger.summary()["total"] == 0
    assert (await rig.handler.create(request)).meta


async def test_ignored_cancel_is_not_gone(rig: BigQueryRig) -> None:
    request = rig.long_request()
    job = await rig.handler.create(request)
    rig.fault(FaultKind.CANCEL_IGNORED, MethodClass.DELETE)
    for expected in (Deletion.PENDING, Deletion.PENDING, Deletion.GONE):
        assert await rig.handler.delete(rig.connection, request.name, job.meta, b"") is expected
        rig.advance(1.0)
    seen = await rig.look(job.meta)
    assert (seen.phase, seen.reason, seen.is_retryable) == (RemotePhase.FAILED, "STOPPED", False)
    assert rig.world.ledger.jobs[0].state is LedgerState.CANCELLED


async def test_delete_of_unknown_is_absent(rig: BigQueryRig) -> None:
    request = rig.long_request()
    assert await rig.handler.delete(rig.connection, request.name, None, rig.hint(request)) is Deletion.ABSENT


@pytest.mark.parametrize("kind", [FaultKind.SERVER_ERROR, FaultKind.LOST_ANSWER, FaultKind.GARBAGE])
async def test_failed_cancel_confirms_nothing(rig: BigQueryRig, kind: FaultKind) -> None:
    request = rig.long_request()
    job = await rig.handler.create(request)
    rig.fault(kind, MethodClass.DELETE)
    with pytest.raises(Unavailable):
        await rig.handler.delete(rig.connection, request.name, job.meta, b"")


async def test_sweep_lists_our_live_jobs_in_every_project() -> None:
    async with bigquery_rig(sweep_projects=["other-project"]) as rig:
        ours = [rig.long_request(), rig.long_request(project="other-project")]
        jobs = [await rig.handler.create(one) for one in ours]
        await rig.handler.create(rig.long_request(owner="another"))
        await rig.handler.create(rig.long_request(project="third-project"))
        listed = await rig.handler.list(rig.connection, OWNER)
        assert {(one.name, one.meta) for one in listed} == {
            (request.name, job.meta) for request, job in zip(ours, jobs, strict=True)
        }
        assert (
            await rig.handler.delete(rig.connection, listed[0].name, listed[0].meta, b"") is Deletion.PENDING
        )


async def test_dry_run_refuses_a_bad_query(rig: BigQueryRig) -> None:
    await rig.handler.validate(rig.request())
    with pytest.raises(Permanent) as raised:
        await rig.handler.validate(rig.request("SELEC 1"))
    assert raised.value.reason == "INVALID_QUERY"
    assert rig.world.ledger.summary()["total"] == 0


async def test_bad_query_fails_for_good(rig: BigQueryRig) -> None:
    job = await rig.handler.create(rig.request("SELEC 1"))
    await rig.settle()
    seen = await rig.look(job.meta)
    assert (seen.phase, seen.reason, seen.is_retryable) == (RemotePhase.FAILED, "INVALID_QUERY", False)


async def test_bad_settings_end_nothing_and_show_no_secret(rig: BigQueryRig) -> None:
    bad = Connection(name="bad", settings={"projekt": "hunter2"})
    with pytest.raises(Unavailable, match=r"settings\.projekt") as raised:
        await rig.handler.find(bad, rig.request().name, b"")
    assert raised.value.reason == "CONNECTION_INVALID"
    assert "hunter2" not in raised.value.message


async def test_nobody_names_a_project() -> None:
    async with bigquery_rig(project=None) as rig:
        with pytest.raises(Permanent) as raised:
            await rig.handler.create(rig.request())
        assert raised.value.reason == "PROJECT_MISSING"
        assert await rig.handler.list(rig.connection, OWNER) == []


def test_meta_is_compact_and_versioned() -> None:
    meta = JobKey(PROJECT, "US", "pw-a-b-1", 7).meta()
    assert json.loads(meta) == [1, PROJECT, "US", "pw-a-b-1", 7]
    with pytest.raises(ValueError, match="not a meta"):
        read_meta(b'[2,"a"]')
