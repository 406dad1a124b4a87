"""EMR Serverless tasks of Flyte's SDKs.

Source: flytekitplugins-awsemrserverless: custom is in snake case, with the API's own members inside. What describes the
application is for making one, which we do not: a task names an application that exists.
"""

from __future__ import annotations

from collections.abc import Mapping

from propwash.sdk import (
    FlyteDone,
    FlyteJob,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    Json,
    RemoteName,
    TemplateError,
)
from propwash_aws.runs.keys import RunKey
from propwash_aws.serverless.observing import run_link

_RUN = {
    "execution_role_arn": "executionRoleArn",
    "execution_timeout_minutes": "executionTimeoutMinutes",
    "configuration_overrides": "configurationOverrides",
    "retry_policy": "retryPolicy",
    "tags": "tags",
}
_DRIVERS = {"spark_job_driver": "sparkSubmit", "hive_job_driver": "hive"}


class JobRunTasks:
    """Templates of job runs."""

    def request(self, task: FlyteTask) -> FlyteRequest:
        """The job run; raises TemplateError."""
        custom = task.custom
        drivers = {of: custom[name] for name, of in _DRIVERS.items() if custom.get(name)}
        if len(drivers) != 1:
            raise TemplateError(
                "custom: should have one of spark_job_driver and hive_job_driver; a Python function is not run here"
            )
        application = custom.get("application_id") or custom.get("application_name")
        if not application:
            raise TemplateError(
                "custom.application_id: is missing, and should name an application that exists"
            )
        spec: dict[str, Json] = {to: custom[of] for of, to in _RUN.items() if custom.get(of) is not None}
        # Either is taken for an id or a name.
        spec["applicationId"] = application
        spec["jobDriver"] = drivers
        region = custom.get("region")
        account = {"region": region} if isinstance(region, str) and region else {}
        return FlyteRequest(spec=spec, inputs=task.inputs, account=account)

    def outputs(self, done: FlyteDone) -> FlyteOutputs:
        """Empty: a run's outputs are what it wrote."""
        del done
        return {}

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:
        """The job run of the SDK's EMRServerlessJobMetadata."""
        match meta:
            case {"application_id": str(application), "job_run_id": str(run), "region": str(region)}:
                pass
            case _:
                return None
        if not application or not run:
            raise TemplateError("resource_meta.job_run_id: is empty, as the run was never begun")
        driver: Json = {"sparkSubmit": {"entryPoint": f"{run}, begun by another connector"}}
        return FlyteJob(
            # It was not begun under a name of ours.
            meta=RunKey(application, run, RemoteName("")).meta(),
            request=FlyteRequest(
                spec={"applicationId": application, "jobDriver": driver},
                account={"region": region} if region else {},
            ),
            links=(run_link(region, RunKey(application, run, RemoteName(""))),),
        )
