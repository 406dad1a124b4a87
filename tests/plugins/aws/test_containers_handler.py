"""EMR on EKS: what its StartJobRun refuses."""

from __future__ import annotations

import pytest

from propwash.sdk import Permanent, Throttled, Unavailable
from tests.plugins.aws.runs_fake import refusing
from tests.plugins.aws.runs_rig import runs_rig

QUEUE = "The number of job runs in the queue of virtual cluster 00main has reached its maximum of 1000"


@pytest.mark.parametrize(
    ("code", "message", "status", "kind", "reason"),
    [
        ("ValidationException", QUEUE, 400, Throttled, "QUEUE_FULL"),
        ("ValidationException", "the release label is not known", 400, Permanent, "VALIDATION"),
        ("ResourceNotFoundException", "no such virtual cluster", 404, Permanent, "RESOURCE_NOT_FOUND"),
        ("EKSRequestThrottledException", "slow down", 429, Throttled, "EKS_REQUEST_THROTTLED"),
        ("InternalServerException", "oh", 500, Unavailable, "INTERNAL_SERVER"),
        ("AccessDeniedException", "emr-containers:StartJobRun", 403, Unavailable, "PERMISSION_DENIED"),
        (
            "AccessDeniedException",
            "not authorized to perform: iam:PassRole",
            403,
            Permanent,
            "ROLE_NOT_PASSABLE",
        ),
        ("ExpiredTokenException", "expired", 403, Unavailable, "CREDENTIALS_UNAVAILABLE"),
    ],
)
async def test_every_refusal_has_its_verdict(
    code: str, message: str, status: int, kind: type[Exception], reason: str
) -> None:
    async with runs_rig("containers") as rig:
        rig.fake.fault("StartJobRun", refusing(code, message, status))
        with pytest.raises(kind) as raised:
            await rig.handler.create(rig.request())
        assert getattr(raised.value, "reason", "") == reason
        assert not rig.fake.runs


async def test_the_role_of_the_connection_is_the_operator_s_to_mend() -> None:
    role = "arn:aws:iam::123456789012:role/runs"
    async with runs_rig("containers", execution_role_arn=role) as rig:
        rig.fake.fault("StartJobRun", refusing("AccessDeniedException", "iam:PassRole", 403))
        with pytest.raises(Unavailable) as raised:
            await rig.handler.create(rig.request({"executionRoleArn": None}))
        assert raised.value.reason == "PERMISSION_DENIED"
