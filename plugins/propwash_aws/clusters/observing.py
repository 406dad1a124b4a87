"""Turns a cluster into what the engine wants to know.

Source: Amazon EMR API Reference, ClusterStatus (STARTING, BOOTSTRAPPING, RUNNING, WAITING, TERMINATING, TERMINATED,
TERMINATED_WITH_ERRORS), ClusterStateChangeReason and ClusterTimeline.
"""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sdk import Job, Json, Link, Observation, RemotePhase, Unavailable
from propwash_aws.clusters.answers import EMPTY, Answer, mapping, seconds, state_of, text
from propwash_aws.clusters.console import cluster_link, log_link
from propwash_aws.clusters.emr import OVER_CLUSTERS, OVER_STEPS
from propwash_aws.clusters.keys import ClusterKey
from propwash_aws.clusters.reasons import end_code, end_message, end_reason, is_end_retryable

ALL_STEPS_COMPLETED = "ALL_STEPS_COMPLETED"
_TIMES = (
    ("created_ms", "CreationDateTime"),
    ("ready_ms", "ReadyDateTime"),
    ("ended_ms", "EndDateTime"),
)
_SHOWN_STEPS = 5
_SAYINGS = {
    "STARTING": (RemotePhase.PENDING, "EMR starts the cluster"),
    "BOOTSTRAPPING": (RemotePhase.PENDING, "the cluster runs its bootstrap actions"),
    "RUNNING": (RemotePhase.RUNNING, "the cluster runs a step"),
    "WAITING": (RemotePhase.RUNNING, "the cluster is ready and runs no step"),
    "TERMINATING": (RemotePhase.RUNNING, "the cluster is shutting down"),
}


def is_over(cluster: Answer) -> bool:
    """Whether the cluster has ended; raises Unavailable for an answer without a state."""
    state = state_of(cluster)
    if not state:
        raise Unavailable("UNEXPECTED_ANSWER", "EMR's answer has no cluster state")
    return state in OVER_CLUSTERS


def needs_steps(cluster: Answer) -> bool:
    """Whether the cluster's steps say if it succeeded: it ended as one does that has run them all."""
    return state_of(cluster) == "TERMINATED" and end_code(cluster) == ALL_STEPS_COMPLETED


def new_job(key: ClusterKey, region: str | None) -> Job:
    """A cluster that EMR has just given an id; it says no more of it then."""
    said = Observation(
        phase=RemotePhase.PENDING,
        message=f"EMR has taken the cluster {key.cluster} on",
        links=cluster_link(region, key.cluster),
    )
    return Job(meta=key.meta(), observation=said)


def observation(
    cluster: Answer,
    key: ClusterKey,
    region: str | None,
    *,
    steps: Sequence[Answer] = (),
    logs: Answer = EMPTY,
) -> Observation:
    """What EMR says of a cluster; steps are those of one that has run them all, logs holds its LogUri.

    A state that is not known yet ends nothing.
    """
    links = (*cluster_link(region, key.cluster), *_log_links(key, region, logs))
    if not is_over(cluster):
        state = state_of(cluster)
        unknown = f"EMR's state of the cluster is {state[:40]}, which is not known here"
        phase, said = _SAYINGS.get(state, (RemotePhase.RUNNING, unknown))
        return Observation(phase=phase, message=f"{said} ({key.cluster})", links=links)
    if not needs_steps(cluster):
        code = end_reason(cluster)
        # A cluster that ended with all steps run and yet with errors did not end well.
        reason = code if code and code != ALL_STEPS_COMPLETED else "CLUSTER_TERMINATED"
        return Observation(
            phase=RemotePhase.FAILED,
            reason=reason,
            message=f"the cluster {key.cluster} ended: {end_message(cluster)}",
            is_retryable=is_end_retryable(cluster),
            links=links,
        )
    if unsure := [step for step in steps if state_of(step) not in OVER_STEPS]:
        said = (
            f"the cluster {key.cluster} has run its steps; EMR's state of one is {state_of(unsure[0])[:40]}"
        )
        return Observation(phase=RemotePhase.RUNNING, message=said, links=links)
    failed = [step for step in steps if state_of(step) != "COMPLETED"]
    if failed:
        shown = ", ".join(f"{text(one, 'Name')[:80]} ({state_of(one)})" for one in failed[:_SHOWN_STEPS])
        return Observation(
            phase=RemotePhase.FAILED,
            reason="STEPS_FAILED",
            message=f"{len(failed)} of {len(steps)} steps did not complete: {shown}",
            links=links,
        )
    return Observation(phase=RemotePhase.SUCCEEDED, links=links, outputs=_outputs(cluster, key, steps, logs))


def _log_links(key: ClusterKey, region: str | None, logs: Answer) -> tuple[Link, ...]:
    return log_link(region, "Cluster logs", _log_location(key, logs))


def _log_location(key: ClusterKey, logs: Answer) -> str:
    place = text(logs, "LogUri")
    return f"{place.rstrip('/')}/{key.cluster}/" if place else ""


def _outputs(cluster: Answer, key: ClusterKey, steps: Sequence[Answer], logs: Answer) -> dict[str, Json]:
    made: dict[str, Json] = {
        "cluster_id": key.cluster,
        "steps": tuple({"name": text(one, "Name"), "id": text(one, "Id")} for one in steps),
    }
    if location := _log_location(key, logs):
        made["log_uri"] = location
    hours = cluster.get("NormalizedInstanceHours")
    if isinstance(hours, int):
        made["normalized_instance_hours"] = hours
    timeline = mapping(cluster, "Status", "Timeline")
    for name, field in _TIMES:
        at = seconds(timeline, field)
        if at is not None:
            made[name] = round(at * 1000)
    return made
