"""EMR on EKS' operations. Source: EMR on EKS API Reference, and botocore's model emr-containers 2020-10-01."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from propwash.sandbox import Call, World
from propwash_aws.sandbox.applications import ACCOUNT, REGION
from propwash_aws.sandbox.errors import invalid, missing
from propwash_aws.sandbox.runs import End, Run, Runs, shows_unknown

SERVICE = "emr-containers"
PREMADE = "sandboxvc"
_PAGE = 20
_MOST = 100
_LIVE = frozenset({"PENDING", "SUBMITTED", "RUNNING", "CANCEL_PENDING"})
_ENDS = {End.SUCCEEDED: "COMPLETED", End.FAILED: "FAILED", End.CANCELLED: "CANCELLED"}
_REASONS = frozenset({"INTERNAL_ERROR", "USER_ERROR", "VALIDATION_ERROR", "CLUSTER_UNAVAILABLE"})


@dataclass(slots=True, kw_only=True, eq=False)
class VirtualCluster:
    """One virtual cluster."""

    id: str
    asked: Mapping[str, Any]
    created_at: float
    state: str = "RUNNING"


class Containers:
    """Answers the operations; each takes the checked input and the call, and gives the output."""

    def __init__(self, world: World) -> None:
        self.runs = Runs(world, account=SERVICE)
        self._numbers = itertools.count(1)
        self._clusters: dict[str, VirtualCluster] = {}
        self._tokens: dict[str, VirtualCluster] = {}
        self.clear()

    def clear(self) -> None:
        """Forget all but the virtual cluster that is there from the start."""
        self.runs.clear()
        self._clusters.clear()
        self._tokens.clear()
        provider = {"id": "sandbox", "type": "EKS", "info": {"eksInfo": {"namespace": "sandbox"}}}
        asked = {"name": "sandbox", "containerProvider": provider}
        self._clusters[PREMADE] = VirtualCluster(id=PREMADE, asked=asked, created_at=self.runs.now())

    def start_job_run(self, asked: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """StartJobRun."""
        cluster = self._cluster(asked["virtualClusterId"])
        if cluster.state != "RUNNING":
            raise invalid(f"Virtual cluster {cluster.id} is {cluster.state}")
        if asked.get("jobTemplateId") is None:
            for name in ("executionRoleArn", "releaseLabel", "jobDriver"):
                if asked.get(name) is None:
                    raise invalid(f"{name}: is required without jobTemplateId")
        elif asked.get("jobDriver") is not None:
            raise invalid("jobDriver: is not allowed with jobTemplateId")
        run = self.runs.start(
            cluster.id, str(asked.get("name") or ""), asked, timeout_s=None, fault=call.fault
        )
        return {**_named(run), "id": run.id, "arn": _arn(run), "virtualClusterId": cluster.id}

    def describe_job_run(self, asked: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """DescribeJobRun."""
        run = self._run(asked)
        shows_unknown((run,), call.fault, self.runs.now())
        return {"jobRun": self._shown(run)}

    def list_job_runs(self, asked: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """ListJobRuns: newest first, as full as the runs themselves."""
        cluster = self._cluster(asked["virtualClusterId"])
        states, name = frozenset(asked.get("states") or ()), asked.get("name")
        after, before = asked.get("createdAfter", 0.0), asked.get("createdBefore", float("inf"))
        found, token = self.runs.page(
            cluster.id,
            token=asked.get("nextToken", ""),
            size=min(asked.get("maxResults") or _PAGE, _MOST),
            is_wanted=lambda run: (
                after < run.created_at < before
                and (name is None or run.name == name)
                and (not states or self.state(run) in states)
            ),
            is_live=bool(states) and states <= _LIVE,
            fault=call.fault,
        )
        shows_unknown(found, call.fault, self.runs.now())
        page: dict[str, Any] = {"jobRuns": [self._shown(run) for run in found]}
        return {**page, "nextToken": token} if token else page

    def cancel_job_run(self, asked: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """CancelJobRun: refused for a run that has ended or that nobody knows."""
        cluster = self._cluster(asked["virtualClusterId"])
        run = self.runs.find(cluster.id, asked["id"])
        if run is None:
            raise invalid(f"Job run {asked['id']} does not exist")
        if run.ended_at is not None:
            raise invalid(f"Job run {run.id} is not in a cancellable state: {self.state(run)}")
        self.runs.cancel(run, fault=call.fault)
        return {"id": run.id, "virtualClusterId": cluster.id}

    def create_virtual_cluster(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """CreateVirtualCluster."""
        token = str(asked["clientToken"])
        made = self._tokens.get(token)
        if made is None:
            made = VirtualCluster(id=f"{next(self._numbers):025x}", asked=asked, created_at=self.runs.now())
            self._clusters[made.id] = self._tokens[token] = made
        return {"id": made.id, "name": made.asked["name"], "arn": _cluster_arn(made.id)}

    def delete_virtual_cluster(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """DeleteVirtualCluster."""
        found = self._cluster(asked["id"])
        found.state = "TERMINATED"
        return {"id": found.id}

    def describe_virtual_cluster(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """DescribeVirtualCluster."""
        return {"virtualCluster": _cluster(self._cluster(asked["id"]))}

    def list_virtual_clusters(self, asked: Mapping[str, Any], _call: Call) -> dict[str, Any]:
        """ListVirtualClusters, in one page or several."""
        states = asked.get("states") or ()
        found = [one for one in self._clusters.values() if not states or one.state in states]
        token = asked.get("nextToken", "0")
        if not token.isdecimal():
            raise invalid("nextToken: is none of this list")
        at, size = int(token), min(asked.get("maxResults") or _PAGE, _MOST)
        page: dict[str, Any] = {"virtualClusters": [_cluster(one) for one in found[at : at + size]]}
        return {**page, "nextToken": str(at + size)} if at + size < len(found) else page

    def state(self, run: Run) -> str:
        """The state that is shown."""
        now = self.runs.now()
        if now < run.unknown_until:
            return "REHEARSING"
        if run.end is not None:
            return _ENDS[run.end]
        if run.is_cancelling:
            return "CANCEL_PENDING"
        return "RUNNING" if now >= run.start_at else "SUBMITTED"

    def _cluster(self, name: str) -> VirtualCluster:
        found = self._clusters.get(name)
        if found is None:
            raise missing("Virtual cluster", name)
        return found

    def _run(self, asked: Mapping[str, Any]) -> Run:
        self._cluster(asked["virtualClusterId"])
        run = self.runs.find(asked["virtualClusterId"], asked["id"])
        if run is None:
            raise missing("Job run", asked["id"])
        return run

    def _shown(self, run: Run) -> dict[str, Any]:
        kept = (
            "executionRoleArn",
            "releaseLabel",
            "configurationOverrides",
            "jobDriver",
            "tags",
            "clientToken",
        )
        shown: dict[str, Any] = {
            "id": run.id,
            **_named(run),
            "virtualClusterId": run.place,
            "arn": _arn(run),
            "state": self.state(run),
            "createdAt": _instant(run.created_at),
            "createdBy": f"arn:aws:iam::{ACCOUNT}:user/sandbox",
            **{name: run.asked[name] for name in kept if name in run.asked},
        }
        if run.ended_at is not None:
            shown["finishedAt"] = _instant(run.ended_at)
            shown["stateDetails"] = run.details or "JobRun has ended."
        if run.end is End.FAILED:
            reason = run.reason.upper()
            shown["failureReason"] = reason if reason in _REASONS else "USER_ERROR"
            shown["stateDetails"] = f"The sandbox was told to fail this run with {run.reason}"
        return shown


def _named(run: Run) -> dict[str, str]:
    return {"name": run.name} if run.name else {}


def _arn(run: Run) -> str:
    return f"{_cluster_arn(run.place)}/jobruns/{run.id}"


def _cluster_arn(cluster: str) -> str:
    return f"arn:aws:emr-containers:{REGION}:{ACCOUNT}:/virtualclusters/{cluster}"


def _cluster(found: VirtualCluster) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.asked["name"],
        "arn": _cluster_arn(found.id),
        "state": found.state,
        "containerProvider": found.asked["containerProvider"],
        "createdAt": _instant(found.created_at),
    }


def _instant(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
