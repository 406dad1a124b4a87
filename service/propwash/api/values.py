"""Typed values: protobuf to Python and back, with the path of what is wrong."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from propwash.api.errors import ApiError, invalid
from propwash.api.reasons import Reason
from propwash.core.model import Instant
from propwash.pb.v1 import value_pb2
from propwash.sdk.handler import Value

MAX_DEPTH = 32
"""How deep lists and maps may nest, the spec or inputs map being one; protobuf takes no more in a batch."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST_SECOND, _LAST_SECOND = -62135596800, 253402300799
_LONGEST_S = 315_576_000_000
_INTEGER_RANGE = range(-(2**63), 2**63)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class _Flaw(Exception):
    """A value that cannot be taken; the path grows while it passes the levels above."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.path = ""

    def at(self, step: str) -> _Flaw:
        self.path = step + self.path
        return self


def entries_to_python(message: value_pb2.MapValue, path: str) -> dict[str, Value]:
    """A map's entries; raises ApiError with the field's path, which begins with path."""
    try:
        return _entries(message, 1)
    except _Flaw as flaw:
        raise _refusal(flaw, path) from None


def to_python(message: value_pb2.Value, path: str) -> Value:
    """One value: integers as int, doubles float, instants aware datetime, durations timedelta, blobs bytes.

    Raises ApiError with the field's path, which begins with path.
    """
    try:
        return _value(message, 0)
    except _Flaw as flaw:
        raise _refusal(flaw, path) from None


def _refusal(flaw: _Flaw, path: str) -> ApiError:
    return invalid(path + flaw.path, flaw.message, flaw.reason)


def _entries(message: value_pb2.MapValue, depth: int) -> dict[str, Value]:
    made: dict[str, Value] = {}
    for key, item in message.entries.items():
        try:
            made[key] = _value(item, depth)
        except _Flaw as flaw:
            raise flaw.at(f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{key!r}]") from None
    return made


def _value(message: value_pb2.Value, depth: int) -> Value:
    match message.WhichOneof("kind"):
        case "text":
            return message.text
        case "integer":
            return message.integer
        case "number":
            return message.number
        case "boolean":
            return message.boolean
        case "null":
            return None
        case "blob":
            return message.blob
        case "map":
            _check_depth(depth)
            return _entries(message.map, depth + 1)
        case "list":
            _check_depth(depth)
            return _items(message.list, depth + 1)
        case "timestamp":
            return _instant(message.timestamp)
        case "duration":
            return _span(message.duration)
        case None:
            raise _Flaw(Reason.VALUE_WITHOUT_KIND, "must set one of its kinds; for nothing, set null")


def _items(message: value_pb2.ListValue, depth: int) -> list[Value]:
    made: list[Value] = []
    for index, item in enumerate(message.items):
        try:
            made.append(_value(item, depth))
        except _Flaw as flaw:
            raise flaw.at(f"[{index}]") from None
    return made


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise _Flaw(Reason.VALUE_TOO_DEEP, f"lists and maps may nest {MAX_DEPTH} deep at most")


def _instant(message: Timestamp) -> dt.datetime:
    if not (_FIRST_SECOND <= message.seconds <= _LAST_SECOND and 0 <= message.nanos < 1_000_000_000):
        raise _Flaw(Reason.VALUE_OUT_OF_RANGE, "must be an instant from the year 1 to the year 9999")
    if message.nanos % 1000:
        raise _Flaw(Reason.VALUE_OUT_OF_RANGE, "must be in whole microseconds")
    return _EPOCH + dt.timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def _span(message: Duration) -> dt.timedelta:
    mixed = message.seconds * message.nanos < 0
    if mixed or abs(message.seconds) > _LONGEST_S or abs(message.nanos) >= 1_000_000_000:
        raise _Flaw(
            Reason.VALUE_OUT_OF_RANGE,
            "must be a duration of at most 10,000 years, seconds and nanos of one sign",
        )
    if message.nanos % 1000:
        raise _Flaw(Reason.VALUE_OUT_OF_RANGE, "must be in whole microseconds")
    return dt.timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def fill_map(message: value_pb2.MapValue, entries: Mapping[str, Value]) -> None:
    """Put Python values into a map message; raises TypeError for what is no value."""
    target = message.entries
    for key, item in entries.items():
        fill_value(target[key], item)


def fill_value(message: value_pb2.Value, value: Value) -> None:
    """Put a Python value into a message. An int of more than 64 bits becomes text, so that no digit is lost.

    Raises TypeError for what is no value.
    """
    match value:
        case str():
            message.text = value
        case bool():
            message.boolean = value
        case int():
            if value in _INTEGER_RANGE:
                message.integer = value
            else:
                message.text = str(value)
        case float():
            message.number = value
        case None:
            message.null = value_pb2.NULL_VALUE_UNSPECIFIED
        case bytes():
            message.blob = value
        case dt.datetime():
            since = value - _EPOCH if value.tzinfo else value.replace(tzinfo=dt.UTC) - _EPOCH
            message.timestamp.seconds = since.days * 86400 + since.seconds
            message.timestamp.nanos = since.microseconds * 1000
        case dt.timedelta():
            micros = value // dt.timedelta(microseconds=1)
            sign = -1 if micros < 0 else 1
            message.duration.SetInParent()
            message.duration.seconds = sign * (abs(micros) // 1_000_000)
            message.duration.nanos = sign * (abs(micros) % 1_000_000) * 1000
        case Mapping():
            message.map.SetInParent()
            fill_map(message.map, value)
        case Sequence():
            message.list.SetInParent()
            for item in value:
                fill_value(message.list.items.add(), item)
        case _:
            raise TypeError(f"{type(value).__name__} is no value")


def fill_instant(message: Timestamp, at: Instant) -> None:
    """Put UTC seconds into a timestamp, to the microsecond."""
    micros = round(at * 1_000_000)
    message.seconds, rest = divmod(micros, 1_000_000)
    message.nanos = rest * 1000
