"""Clusters and steps as EMR's API shows them. Source: Amazon EMR API Reference, data types; instants are seconds since
the epoch, as the "AWS JSON 1.1 protocol" writes them.
"""

from __future__ import annotations

from typing import Any

from propwash_aws.sandbox.ec2.entities import Cluster, Step

_UNKNOWN = "REHEARSING"


def cluster_status(cluster: Cluster, now: float) -> dict[str, Any]:
    """ClusterStatus."""
    reason = {"Code": cluster.code, "Message": cluster.message} if cluster.code else {}
    times = {
        "CreationDateTime": cluster.created_at,
        "ReadyDateTime": cluster.ready_at,
        "EndDateTime": cluster.ended_at,
    }
    return {
        "State": _UNKNOWN if now < cluster.unknown_until else cluster.state,
        "StateChangeReason": reason,
        "Timeline": {name: at for name, at in times.items() if at is not None},
    }


def cluster_summary(cluster: Cluster, now: float) -> dict[str, Any]:
    """ClusterSummary."""
    return {
        "Id": cluster.id,
        "Name": cluster.name,
        "Status": cluster_status(cluster, now),
        "NormalizedInstanceHours": _hours(cluster, now),
        "ClusterArn": cluster.arn,
    }


def cluster_in_full(cluster: Cluster, now: float) -> dict[str, Any]:
    """Cluster."""
    kept = (
        "LogUri",
        "ReleaseLabel",
        "ServiceRole",
        "SecurityConfiguration",
        "Applications",
        "Configurations",
    )
    return {
        **cluster_summary(cluster, now),
        **{name: cluster.asked[name] for name in kept if name in cluster.asked},
        "Tags": cluster.asked.get("Tags") or [],
        "AutoTerminate": not cluster.keeps_alive,
        "TerminationProtected": cluster.is_protected,
        "StepConcurrencyLevel": cluster.concurrency,
        "VisibleToAllUsers": True,
        "InstanceCollectionType": "INSTANCE_FLEET"
        if cluster.asked["Instances"].get("InstanceFleets")
        else "INSTANCE_GROUP",
    }


def step_summary(step: Step, now: float) -> dict[str, Any]:
    """StepSummary."""
    times = {
        "CreationDateTime": step.created_at,
        "StartDateTime": step.started_at,
        "EndDateTime": step.ended_at,
    }
    status: dict[str, Any] = {
        "State": _UNKNOWN if now < step.unknown_until else step.state,
        "StateChangeReason": {},
        "Timeline": {name: at for name, at in times.items() if at is not None},
    }
    if step.failure:
        status["FailureDetails"] = {"Reason": step.failure, "Message": step.message}
    jar = step.config["HadoopJarStep"]
    shown: dict[str, Any] = {"Jar": jar["Jar"], "Args": jar.get("Args") or []}
    if jar.get("MainClass"):
        shown["MainClass"] = jar["MainClass"]
    if jar.get("Properties"):
        shown["Properties"] = {one["Key"]: one.get("Value", "") for one in jar["Properties"]}
    return {
        "Id": step.id,
        "Name": step.name,
        "Config": shown,
        "ActionOnFailure": step.action,
        "Status": status,
    }


def step_in_full(step: Step, now: float) -> dict[str, Any]:
    """Step."""
    shown = step_summary(step, now)
    return {**shown, "ExecutionRoleArn": step.role} if step.role else shown


def _hours(cluster: Cluster, now: float) -> int:
    if cluster.ready_at is None:
        return 0
    return int(((cluster.ended_at or now) - cluster.ready_at) // 3600)
