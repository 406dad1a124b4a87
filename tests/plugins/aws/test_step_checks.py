"""What a connection's check tells, and that the pages say what the handlers do."""

from __future__ import annotations

from pathlib import Path

import pytest

from propwash.sdk import Unavailable
from propwash_aws.clusters.reasons import RETRYABLE_ENDS
from tests.plugins.aws.emr_fake import LOST, FakeEmr, refused
from tests.plugins.aws.emr_requests import CONNECTION, cluster_handler, step_handler
from tests.plugins.aws.test_cluster_states import ENDS as CLUSTER_ENDS
from tests.plugins.aws.test_step_states import STATES as STEP_STATES

DOCS = Path(__file__).parents[3] / "docs" / "handlers"
DENIED = refused("not authorized", "AccessDeniedException")


async def test_check_goes_through_the_clusters_of_the_setting() -> None:
    emr = FakeEmr()
    handler = step_handler(emr)
    found = await handler.check(CONNECTION)
    assert [(one.what, one.is_ok) for one in found] == [("identity", True), ("ListClusters", True)]
    assert found[0].message.startswith("arn:aws:iam")
    cluster = emr.add_cluster("etl")
    emr.settings = emr.settings.model_copy(update={"clusters": ("etl", "j-NEVER")})
    found = await handler.check(CONNECTION)
    assert [(one.what, one.is_ok) for one in found[2:]] == [
        ("ListSteps j-NEVER", False),
        (f"ListSteps {cluster}", True),
    ]
    await handler.close()


@pytest.mark.parametrize(
    ("operation", "error", "what", "remedy"),
    [
        ("GetCallerIdentity", refused("expired", "ExpiredToken"), "identity", "credentials"),
        ("GetCallerIdentity", LOST, "identity", "credentials"),
        ("ListClusters", DENIED, "ListClusters", "elasticmapreduce:ListClusters"),
        ("ListSteps", DENIED, "ListSteps j-0001", "elasticmapreduce:ListSteps"),
    ],
)
async def test_check_says_what_is_missing(operation: str, error: Exception, what: str, remedy: str) -> None:
    emr = FakeEmr()
    handler = step_handler(emr)
    emr.settings = emr.settings.model_copy(update={"clusters": (emr.add_cluster(),)})
    emr.before[operation] = [error]
    *well, last = await handler.check(CONNECTION)
    assert all(one.is_ok for one in well)
    assert (last.what, last.is_ok) == (what, False)
    assert remedy in last.remedy
    await handler.close()


async def test_setting_without_a_live_cluster_is_said() -> None:
    emr = FakeEmr()
    handler = step_handler(emr)
    emr.settings = emr.settings.model_copy(update={"clusters": ("none",)})
    assert not (await handler.check(CONNECTION))[-1].is_ok
    await handler.close()


async def test_check_of_clusters() -> None:
    emr = FakeEmr()
    handler = cluster_handler(emr)
    assert [one.what for one in await handler.check(CONNECTION)] == ["identity", "ListClusters"]
    await handler.close()


async def test_denied_sweep_is_said_with_the_cluster() -> None:
    emr = FakeEmr()
    handler = step_handler(emr)
    cluster = emr.add_cluster()
    emr.before["ListSteps"] = [DENIED]
    with pytest.raises(Unavailable) as raised:
        await handler.list(CONNECTION, "o")
    assert raised.value.reason == "PERMISSION_DENIED"
    assert cluster in raised.value.message
    await handler.close()


def test_page_of_steps_has_every_state() -> None:
    page = (DOCS / "emr-steps.md").read_text(encoding="utf-8")
    for state, phase, reason, *_ in STEP_STATES:
        if state != "SUSPENDED_BY_NEWS":
            row = next(line for line in page.splitlines() if line.startswith(f"| `{state}` |"))
            assert f"| {phase.name} |" in row
            assert reason in row


def test_page_of_clusters_has_every_code() -> None:
    page = (DOCS / "emr-clusters.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| over |")]
    told = {code: cells[-1] for cells in rows for code in RETRYABLE_ENDS if f"`{code}`" in cells[1]}
    assert set(told) == set(RETRYABLE_ENDS)
    for code, is_retryable in RETRYABLE_ENDS.items():
        assert told[code].startswith("yes" if is_retryable else "no"), code
    assert {code for _, code, *_ in CLUSTER_ENDS} >= set(RETRYABLE_ENDS)
