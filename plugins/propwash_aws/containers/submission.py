"""Builds the input of StartJobRun.

Source: EMR on EKS API Reference, StartJobRun. It has no timeout: a run deadline is the engine's alone.
"""

from __future__ import annotations

from propwash.sdk import CreateRequest, Permanent
from propwash_aws.connection import AwsSettings
from propwash_aws.containers.spec import ContainersSpec
from propwash_aws.names import job_tags, mark
from propwash_aws.runs.filling import client_token, filled

_OURS = {"virtual_cluster_id", "virtual_cluster_name", "name", "tags", "execution_role_arn"}


def start_input(
    request: CreateRequest[ContainersSpec], virtual_cluster: str, settings: AwsSettings
) -> dict[str, object]:
    """The input; raises Permanent for inputs that cannot be filled in, and where nobody names a role."""
    spec = request.spec
    role = spec.execution_role_arn or settings.execution_role_arn
    if role is None and spec.job_template_id is None:
        said = "executionRoleArn: neither the spec nor the connection names an execution role"
        raise Permanent("EXECUTION_ROLE_MISSING", said)
    made: dict[str, object] = spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_OURS)
    for name in ("jobDriver", "jobTemplateParameters"):
        if name in made:
            made[name] = filled(made[name], request.inputs, name)
    overrides = made.get("configurationOverrides")
    if isinstance(overrides, dict) and "applicationConfiguration" in overrides:
        path = "configurationOverrides.applicationConfiguration"
        given = overrides["applicationConfiguration"]
        made["configurationOverrides"] = {
            **overrides,
            "applicationConfiguration": filled(given, request.inputs, path),
        }
    # A template's own role holds where neither the spec nor, for lack of a template, the connection gives one.
    if spec.job_template_id is not None:
        role = spec.execution_role_arn
    if role is not None:
        made["executionRoleArn"] = role
    return {
        **made,
        "virtualClusterId": virtual_cluster,
        "clientToken": client_token(request.name),
        "name": request.name,
        "tags": job_tags(
            mark(owner=request.owner, uid=request.uid, attempt=request.attempt),
            of_spec=spec.tags or {},
            of_execution=request.labels,
            user_name=spec.name,
        ),
    }
