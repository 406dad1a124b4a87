"""A stored record as the client sees it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable

from propwash.api.values import fill_instant, fill_map
from propwash.core.model import (
    Cleaning,
    CreateStatus,
    Done,
    Execution,
    Instant,
    Launching,
    Link,
    Outcome,
    Phase,
    Policy,
    Queued,
    Running,
    Trouble,
    Waiting,
)
from propwash.core.names import account_of, remote_name
from propwash.pb.v1 import execution_pb2
from propwash.ports import ExecutionName, Handlers, Record

_LINKS_KEPT = 10_000
_CREATE_MESSAGES = {
    CreateStatus.UNSENT: ("", "the remote job is about to be created"),
    CreateStatus.SENT: ("", "the remote job is being created"),
    CreateStatus.DOUBTFUL: (
        "CREATE_IN_DOUBT",
        "the answer to the create was lost; the job is looked up by its name before anything else is sent",
    ),
    CreateStatus.CONFIRMED: ("", "the remote job is created"),
}
CREATE_WAITS = {
    CreateStatus.UNSENT: "the remote job waits to be created",
    CreateStatus.SENT: "the remote job waits to be created",
    CreateStatus.DOUBTFUL: "it is not known yet whether the remote job was created",
    CreateStatus.CONFIRMED: "the remote job is created",
}


class Translator:
    """Turns records into Execution messages. owner is the store's, for the remote names."""

    def __init__(self, handlers: Handlers, owner: str) -> None:
        self._handlers = handlers
        self._owner = owner
        self._links: OrderedDict[str, tuple[Link, ...]] = OrderedDict()

    def execution(self, record: Record, said: tuple[str, str] | None = None) -> execution_pb2.Execution:
        """The whole resource; said is the reason and message where more is known than the record tells."""
        request, execution = record.request, record.execution
        plan = execution.plan
        remote = remote_name(owner=self._owner, uid=execution.uid, attempt=execution.attempt)
        reason, message = said or standing(execution)
        made = execution_pb2.Execution(
            name=str(record.name),
            uid=execution.uid,
            task_type=request.task_type,
            connection=account_of(plan.connection or request.connection),
            labels=request.labels,
            phase=_PHASES[execution.phase],
            attempt=execution.attempt,
            message=message,
            reason=reason,
            remote_name=remote,
            etag=f"{execution.uid}.{record.version}",
            priority=plan.priority,
        )
        made.spec.SetInParent()
        fill_map(made.spec, request.spec)
        if request.inputs:
            fill_map(made.inputs, request.inputs)
        _fill_policy(made.policy, plan.policy)
        for link in self.links(record):
            made.links.add(title=link.title, uri=link.uri)
        for failure in execution.failures:
            entry = made.failures.add(attempt=failure.attempt, reason=failure.reason, message=failure.message)
            fill_instant(entry.time, failure.at)
        fill_instant(made.create_time, execution.created_at)
        fill_instant(made.update_time, execution.updated_at)
        match execution.state:
            case Done(outcome=outcome, ended_at=ended_at):
                fill_instant(made.end_time, ended_at)
                if outcome.outputs:
                    fill_map(made.outputs, outcome.outputs)
            case Running(observed_at=observed_at):
                fill_instant(made.observe_time, observed_at)
            case _:
                pass
        return made

    def links(self, record: Record) -> Iterable[Link]:
        """Where the remote job is to be seen: as last observed, or as the handler knows before."""
        return _observed_links(record.execution) or self._known_links(record)

    def _known_links(self, record: Record) -> Iterable[Link]:
        """What the handler says before any observation; asked once an attempt."""
        execution = record.execution
        name = remote_name(owner=self._owner, uid=execution.uid, attempt=execution.attempt)
        known = self._links.get(name)
        if known is None:
            connection = execution.plan.connection or record.request.connection
            known = tuple(self._handlers.links(record.request, connection=connection, name=name))
            self._links[name] = known
            if len(self._links) > _LINKS_KEPT:
                self._links.popitem(last=False)
        return known


def buried(name: ExecutionName, message: str) -> execution_pb2.Execution:
    """The answer to an abort that came before its execution."""
    return execution_pb2.Execution(name=str(name), phase=execution_pb2.PHASE_ABORTED, message=message)


def standing(execution: Execution) -> tuple[str, str]:
    """Reason and message: what the execution waits for, or how it ended."""
    match execution.state:
        case Queued(not_before=not_before):
            return _queued(execution, not_before)
        case Waiting():
            pools = ", ".join(f"{claim.units} of pool {claim.pool}" for claim in execution.plan.claims)
            return "WAITING_FOR_POOLS", f"waits for {pools or 'its turn'}"
        case Launching(create=create, trouble=trouble):
            return _troubled(trouble, CREATE_WAITS[create]) or _CREATE_MESSAGES[create]
        case Running(observation=observation, trouble=trouble, missing=missing):
            if missing and trouble is None:
                return (
                    "REMOTE_JOB_MISSING",
                    f"the remote system did not know the job, {missing} times in a row",
                )
            unseen = "the remote job cannot be observed, and counts as running"
            return _troubled(trouble, unseen) or (observation.reason, observation.message)
        case Cleaning(then=then, trouble=trouble) as state:
            pending = "the remote job is not yet confirmed gone"
            reason, detail = _troubled(trouble, pending) or (then.reason, pending)
            return reason, f"{ending(state)}; {detail}"
        case Done(outcome=outcome):
            return outcome.reason, outcome.message


def ending(state: Cleaning) -> str:
    """What follows the cleanup, and why."""
    then = state.then
    follows = f"ends as {then.kind.name}" if isinstance(then, Outcome) else "another attempt follows"
    return follows + (f" ({then.message})" if then.message else "")


def _queued(execution: Execution, not_before: Instant) -> tuple[str, str]:
    if not execution.failures:
        return "", "waits to be taken up"
    last = execution.failures[-1]
    return (
        "RETRY_BACKOFF",
        f"attempt {execution.attempt} begins at {clock(not_before)}; attempt {last.attempt} ended: "
        f"{last.message}",
    )


def _troubled(trouble: Trouble | None, waits: str) -> tuple[str, str] | None:
    # Not how often a call has failed: that is not stored each time.
    if trouble is None:
        return None
    return trouble.fault.reason, f"{waits} (since {clock(trouble.since)}): {trouble.fault.message}"


def clock(at: Instant) -> str:
    """An instant for people."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _observed_links(execution: Execution) -> tuple[Link, ...]:
    match execution.state:
        case Running(observation=observation):
            return observation.links
        case Cleaning(links=links):
            return links
        case Done(outcome=outcome):
            return outcome.links
        case _:
            return ()


def _fill_policy(message: execution_pb2.ExecutionPolicy, policy: Policy) -> None:
    message.max_attempts = policy.max_attempts
    for target, seconds in (
        ("wait_timeout", policy.wait_deadline_s),
        ("run_timeout", policy.run_deadline_s),
        ("total_timeout", policy.total_deadline_s),
    ):
        if seconds is not None:
            getattr(message, target).FromNanoseconds(round(seconds * 1e9))


_PHASES = {phase: execution_pb2.Phase.Value(f"PHASE_{phase.name}") for phase in Phase}
