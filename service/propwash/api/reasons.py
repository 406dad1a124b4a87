"""Every reason that the API itself gives, with its code, the fields that it names and what it means.

Handlers and remote systems bring reasons of their own (a refused spec, a fault); those come through
unchanged. docs/errors.md is this table.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from grpc import StatusCode

DOMAIN = "propwash.dev"
"""The domain of every ErrorInfo."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    code: StatusCode
    fields: str
    """The paths that BadRequest or the metadata names; `requests[i].` goes before them in a batch."""
    meaning: str
    retry_after_s: float | None = None
    """Sent as RetryInfo: the same call may be repeated after so long."""


_INVALID = StatusCode.INVALID_ARGUMENT
_PRECONDITION = StatusCode.FAILED_PRECONDITION
_UNAVAILABLE = StatusCode.UNAVAILABLE


class Reason(enum.Enum):
    """The reasons; the name is what ErrorInfo carries."""

    FIELD_REQUIRED = Row(
        _INVALID,
        "parent, name, execution, execution.task_type, execution.spec, requests, names, pool, pool.name, pool_id, "
        "pool.capacity, update_mask",
        "A required field is empty.",
    )
    FIELD_INVALID = Row(
        _INVALID,
        "page_size, timeout, message, request_id, cursor, execution.task_type, execution.connection, "
        "execution.priority, pool.capacity, pool.default_share.FIELD, pool.projects, pool.projects.PROJECT.FIELD, "
        "pool.description, update_mask",
        "A field's value is out of its range or has the wrong form.",
    )
    NAME_MALFORMED = Row(
        _INVALID,
        "parent, name, names[i], execution_id, remote_name, pool_id, pool.name, pool.projects.PROJECT",
        "A resource name does not have the documented form.",
    )
    PARENT_MISMATCH = Row(
        _INVALID, "parent, names[i]", "A name or a batched request is not in the parent of the call."
    )
    LABELS_INVALID = Row(
        _INVALID, "execution.labels, execution.labels.KEY", "A label is too long, or there are too many."
    )
    POLICY_INVALID = Row(
        _INVALID,
        "execution.policy.max_attempts, execution.policy.wait_timeout, execution.policy.run_timeout, "
        "execution.policy.total_timeout",
        "The policy asks for what cannot be: a negative number or duration, or one that is too large.",
    )
    VALUE_WITHOUT_KIND = Row(
        _INVALID, "execution.spec.PATH, execution.inputs.PATH", "A Value sets none of its kinds."
    )
    VALUE_TOO_DEEP = Row(
        _INVALID, "execution.spec.PATH, execution.inputs.PATH", "Lists and maps are nested more than 32 deep."
    )
    VALUE_OUT_OF_RANGE = Row(
        _INVALID,
        "execution.spec.PATH, execution.inputs.PATH",
        "An instant or a duration is invalid, out of range or finer than a microsecond.",
    )
    BATCH_TOO_LARGE = Row(_INVALID, "requests, names", "More than 1,000 items in one call.")
    DUPLICATE_IN_BATCH = Row(
        _INVALID,
        "requests[i].execution_id, requests[i].request_id, names[i]",
        "Two items of one call have the same name or request id.",
    )
    BATCH_MIXED = Row(
        _INVALID,
        "requests[i].validate_only",
        "validate_only is set on some requests of a batch and not on others.",
    )
    PAGE_TOKEN_INVALID = Row(
        _INVALID, "page_token", "The token is not one that this server gave for this parent, filter or name."
    )
    RESUME_TOKEN_INVALID = Row(
        _INVALID,
        "resume_token",
        "The token is not one that this server gave for this parent and these names.",
    )
    FILTER_SYNTAX = Row(
        _INVALID, "filter", "The filter cannot be parsed; metadata.position says where, 0-based."
    )
    FILTER_FIELD_UNKNOWN = Row(_INVALID, "filter", "The filter names a field that cannot be filtered by.")
    FILTER_VALUE_INVALID = Row(
        _INVALID,
        "filter",
        "A value or comparator of the filter does not fit its field; metadata.position says where.",
    )
    FILTER_TOO_LARGE = Row(
        _INVALID, "filter", "The filter is too long, has too many terms or is nested too deep."
    )
    MESSAGE_MALFORMED = Row(_INVALID, "", "The request's bytes are not the message that the method takes.")
    TOKEN_REFUSED = Row(
        StatusCode.UNAUTHENTICATED,
        "",
        "HintExecution needs the token for hints, where the server has one, or a client certificate.",
    )
    EXECUTION_EXISTS = Row(
        StatusCode.ALREADY_EXISTS,
        "execution_id",
        "An execution of that name exists; metadata.name names it, metadata.differences what differs.",
    )
    REQUEST_ID_REUSED = Row(
        StatusCode.ALREADY_EXISTS,
        "request_id",
        "The request id was used with another body; metadata.name names the execution that it made, "
        "metadata.differences what differs.",
    )
    EXECUTION_NOT_FOUND = Row(
        StatusCode.NOT_FOUND, "name, names[i], remote_name", "There is no execution of that name."
    )
    HANDLER_NOT_FOUND = Row(StatusCode.NOT_FOUND, "name", "There is no handler of that name.")
    CONNECTION_NOT_FOUND = Row(StatusCode.NOT_FOUND, "name", "The server has no connection of that name.")
    POOL_NOT_FOUND = Row(StatusCode.NOT_FOUND, "name, parent, pool.name", "There is no pool of that name.")
    POOL_EXISTS = Row(
        StatusCode.ALREADY_EXISTS, "pool_id", "There is a pool of that name; metadata.name names it."
    )
    POOL_IN_USE = Row(
        _PRECONDITION,
        "name",
        "Executions hold the pool or wait for it, and force was not set; metadata.holders and metadata.waiting "
        "say how many.",
    )
    POOL_CONFIGURED = Row(
        _PRECONDITION,
        "name",
        "The pool stands in the configuration, and is removed there and not over the API.",
    )
    POOL_REMOVED = Row(
        _PRECONDITION, "pool.name", "The pool was removed and is still in use; create it anew to change it."
    )
    ETAG_MISMATCH = Row(
        StatusCode.ABORTED,
        "name, pool.name",
        "The pool was changed since it was read; read it again, and decide again.",
    )
    EXECUTION_ENDED = Row(
        _PRECONDITION,
        "name",
        "The execution is terminal and was not aborted; metadata.phase says how it ended.",
    )
    NO_REMOTE_JOB = Row(_PRECONDITION, "name", "The execution has no remote job (yet), so there are no logs.")
    EXECUTION_NOT_SUCCEEDED = Row(
        _PRECONDITION, "name", "Only a succeeded execution has results; metadata.phase says what it is."
    )
    LOGS_NOT_OFFERED = Row(StatusCode.UNIMPLEMENTED, "", "The execution's handler does not offer logs.")
    RESULTS_NOT_OFFERED = Row(StatusCode.UNIMPLEMENTED, "", "The execution's handler does not offer results.")
    METHOD_UNKNOWN = Row(StatusCode.UNIMPLEMENTED, "", "The server has no such method.")
    POOL_CHANGING = Row(
        _UNAVAILABLE,
        "name, pool.name",
        "Another change of the pool is on its way; nothing was changed by this one.",
        0.1,
    )
    NOT_ACCEPTING = Row(
        _UNAVAILABLE,
        "",
        "The server takes nothing new now: it starts, drains, or its store takes no commits.",
        1.0,
    )
    SERVER_DRAINING = Row(
        _UNAVAILABLE,
        "",
        "The server is stopping; a watch resumes from its token, a wait may be repeated.",
        1.0,
    )
    SERVER_OVERLOADED = Row(
        _UNAVAILABLE,
        "",
        "Too many calls are in flight; or, for a create, the server is behind with its work: metadata.measure is then "
        "LOOP_LAG, COMMIT_BACKLOG or COMMIT_AGE, metadata.value and metadata.limit say how far, and the time to retry "
        "is 1 to 2 s.",
        0.5,
    )
    PROJECT_QUEUE_FULL = Row(
        StatusCode.RESOURCE_EXHAUSTED,
        "",
        "The project's queue has no room for all that would come in; metadata has project, limit, count and arriving, "
        "QuotaFailure the subject projects/PROJECT. The time to retry follows how fast the queue empties, 1 to 60 s, "
        "and is missing where there can never be room.",
    )
    TOO_MANY_EXECUTIONS = Row(
        StatusCode.RESOURCE_EXHAUSTED,
        "",
        "The server has as many executions that are not terminal as it takes; likewise, with the subject server. "
        "Flyte's protocol is told UNAVAILABLE in place of RESOURCE_EXHAUSTED.",
    )
    STORE_UNAVAILABLE = Row(_UNAVAILABLE, "", "The store cannot be read or written now.", 1.0)
    TOO_MANY_STREAMS = Row(
        StatusCode.RESOURCE_EXHAUSTED,
        "",
        "The server's limit of concurrent streams of this method is reached.",
        5.0,
    )
    STREAM_STALLED = Row(
        _UNAVAILABLE,
        "",
        "The client took no message of the stream for too long; a watch resumes from its token.",
        1.0,
    )
    DEADLINE_EXCEEDED = Row(
        StatusCode.DEADLINE_EXCEEDED,
        "",
        "The server's own limit for a call without a (shorter) deadline is over.",
    )
    INTERNAL = Row(
        StatusCode.INTERNAL,
        "",
        "A defect of the server; metadata.incident is in the server's log with the cause.",
    )


