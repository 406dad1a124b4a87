"""Python values to the contract's typed values and back: an integer stays an integer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from propwash.pb.v1 import value_pb2

Value: TypeAlias = (
    "bool | int | float | str | bytes | dt.datetime | dt.timedelta"
    "| Sequence[Value] | Mapping[str, Value] | None"
)
"""What a spec, an input or an output may hold. Instants are aware, or else taken as UTC."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_INTEGERS = range(-(2**63), 2**63)


def to_map(entries: Mapping[str, Value]) -> value_pb2.MapValue:
    """A map message of Python values. Raises TypeError and OverflowError, as to_value does."""
    return value_pb2.MapValue(entries={key: to_value(item) for key, item in entries.items()})


def to_value(value: Value) -> value_pb2.Value:
    """One value as a message.

    Raises TypeError for a type that the contract has no kind for, and OverflowError for an integer of more
    than 64 bits.
    """
    match value:
        case None:
            return value_pb2.Value(null=value_pb2.NULL_VALUE_UNSPECIFIED)
        case bool():
            return value_pb2.Value(boolean=value)
        case int():
            if value not in _INTEGERS:
                raise OverflowError(f"{value} has more than 64 bits; send it as text")
            return value_pb2.Value(integer=value)
        case float():
            return value_pb2.Value(number=value)
        case str():
            return value_pb2.Value(text=value)
        case bytes() | bytearray():
            return value_pb2.Value(blob=bytes(value))
        case dt.datetime():
            return value_pb2.Value(timestamp=to_timestamp(value))
        case dt.timedelta():
            return value_pb2.Value(duration=to_duration(value))
        case Mapping():
            return value_pb2.Value(map=to_map(value))
        case Sequence():
            return value_pb2.Value(list=value_pb2.ListValue(items=[to_value(item) for item in value]))
    raise TypeError(f"a {type(value).__name__} is no value; see propwash.client.Value")


def from_map(message: value_pb2.MapValue) -> dict[str, Value]:
    """A map message as a dict."""
    return {key: from_value(item) for key, item in message.entries.items()}


def from_value(message: value_pb2.Value) -> Value:
    """One value as Python; a kind of a newer server reads as None."""
    match message.WhichOneof("kind"):
        case "integer":
            return message.integer
        case "number":
            return message.number
        case "text":
            return message.text
        case "boolean":
            return message.boolean
        case "blob":
            return message.blob
        case "timestamp":
            return from_timestamp(message.timestamp)
        case "duration":
            return from_duration(message.duration)
        case "list":
            return from_list(message.list)
        case "map":
            return from_map(message.map)
        case _:
            return None


def from_list(message: value_pb2.ListValue) -> list[Value]:
    """A list message as a list."""
    return [from_value(item) for item in message.items]


def to_timestamp(instant: dt.datetime) -> Timestamp:
    """An instant as a message, to the microsecond."""
    aware = instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)
    micros = (aware - _EPOCH) // _MICROSECOND
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def from_timestamp(message: Timestamp) -> dt.datetime:
    """An instant in UTC; finer than a microsecond is cut off."""
    return _EPOCH + dt.timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def to_duration(span: dt.timedelta) -> Duration:
    """A span as a message; seconds and nanos have one sign."""
    micros = span // _MICROSECOND
    sign = -1 if micros < 0 else 1
    seconds, rest = divmod(abs(micros), 1_000_000)
    return Duration(seconds=sign * seconds, nanos=sign * rest * 1000)


def from_duration(message: Duration) -> dt.timedelta:
    """A span; finer than a microsecond is cut off towards zero."""
    return dt.timedelta(seconds=message.seconds, microseconds=int(message.nanos / 1000))
