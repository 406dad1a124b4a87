"""Filters: checked, evaluated over a record, and compiled to SQL with bound parameters only.

A comparison is true or false, never unknown: a label or an end time that is not there equals nothing and is
neither less nor greater than anything. Text is compared by code points, phases by their numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import assert_never

from propwash.core.model import Phase
from propwash.ports import AllOf, AnyOf, Comparator, Comparison, ExecutionName, Filter, Not, Record, Scope
from propwash.store.columns import connection_of, ended_at_of, reason_of

SqlValue = str | int | float
_LABEL = "labels."
_COLUMNS = {
    "phase": "e.phase",
    "task_type": "e.task_type",
    "connection": "e.connection",
    "reason": "e.reason",
    "attempt": "e.attempt",
    "create_time": "e.created_at",
    "update_time": "e.updated_at",
    "end_time": "e.ended_at",
}
_TEXTS = frozenset({"task_type", "connection", "reason"})
_ORDERS: dict[Comparator, tuple[int, ...]] = {
    Comparator.EQUAL: (0,),
    Comparator.NOT_EQUAL: (-1, 1),
    Comparator.LESS: (-1,),
    Comparator.LESS_OR_EQUAL: (-1, 0),
    Comparator.GREATER: (1,),
    Comparator.GREATER_OR_EQUAL: (0, 1),
}
# Over a column, since SQLite finds no plan for a constant with a named index.
_ALWAYS, _NEVER = "(e.version > 0)", "(e.version < 0)"
_INT64_MAX = 2**63 - 1


def check(where: Filter) -> None:
    """Raise ValueError for an unknown field or a value of the wrong type."""
    match where:
        case Comparison():
            _check_comparison(where)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                check(part)
        case Not(part):
            check(part)
        case _:
            assert_never(where)


def _check_comparison(comparison: Comparison) -> None:
    name, value = comparison.field, comparison.value
    if name == "phase":
        is_fit = isinstance(value, Phase)
    elif name in _TEXTS or label_key(name) is not None:
        is_fit = isinstance(value, str)
    elif name in _COLUMNS:
        is_fit = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    else:
        raise ValueError(f"there is no field {name!r}")
    if not is_fit:
        raise ValueError(f"{name} cannot be compared with {value!r}")


def in_scope(scope: Scope, name: ExecutionName) -> bool:
    """Whether a list or a watch of that scope is about this name."""
    return scope.project in (None, name.project) and scope.domain in (None, name.domain)


def label_key(field: str) -> str | None:
    """The KEY of labels.KEY; None for any other field."""
    return field[len(_LABEL) :] if field.startswith(_LABEL) and len(field) > len(_LABEL) else None


def matches(where: Filter, record: Record) -> bool:
    """Whether a record passes a checked filter."""
    match where:
        case AllOf(parts):
            return all(matches(part, record) for part in parts)
        case AnyOf(parts):
            return any(matches(part, record) for part in parts)
        case Not(part):
            return not matches(part, record)
        case Comparison():
            found = _found(where.field, record)
            value = where.value.value if isinstance(where.value, Phase) else where.value
            if found is None:
                return where.comparator is Comparator.NOT_EQUAL
            return _order(found, value) in _ORDERS[where.comparator]
        case _:
            assert_never(where)


def _order(found: SqlValue, value: SqlValue) -> int:
    if isinstance(found, str) or isinstance(value, str):
        return (str(found) > str(value)) - (str(found) < str(value))
    return (found > value) - (found < value)


def _found(field: str, record: Record) -> SqlValue | None:
    execution = record.execution
    match field:
        case "phase":
            return execution.phase.value
        case "task_type":
            return record.request.task_type
        case "connection":
            return connection_of(record.request, execution)
        case "reason":
            return reason_of(execution)
        case "attempt":
            return execution.attempt
        case "create_time":
            return execution.created_at
        case "update_time":
            return execution.updated_at
        case "end_time":
            return ended_at_of(execution)
        case _:
            return record.request.labels.get(field[len(_LABEL) :])


def to_sql(where: Filter, params: list[SqlValue]) -> str:
    """A checked filter as an expression over the table executions named e; its values go to params."""
    match where:
        case AllOf(parts):
            return _join("AND", _ALWAYS, [to_sql(part, params) for part in parts])
        case AnyOf(parts):
            return _join("OR", _NEVER, [to_sql(part, params) for part in parts])
        case Not(part):
            return f"NOT {to_sql(part, params)}"
        case Comparison():
            return _comparison(where, params)
        case _:
            assert_never(where)


def _comparison(comparison: Comparison, params: list[SqlValue]) -> str:
    value = comparison.value.value if isinstance(comparison.value, Phase) else comparison.value
    if isinstance(value, int):
        value = max(-_INT64_MAX, min(_INT64_MAX, value))
    key = label_key(comparison.field)
    if key is None:
        params.append(value)
        column = _COLUMNS[comparison.field]
        match comparison.comparator:
            case Comparator.EQUAL:
                return f"({column} IS ?)"
            case Comparator.NOT_EQUAL:
                return f"({column} IS NOT ?)"
            case ordered:
                return f"({column} IS NOT NULL AND {column} {ordered.value} ?)"
    params += [key, value]
    is_negated = comparison.comparator is Comparator.NOT_EQUAL
    sign = "=" if is_negated else comparison.comparator.value
    found = f"EXISTS (SELECT 1 FROM labels AS l WHERE l.id = e.id AND l.key = ? AND l.value {sign} ?)"
    return f"(NOT {found})" if is_negated else f"({found})"


def _join(operation: str, neutral: str, parts: Sequence[str]) -> str:
    # Balanced, since SQLite bounds the depth of an expression.
    if len(parts) <= 1:
        return parts[0] if parts else neutral
    middle = len(parts) // 2
    left, right = _join(operation, neutral, parts[:middle]), _join(operation, neutral, parts[middle:])
    return f"({left} {operation} {right})"


def conjuncts(where: Filter | None) -> Sequence[Comparison]:
    """The comparisons that every match passes, as far as they can be read off."""
    match where:
        case Comparison():
            return (where,)
        case AllOf(parts):
            return [comparison for part in parts for comparison in conjuncts(part)]
        case _:
            return ()


def phases_of(where: Filter | None) -> frozenset[Phase]:
    """The phases that a match can have, as far as they can be read off."""
    every = frozenset(Phase)
    match where:
        case Comparison(field="phase", value=Phase() as phase, comparator=comparator):
            orders = _ORDERS[comparator]
            return frozenset(other for other in Phase if _order(other.value, phase.value) in orders)
        case AllOf(parts):
            return every.intersection(*(phases_of(part) for part in parts))
        case AnyOf(parts):
            return frozenset[Phase]().union(*(phases_of(part) for part in parts))
        case _:
            return every
