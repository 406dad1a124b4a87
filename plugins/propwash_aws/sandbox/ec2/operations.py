"""EMR's operations on clusters and steps. Source: Amazon EMR API Reference (2009-03-31), and botocore's model of it.

EMR refuses with InvalidRequestException or ValidationException, whose text alone says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from propwash.sandbox import Answer, Call, Fault, FaultKind, MethodClass, World
from propwash_aws.sandbox.ec2.answers import (
    cluster_in_full,
    cluster_summary,
    step_in_full,
    step_summary,
)
from propwash_aws.sandbox.ec2.entities import CLOSING, DONE_STEPS, LIVE_STEPS, Cluster, Step
from propwash_aws.sandbox.ec2.lifecycle import Clusters
from propwash_aws.sandbox.errors import AwsError, invalid, ok
from propwash_aws.sandbox.shapes import check, service_model

_PAGE = 50
_MOST_ACTIVE = 256
_MOST_STEP_IDS = 10
_MOST_CONCURRENT = 256
_CLASSES = {
    "RunJobFlow": MethodClass.CREATE,
    "AddJobFlowSteps": MethodClass.CREATE,
    "DescribeCluster": MethodClass.GET,
    "DescribeStep": MethodClass.GET,
    "ListClusters": MethodClass.LIST,
    "ListSteps": MethodClass.LIST,
    "CancelSteps": MethodClass.DELETE,
    "TerminateJobFlows": MethodClass.DELETE,
}
_Kept = TypeVar("_Kept", Cluster, Step)


class Emr:
    """Answers the operations."""

    def __init__(self, world: World) -> None:
        self.clusters = Clusters(world)
        self._operations: Mapping[str, Callable[[Mapping[str, Any], Fault | None], Mapping[str, Any]]] = {
            "RunJobFlow": self._run,
            "AddJobFlowSteps": self._add_steps,
            "ListSteps": self._list_steps,
            "DescribeStep": self._describe_step,
            "CancelSteps": self._cancel_steps,
            "ListClusters": self._list_clusters,
            "DescribeCluster": self._describe_cluster,
            "TerminateJobFlows": self._terminate,
            "SetTerminationProtection": self._protect,
            "ModifyCluster": self._modify,
        }

    def classify(self, operation: str) -> MethodClass:
        """What an operation does."""
        return _CLASSES.get(operation, MethodClass.OTHER)

    def answer(self, call: Call, operation: str, body: dict[str, Any]) -> Answer:
        """One call of an operation."""
        do = self._operations.get(operation)
        try:
            if do is None:
                raise AwsError("UnknownOperationException", f"The sandbox has no operation {operation[:60]}")
            check(service_model("emr").operation_model(operation).input_shape, body, "")
            return ok(do(body, call.fault))
        except AwsError as error:
            return error.answer()

    def reset(self) -> None:
        """Forget all but what is there from the start."""
        self.clusters.clear()

    def _run(self, asked: Mapping[str, Any], fault: Fault | None) -> Mapping[str, Any]:
        concurrency = asked.get("StepConcurrencyLevel") or 1
        if not 1 <= concurrency <= _MOST_CONCURRENT:
            raise invalid(f"StepConcurrencyLevel must be from 1 to {_MOST_CONCURRENT}")
        if len(asked.get("Steps") or []) > _MOST_ACTIVE:
            raise invalid("Maximum number of active steps(256) for cluster exceeded.")
        if not asked.get("ReleaseLabel") and not asked.get("AmiVersion"):
            raise invalid("ReleaseLabel: is required")
        made = self.clusters.run(asked, fault)
        return {"JobFlowId": made.id, "ClusterArn": made.arn}

    def _add_steps(self, asked: Mapping[str, Any], fault: Fault | None) -> Mapping[str, Any]:
        cluster = self._cluster(asked["JobFlowId"], "A job flow id is not valid")
        if cluster.state in CLOSING:
            said = "A job flow that is shutting down, terminated, or finished may not be modified."
            raise AwsError("ValidationException", said)
        if len(cluster.live) + len(asked["Steps"]) > _MOST_ACTIVE:
            raise AwsError(
                "ValidationException",
                "Maximum number of active steps(State = 'Running', 'Pending' or "
                f"'Cancel_Pending') for cluster exceeded. Cluster Id: {cluster.id}",
            )
        made = self.clusters.add_steps(
            cluster, asked["Steps"], role=asked.get("ExecutionRoleArn"), fault=fault
        )
        return {"StepIds": [step.id for step in made]}

    def _list_steps(self, asked: Mapping[str, Any], fault: Fault | None) -> Mapping[str, Any]:
        cluster = self._cluster(asked["ClusterId"])
        ids, states = asked.get("StepIds") or [], frozenset(asked.get("StepStates") or [])
        if ids and states:
            raise AwsError("InvalidRequestException", "StepIds and StepStates cannot be used together.")
        if len(ids) > _MOST_STEP_IDS:
            raise AwsError("InvalidRequestException", "StepIds: a maximum of 10 is allowed.")
        chosen: Iterable[Step]
        if ids:
            chosen = [self._step(cluster, one) for one in dict.fromkeys(ids)]
        elif states and states <= LIVE_STEPS:
            chosen = [one for one in reversed(cluster.live.values()) if one.state in states]
        else:
            chosen = (one for one in reversed(cluster.order) if not states or one.state in states)
        found, marker = self._page(chosen, asked.get("Marker"), fault)
        now = self.clusters.now()
        page: dict[str, Any] = {"Steps": [step_summary(one, now) for one in found]}
        return {**page, "Marker": marker} if marker else page

    def _describe_step(self, asked: Mapping[str, Any], fault: Fault | None) -> Mapping[str, Any]:
        step = self._step(self._cluster(asked["ClusterId"]), asked["StepId"])
        self._show_unknown((step,), fault)
        return {"Step": step_in_full(step, self.clusters.now())}

    def _cancel_steps(self, asked: Mapping[str, Any], fault: Fault | None) -> Mapping[str, Any]:
        cluster = self._cluster(asked["ClusterId"])
        may_run = asked.get("StepCancellationOption") is not None
        told = []
        for one in asked["StepIds"]:
            step = self._step(cluster, one)
            why = ""
            if step.state in DONE_STEPS:
                why = f"Step is already in a terminal state: {step.state}"
            elif step.state == "CANCEL_PENDING":
                why = "Step is already being cancelled: CANCEL_PENDING"
            elif step.state != "PENDING" and not may_run and _is_old(cluster):
                why = "A running step is cancelled on releases from 5.28 on only"
            else:
                self.clusters.cancel(cluster, step, fault=fault)
            info = {"StepId": step.id, "Status": "FAILED" if why else "SUBMITTED"}
            told.append({**info, "Reason": why} if why else info)
        return {"CancelStepsInfoList": told}

    def _list_clusters(self, asked: Mapping[str, Any], fault: Fault | None) -> Mapping[str, Any]:
        states = asked.get("ClusterStates") or []
        after, before = asked.get("CreatedAfter", 0.0), asked.get("CreatedBefore", float("inf"))
        chosen = (
            one
            for one in self.clusters.newest_first()
            if (not states or one.state in states) and after <= one.created_at <= before
        )
        found, marker = self._page(chosen, asked.get("Marker"), fault)
        now = self.clusters.now()
        page: dict[str, Any] = {"Clusters": [cluster_summary(one, now) for one in found]}
        return {**page, "Marker": marker} if marker else page

    def _describe_cluster(self, asked: Mapping[str, Any], fault: Fault | None) -> Mapping[str, Any]:
        cluster = self._cluster(asked["ClusterId"])
        self._show_unknown((cluster,), fault)
        return {"Cluster": cluster_in_full(cluster, self.clusters.now())}

    def _terminate(self, asked: Mapping[str, Any], fault: Fault | None) -> Mapping[str, Any]:
        found = [self._cluster(one, "Specified job flow ID does not exist") for one in asked["JobFlowIds"]]
        if protected := [one.id for one in found if one.is_protected and one.state not in CLOSING]:
            said = (
                f"Could not shut down one or more job flows since they are termination protected: {protected}"
            )
            raise AwsError("ValidationException", said)
        for one in found:
            self.clusters.terminate(one, fault=fault)
        return {}

    def _protect(self, asked: Mapping[str, Any], _fault: Fault | None) -> Mapping[str, Any]:
        for one in asked["JobFlowIds"]:
            self._cluster(one).is_protected = asked["TerminationProtected"]
        return {}

    def _modify(self, asked: Mapping[str, Any], _fault: Fault | None) -> Mapping[str, Any]:
        cluster = self._cluster(asked["ClusterId"])
        level = asked.get("StepConcurrencyLevel")
        if level is not None:
            if not 1 <= level <= _MOST_CONCURRENT:
                raise invalid(f"StepConcurrencyLevel must be from 1 to {_MOST_CONCURRENT}")
            cluster.concurrency = level
            self.clusters.pump(cluster)
        return {"StepConcurrencyLevel": cluster.concurrency}

    def _cluster(self, name: str, said: str = "Cluster id is not valid") -> Cluster:
        found = self.clusters.get(name)
        if found is None:
            raise AwsError("InvalidRequestException", f"{said}: {name!r}.")
        return found

    def _step(self, cluster: Cluster, name: str) -> Step:
        found = cluster.steps.get(name)
        if found is None or self.clusters.now() < found.hidden_until:
            raise AwsError("InvalidRequestException", f"Step id {name!r} is not valid.")
        return found

    def _page(
        self, chosen: Iterable[_Kept], marker: str | None, fault: Fault | None
    ) -> tuple[list[_Kept], str]:
        now, found = self.clusters.now(), list[_Kept]()
        misses = fault is not None and fault.kind is FaultKind.LIST_MISSES_NEWEST
        youngest = now - fault.duration_s if fault is not None and misses else now
        if marker is not None and not marker.isdecimal():
            raise AwsError("InvalidRequestException", "Marker is not valid.")
        below = None if marker is None else int(marker)
        for one in chosen:
            if below is not None and one.number >= below:
                continue
            if now < one.hidden_until or (misses and one.created_at > youngest):
                continue
            if len(found) == _PAGE:
                self._show_unknown(found, fault)
                return found, str(found[-1].number)
            found.append(one)
        self._show_unknown(found, fault)
        return found, ""

    def _show_unknown(self, found: Sequence[Cluster | Step], fault: Fault | None) -> None:
        if fault is not None and fault.kind is FaultKind.UNKNOWN_STATE:
            for one in found:
                one.unknown_until = self.clusters.now() + fault.duration_s


def _is_old(cluster: Cluster) -> bool:
    release = str(cluster.asked.get("ReleaseLabel") or "").removeprefix("emr-").split(".")
    numbers = [int(one) if one.isdecimal() else 0 for one in (*release, "0", "0")][:2]
    return numbers < [5, 28]
