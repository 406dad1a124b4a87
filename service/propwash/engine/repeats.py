"""How a draft differs from what is there under its name or request id."""

from __future__ import annotations

from propwash.ports import Draft, Record


def differences(draft: Draft, existing: Record) -> tuple[str, ...]:
    """The paths at which a draft differs from what is there, in order."""
    mine, theirs = draft.request, existing.request
    found = []
    if draft.name != existing.name:
        found.append("execution_id")
    for path, one, other in (
        ("task_type", mine.task_type, theirs.task_type),
        ("connection", mine.connection, theirs.connection),
        ("policy", draft.policy, existing.execution.plan.policy),
        ("priority", draft.priority, existing.execution.plan.priority),
        ("request_id", mine.request_id, theirs.request_id),
    ):
        if one != other:
            found.append(path)
    for path, here, there in (
        ("spec", mine.spec, theirs.spec),
        ("inputs", mine.inputs, theirs.inputs),
        ("labels", mine.labels, theirs.labels),
    ):
        found.extend(
            f"{path}.{key}"
            for key in sorted({*here, *there})
            if (key in here, here.get(key)) != (key in there, there.get(key))
        )
    return tuple(found)
