"""Starts moto 5.2.5's server, with the behaviours of EMR that it lacks, in its own environment:

    python moto_launcher.py PORT SECONDS_A_STATE

Requests are parsed, checked and answered by moto on botocore's models, untouched; what is added lies behind that:

- States. moto's job runs of EMR Serverless are SUCCESS at once, those of EMR on EKS RUNNING for ever, steps RUNNING or
  PENDING for ever, and clusters with steps WAITING for ever. Here all go through the documented states by the clock. A
  job with the argument `until-cancelled` stays RUNNING, one with the argument `to-fail` fails.
- CancelSteps, which moto answers with 500; and a cancelled job is CANCELLING or CANCEL_PENDING before it is CANCELLED.
- clientToken: the same token in the same place is the same run, as AWS documents it.
- Creation instants, which moto cuts to midnight, so that no list by creation finds anything.
- An application without runs has an empty list; moto says that there is no such application.
- The code of a cluster's end, tags of a cluster, and steps of clusters that are not there.

This file runs where neither Propwash nor its tests can be imported, and imports neither.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.emr import models as emr
from moto.emr.exceptions import InvalidRequestException
from moto.emr.responses import ElasticMapReduceResponse
from moto.emrcontainers import models as containers
from moto.emrserverless import models as serverless
from moto.server import main as serve

UNTIL_CANCELLED = "until-cancelled"
TO_FAIL = "to-fail"
_SECONDS_A_STATE = float(sys.argv[2]) if len(sys.argv) > 2 else 0.3
_token_lock = threading.Lock()


class Course:
    """A job's state as an attribute: a walk through states by the clock, or through the states of a cancel."""

    def __init__(
        self,
        going: Sequence[str],
        *,
        succeeded: str,
        failed: str,
        cancelling: str,
        cancelled: str,
        arguments: Callable[[Any], Sequence[str]],
    ) -> None:
        self._going = tuple(going)
        self._succeeded, self._failed = succeeded, failed
        self._cancelling, self._cancelled = cancelling, cancelled
        self._arguments = arguments

    def __get__(self, job: Any, kind: type) -> str:
        began_at, cancelled_at = job.__dict__["_began_at"], job.__dict__.get("_cancelled_at")
        if cancelled_at is not None and not self._is_over(job, cancelled_at - began_at):
            is_soon = time.monotonic() - cancelled_at < _SECONDS_A_STATE
            return self._cancelling if is_soon else self._cancelled
        return self._by_clock(job, time.monotonic() - began_at)

    def __set__(self, job: Any, state: str) -> None:
        job.__dict__.setdefault("_began_at", time.monotonic())
        if state in (self._cancelling, self._cancelled):
            job.__dict__.setdefault("_cancelled_at", time.monotonic())

    def is_cancelled(self, job: Any) -> bool:
        """Whether the job ended, or ends, because somebody wished so."""
        cancelled_at = job.__dict__.get("_cancelled_at")
        return cancelled_at is not None and not self._is_over(job, cancelled_at - job.__dict__["_began_at"])

    def _by_clock(self, job: Any, seconds: float) -> str:
        at = int(seconds / _SECONDS_A_STATE)
        if at < len(self._going):
            return self._going[at]
        words = self._arguments(job)
        if UNTIL_CANCELLED in words:
            return self._going[-1]
        return self._failed if TO_FAIL in words else self._succeeded

    def _is_over(self, job: Any, seconds: float) -> bool:
        return self._by_clock(job, seconds) in (self._succeeded, self._failed)


def _driver_words(job: Any) -> Sequence[str]:
    driver = job.job_driver or {}
    for name in ("sparkSubmit", "sparkSubmitJobDriver"):
        if name in driver:
            return driver[name].get("entryPointArguments") or ()
    return ()


def _cluster_words(cluster: Any) -> Sequence[str]:
    words = [word for step in cluster.steps for word in step.args]
    return [*words, UNTIL_CANCELLED] if cluster.keep_job_flow_alive_when_no_steps else words


_RUN_STATES = Course(
    ("SUBMITTED", "PENDING", "SCHEDULED", "RUNNING"),
    succeeded="SUCCESS",
    failed="FAILED",
    cancelling="CANCELLING",
    cancelled="CANCELLED",
    arguments=_driver_words,
)
_CONTAINER_STATES = Course(
    ("PENDING", "SUBMITTED", "RUNNING"),
    succeeded="COMPLETED",
    failed="FAILED",
    cancelling="CANCEL_PENDING",
    cancelled="CANCELLED",
    arguments=_driver_words,
)
_STEP_STATES = Course(
    ("PENDING", "RUNNING"),
    succeeded="COMPLETED",
    failed="FAILED",
    cancelling="CANCEL_PENDING",
    cancelled="CANCELLED",
    arguments=lambda step: step.args,
)
_CLUSTER_STATES = Course(
    ("STARTING", "BOOTSTRAPPING", "RUNNING"),
    succeeded="TERMINATED",
    failed="TERMINATED_WITH_ERRORS",
    cancelling="TERMINATING",
    cancelled="TERMINATED",
    arguments=_cluster_words,
)


