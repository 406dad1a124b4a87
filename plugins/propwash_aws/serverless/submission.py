"""Builds the input of StartJobRun.

Source: EMR Serverless API Reference, StartJobRun.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from propwash.sdk import CreateRequest, Permanent, Value
from propwash_aws.connection import AwsSettings
from propwash_aws.names import DIFFERS, MOST_TAGS, MOST_VALUE, job_tags, mark
from propwash_aws.runs.filling import client_token, filled
from propwash_aws.serverless.driver_program import BLANK
from propwash_aws.serverless.spec import JobDriver, ServerlessSpec

_OURS = {
    "application_id",
    "application_name",
    "application",
    "name",
    "tags",
    "execution_role_arn",
    "execution_timeout_minutes",
    "foreign_token",
}


def start_input(
    request: CreateRequest[ServerlessSpec], application: str, settings: AwsSettings, *, entry_point: str = ""
) -> dict[str, object]:
    """The input; raises Permanent for inputs that cannot be filled in, and where nobody names a role. entry_point is
    what a command is started by.
    """
    spec = request.spec
    role = spec.execution_role_arn or settings.execution_role_arn
    if role is None:
        said = "executionRoleArn: neither the spec nor the connection names an execution role"
        raise Permanent("EXECUTION_ROLE_MISSING", said)
    made: dict[str, object] = spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_OURS)
    made |= {"applicationId": application, "executionRoleArn": role}
    if spec.foreign_token is not None:
        return made | _as_it_was(spec)
    made["jobDriver"] = _driver(spec.job_driver, request.inputs, entry_point)
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
        "clientToken": client_token(request.name),
        "name": request.name,
        "tags": job_tags(
            mark(owner=request.owner, uid=request.uid, attempt=request.attempt),
            of_spec=spec.tags or {},
            of_execution=request.labels,
            user_name=spec.name,
        ),
    }


def telling(asked: Mapping[str, object], fields: Sequence[str]) -> dict[str, object]:
    """The input, with a tag that names what differs of the application, where there is room for it."""
    tags = asked.get("tags")
    if not fields or not isinstance(tags, Mapping) or len(tags) >= MOST_TAGS:
        return dict(asked)
    return {**asked, "tags": {**tags, DIFFERS: " ".join(fields)[:MOST_VALUE]}}


def _as_it_was(spec: ServerlessSpec) -> dict[str, object]:
    said = {
        "name": spec.name,
        "tags": spec.tags,
        "executionTimeoutMinutes": spec.execution_timeout_minutes,
        "clientToken": spec.foreign_token,
    }
    return {name: value for name, value in said.items() if value is not None}


def _driver(driver: JobDriver, inputs: Mapping[str, Value], entry_point: str) -> object:
    if driver.command is None:
        given = driver.model_dump(mode="json", by_alias=True, exclude_none=True)
        return filled(given, inputs, "jobDriver")
    submit: dict[str, object] = {
        "entryPoint": entry_point,
        # EMR Serverless takes no blank ones.
        "entryPointArguments": [one if one.strip() else BLANK for one in driver.command.arguments],
    }
    if driver.command.spark_submit_parameters is not None:
        options = driver.command.spark_submit_parameters
        submit["sparkSubmitParameters"] = filled(options, inputs, "jobDriver.command.sparkSubmitParameters")
    return {"sparkSubmit": submit}


def timeout_minutes(of_spec: int | None, run_deadline_s: float | None) -> int | None:
    """The shorter of both in whole minutes, rounded up; 0 is no end, None is EMR Serverless' own default."""
    if run_deadline_s is None:
        return of_spec
    of_deadline = min(max(1, math.ceil(run_deadline_s / 60)), 1_000_000)
    return min(of_spec, of_deadline) if of_spec else of_deadline
