"""Executions and requests as the records of propwash.internal.v1, and back, exactly.

Two records an execution: what never changes, and what its steps change. Decoding raises StoreTooNew for what
this program does not know and must not guess, and StoreCorrupt for bytes that are no record.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from propwash.core.model import AttemptFailure, Claim, Execution, ExecutionUid, Instant, Plan, Policy, Traits
from propwash.pb.internal.v1 import record_pb2 as pb
from propwash.ports import StoreCorrupt, StoreTooNew, TaskRequest
from propwash.store.states import fill_state, state_of
from propwash.store.values import clean_text, values_from_map, values_to_map

FORMAT = 1
"""The record format that this program writes, and the newest that it reads."""


def encode_request(request: TaskRequest, plan: Plan) -> bytes:
    """What never changes; raises ValueError or TypeError where the spec or inputs hold what is no value."""
    policy, traits = plan.policy, plan.traits
    record = pb.RequestRecord(
        format=FORMAT,
        task_type=request.task_type,
        spec=values_to_map(request.spec),
        inputs=values_to_map(request.inputs),
        connection=request.connection,
        labels=request.labels,
        request_id=request.request_id,
        digest=request.digest,
        memo=request.memo,
        plan=pb.PlanRecord(
            task_type=plan.task_type,
            connection=plan.connection,
            project=plan.project,
            domain=plan.domain,
            hint=plan.hint,
            claims=[pb.ClaimRecord(pool=claim.pool, units=claim.units) for claim in plan.claims],
            policy=pb.PolicyRecord(
                max_attempts=policy.max_attempts,
                wait_deadline_s=policy.wait_deadline_s,
                run_deadline_s=policy.run_deadline_s,
                total_deadline_s=policy.total_deadline_s,
            ),
            traits=pb.TraitsRecord(
                has_unique_names=traits.has_unique_names,
                remembers_deleted_names=traits.remembers_deleted_names,
                settle_s=traits.settle_s,
                poll_floor_s=traits.poll_floor_s,
                poll_ceiling_s=traits.poll_ceiling_s,
                lacks_look_up=not traits.can_look_up,
            ),
            is_polled_together=plan.is_polled_together,
            priority=plan.priority,
        ),
    )
    return record.SerializeToString()


def decode_request(body: bytes) -> tuple[TaskRequest, Plan]:
    """The request and the plan in a record."""
    try:
        record = pb.RequestRecord.FromString(body)
    except DecodeError:
        raise StoreCorrupt("a stored request is damaged") from None
    check_format(record.format)
    plan = record.plan
    policy, traits = plan.policy, plan.traits
    request = TaskRequest(
        task_type=record.task_type,
        spec=values_from_map(record.spec),
        inputs=values_from_map(record.inputs),
        connection=record.connection,
        labels=dict(record.labels),
        request_id=record.request_id,
        digest=record.digest,
        memo=record.memo,
    )
    return request, Plan(
        task_type=plan.task_type,
        connection=plan.connection,
        project=plan.project,
        domain=plan.domain,
        hint=plan.hint,
        claims=tuple(Claim(pool=claim.pool, units=claim.units) for claim in plan.claims),
        policy=Policy(
            max_attempts=policy.max_attempts,
            wait_deadline_s=policy.wait_deadline_s if policy.HasField("wait_deadline_s") else None,
            run_deadline_s=policy.run_deadline_s if policy.HasField("run_deadline_s") else None,
            total_deadline_s=policy.total_deadline_s if policy.HasField("total_deadline_s") else None,
        ),
        traits=Traits(
            has_unique_names=traits.has_unique_names,
            remembers_deleted_names=traits.remembers_deleted_names,
            settle_s=traits.settle_s,
            poll_floor_s=traits.poll_floor_s,
            poll_ceiling_s=traits.poll_ceiling_s,
            can_look_up=not traits.lacks_look_up,
        ),
        is_polled_together=plan.is_polled_together,
        priority=plan.priority,
    )


def encode_state(execution: Execution) -> bytes:
    """What steps change. Raises nothing: whatever a handler answered can be stored."""
    record = pb.StateRecord(format=FORMAT, attempt=execution.attempt, updated_at=execution.updated_at)
    for failure in execution.failures:
        record.failures.add(
            attempt=failure.attempt,
            reason=clean_text(failure.reason),
            message=clean_text(failure.message),
            at=failure.at,
        )
    fill_state(record, execution.state)
    return record.SerializeToString()


def decode_execution(body: bytes, *, uid: ExecutionUid, plan: Plan, created_at: Instant) -> Execution:
    """The execution of a state record and of what never changes."""
    try:
        record = pb.StateRecord.FromString(body)
    except DecodeError:
        raise StoreCorrupt(f"the stored state of execution {uid} is damaged") from None
    check_format(record.format)
    return Execution(
        uid=uid,
        plan=plan,
        state=state_of(record),
        attempt=record.attempt,
        created_at=created_at,
        updated_at=record.updated_at,
        failures=tuple(
            AttemptFailure(
                attempt=failure.attempt, reason=failure.reason, message=failure.message, at=failure.at
            )
            for failure in record.failures
        ),
    )


def check_format(found: int) -> None:
    """Raise StoreTooNew for a record that this program must not read."""
    if found > FORMAT:
        raise StoreTooNew(f"a record has format {found} and this program knows up to {FORMAT}")