REFUSAL_ROWS = (
    ("UNKNOWN_TASK_TYPE", "INVALID_ARGUMENT", "execution.task_type", "No handler serves the task type."),
    (
        "HANDLER_BROKEN",
        "FAILED_PRECONDITION",
        "",
        "The plugin that serves the task type could not be loaded.",
    ),
    (
        "INVALID_SPEC",
        "INVALID_ARGUMENT",
        "execution.spec.PATH",
        "The spec does not fit the handler's schema.",
    ),
    (
        "UNKNOWN_CONNECTION",
        "INVALID_ARGUMENT",
        "execution.connection",
        "No such connection is configured for the project and domain.",
    ),
    (
        "CONNECTION_INVALID",
        "FAILED_PRECONDITION",
        "execution.connection",
        "Only with validate_only: the connection's settings do not hold. An execution waits until they are mended.",
    ),
    ("CLAIM_TOO_LARGE", "INVALID_ARGUMENT", "", "The job needs more of a pool than the pool has."),
    (
        "CLAIM_EXPRESSION_FAILED",
        "FAILED_PRECONDITION",
        "",
        "An expression of the connection's claims gives no whole number of units, or no pool, for this request.",
    ),
)
"""What the handler host and the engine refuse a Create for; handlers may add reasons of their own."""
WAIT_ROWS = (
    ("WAITING_FOR_POOLS", "Too few units of a pool are free; the message tells the place in its queue."),
    ("RETRY_BACKOFF", "An attempt ended, and the next begins after a while."),
    ("RATE_LIMITED", "Other calls of the connection go first, within its configured rate."),
    ("THROTTLED", "The remote system asked for a pause, which holds for all calls of the connection."),
    ("BREAKER_OPEN", "The connection answers nothing, and is only called to see whether it is back."),
    ("CREATE_IN_DOUBT", "The answer to the create was lost: the job is looked up before anything else."),
    ("REMOTE_JOB_MISSING", "The remote system does not know a job that it has shown; it is asked again."),
    ("CLEANUP_PENDING", "How the execution ends is decided; the remote job is not yet confirmed gone."),
)
"""Why an execution waits; where its own last call failed, the reason is that fault's."""
TRANSPORT_ROWS = (
    ("RESOURCE_EXHAUSTED", "The message is larger than the server takes, 16 MiB by default."),
    ("RESOURCE_EXHAUSTED", "The request's metadata is larger than the server takes, 16 KiB by default."),
    ("RESOURCE_EXHAUSTED", "Twice the limit of concurrent calls is reached (below it: SERVER_OVERLOADED)."),
    ("CANCELLED", "The client cancelled the call."),
    ("DEADLINE_EXCEEDED", "The client's own deadline is over."),
)
"""What gRPC itself answers before the server sees the call; these carry no ErrorInfo."""


