"""Filters of lists over rows in memory, as far as the tests of the API use them."""

from __future__ import annotations

from propwash.ports import AllOf, AnyOf, Comparator, Comparison, Filter, Not, Record


def holds(where: Filter, row: Record) -> bool:
    """Whether a row passes."""
    match where:
        case AllOf(parts):
            return all(holds(part, row) for part in parts)
        case AnyOf(parts):
            return any(holds(part, row) for part in parts)
        case Not(part):
            return not holds(part, row)
        case Comparison(field=name, comparator=comparator, value=value):
            actual = row.request.labels.get(name[7:]) if name.startswith("labels.") else _field(name, row)
            same = actual == value
            return same if comparator is Comparator.EQUAL else not same


def _field(name: str, row: Record) -> object:
    return {
        "phase": row.execution.phase,
        "task_type": row.request.task_type,
        "attempt": row.execution.attempt,
    }[name]
