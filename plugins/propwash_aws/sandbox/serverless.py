"""EMR Serverless' operations. Source: EMR Serverless API Reference, and botocore's model emr-serverless 2021-07-13."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from propwash.sandbox import Call, World
from propwash_aws.sandbox.applications import ACCOUNT, Application, Applications
from propwash_aws.sandbox.errors import invalid, missing
from propwash_aws.sandbox.runs import End, Run, Runs, shows_unknown

SERVICE = "emr-serverless"
_PAGE = 10
_MOST = 50
_STANDARD_TIMEOUT_MIN = 720
_LIVE = frozenset({"SUBMITTED", "QUEUED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING"})
_ENDS = {End.SUCCEEDED: "SUCCESS", End.FAILED: "FAILED", End.CANCELLED: "CANCELLED"}
_DETAILS = {
    "internal_error": "Job failed because of an internal error of the service. Please try again.",
    "capacity_exceeded": "Job was not run: the application has reached its maximumCapacity.",
    "worker_lost": "Job failed: ExecutorLostFailure, an executor was lost.",
    "access_denied": "Job failed: AccessDenied by S3 for the execution role. Status Code: 403",
    "validation_error": "Job failed: invalid configuration was given.",
    "input_not_found": "Job failed: java.io.FileNotFoundException: no such file",
    "user_error": "Job failed, please check complete logs in configured logging destination. ExitCode: 1.",
}


class Serverless:
    """Answers the operations; each takes the checked input and the call, and gives the output."""

    def __init__(self, world: World) -> None:
        self.applications = Applications(world)
        self.runs = Runs(world, account=SERVICE)
        self._images: dict[str, Mapping[str, Any] | None] = {}
        """Of the application, when the run began, by run."""

    def clear(self) -> None:
        """Forget all."""
        self._images.clear()
        self.runs.clear()
        self.applications.clear()

    def start_job_run(self, asked: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """StartJobRun."""
        application = self.applications.get(asked["applicationId"])
        if asked.get("jobDriver") is None or len(asked["jobDriver"]) != 1:
            raise invalid("jobDriver: must have exactly one of sparkSubmit and hive")
        self.applications.take_run(application)
        minutes = asked.get("executionTimeoutMinutes", _STANDARD_TIMEOUT_MIN)
        name = str(asked.get("name") or "")
        run = self.runs.start(application.id, name, asked, timeout_s=minutes * 60, fault=call.fault)
        self._images.setdefault(run.id, application.image)
        return {"applicationId": application.id, "jobRunId": run.id, "arn": _arn(application, run)}

    def get_job_run(self, asked: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """GetJobRun."""
        run = self._run(asked)
        shows_unknown((run,), call.fault, self.runs.now())
        return {"jobRun": self._full(run)}

    def list_job_runs(self, asked: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """ListJobRuns: newest first."""
        states = frozenset(asked.get("states") or ())
        after, before = asked.get("createdAtAfter", 0.0), asked.get("createdAtBefore", float("inf"))
        found, token = self.runs.page(
            asked["applicationId"],
            token=asked.get("nextToken", ""),
            size=min(asked.get("maxResults") or _PAGE, _MOST),
            is_wanted=lambda run: (
                after < run.created_at < before and (not states or self.state(run) in states)
            ),
            is_live=bool(states) and states <= _LIVE,
            fault=call.fault,
        )
        shows_unknown(found, call.fault, self.runs.now())
        page: dict[str, Any] = {"jobRuns": [self._summary(run) for run in found]}
        return {**page, "nextToken": token} if token else page

    def cancel_job_run(self, asked: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """CancelJobRun: refused for a run that has ended."""
        run = self._run(asked)
        if run.ended_at is not None:
            raise invalid(f"Job run {run.id} is in the terminal state {self.state(run)}")
        self.runs.cancel(run, fault=call.fault)
        return {"applicationId": run.place, "jobRunId": run.id}

    def create_application(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """CreateApplication."""
        made = self.applications.create(asked)
        return {"applicationId": made.id, "name": made.asked.get("name"), "arn": made.arn}

    def get_application(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """GetApplication."""
        return {"application": _full_application(self.applications.get(asked["applicationId"]))}

    def update_application(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """UpdateApplication."""
        found = self.applications.get(asked["applicationId"])
        self.applications.update(found, asked)
        return {"application": _full_application(found)}

    def list_applications(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """ListApplications, in one page or several."""
        states = asked.get("states") or ()
        found = [one for one in self.applications if not states or one.state in states]
        token = asked.get("nextToken", "0")
        if not token.isdecimal():
            raise invalid("nextToken: is none of this list")
        at, size = int(token), min(asked.get("maxResults") or _MOST, _MOST)
        page: dict[str, Any] = {
            "applications": [{"id": one.id, **_application(one)} for one in found[at : at + size]]
        }
        return {**page, "nextToken": str(at + size)} if at + size < len(found) else page

    def start_application(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """StartApplication."""
        self.applications.start(self.applications.get(asked["applicationId"]))
        return {}

    def stop_application(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """StopApplication: refused while runs are live."""
        found = self.applications.get(asked["applicationId"])
        if any(True for _ in self.runs.place(found.id).newest_first(below=None, is_live=True)):
            raise invalid(f"Application {found.id} has runs that are not over")
        self.applications.stop(found)
        return {}

    def delete_application(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """DeleteApplication."""
        self.applications.delete(self.applications.get(asked["applicationId"]))
        return {}

    def state(self, run: Run) -> str:
        """The state that is shown."""
        now = self.runs.now()
        if now < run.unknown_until:
            return "REHEARSING"
        if run.end is not None:
            return _ENDS[run.end]
        if run.is_cancelling:
            return "CANCELLING"
        return "RUNNING" if now >= run.start_at else "PENDING"

    def _run(self, asked: Mapping[str, Any]) -> Run:
        self.applications.get(asked["applicationId"])
        run = self.runs.find(asked["applicationId"], asked["jobRunId"])
        if run is None:
            raise missing("Job run", asked["jobRunId"])
        return run

    def _shown(self, run: Run) -> dict[str, Any]:
        application = self.applications.get(run.place)
        at = run.ended_at or run.created_at
        shown = {
            "applicationId": run.place,
            "name": run.name,
            "arn": _arn(application, run),
            "createdBy": f"arn:aws:iam::{ACCOUNT}:user/sandbox",
            "createdAt": run.created_at,
            "updatedAt": at,
            "executionRole": run.asked["executionRoleArn"],
            "state": self.state(run),
            "stateDetails": run.details or _DETAILS.get(run.reason.lower(), run.reason)
            if run.ended_at is not None
            else "",
            "releaseLabel": application.asked["releaseLabel"],
            "mode": run.asked.get("mode", "BATCH"),
            "attempt": 1,
        }
        return shown if run.name else {name: value for name, value in shown.items() if name != "name"}

    def _summary(self, run: Run) -> dict[str, Any]:
        kind = "SPARK" if "sparkSubmit" in run.asked["jobDriver"] else "HIVE"
        return {"id": run.id, "type": kind, **self._shown(run)}

    def _full(self, run: Run) -> dict[str, Any]:
        kept = ("executionIamPolicy", "configurationOverrides", "jobDriver", "tags", "retryPolicy")
        full = {
            "jobRunId": run.id,
            **self._shown(run),
            **{name: run.asked[name] for name in kept if name in run.asked},
        }
        full["executionTimeoutMinutes"] = run.asked.get("executionTimeoutMinutes", _STANDARD_TIMEOUT_MIN)
        if image := self._images.get(run.id):
            full["imageConfiguration"] = image
        if self.runs.now() >= run.start_at:
            full["startedAt"] = run.start_at
        if run.ended_at is not None:
            hours = (run.ended_at - run.start_at) / 3600
            used = {"vCPUHour": 4 * hours, "memoryGBHour": 16 * hours, "storageGBHour": 20 * hours}
            full["endedAt"] = run.ended_at
            full["totalExecutionDurationSeconds"] = int(run.ended_at - run.start_at)
            full["totalResourceUtilization"] = full["billedResourceUtilization"] = used
        return full


def _arn(application: Application, run: Run) -> str:
    return f"{application.arn}/jobruns/{run.id}"


def _full_application(found: Application) -> dict[str, Any]:
    return {**found.shown(), **_application(found), "applicationId": found.id}


def _application(found: Application) -> dict[str, Any]:
    asked = found.asked
    shown = {
        "arn": found.arn,
        "releaseLabel": asked["releaseLabel"],
        "type": asked["type"].capitalize(),
        "state": found.state,
        "createdAt": found.created_at,
        "updatedAt": found.updated_at,
    }
    return {**shown, "name": asked["name"]} if asked.get("name") else shown
