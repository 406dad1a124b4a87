"""Create requests, checked field by field and turned into drafts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration

from propwash.api.digests import digest_of
from propwash.api.errors import invalid
from propwash.api.names import check_id, make_id, parse_parent
from propwash.api.reasons import Reason
from propwash.api.values import entries_to_python
from propwash.core.model import Policy
from propwash.pb.v1 import execution_pb2, execution_service_pb2
from propwash.ports import Draft, ExecutionName, TaskRequest
from propwash.sdk.handler import Value

LARGEST_BATCH = 1000
MAX_LABELS = 64
MAX_ATTEMPTS = 100
HIGHEST_PRIORITY = 1000
"""And the lowest, below zero."""
LONGEST_TIMEOUT_S = 10 * 366 * 86400.0
_LABEL_CHARS = 63
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TASK_TYPE = re.compile(r"[!-~]{1,255}")
_CONNECTION_CHARS = 255
_ZERO_DURATION = Duration()


class Drafter:
    """Makes drafts; the default policy fills in what a client leaves open."""

    def __init__(self, default_policy: Policy) -> None:
        self._default = default_policy

    def one(self, request: execution_service_pb2.CreateExecutionRequest) -> Draft:
        """The draft of one request; raises ApiError with the first faulty field."""
        return self._draft(request, parse_parent(request.parent), "")

    def batch(self, request: execution_service_pb2.BatchCreateExecutionsRequest) -> list[Draft]:
        """The drafts of a batch; raises ApiError with the first faulty field, requests[i].…"""
        parent = parse_parent(request.parent)
        check_batch(request.requests, "requests")
        drafts: list[Draft] = []
        names: set[ExecutionName] = set()
        request_ids: set[str] = set()
        for index, item in enumerate(request.requests):
            at = f"requests[{index}]."
            if item.parent not in ("", request.parent):
                raise invalid(f"{at}parent", f"must be empty or {request.parent}", Reason.PARENT_MISMATCH)
            if item.validate_only != request.requests[0].validate_only:
                raise invalid(f"{at}validate_only", "must be the same in all requests", Reason.BATCH_MIXED)
            draft = self._draft(item, parent, at)
            if draft.request.request_id in request_ids:
                raise invalid(f"{at}request_id", "is in the batch twice", Reason.DUPLICATE_IN_BATCH)
            if draft.name in names:
                raise invalid(f"{at}execution_id", "is in the batch twice", Reason.DUPLICATE_IN_BATCH)
            names.add(draft.name)
            if draft.request.request_id:
                request_ids.add(draft.request.request_id)
            drafts.append(draft)
        return drafts

    def _draft(
        self, request: execution_service_pb2.CreateExecutionRequest, parent: tuple[str, str], at: str
    ) -> Draft:
        request_id, asked_id = request.request_id, request.execution_id
        if request_id and not _REQUEST_ID.fullmatch(request_id):
            raise invalid(f"{at}request_id", "must be 1 to 64 characters of [A-Za-z0-9._-]")
        if not request.HasField("execution"):
            raise invalid(f"{at}execution", "is required", Reason.FIELD_REQUIRED)
        execution, path = request.execution, f"{at}execution"
        _check_head(execution, path)
        labels = _labels(execution, path)
        spec = entries_to_python(execution.spec, f"{path}.spec")
        inputs = entries_to_python(execution.inputs, f"{path}.inputs")
        policy, given_policy = self._policy(execution.policy, f"{path}.policy")
        priority = execution.priority
        # The default is left out, so that a request from before there were priorities has the digest that it had.
        given_last: list[Value] = [given_policy, priority] if priority else [given_policy]
        given: list[Value] = [
            *parent,
            asked_id,
            execution.task_type,
            spec,
            inputs,
            execution.connection,
            labels,
        ]
        task = TaskRequest(
            task_type=execution.task_type,
            spec=spec,
            inputs=inputs,
            connection=execution.connection,
            labels=labels,
            request_id=request_id,
            digest=digest_of([*given, *given_last]),
        )
        chosen = check_id(asked_id, f"{at}execution_id") if asked_id else make_id(parent, request_id)
        return Draft(name=ExecutionName(*parent, chosen), request=task, policy=policy, priority=priority)

    def _policy(self, message: execution_pb2.ExecutionPolicy, path: str) -> tuple[Policy, list[Value]]:
        """The policy with the defaults filled in, and what the client gave of it."""
        attempts = message.max_attempts
        if not 0 <= attempts <= MAX_ATTEMPTS:
            raise invalid(
                f"{path}.max_attempts",
                f"must be 1 to {MAX_ATTEMPTS}, or 0 for the default",
                Reason.POLICY_INVALID,
            )
        wait_s = _seconds(message.wait_timeout, f"{path}.wait_timeout")
        run_s = _seconds(message.run_timeout, f"{path}.run_timeout")
        total_s = _seconds(message.total_timeout, f"{path}.total_timeout")
        policy = Policy(
            max_attempts=attempts or self._default.max_attempts,
            wait_deadline_s=wait_s or self._default.wait_deadline_s,
            run_deadline_s=run_s or self._default.run_deadline_s,
            total_deadline_s=total_s or self._default.total_deadline_s,
        )
        return policy, [attempts, wait_s, run_s, total_s]


def check_batch(items: Sequence[object], path: str) -> None:
    """Raises ApiError where a batch is empty or too large."""
    if not items:
        raise invalid(path, "must not be empty", Reason.FIELD_REQUIRED)
    if len(items) > LARGEST_BATCH:
        raise invalid(path, f"at most {LARGEST_BATCH} items, not {len(items)}", Reason.BATCH_TOO_LARGE)


def _check_head(execution: execution_pb2.Execution, path: str) -> None:
    if not execution.task_type:
        raise invalid(f"{path}.task_type", "is required", Reason.FIELD_REQUIRED)
    if not _TASK_TYPE.fullmatch(execution.task_type):
        raise invalid(f"{path}.task_type", "must be 1 to 255 printable ASCII characters without spaces")
    if not execution.HasField("spec"):
        raise invalid(f"{path}.spec", "is required", Reason.FIELD_REQUIRED)
    if len(execution.connection) > _CONNECTION_CHARS:
        raise invalid(f"{path}.connection", f"at most {_CONNECTION_CHARS} characters")
    if not -HIGHEST_PRIORITY <= execution.priority <= HIGHEST_PRIORITY:
        raise invalid(
            f"{path}.priority",
            f"must be {-HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}, not {execution.priority}",
        )


def _labels(execution: execution_pb2.Execution, path: str) -> dict[str, str]:
    labels = dict(execution.labels)
    if len(labels) > MAX_LABELS:
        raise invalid(
            f"{path}.labels", f"at most {MAX_LABELS} labels, not {len(labels)}", Reason.LABELS_INVALID
        )
    for key, value in labels.items():
        if not 1 <= len(key) <= _LABEL_CHARS:
            where = f"{path}.labels.{key[:_LABEL_CHARS]}"
            raise invalid(where, f"a key has 1 to {_LABEL_CHARS} characters", Reason.LABELS_INVALID)
        if len(value) > _LABEL_CHARS:
            raise invalid(f"{path}.labels.{key}", f"at most {_LABEL_CHARS} characters", Reason.LABELS_INVALID)
    return labels


def _seconds(message: Duration, path: str) -> float:
    """Seconds; 0 where the client gave none."""
    if message == _ZERO_DURATION:
        return 0.0
    seconds = message.seconds + message.nanos / 1e9
    if message.seconds < 0 or not 0 <= message.nanos < 1_000_000_000 or seconds > LONGEST_TIMEOUT_S:
        raise invalid(
            path, "must be more than 0 and at most ten years, or 0 for the default", Reason.POLICY_INVALID
        )
    return seconds
