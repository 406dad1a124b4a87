"""Builds the input of StartJobRun.

Source: EMR Serverless API Reference, StartJobRun.
"""

from __future__ import annotations

import math

from propwash.sdk import CreateRequest, Permanent
from propwash_aws.connection import AwsSettings
from propwash_aws.names import job_tags, mark
from propwash_aws.runs.filling import client_token, filled
from propwash_aws.serverless.spec import ServerlessSpec

_OURS = {
    "application_id",
    "application_name",
    "name",
    "tags",
    "execution_role_arn",
    "execution_timeout_minutes",
}


def start_input(
    request: CreateRequest[ServerlessSpec], application: str, settings: AwsSettings
) -> dict[str, object]:
    """The input; raises Permanent for inputs that cannot be filled in, and where nobody names a role."""
    spec = request.spec
    role = spec.execution_role_arn or settings.execution_role_arn
    if role is None:
        said = "executionRoleArn: neither the spec nor the connection names an execution role"
        raise Permanent("EXECUTION_ROLE_MISSING", said)
    made: dict[str, object] = spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_OURS)
    made["jobDriver"] = filled(made["jobDriver"], request.inputs, "jobDriver")
    overrides = made.get("configurationOverrides")
    if isinstance(overrides, dict) and "applicationConfiguration" in overrides:
        path = "configurationOverrides.applicationConfiguration"
        given = overrides["applicationConfiguration"]
        made["configurationOverrides"] = {
            **overrides,
            "applicationConfiguration": filled(given, request.inputs, path),
        }
    minutes = timeout_minutes(spec.execution_timeout_minutes, request.run_deadline_s)
    if minutes is not None:
        made["executionTimeoutMinutes"] = minutes
    return {
        **made,
        "applicationId": application,
        "clientToken": client_token(request.name),
        "name": request.name,
        "executionRoleArn": role,
        "tags": job_tags(
            mark(owner=request.owner, uid=request.uid, attempt=request.attempt),
            of_spec=spec.tags or {},
            of_execution=request.labels,
            user_name=spec.name,
        ),
    }


def timeout_minutes(of_spec: int | None, run_deadline_s: float | None) -> int | None:
    """The shorter of both in whole minutes, rounded up; 0 is no end, None is EMR Serverless' own default."""
    if run_deadline_s is None:
        return of_spec
    of_deadline = min(max(1, math.ceil(run_deadline_s / 60)), 1_000_000)
    return min(of_spec, of_deadline) if of_spec else of_deadline
