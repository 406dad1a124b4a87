"""EMR Serverless tasks of Flyte's SDKs.

Source: flytekitplugins-awsemrserverless: custom is in snake case, with the API's own members inside. What describes the
application is for making one, which we do not: a task names an application that exists.
"""

from __future__ import annotations

from propwash.sdk import FlyteDone, FlyteRequest, FlyteTask, Json, TemplateError

_RUN = {
    "application_id": "applicationId",
    "application_name": "applicationName",
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
        if not (custom.get("application_id") or custom.get("application_name")):
            raise TemplateError(
                "custom.application_id: is missing, and should name an application that exists"
            )
        spec: dict[str, Json] = {to: custom[of] for of, to in _RUN.items() if custom.get(of) is not None}
        spec["jobDriver"] = drivers
        region = custom.get("region")
        account = {"region": region} if isinstance(region, str) and region else {}
        return FlyteRequest(spec=spec, inputs=task.inputs, account=account)

    def results(self, done: FlyteDone) -> str:
        """Empty: a run's outputs are what it wrote."""
        del done
        return ""
