"""Every ending that the sandbox can give a job of each form, as the handler observes it, one by one and by lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import CreateRequest, Job, Observation, RemotePhase
from propwash_bigquery import (
    BigQueryCopyHandler,
    BigQueryExtractHandler,
    BigQueryHandler,
    BigQueryLoadHandler,
)
from propwash_bigquery.errors import RULES, stable_reason
from propwash_bigquery.job_handler import BigQueryJobHandler
from propwash_bigquery.sandbox.errors import HTTP_CODE
from tests.plugins.bigquery.bigquery_rig import LONG, BigQueryRig, bigquery_rig

TABLE = {"datasetId": "d", "tableId": "t"}
FORMS: dict[str, tuple[type[BigQueryJobHandler[Any]], dict[str, Any]]] = {
    "query": (BigQueryHandler, {"query": "SELECT 1 AS one"}),
    "load": (BigQueryLoadHandler, {"sourceUris": ["gs://lake/a.csv"], "destinationTable": TABLE}),
    "extract": (BigQueryExtractHandler, {"sourceTable": TABLE, "destinationUris": ["gs://lake/b.csv"]}),
    "copy": (BigQueryCopyHandler, {"sourceTable": TABLE, "destinationTable": {**TABLE, "tableId": "u"}}),
}
REASONS = sorted(set(RULES) & set(HTTP_CODE))
forms = pytest.mark.parametrize("form", FORMS)


async def created(rig: BigQueryRig, handler: BigQueryJobHandler[Any], form: str, **labels: str) -> Job:
    spec: Any = handler.spec_type.model_validate({**FORMS[form][1], "labels": labels})
    request: CreateRequest[Any] = replace(rig.request(), spec=spec, hint=handler.hint(rig.connection, spec))
    return await handler.create(request)


async def observed(rig: BigQueryRig, handler: BigQueryJobHandler[Any], *metas: bytes) -> list[Observation]:
    answers = await handler.get(rig.connection, metas)
    found = [answers[meta] for meta in metas]
    assert all(isinstance(one, Observation) for one in found), found
    return [one for one in found if isinstance(one, Observation)]


@forms
async def test_every_reason_of_a_failed_job(form: str) -> None:
    async with bigquery_rig() as rig:
        handler = FORMS[form][0]()
        jobs = {
            reason: await created(
                rig, handler, form, **{"sandbox-fail-reason": reason.lower(), "sandbox-duration-ms": "10"}
            )
            for reason in REASONS
        }
        rig.advance(1.0)
        metas = [job.meta for job in jobs.values()]
        assert len(metas) > 20
        by_list = await observed(rig, handler, *metas)
        singly = [(await observed(rig, handler, meta))[0] for meta in metas]
        await handler.close()
    expected = [(RemotePhase.FAILED, stable_reason(one), RULES[one].is_job_retryable) for one in REASONS]
    assert [(one.phase, one.reason, one.is_retryable) for one in by_list] == expected
    assert by_list == singly


@forms
async def test_the_states_on_the_way(form: str) -> None:
    async with bigquery_rig() as rig:
        rig.world.speed.speed = replace(rig.world.speed.speed, pending_ms=1000.0)
        handler = FORMS[form][0]()
        job = await created(rig, handler, form, **LONG)
        seen = [(await observed(rig, handler, job.meta))[0].phase]
        rig.advance(1.5)
        seen.append((await observed(rig, handler, job.meta))[0].phase)
        rig.fault(FaultKind.UNKNOWN_STATE, MethodClass.GET, more={"duration_s": 5})
        unknown = (await observed(rig, handler, job.meta))[0]
        assert seen == [RemotePhase.PENDING, RemotePhase.RUNNING]
        assert unknown.phase is RemotePhase.RUNNING
        assert "not known here" in unknown.message
        await handler.close()


@forms
async def test_a_job_that_somebody_cancelled_and_one_that_ran_out_of_time(form: str) -> None:
    async with bigquery_rig() as rig:
        handler = FORMS[form][0]()
        spec: Any = handler.spec_type.model_validate({**FORMS[form][1], "labels": LONG, "jobTimeoutMs": 2000})
        hint = handler.hint(rig.connection, spec)
        late: CreateRequest[Any] = replace(rig.request(), spec=spec, hint=hint)
        timed_out, cancelled = await handler.create(late), await created(rig, handler, form, **LONG)
        request: CreateRequest[Any] = replace(rig.request(), spec=spec, hint=hint)
        await handler.delete(rig.connection, request.name, cancelled.meta, hint)
        rig.advance(3.0)
        seen = await observed(rig, handler, timed_out.meta, cancelled.meta)
        await handler.close()
    assert [(one.phase, one.reason, one.is_retryable) for one in seen] == [
        (RemotePhase.FAILED, "STOPPED", False)
    ] * 2
