"""Job runs of Flyte's own connector, by the resource metas that it wrote.

Source: flytekitplugins-awsemrserverless 1.16.31, EMRServerlessJobMetadata. Where the application was not started at
the create, the meta has no run and holds the request instead, for good: Flyte keeps it as it is when the connector
begins the run at a later get. So such a run may be there or not, which only its client token tells.
"""

from __future__ import annotations

from collections.abc import Mapping

from propwash.sdk import FlyteJob, FlyteRequest, Json, RemoteName, TemplateError
from propwash_aws.runs.keys import RunKey
from propwash_aws.serverless.observing import run_link

_REQUEST = {
    "execution_role_arn": "executionRoleArn",
    "job_driver": "jobDriver",
    "configuration_overrides": "configurationOverrides",
    "tags": "tags",
    "execution_timeout_minutes": "executionTimeoutMinutes",
    "name": "name",
    "retry_policy": "retryPolicy",
    "client_token": "foreignToken",
}
"""Of the request that a meta holds."""
_ALSO_A_FUNCTION = "pyflyte-execute"


def adopted_job(meta: Mapping[str, Json]) -> FlyteJob | None:
    """The job run; None for a meta that is none of the connector's. Raises TemplateError for one that cannot begin."""
    match meta:
        case {"application_id": str(application), "job_run_id": str(run), "region": str(region)}:
            pass
        case _:
            return None
    account = {"region": region} if region else {}
    if not run:
        spec = {"applicationId": application, **_pending(meta)}
        return FlyteJob(meta=None, request=FlyteRequest(spec=spec, account=account))
    if not application:
        raise TemplateError("resource_meta.application_id: is empty, so that the run cannot be found")
    # It was not begun under a name of ours.
    key = RunKey(application, run, RemoteName(""))
    spec = {
        "applicationId": application,
        "jobDriver": _seen(run, is_script=meta.get("is_script_mode") is True),
    }
    return FlyteJob(
        meta=key.meta(), request=FlyteRequest(spec=spec, account=account), links=(run_link(region, key),)
    )


def _pending(meta: Mapping[str, Json]) -> dict[str, Json]:
    request = meta.get("pending_job_request")
    if not isinstance(request, Mapping) or not request.get("client_token"):
        raise TemplateError(
            "resource_meta.job_run_id: is empty, and there is no request to begin the run with"
        )
    # As the connector sends it: what is empty is left out.
    return {to: request[of] for of, to in _REQUEST.items() if request.get(of)}


def _seen(run: str, *, is_script: bool) -> Json:
    if is_script:
        return {"sparkSubmit": {"entryPoint": f"{run}, begun by another connector"}}
    return {"command": {"arguments": (_ALSO_A_FUNCTION, f"of {run}, begun by another connector")}}
