"""Clusters and steps from their start to their end, after the Amazon EMR Management Guide.

Steps of a cluster start in their order, as many at once as its step concurrency level. A failed step's action may end
the steps that wait, or the cluster; a cluster that is not kept alive ends with its last step.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from propwash.sandbox import Fault, FaultKind, LedgerState, World
from propwash_aws.sandbox.ec2.entities import CLOSING, DONE_CLUSTERS, DONE_STEPS, Cluster, Step
from propwash_aws.sandbox.runs import FAIL_ATTEMPTS_TAG, FAIL_REASON_TAG, STUCK_TAG, SYSTEM

PREMADE = 50
_FAILURES = {
    "unknown_error": "Unknown Error.",
    "main_class": "Main Class not found.",
    "internal_error": "Internal error",
}
_CLUSTER_ERRORS = frozenset({"INTERNAL_ERROR", "VALIDATION_ERROR", "INSTANCE_FAILURE", "BOOTSTRAP_FAILURE"})
_STEP_STATES = {
    "COMPLETED": LedgerState.FINISHED,
    "CANCELLED": LedgerState.CANCELLED,
    "INTERRUPTED": LedgerState.CANCELLED,
    "FAILED": LedgerState.FAILED,
}


class Clusters:
    """All clusters. starts_s is how long one takes to be ready, beyond the sandbox's pending time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.starts_s = 0.1
        self._numbers = itertools.count(1)
        self._of: dict[str, Cluster] = {}
        self.clear()

    def now(self) -> float:
        """The present instant."""
        return self.world.clock.now()

    def clear(self) -> None:
        """End all at once and forget them, but for those that are there from the start."""
        for cluster in self._of.values():
            self._close(cluster, "TERMINATED", "USER_REQUEST", "The sandbox was reset")
        self._of.clear()
        for number in range(1, PREMADE + 1):
            instances = {"InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True}
            asked = {"Name": f"sandbox-{number:02d}", "Instances": instances, "ReleaseLabel": "emr-7.5.0"}
            made = self._make(f"j-SANDBOX{number:08d}", asked, concurrency=256)
            made.state, made.ready_at = "WAITING", made.created_at

    def newest_first(self) -> list[Cluster]:
        """All of them."""
        return list(reversed(self._of.values()))

    def get(self, name: str) -> Cluster | None:
        """The cluster of this id, unless it is hidden."""
        found = self._of.get(name)
        return None if found is None or self.now() < found.hidden_until else found

    def run(self, asked: Mapping[str, Any], fault: Fault | None) -> Cluster:
        """Make a cluster, with its first steps."""
        number = next(self._numbers)
        made = self._make(f"j-{number:013X}", asked, concurrency=asked.get("StepConcurrencyLevel") or 1)
        made.keeps_alive = asked["Instances"].get("KeepJobFlowAliveWhenNoSteps") is True
        made.is_protected = asked["Instances"].get("TerminationProtected") is True
        made.is_stuck = STUCK_TAG in made.tags or _is(fault, FaultKind.STUCK)
        if fault is not None and fault.kind is FaultKind.VANISHING:
            made.hidden_until = made.created_at + fault.duration_s
        made.ledger = self.world.ledger.created(
            system=SYSTEM, account="emr/clusters", name=made.name, labels=made.tags, at=made.created_at
        )
        for config in asked.get("Steps") or []:
            self._enqueue(made, config, role=None)
        after_s = self.world.speed.speed.pending_ms / 1000 + self.starts_s
        self.world.schedule.at(made.created_at + after_s / 2, partial(self._bootstrap, made))
        self.world.schedule.at(made.created_at + after_s, partial(self._ready, made))
        return made

    def add_steps(
        self, cluster: Cluster, configs: Sequence[Mapping[str, Any]], *, role: str | None, fault: Fault | None
    ) -> list[Step]:
        """Queue steps, which are jobs of their own."""
        made = [self._enqueue(cluster, config, role=role) for config in configs]
        for step in made:
            step.is_stuck = step.is_stuck or _is(fault, FaultKind.STUCK)
            if fault is not None and fault.kind is FaultKind.VANISHING:
                step.hidden_until = step.created_at + fault.duration_s
            step.ledger = self.world.ledger.created(
                system=SYSTEM,
                account=f"emr/{cluster.id}",
                name=step.name,
                labels=step.options,
                at=step.created_at,
            )
        self._pump(cluster)
        return made

    def cancel(self, cluster: Cluster, step: Step, *, fault: Fault | None) -> None:
        """Ask for an end of a step that has not ended; it comes a little later."""
        if _is(fault, FaultKind.CANCEL_IGNORED) and not step.was_cancel_ignored:
            step.was_cancel_ignored = True
            return
        if step.state == "RUNNING":
            step.state = "CANCEL_PENDING"
        due_at = self.now() + self.world.speed.speed.cancel_ms / 1000
        self.world.schedule.at(due_at, partial(self._end_step, cluster, step, "CANCELLED"))

    def terminate(self, cluster: Cluster, *, fault: Fault | None) -> None:
        """Ask for an end of a cluster; it comes a little later."""
        if _is(fault, FaultKind.CANCEL_IGNORED) and not cluster.was_cancel_ignored:
            cluster.was_cancel_ignored = True
            return
        self._terminate(cluster, "TERMINATED", "USER_REQUEST", "Terminated by user request")

    def fail(self, cluster: Cluster, code: str, message: str) -> None:
        """Have a cluster end with errors, as of a lost instance."""
        self._terminate(cluster, "TERMINATED_WITH_ERRORS", code, message)

    def pump(self, cluster: Cluster) -> None:
        """Start what may start, as after the concurrency level was changed."""
        self._pump(cluster)

    def _make(self, name: str, asked: Mapping[str, Any], *, concurrency: int) -> Cluster:
        made = Cluster(
            number=len(self._of), id=name, asked=asked, created_at=self.now(), concurrency=concurrency
        )
        self._of[name] = made
        return made

    def _enqueue(self, cluster: Cluster, config: Mapping[str, Any], *, role: str | None) -> Step:
        number = len(cluster.order) + 1
        step = Step(
            number=number,
            id=f"s-{cluster.number:05X}{number:08X}",
            config=config,
            role=role,
            created_at=self.now(),
        )
        step.is_stuck = STUCK_TAG in step.options
        cluster.order.append(step)
        cluster.steps[step.id] = cluster.live[step.id] = step
        return step

    def _bootstrap(self, cluster: Cluster) -> None:
        if cluster.state == "STARTING":
            cluster.state = "BOOTSTRAPPING"

    def _ready(self, cluster: Cluster) -> None:
        if cluster.state != "BOOTSTRAPPING":
            return
        reason = cluster.tags.get(FAIL_REASON_TAG, "").upper()
        if reason and _is_to_fail(cluster.tags, cluster.ledger.attempt if cluster.ledger else None):
            code = reason if reason in _CLUSTER_ERRORS else "BOOTSTRAP_FAILURE"
            self.fail(cluster, code, f"The sandbox was told to fail this cluster with {reason}")
            return
        cluster.ready_at = self.now()
        cluster.state = "WAITING"
        self._pump(cluster)

    def _pump(self, cluster: Cluster) -> None:
        if cluster.ready_at is None or cluster.state in CLOSING:
            return
        for step in list(itertools.islice(cluster.live.values(), cluster.concurrency)):
            if step.state == "PENDING":
                self._start(cluster, step)
        cluster.state = "RUNNING" if cluster.live else "WAITING"
        if not cluster.live and not cluster.keeps_alive and not cluster.is_stuck:
            self._terminate(cluster, "TERMINATED", "ALL_STEPS_COMPLETED", "Steps completed")

    def _start(self, cluster: Cluster, step: Step) -> None:
        step.state, step.started_at = "RUNNING", self.now()
        if step.ledger is not None:
            self.world.ledger.started(step.ledger, at=step.started_at)
        if not step.is_stuck:
            labels = step.options if step.ledger is not None else {**cluster.tags, **step.options}
            due_at = step.started_at + self.world.speed.duration_s(labels)
            self.world.schedule.at(due_at, partial(self._run_out, cluster, step))

    def _run_out(self, cluster: Cluster, step: Step) -> None:
        if step.state != "RUNNING":
            return
        reason = step.options.get(FAIL_REASON_TAG, "")
        attempt = step.ledger.attempt if step.ledger else None
        if not reason or not _is_to_fail(step.options, attempt):
            self._end_step(cluster, step, "COMPLETED")
            return
        step.failure = _FAILURES.get(reason.lower(), reason)
        step.message = f"The sandbox was told to fail this step with {reason}"
        # First what the failure does to others: an end without more steps would end the cluster well.
        match step.action:
            case "TERMINATE_CLUSTER" | "TERMINATE_JOB_FLOW":
                said = "Shut down as step failed"
                self._terminate(cluster, "TERMINATED_WITH_ERRORS", "STEP_FAILURE", said)
            case "CANCEL_AND_WAIT":
                for other in [one for one in cluster.live.values() if one.state == "PENDING"]:
                    self._end_step(cluster, other, "CANCELLED")
            case _:
                pass
        self._end_step(cluster, step, "FAILED")

    def _end_step(self, cluster: Cluster, step: Step, state: str) -> None:
        if step.state in DONE_STEPS:
            return
        step.state, step.ended_at = state, self.now()
        cluster.live.pop(step.id, None)
        if step.ledger is not None:
            self.world.ledger.ended(step.ledger, state=_STEP_STATES[state], at=step.ended_at)
        self._pump(cluster)

    def _terminate(self, cluster: Cluster, state: str, code: str, message: str) -> None:
        if cluster.state in CLOSING:
            return
        cluster.state, cluster.code, cluster.message = "TERMINATING", code, message
        due_at = self.now() + self.world.speed.speed.cancel_ms / 1000
        self.world.schedule.at(due_at, partial(self._close, cluster, state, code, message))

    def _close(self, cluster: Cluster, state: str, code: str, message: str) -> None:
        if cluster.state in DONE_CLUSTERS:
            return
        cluster.state, cluster.code, cluster.message = state, code, message
        cluster.ended_at = self.now()
        for step in list(cluster.live.values()):
            self._end_step(cluster, step, "CANCELLED" if step.state == "PENDING" else "INTERRUPTED")
        if cluster.ledger is not None:
            ended = LedgerState.FAILED if state != "TERMINATED" else LedgerState.CANCELLED
            if code == "ALL_STEPS_COMPLETED":
                ended = LedgerState.FINISHED
            self.world.ledger.ended(cluster.ledger, state=ended, at=cluster.ended_at)


def _is(fault: Fault | None, kind: FaultKind) -> bool:
    return fault is not None and fault.kind is kind


def _is_to_fail(labels: Mapping[str, str], attempt: str | None) -> bool:
    only, number = labels.get(FAIL_ATTEMPTS_TAG, ""), attempt or "1"
    return not (only.isdecimal() and number.isdecimal()) or int(number) <= int(only)
