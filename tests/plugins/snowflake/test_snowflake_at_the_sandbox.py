"""Every ending and every state that the sandbox can give a statement, as the handler observes it, both ways."""

from __future__ import annotations

from dataclasses import replace

import pytest

from propwash.sandbox import FaultKind, MethodClass
from propwash.sdk import Job, Observation, RemotePhase
from propwash_snowflake.errors import RULES
from tests.plugins.snowflake.snowflake_rig import LONG, SnowflakeRig, snowflake_rig

ways = pytest.mark.parametrize("observe", ["history", "statements"])
# 000630 ends what ran too long and 000604 what was cancelled: they are not told, but brought about below.
TOLD = sorted(set(RULES) - {"000604", "000630"})


async def created(rig: SnowflakeRig, statement: str = "SELECT 1 AS one", **labels: str) -> Job:
    return await rig.handler.create(rig.request(statement, labels=labels))


async def observed(rig: SnowflakeRig, *metas: bytes) -> list[Observation]:
    answers = await rig.handler.get(rig.connection, metas)
    found = [answers[meta] for meta in metas]
    assert all(isinstance(one, Observation) for one in found), found
    return [one for one in found if isinstance(one, Observation)]


@ways
async def test_every_code_of_a_failed_statement(observe: str) -> None:
    async with snowflake_rig(observe=observe) as rig:
        jobs = [
            await created(rig, **{"sandbox-fail-reason": code, "sandbox-duration-ms": "10"}) for code in TOLD
        ]
        rig.advance(1.0)
        seen = await observed(rig, *(job.meta for job in jobs))
    assert [(one.phase, one.reason, one.is_retryable) for one in seen] == [
        (RemotePhase.FAILED, RULES[code].reason, RULES[code].is_retryable) for code in TOLD
    ]


@ways
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("SELEC 1", "SYNTAX_ERROR"),
        ("SELECT nothing", "INVALID_IDENTIFIER"),
        ("SELECT * FROM nowhere", "OBJECT_NOT_FOUND"),
        ("SELECT 1 / 0 AS n", "DIVISION_BY_ZERO"),
        ("SELECT 'x'::INT AS n", "DATA_EXCEPTION"),
    ],
)
async def test_what_is_wrong_with_a_statement(observe: str, statement: str, reason: str) -> None:
    async with snowflake_rig(observe=observe) as rig:
        job = await created(rig, statement)
        await rig.settle()
        (seen,) = await observed(rig, job.meta)
        assert (seen.phase, seen.reason, seen.is_retryable) == (RemotePhase.FAILED, reason, False)


@ways
async def test_the_states_on_the_way(observe: str) -> None:
    async with snowflake_rig(observe=observe) as rig:
        rig.world.speed.speed = replace(rig.world.speed.speed, pending_ms=1000.0)
        job = await created(rig, **LONG)
        seen = [(await observed(rig, job.meta))[0].phase]
        rig.advance(1.5)
        seen.append((await observed(rig, job.meta))[0].phase)
        # A read by handle does not tell what waits from what runs.
        first = RemotePhase.PENDING if observe == "history" else RemotePhase.RUNNING
        assert seen == [first, RemotePhase.RUNNING]


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("QUEUED", RemotePhase.PENDING),
        ("RESUMING_WAREHOUSE", RemotePhase.PENDING),
        ("QUEUED_REPARING_WAREHOUSE", RemotePhase.PENDING),
        ("BLOCKED", RemotePhase.RUNNING),
        ("REBALANCING", RemotePhase.RUNNING),
    ],
)
async def test_states_of_the_history(status: str, phase: RemotePhase) -> None:
    async with snowflake_rig(observe="history") as rig:
        job = await created(rig, **LONG, **{"sandbox-running-status": status})
        rig.advance(1.0)
        (seen,) = await observed(rig, job.meta)
        assert seen.phase is phase
        assert ("not known here" in seen.message) is (status == "REBALANCING")


@ways
async def test_a_statement_that_somebody_cancelled_and_one_that_ran_out_of_time(observe: str) -> None:
    async with snowflake_rig(observe=observe) as rig:
        late = await rig.handler.create(rig.request(labels=LONG, timeout_s=2))
        request = rig.request(labels=LONG)
        cancelled = await rig.handler.create(request)
        await rig.handler.delete(rig.connection, request.name, cancelled.meta, b"")
        rig.advance(3.0)
        seen = await observed(rig, late.meta, cancelled.meta)
        expected = ["STATEMENT_TIMEOUT", "CANCELLED"]
        assert [(one.phase, one.reason) for one in seen] == [
            (RemotePhase.FAILED, reason) for reason in expected
        ]


async def test_an_unknown_state_ends_nothing() -> None:
    async with snowflake_rig(observe="statements") as rig:
        job = await created(rig)
        await rig.settle()
        rig.fault(FaultKind.UNKNOWN_STATE, MethodClass.GET, more={"duration_s": 5})
        assert (await observed(rig, job.meta))[0].phase is RemotePhase.RUNNING
        rig.advance(6.0)
        assert (await observed(rig, job.meta))[0].phase is RemotePhase.SUCCEEDED