class _Standing:
    """The state of a cluster: one that is kept alive is WAITING as soon as it is there, for steps."""

    def __get__(self, cluster: Any, kind: type) -> str:
        state = _CLUSTER_STATES.__get__(cluster, kind)
        return "WAITING" if cluster.keep_job_flow_alive_when_no_steps and state in _GOING else state

    def __set__(self, cluster: Any, state: str | None) -> None:
        if state == "TERMINATED" and not cluster.steps:
            return
        _CLUSTER_STATES.__set__(cluster, state or "")


_GOING = ("STARTING", "BOOTSTRAPPING", "RUNNING")


def _cluster_status(cluster: Any) -> dict[str, Any]:
    state, reason = cluster.state, {}
    if _CLUSTER_STATES.is_cancelled(cluster):
        reason = {"Code": "USER_REQUEST", "Message": "Terminated by user request"}
    elif state == "TERMINATED":
        reason = {"Code": "ALL_STEPS_COMPLETED", "Message": "Steps completed"}
    elif state == "TERMINATED_WITH_ERRORS":
        reason = {"Code": "STEP_FAILURE", "Message": "Shut down as step failed"}
    timeline = {"CreationDateTime": cluster.creation_datetime, "ReadyDateTime": cluster.ready_datetime}
    return {"State": state, "StateChangeReason": reason, "Timeline": timeline}


def _step_status(step: Any) -> dict[str, Any]:
    made = {"State": step.state, "Timeline": {"CreationDateTime": step.creation_date_time}}
    if step.state == "FAILED":
        made["FailureDetails"] = {
            "Reason": "Unknown Error.",
            "LogFile": f"s3://logs/steps/{step.id}/stderr.gz",
        }
    return made


def _cancel_steps(self: ElasticMapReduceResponse) -> ActionResult:
    cluster = self.backend.describe_cluster(self._get_param("ClusterId"))
    known = {step.id: step for step in cluster.steps}
    answers = []
    for step_id in self._get_param("StepIds", []):
        step = known.get(step_id)
        if step is None:
            raise InvalidRequestException(f"Step id '{step_id}' is not valid.")
        is_live = step.state in ("PENDING", "RUNNING")
        if is_live:
            step.state = "CANCEL_PENDING"
        said = "" if is_live else f"Cannot cancel step '{step_id}' in state {step.state}"
        answers.append({"StepId": step_id, "Status": "SUBMITTED" if is_live else "FAILED", "Reason": said})
    return ActionResult({"CancelStepsInfoList": answers})


def _dated(kind: type) -> None:
    begin = kind.__init__  # type: ignore[misc]

    def begin_now(self: Any, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        self.created_at = utcnow()
        self.updated_at = self.created_at

    kind.__init__ = begin_now  # type: ignore[misc]


def _once_a_token(kind: type, place: str) -> None:
    start: Callable[..., Any] = kind.start_job_run  # type: ignore[attr-defined]

    def start_once(self: Any, **named: Any) -> Any:
        token = (named[place], named.get("client_token"))
        with _token_lock:
            known = self.__dict__.setdefault("_runs_by_token", {})
            if token not in known:
                known[token] = start(self, **named)
            return known[token]

    kind.start_job_run = start_once  # type: ignore[attr-defined]


def _cluster_first(name: str) -> None:
    """What is asked of a cluster that is not there is refused, and not answered with 500."""
    act: Callable[..., Any] = getattr(emr.ElasticMapReduceBackend, name)

    def checked(self: Any, cluster_id: str, *given: Any, **named: Any) -> Any:
        self.describe_cluster(cluster_id)
        return act(self, cluster_id, *given, **named)

    setattr(emr.ElasticMapReduceBackend, name, checked)


def _described_step(self: Any, cluster_id: str, step_id: str) -> Any:
    for step in self.describe_cluster(cluster_id).steps:
        if step.id == step_id:
            return step
    raise InvalidRequestException(f"Step id '{step_id}' is not valid.")


def _listed_runs(self: Any, application_id: str, **named: Any) -> Any:
    self.job_runs.setdefault(self.get_application(application_id).id, [])
    return _list_runs(self, application_id, **named)


_list_runs = serverless.EMRServerlessBackend.list_job_runs


def amend() -> None:
    """Put what moto lacks in its place."""
    serverless.JobRun.state = _RUN_STATES
    containers.JobRun.state = _CONTAINER_STATES
    emr.Step.state = _STEP_STATES
    emr.Step.status = property(_step_status)
    emr.Cluster.state = _Standing()
    emr.Cluster.status = property(_cluster_status)
    ElasticMapReduceResponse.cancel_steps = _cancel_steps
    for kind in (serverless.JobRun, containers.JobRun):
        _dated(kind)
    _once_a_token(serverless.EMRServerlessBackend, "application_id")
    _once_a_token(containers.EMRContainersBackend, "virtual_cluster_id")
    serverless.EMRServerlessBackend.list_job_runs = _listed_runs
    emr.ElasticMapReduceBackend.describe_step = _described_step
    for name in ("list_steps", "add_job_flow_steps"):
        _cluster_first(name)


if __name__ == "__main__":
    amend()
    serve(["-H", "127.0.0.1", "-p", sys.argv[1]])
