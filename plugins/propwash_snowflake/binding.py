"""Inputs as bind variables. Pure.

Source: Snowflake documentation, "Submitting a request to execute SQL statements", "Using bind variables in a
statement": values are text; DATE in milliseconds since the epoch, TIME in nanoseconds since midnight, TIMESTAMP_NTZ and
TIMESTAMP_LTZ in nanoseconds since the epoch, TIMESTAMP_TZ with a space and the offset in minutes plus 1440.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from propwash.sdk import Value
from propwash_snowflake.spec import Binding, SnowflakeSpec

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = dt.date(1970, 1, 1)
_DAY = dt.timedelta(days=1)
_OFFSET = 1440


class InputError(ValueError):
    """An input that cannot be bound; the message names it."""

    def __init__(self, path: str, said: str) -> None:
        super().__init__(f"{path}: {said}")


def bound(spec: SnowflakeSpec, inputs: Mapping[str, Value]) -> dict[str, dict[str, object]]:
    """The bindings of a request, by position. Raises InputError."""
    used: set[str] = set()
    made: dict[str, dict[str, object]] = {}
    for number, one in enumerate(spec.bindings, 1):
        given = Binding(input=one) if isinstance(one, str) else one
        if given.input is None:
            made[str(number)] = {"type": given.type, "value": given.value}
            continue
        path = f"inputs.{given.input}"
        if given.input not in inputs:
            raise InputError(path, f"is missing: bindings[{number - 1}] names it")
        used.add(given.input)
        value = inputs[given.input]
        if given.element is not None:
            value = _element(value, given.element, path)
            path = f"{path}[{given.element}]"
        made[str(number)] = _variable(value, given.type, path)
    if unused := sorted(set(inputs) - used):
        raise InputError(f"inputs.{unused[0]}", "is bound to no placeholder: name it in bindings")
    return made


def _element(value: Value, index: int, path: str) -> Value:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise InputError(path, f"a binding names its element {index}, and it is no list")
    if index >= len(value):
        raise InputError(path, f"a binding names its element {index}, and it has {len(value)}")
    if isinstance(value[index], Sequence) and not isinstance(value[index], str | bytes):
        raise InputError(f"{path}[{index}]", "a list within a list cannot be bound")
    return value[index]


def _variable(value: Value, kind: str | None, path: str) -> dict[str, object]:
    if isinstance(value, Mapping):
        raise InputError(path, "a map cannot be bound: give it as JSON text and use PARSE_JSON")
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if not value:
            raise InputError(path, "an empty list cannot be bound")
        kinds = {_kind_of(one, path) for one in value if one is not None}
        if kind is None and len(kinds) > 1:
            raise InputError(path, f"a list of {' and '.join(sorted(kinds))}: give one type")
        chosen = kind or next(iter(kinds), "TEXT")
        return {"type": chosen, "value": [_text(one, chosen, f"{path}[{n}]") for n, one in enumerate(value)]}
    chosen = kind or ("TEXT" if value is None else _kind_of(value, path))
    return {"type": chosen, "value": _text(value, chosen, path)}


def _kind_of(value: Value, path: str) -> str:
    match value:
        case bool():
            return "BOOLEAN"
        case int():
            return "FIXED"
        case float():
            return "REAL"
        case str():
            return "TEXT"
        case bytes():
            return "BINARY"
        case dt.datetime():
            return "TIMESTAMP_TZ"
        case dt.timedelta():
            return "TIME"
        case _:
            raise InputError(path, f"{type(value).__name__} cannot be bound")


def _text(value: Value, kind: str, path: str) -> str | None:
    if value is None:
        return None
    try:
        return _WRITERS[kind](value)
    except (ValueError, TypeError):
        raise InputError(path, f"{type(value).__name__} cannot be bound as {kind}") from None


def _plain(value: Value) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return str(value)


def _fixed(value: Value) -> str:
    if isinstance(value, float):
        raise TypeError
    made = _plain(value)
    float(made)
    return made


def _real(value: Value) -> str:
    return repr(float(_plain(value)))


def _text_of(value: Value) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _boolean(value: Value) -> str:
    if not isinstance(value, bool):
        raise TypeError
    return "true" if value else "false"


def _binary(value: Value) -> str:
    if isinstance(value, str):
        return bytes.fromhex(value).hex().upper()
    if not isinstance(value, bytes):
        raise TypeError
    return value.hex().upper()


def _date(value: Value) -> str:
    day = value.date() if isinstance(value, dt.datetime) else dt.date.fromisoformat(_text_of(value))
    return str((day - _EPOCH_DAY).days * 86_400_000)


def _time(value: Value) -> str:
    if isinstance(value, dt.timedelta):
        since = value
    else:
        at = dt.time.fromisoformat(_text_of(value))
        since = dt.timedelta(hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond)
    if not dt.timedelta() <= since < _DAY:
        raise ValueError
    return str(since // dt.timedelta(microseconds=1) * 1000)


def _instant(value: Value) -> dt.datetime:
    at = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(_text_of(value))
    return at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at


def _nanoseconds(value: Value) -> str:
    return str((_instant(value) - _EPOCH) // dt.timedelta(microseconds=1) * 1000)


def _wall_nanoseconds(value: Value) -> str:
    return _nanoseconds(_instant(value).replace(tzinfo=dt.UTC))


def _zoned(value: Value) -> str:
    offset = _instant(value).utcoffset() or dt.timedelta()
    return f"{_nanoseconds(value)} {offset // dt.timedelta(minutes=1) + _OFFSET}"


_WRITERS: Mapping[str, Callable[[Value], str]] = {
    "FIXED": _fixed,
    "REAL": _real,
    "TEXT": _text_of,
    "BOOLEAN": _boolean,
    "BINARY": _binary,
    "DATE": _date,
    "TIME": _time,
    "TIMESTAMP_LTZ": _nanoseconds,
    "TIMESTAMP_NTZ": _wall_nanoseconds,
    "TIMESTAMP_TZ": _zoned,
}
