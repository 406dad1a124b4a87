"""The sandbox's own limits: requests a second, in all or by class of method, requests at once and jobs at once, each
refused in the remote system's own words and counted.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from propwash.sandbox import Answer, Fault, FaultKind
from propwash.sandbox.faults import MethodClass
from propwash.sandbox.limits import Limits, LimitsError, parse_limits
from propwash_aws.sandbox.errors import refusal as aws_refusal
from propwash_snowflake.sandbox.errors import refusal as snowflake_refusal
from tests.sandbox.sandbox_rig import Rig


def error(answer: Answer | None) -> dict[str, Any]:
    assert answer is not None
    found: dict[str, Any] = json.loads(answer.body)["error"]
    return found


async def test_a_create_above_the_jobs_at_once_is_refused_until_one_ends() -> None:
    rig = Rig(limits=Limits(concurrent_jobs=2))
    for name in ("a", "b"):
        made = await rig.insert(name, lasting_ms=3000)
        assert made is not None
        assert made.status == 200
    refused = error(await rig.insert("c", lasting_ms=3000))
    assert refused["code"] == 403
    assert refused["errors"][0]["reason"] == "rateLimitExceeded"
    assert "too many concurrent queries" in refused["message"]
    assert await rig.state("a") == "RUNNING", "only creates are refused"
    rig.pass_time(3.0)
    made = await rig.insert("c")
    assert made is not None
    assert made.status == 200
    assert rig.exchange.gate.refused == {"concurrent_jobs": 1}
    counted = rig.world.ledger.summary()["requests"]["bigquery"]["jobs.insert"]
    assert counted == {"200": 3, "403 concurrent_jobs": 1}
    await rig.close()


async def test_a_class_of_methods_has_its_own_rate() -> None:
    rig = Rig(limits=Limits(requests_per_s={MethodClass.CREATE: 1.0}))
    first, second = await rig.insert("a"), await rig.insert("b")
    assert first is not None
    assert first.status == 200
    assert "too many api requests" in error(second)["message"]
    for _ in range(10):
        assert len(await rig.listed()) == 1
    rig.exchange.gate.set(Limits(requests_per_s=100.0))
    again = await rig.insert("b")
    assert again is not None
    assert again.status == 200
    assert rig.exchange.gate.refused == {"requests_per_s": 1}
    await rig.close()


def test_others_refuse_jobs_in_their_own_words() -> None:
    fault = Fault(kind=FaultKind.THROTTLE, is_for_jobs=True)
    aws, snowflake = aws_refusal(fault), snowflake_refusal(fault)
    assert (aws.status, json.loads(aws.body)["__type"]) == (402, "ServiceQuotaExceededException")
    assert (snowflake.status, json.loads(snowflake.body)["code"]) == (429, "390505")
    assert "concurrent" in json.loads(snowflake.body)["message"]


def test_limits_are_read_and_shown_in_the_same_form() -> None:
    given = {"requests_per_s": {"create": 40, "list": 2.5}, "concurrent_requests": 5, "concurrent_jobs": 7}
    assert parse_limits(given).as_json() == given
    nothing = {"requests_per_s": None, "concurrent_requests": None, "concurrent_jobs": None}
    assert parse_limits({}).as_json() == nothing
    assert parse_limits({"requests_per_s": 3}).as_json() == {**nothing, "requests_per_s": 3}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "limits are an object"),
        ({"jobs": 1}, "unknown field 'jobs'"),
        ({"concurrent_jobs": 0}, "concurrent_jobs: a number above 0"),
        ({"concurrent_jobs": True}, "concurrent_jobs: a number above 0"),
        ({"requests_per_s": {"creates": 1}}, r"requests_per_s\.creates: none of the classes create"),
        ({"requests_per_s": {"create": "x"}}, r"requests_per_s\.create: a number above 0"),
    ],
)
def test_limits_that_cannot_be_kept_name_the_field(given: object, said: str) -> None:
    with pytest.raises(LimitsError, match=said):
        parse_limits(given)
