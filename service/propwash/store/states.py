"""The six states as records and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from propwash.core.model import (
    Cleaning,
    CreateStatus,
    Done,
    Fault,
    FaultKind,
    Launching,
    Link,
    Observation,
    Outcome,
    OutcomeKind,
    Queued,
    RemotePhase,
    Retry,
    Running,
    State,
    Trouble,
    Waiting,
)
from propwash.pb.internal.v1 import record_pb2 as pb
from propwash.ports import StoreTooNew
from propwash.store.values import clean_text, outputs_from_map, outputs_to_map

_CREATE: dict[CreateStatus, pb.CreateStatus.ValueType] = {
    CreateStatus.UNSENT: pb.CREATE_STATUS_UNSENT,
    CreateStatus.SENT: pb.CREATE_STATUS_SENT,
    CreateStatus.DOUBTFUL: pb.CREATE_STATUS_DOUBTFUL,
    CreateStatus.CONFIRMED: pb.CREATE_STATUS_CONFIRMED,
}
_REMOTE: dict[RemotePhase, pb.RemotePhase.ValueType] = {
    RemotePhase.PENDING: pb.REMOTE_PHASE_PENDING,
    RemotePhase.RUNNING: pb.REMOTE_PHASE_RUNNING,
    RemotePhase.SUCCEEDED: pb.REMOTE_PHASE_SUCCEEDED,
    RemotePhase.FAILED: pb.REMOTE_PHASE_FAILED,
}
_FAULT: dict[FaultKind, pb.FaultKind.ValueType] = {
    FaultKind.PERMANENT: pb.FAULT_KIND_PERMANENT,
    FaultKind.RETRYABLE: pb.FAULT_KIND_RETRYABLE,
    FaultKind.THROTTLED: pb.FAULT_KIND_THROTTLED,
    FaultKind.UNAVAILABLE: pb.FAULT_KIND_UNAVAILABLE,
    FaultKind.INTERNAL: pb.FAULT_KIND_INTERNAL,
}
_OUTCOME: dict[OutcomeKind, pb.OutcomeKind.ValueType] = {
    OutcomeKind.SUCCEEDED: pb.OUTCOME_KIND_SUCCEEDED,
    OutcomeKind.FAILED: pb.OUTCOME_KIND_FAILED,
    OutcomeKind.ABORTED: pb.OUTCOME_KIND_ABORTED,
    OutcomeKind.TIMED_OUT: pb.OUTCOME_KIND_TIMED_OUT,
}
_CREATE_OF = {number: member for member, number in _CREATE.items()}
_REMOTE_OF = {number: member for member, number in _REMOTE.items()}
_FAULT_OF = {number: member for member, number in _FAULT.items()}
_OUTCOME_OF = {number: member for member, number in _OUTCOME.items()}


def fill_state(record: pb.StateRecord, state: State) -> None:
    """Put a state into its record."""
    match state:
        case Queued():
            record.queued.CopyFrom(pb.QueuedRecord(not_before=state.not_before))
        case Waiting():
            record.waiting.CopyFrom(pb.WaitingRecord(since=state.since))
        case Launching():
            record.launching.CopyFrom(
                pb.LaunchingRecord(
                    granted_at=state.granted_at,
                    create=_CREATE[state.create],
                    not_before=state.not_before,
                    settled_at=state.settled_at,
                    has_doubted=state.has_doubted,
                    trouble=_trouble(state.trouble),
                )
            )
        case Running():
            record.running.CopyFrom(
                pb.RunningRecord(
                    granted_at=state.granted_at,
                    meta=state.meta,
                    observation=_observation(state.observation),
                    observed_at=state.observed_at,
                    poll_at=state.poll_at,
                    settled_at=state.settled_at,
                    has_doubted=state.has_doubted,
                    missing=state.missing,
                    trouble=_trouble(state.trouble),
                )
            )
        case Cleaning():
            record.cleaning.CopyFrom(
                pb.CleaningRecord(
                    granted_at=state.granted_at,
                    outcome=_outcome(state.then) if isinstance(state.then, Outcome) else None,
                    retry=_retry(state.then) if isinstance(state.then, Retry) else None,
                    since=state.since,
                    create=_CREATE[state.create],
                    meta=state.meta,
                    not_before=state.not_before,
                    settled_at=state.settled_at,
                    has_doubted=state.has_doubted,
                    deletes=state.deletes,
                    trouble=_trouble(state.trouble),
                    links=_links(state.links),
                )
            )
        case Done():
            record.done.CopyFrom(
                pb.DoneRecord(outcome=_outcome(state.outcome), ended_at=state.ended_at, meta=state.meta)
            )
        case _:
            assert_never(state)


def state_of(record: pb.StateRecord) -> State:
    """The state in a record; raises StoreTooNew for one that this program does not know."""
    match record.WhichOneof("state"):
        case "queued":
            return Queued(not_before=record.queued.not_before)
        case "waiting":
            return Waiting(since=record.waiting.since)
        case "launching":
            launching = record.launching
            return Launching(
                granted_at=launching.granted_at,
                create=_CREATE_OF.get(launching.create, CreateStatus.DOUBTFUL),
                not_before=launching.not_before,
                settled_at=launching.settled_at,
                has_doubted=launching.has_doubted,
                trouble=_trouble_of(launching.trouble) if launching.HasField("trouble") else None,
            )
        case "running":
            running = record.running
            return Running(
                granted_at=running.granted_at,
                meta=running.meta,
                observation=_observation_of(running.observation),
                observed_at=running.observed_at,
                poll_at=running.poll_at,
                settled_at=running.settled_at,
                has_doubted=running.has_doubted,
                missing=running.missing,
                trouble=_trouble_of(running.trouble) if running.HasField("trouble") else None,
            )
        case "cleaning":
            return _cleaning_of(record.cleaning)
        case "done":
            meta = record.done.meta if record.done.HasField("meta") else None
            return Done(outcome=_outcome_of(record.done.outcome), ended_at=record.done.ended_at, meta=meta)
        case _:
            raise _too_new("state")


def _cleaning_of(record: pb.CleaningRecord) -> Cleaning:
    then: Outcome | Retry
    match record.WhichOneof("then"):
        case "outcome":
            then = _outcome_of(record.outcome)
        case "retry":
            retry = record.retry
            then = Retry(
                reason=retry.reason,
                message=retry.message,
                retry_after_s=retry.retry_after_s if retry.HasField("retry_after_s") else None,
            )
        case _:
            raise _too_new("sequel of a clean-up")
    return Cleaning(
        granted_at=record.granted_at,
        then=then,
        since=record.since,
        create=_CREATE_OF.get(record.create, CreateStatus.DOUBTFUL),
        meta=record.meta if record.HasField("meta") else None,
        not_before=record.not_before,
        settled_at=record.settled_at,
        has_doubted=record.has_doubted,
        deletes=record.deletes,
        trouble=_trouble_of(record.trouble) if record.HasField("trouble") else None,
        links=_links_of(record.links),
    )


def _too_new(what: str) -> StoreTooNew:
    return StoreTooNew(f"an execution has a {what} that this program does not know")


def _links(links: Iterable[Link]) -> list[pb.LinkRecord]:
    return [pb.LinkRecord(title=clean_text(link.title), uri=clean_text(link.uri)) for link in links]


def _links_of(records: Iterable[pb.LinkRecord]) -> tuple[Link, ...]:
    return tuple(Link(title=record.title, uri=record.uri) for record in records)


def _observation(observation: Observation) -> pb.ObservationRecord:
    return pb.ObservationRecord(
        phase=_REMOTE[observation.phase],
        message=clean_text(observation.message),
        reason=clean_text(observation.reason),
        is_retryable=observation.is_retryable,
        links=_links(observation.links),
        outputs=outputs_to_map(observation.outputs) if observation.outputs else None,
    )


def _observation_of(record: pb.ObservationRecord) -> Observation:
    return Observation(
        phase=_REMOTE_OF.get(record.phase, RemotePhase.RUNNING),
        message=record.message,
        reason=record.reason,
        is_retryable=record.is_retryable,
        links=_links_of(record.links),
        outputs=outputs_from_map(record.outputs),
    )


def _outcome(outcome: Outcome) -> pb.OutcomeRecord:
    return pb.OutcomeRecord(
        kind=_OUTCOME[outcome.kind],
        reason=clean_text(outcome.reason),
        message=clean_text(outcome.message),
        outputs=outputs_to_map(outcome.outputs) if outcome.outputs else None,
        links=_links(outcome.links),
        is_retryable=outcome.is_retryable,
    )


def _outcome_of(record: pb.OutcomeRecord) -> Outcome:
    kind = _OUTCOME_OF.get(record.kind)
    if kind is None:
        raise _too_new("kind of outcome")
    return Outcome(
        kind=kind,
        reason=record.reason,
        message=record.message,
        outputs=outputs_from_map(record.outputs),
        links=_links_of(record.links),
        is_retryable=record.is_retryable,
    )


def _retry(retry: Retry) -> pb.RetryRecord:
    return pb.RetryRecord(
        reason=clean_text(retry.reason), message=clean_text(retry.message), retry_after_s=retry.retry_after_s
    )


def _trouble(trouble: Trouble | None) -> pb.TroubleRecord | None:
    if trouble is None:
        return None
    fault = trouble.fault
    return pb.TroubleRecord(
        fault=pb.FaultRecord(
            kind=_FAULT[fault.kind],
            reason=clean_text(fault.reason),
            message=clean_text(fault.message),
            retry_after_s=fault.retry_after_s,
        ),
        since=trouble.since,
        count=trouble.count,
    )


def _trouble_of(record: pb.TroubleRecord) -> Trouble:
    fault = record.fault
    return Trouble(
        fault=Fault(
            kind=_FAULT_OF.get(fault.kind, FaultKind.UNAVAILABLE),
            reason=fault.reason,
            message=fault.message,
            retry_after_s=fault.retry_after_s if fault.HasField("retry_after_s") else None,
        ),
        since=record.since,
        count=record.count,
    )
