"""Turns a step into what the engine wants to know.

Source: Amazon EMR API Reference, StepStatus (PENDING, CANCEL_PENDING, RUNNING, COMPLETED, CANCELLED, FAILED,
INTERRUPTED), FailureDetails and StepTimeline; Management Guide, "View log files": LogUri/CLUSTER/steps/STEP/.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from propwash.sdk import Job, Json, Link, Observation, RemoteName, RemotePhase, Unavailable
from propwash_aws.clusters.answers import EMPTY, Answer, mapping, seconds, state_of, text
from propwash_aws.clusters.console import cluster_link, log_link
from propwash_aws.clusters.emr import OPEN_CLUSTERS, OVER_STEPS
from propwash_aws.clusters.reasons import (
    end_code,
    end_message,
    is_end_retryable,
    is_step_retryable,
    stable_reason,
)
from propwash_aws.steps.keys import StepKey

_TIMES = (
    ("created_ms", "CreationDateTime"),
    ("started_ms", "StartDateTime"),
    ("ended_ms", "EndDateTime"),
)
_SUCCESS = "COMPLETED"
_MOST_SAID = 1_000
_OF_THE_CLUSTER = ("INTERNAL_ERROR", "INSTANCE_FAILURE", "INSTANCE_FLEET_TIMEOUT", "BOOTSTRAP_FAILURE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What else is known where a step is observed: the region, and the cluster as EMR describes it, or nothing."""

    region: str | None = None
    cluster: Answer = field(default_factory=lambda: EMPTY)


def is_over(step: Answer) -> bool:
    """Whether the step has ended; raises Unavailable for an answer without a state."""
    state = state_of(step)
    if not state:
        raise Unavailable("UNEXPECTED_ANSWER", "EMR's answer has no step state")
    return state in OVER_STEPS


def is_ending(step: Answer) -> bool:
    """Whether the step has ended or is being cancelled; raises Unavailable for an answer without a state."""
    return is_over(step) or state_of(step) == "CANCEL_PENDING"


def needs_cluster(step: Answer) -> bool:
    """Whether the cluster's own end says why the step ended."""
    return is_over(step) and state_of(step) != _SUCCESS


def job_of(step: Answer, cluster: str, name: RemoteName, around: Surroundings) -> Job:
    """The step as find answers it; raises Unavailable for an answer that cannot be understood."""
    key = StepKey(cluster, text(step, "Id"), name)
    if not key.step:
        raise Unavailable("UNEXPECTED_ANSWER", "EMR's answer has no step id")
    return Job(meta=key.meta(), observation=observation(step, key, around))


def new_job(key: StepKey, around: Surroundings) -> Job:
    """A step that EMR has just given an id; it says no more of it then."""
    said = Observation(
        phase=RemotePhase.PENDING,
        message=f"EMR has queued the step {key.step}",
        links=cluster_link(around.region, key.cluster),
    )
    return Job(meta=key.meta(), observation=said)


def observation(step: Answer, key: StepKey, around: Surroundings) -> Observation:
    """What EMR says of a step. A state that is not known yet ends nothing."""
    is_over(step)
    links = (*cluster_link(around.region, key.cluster), *_log_links(step, key, around))
    match state_of(step):
        case "PENDING":
            said = f"EMR has queued the step {key.step}"
            return Observation(phase=RemotePhase.PENDING, message=said, links=links)
        case "RUNNING":
            said = f"EMR runs the step {key.step}"
            return Observation(phase=RemotePhase.RUNNING, message=said, links=links)
        case "CANCEL_PENDING":
            said = f"EMR is about to cancel the step {key.step}"
            return Observation(phase=RemotePhase.RUNNING, message=said, links=links)
        case "COMPLETED":
            return Observation(phase=RemotePhase.SUCCEEDED, links=links, outputs=_outputs(step, key, around))
        case "FAILED" | "CANCELLED" | "INTERRUPTED":
            return _failed(step, links, around)
        case state:
            said = f"EMR's state of the step is {state[:40]}, which is not known here"
            return Observation(phase=RemotePhase.RUNNING, message=said, links=links)


def log_location(step: Answer, key: StepKey, around: Surroundings) -> str:
    """Where the step's controller, syslog, stdout and stderr are; empty where nobody said so."""
    own = text(step, "LogUri")
    if own:
        return own
    of_cluster = text(around.cluster, "LogUri")
    return f"{of_cluster.rstrip('/')}/{key.cluster}/steps/{key.step}/" if of_cluster else ""


def _failed(step: Answer, links: tuple[Link, ...], around: Surroundings) -> Observation:
    state, details = state_of(step), mapping(step, "Status", "FailureDetails")
    code = "" if state_of(around.cluster) in OPEN_CLUSTERS else end_code(around.cluster)
    if code in _OF_THE_CLUSTER and not text(details, "Reason"):
        return Observation(
            phase=RemotePhase.FAILED,
            reason=f"CLUSTER_{code}",
            message=f"the cluster ended and the step with it ({state}): {end_message(around.cluster)}",
            is_retryable=is_end_retryable(around.cluster),
            links=links,
        )
    message = _message(step)
    if state == "FAILED":
        said = text(details, "Reason")
        reason = stable_reason(said) or "STEP_FAILED"
        return Observation(
            phase=RemotePhase.FAILED,
            reason=reason,
            message=message or "EMR gives no message",
            is_retryable=is_step_retryable(said),
            links=links,
        )
    reason = "STEP_CANCELLED" if state == "CANCELLED" else "STEP_INTERRUPTED"
    return Observation(
        phase=RemotePhase.FAILED,
        reason=reason,
        message=message or f"the step is {state}",
        # An interrupted step lost its cluster; a cancelled one was not wanted by somebody.
        is_retryable=state == "INTERRUPTED",
        links=links,
    )


def _message(step: Answer) -> str:
    details = mapping(step, "Status", "FailureDetails")
    said = [text(details, "Reason"), text(details, "Message")]
    said.append(text(mapping(step, "Status", "StateChangeReason"), "Message"))
    if text(details, "LogFile"):
        said.append(f"see {text(details, 'LogFile')}")
    return "; ".join(dict.fromkeys(one[:_MOST_SAID] for one in said if one))


def _log_links(step: Answer, key: StepKey, around: Surroundings) -> tuple[Link, ...]:
    return log_link(around.region, "Step logs", log_location(step, key, around))


def _outputs(step: Answer, key: StepKey, around: Surroundings) -> dict[str, Json]:
    made: dict[str, Json] = {"cluster_id": key.cluster, "step_id": key.step}
    if location := log_location(step, key, around):
        made["log_uri"] = location
    timeline = mapping(step, "Status", "Timeline")
    for name, member in _TIMES:
        at = seconds(timeline, member)
        if at is not None:
            made[name] = round(at * 1000)
    return made
