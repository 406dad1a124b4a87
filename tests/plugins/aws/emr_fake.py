"""An EMR in memory that stands where an account's calls go: it works, counts calls and can be told to misbehave."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import botocore.session  # type: ignore[import-untyped]  # botocore has no types
from botocore.validate import ParamValidator  # type: ignore[import-untyped]  # as above

from propwash.sdk import Connection, Unavailable
from propwash_aws.connection import AwsSettings
from propwash_aws.errors import RemoteError

OWNER = "battery"
NOW_S = 1_750_000_000.0
FULL = (
    "Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending') for cluster exceeded."
)
CLOSED = "A job flow that is shutting down, terminated, or finished may not be modified."
LIVE = ("PENDING", "CANCEL_PENDING", "RUNNING")
OVER = ("COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED")
OPEN = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")

Params = Mapping[str, object]


@cache
def input_shape(service: str, operation: str) -> Any:
    """What botocore's own model says of an operation's input."""
    session = botocore.session.get_session()
    return session.get_service_model(service).operation_model(operation).input_shape


def refused(message: str, code: str = "InvalidRequestException", status: int = 400) -> RemoteError:
    return RemoteError(status=status, code=code, message=message)


THROTTLE = refused("Rate exceeded", "ThrottlingException")
LOST = Unavailable("NO_ANSWER", "the connection was reset")


@dataclass
class FakeEmr:
    """The account and the service at once: call is what Account.call is."""

    clusters: dict[str, dict[str, object]] = field(default_factory=dict)
    steps: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    calls: list[tuple[str, Params]] = field(default_factory=list)
    before: dict[str, list[Exception]] = field(default_factory=dict)
    """By operation: raised before anything is done, one a call."""
    after: dict[str, list[Exception]] = field(default_factory=dict)
    """By operation: raised when all was done."""
    now_s: float = NOW_S
    settings: AwsSettings = field(default_factory=lambda: AwsSettings(region="eu-west-1", credentials="none"))
    region: str = "eu-west-1"
    ignores_cancel: bool = False
    refuses_cancel: str = ""
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def of(self, connection: Connection) -> FakeEmr:
        return self

    async def close(self) -> None:
        return None

    def count(self, operation: str) -> int:
        return Counter(one for one, _ in self.calls)[operation]

    async def call(self, service: str, operation: str, **params: object) -> Mapping[str, object]:
        self.calls.append((operation, params))
        report = ParamValidator().validate(params, input_shape(service, operation))
        assert not report.has_errors(), report.generate_report()
        if waiting := self.before.get(operation):
            raise waiting.pop(0)
        answer = getattr(self, operation)(params)
        if waiting := self.after.get(operation):
            raise waiting.pop(0)
        assert isinstance(answer, Mapping)
        return answer

    def tick(self, seconds: float = 1.0) -> None:
        self.now_s += seconds

    def add_cluster(self, name: str = "etl", state: str = "WAITING", **more: object) -> str:
        number = f"j-{next(self.numbers):04}"
        self.clusters[number] = {
            "Id": number,
            "Name": name,
            "Status": self._status(state),
            "LogUri": "s3://logs/emr/",
            **more,
        }
        self.steps[number] = []
        return number

    def add_step(self, cluster: str, name: str, state: str = "PENDING", **status: object) -> str:
        number = f"s-{next(self.numbers):04}"
        self.steps[cluster].insert(
            0, {"Id": number, "Name": name, "Status": {**self._status(state), **status}}
        )
        return number

    def set_step(self, number: str, state: str, **status: object) -> None:
        for steps in self.steps.values():
            for one in steps:
                if one["Id"] == number:
                    one["Status"] = {**self._status_of(one), "State": state, **status}

    def set_cluster(self, number: str, state: str, code: str = "", message: str = "", **more: object) -> None:
        one = self.clusters[number]
        reason = {"Code": code, "Message": message} if code else {}
        one["Status"] = {**self._status_of(one), "State": state, "StateChangeReason": reason, **more}

    def end_cluster(self, number: str) -> None:
        timeline = self._status_of(self.clusters[number])["Timeline"]
        assert isinstance(timeline, dict)
        timeline["EndDateTime"] = dt.datetime.fromtimestamp(self.now_s, dt.UTC)

    def live(self, name: str) -> int:
        steps = [one for steps in self.steps.values() for one in steps if one["Name"] == name]
        return sum(self._status_of(one)["State"] in LIVE for one in steps)

    def live_clusters(self, name: str) -> int:
        named = [one for one in self.clusters.values() if one["Name"] == name]
        return sum(not str(self._status_of(one)["State"]).startswith("TERMINATED") for one in named)

    def GetCallerIdentity(self, params: Params) -> Params:
        return {"Arn": "arn:aws:iam::123456789012:user/propwash"}

    def AddJobFlowSteps(self, params: Params) -> Params:
        cluster, wanted = self._cluster(params["JobFlowId"]), params["Steps"]
        assert isinstance(wanted, list)
        if self._status_of(cluster)["State"] not in OPEN:
            raise refused(CLOSED, "ValidationException")
        number = str(cluster["Id"])
        live = sum(self._status_of(one)["State"] in LIVE for one in self.steps[number])
        if live + len(wanted) > 256:
            raise refused(FULL, "ValidationException")
        if any(one["HadoopJarStep"]["Jar"] == "bad" for one in wanted):
            raise refused("Invalid jar", "ValidationException")
        return {"StepIds": [self._added(number, one) for one in wanted]}

    def ListSteps(self, params: Params) -> Params:
        cluster = self._cluster(params["ClusterId"])
        steps = self.steps[str(cluster["Id"])]
        if (ids := params.get("StepIds")) is not None:
            assert isinstance(ids, list)
            assert len(ids) <= 10
            steps = [one for one in steps if one["Id"] in ids]
        if (states := params.get("StepStates")) is not None:
            assert isinstance(states, list)
            steps = [one for one in steps if self._status_of(one)["State"] in states]
        return self._page(steps, params, "Steps")

    def DescribeStep(self, params: Params) -> Params:
        cluster = self._cluster(params["ClusterId"])
        found = [one for one in self.steps[str(cluster["Id"])] if one["Id"] == params["StepId"]]
        if not found:
            raise refused(f"Step id '{params['StepId']}' is not valid.")
        return {"Step": found[0]}

    def CancelSteps(self, params: Params) -> Params:
        cluster, ids = self._cluster(params["ClusterId"]), params["StepIds"]
        assert isinstance(ids, list)
        made = []
        for one in self.steps[str(cluster["Id"])]:
            if one["Id"] not in ids:
                continue
            if self.refuses_cancel or self._status_of(one)["State"] in OVER:
                reason = self.refuses_cancel or "Step is not in a cancellable state"
                made.append({"StepId": one["Id"], "Status": "FAILED", "Reason": reason})
                continue
            made.append({"StepId": one["Id"], "Status": "SUBMITTED"})
            if not self.ignores_cancel:
                self.set_step(str(one["Id"]), "CANCELLED")
        return {"CancelStepsInfoList": made}

    def RunJobFlow(self, params: Params) -> Params:
        number = self.add_cluster(str(params["Name"]), "STARTING", Tags=params["Tags"])
        steps = params["Steps"]
        assert isinstance(steps, list)
        for one in steps:
            self._added(number, one)
        return {"JobFlowId": number}

    def ListClusters(self, params: Params) -> Params:
        found = list(self.clusters.values())
        if (states := params.get("ClusterStates")) is not None:
            assert isinstance(states, list)
            found = [one for one in found if self._status_of(one)["State"] in states]
        if (after := params.get("CreatedAfter")) is not None:
            assert isinstance(after, dt.datetime)
            found = [one for one in found if self._created(one) > after]
        return self._page(found, params, "Clusters")

    def DescribeCluster(self, params: Params) -> Params:
        return {"Cluster": self._cluster(params["ClusterId"])}

    def TerminateJobFlows(self, params: Params) -> Params:
        ids = params["JobFlowIds"]
        assert isinstance(ids, list)
        assert len(ids) <= 10
        clusters = [self._cluster(one) for one in ids]
        if any(one.get("TerminationProtected") for one in clusters):
            raise refused(
                "Could not shut down one or more job flows since they are termination protected.",
                "ValidationException",
            )
        for one in clusters:
            if not self.ignores_cancel:
                self.set_cluster(str(one["Id"]), "TERMINATING", "USER_REQUEST", "Terminated by user request")
        return {}

    def SetTerminationProtection(self, params: Params) -> Params:
        ids = params["JobFlowIds"]
        assert isinstance(ids, list)
        for one in ids:
            self._cluster(one)["TerminationProtected"] = params["TerminationProtected"]
        return {}

    def progress(self) -> None:
        """What has a mark among its arguments that says how it ends, ends so; what terminates has terminated."""
        for number, steps in self.steps.items():
            for one in steps:
                self._progress(str(one["Id"]), one)
            cluster = self.clusters[number]
            states = {str(self._status_of(one)["State"]) for one in steps}
            if self._status_of(cluster)["State"] == "TERMINATING":
                self.set_cluster(number, "TERMINATED", "USER_REQUEST")
            elif cluster.get("Tags") and states and states <= set(OVER):
                failed = states - {"COMPLETED"}
                lost = "INTERRUPTED" in failed
                code = "INSTANCE_FAILURE" if lost else "STEP_FAILURE" if failed else "ALL_STEPS_COMPLETED"
                self.set_cluster(number, "TERMINATED_WITH_ERRORS" if failed else "TERMINATED", code)

    def _progress(self, number: str, step: Mapping[str, object]) -> None:
        if self._status_of(step)["State"] not in LIVE:
            return
        args = step.get("Args", [])
        assert isinstance(args, list)
        if "quick" in args:
            self.set_step(number, "COMPLETED")
        for arg in args:
            if str(arg).startswith("failing="):
                details = {"Reason": str(arg).partition("=")[2]}
                self.set_step(number, "FAILED", FailureDetails=details)
            if str(arg).startswith("ending="):
                self.set_step(number, "INTERRUPTED", StateChangeReason={"Message": "the cluster is gone"})

    def _added(self, cluster: str, wanted: Mapping[str, object]) -> str:
        number = self.add_step(cluster, str(wanted["Name"]))
        jar = wanted["HadoopJarStep"]
        assert isinstance(jar, dict)
        self.steps[cluster][0]["Args"] = list(jar["Args"])
        return number

    def _cluster(self, number: object) -> dict[str, object]:
        if str(number) not in self.clusters:
            raise refused(f"Cluster id '{number}' is not valid.")
        return self.clusters[str(number)]

    def _page(self, found: list[dict[str, object]], params: Params, key: str) -> Params:
        start = int(str(params.get("Marker", "0")))
        page: dict[str, object] = {key: found[start : start + 50]}
        if start + 50 < len(found):
            page["Marker"] = str(start + 50)
        return page

    def _status(self, state: str) -> dict[str, object]:
        at = dt.datetime.fromtimestamp(self.now_s, dt.UTC)
        return {"State": state, "Timeline": {"CreationDateTime": at}}

    def _status_of(self, one: Mapping[str, object]) -> dict[str, object]:
        status = one["Status"]
        assert isinstance(status, dict)
        return status

    def _created(self, one: Mapping[str, object]) -> dt.datetime:
        timeline = self._status_of(one)["Timeline"]
        assert isinstance(timeline, dict)
        at = timeline["CreationDateTime"]
        assert isinstance(at, dt.datetime)
        return at