def as_markdown() -> str:
    """The tables of docs/errors.md."""
    lines = ["| reason | code | fields | retry after | meaning |", "|---|---|---|---|---|"]
    for reason in Reason:
        row = reason.value
        fields = ", ".join(f"`{name.strip()}`" for name in row.fields.split(",")) if row.fields else ""
        retry = f"{row.retry_after_s:g} s" if row.retry_after_s is not None else ""
        lines.append(f"| `{reason.name}` | {row.code.name} | {fields} | {retry} | {row.meaning} |")
    lines += [
        "",
        "Why the handler host or the engine refuses a Create; a handler may add reasons of its own:",
        "",
    ]
    lines += ["| reason | code | fields | meaning |", "|---|---|---|---|"]
    for name, code, path, meaning in REFUSAL_ROWS:
        lines.append(f"| `{name}` | {code} | {f'`{path}`' if path else ''} | {meaning} |")
    lines += [
        "",
        "Why an execution waits, in its `reason`; where its own last call failed, the handler's reason stands there,",
        "such as `CREDENTIALS_UNAVAILABLE`, but for an open breaker. It is no error, and ends nothing:",
        "",
    ]
    lines += ["| reason | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in WAIT_ROWS]
    lines += ["", "What gRPC itself answers, before the server sees the call, carries no ErrorInfo:"]
    lines += ["", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in TRANSPORT_ROWS]
    return "\n".join(lines) + "\n"
