"""Typed values to propwash.v1.MapValue and back: an integer stays an integer, bytes stay bytes.

Instants come back as aware datetimes in UTC, sequences as lists in specs and inputs and as tuples in outputs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from propwash.core.model import Json
from propwash.pb.v1 import value_pb2
from propwash.ports import StoreTooNew
from propwash.sdk.handler import Value

MAX_DEPTH = 32
"""How deep a spec or inputs may nest, its own map being one; protobuf parses no deeper than 100 messages."""
_OUTPUTS_DEPTH = 30
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_INT64 = range(-(2**63), 2**63)


def values_to_map(entries: Mapping[str, Value]) -> value_pb2.MapValue:
    """A spec or inputs as a message.

    Raises ValueError for what cannot come back as it was: an integer over 64 bits, an instant without an
    offset, text that is not Unicode, deeper nesting than MAX_DEPTH. Raises TypeError for what is no value.
    """
    message = value_pb2.MapValue()
    _fill_map(message, entries, MAX_DEPTH)
    return message


def outputs_to_map(outputs: Mapping[str, Json]) -> value_pb2.MapValue:
    """What a handler reported, as a message.

    Raises nothing: what is no value is kept as text, so that no answer can stop a commit that others share.
    """
    message = value_pb2.MapValue()
    try:
        _fill_map(message, outputs, _OUTPUTS_DEPTH)
    except (ValueError, TypeError, AttributeError):
        message.Clear()
        _fill_map(message, {clean_text(str(key)): _tamed(outputs[key], 2) for key in outputs}, _OUTPUTS_DEPTH)
    return message


def values_from_map(message: value_pb2.MapValue) -> dict[str, Value]:
    """The other way; raises StoreTooNew for a kind of value that this program does not know."""
    return {key: _value(item) for key, item in message.entries.items()}


def outputs_from_map(message: value_pb2.MapValue) -> dict[str, Json]:
    """The other way; raises StoreTooNew for a kind of value that outputs do not have."""
    return {key: _json(item) for key, item in message.entries.items()}


def clean_text(text: str) -> str:
    """The text, with a question mark for each half of a surrogate pair, which UTF-8 cannot carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _fill_map(message: value_pb2.MapValue, entries: Mapping[str, Value], depth: int) -> None:
    if depth == 0:
        raise ValueError("lists and maps nest too deep")
    target = message.entries
    for key, item in entries.items():
        _fill(target[key], item, depth)


def _fill(message: value_pb2.Value, value: Value, depth: int) -> None:
    match value:
        case str():
            message.text = value
        case bool():
            message.boolean = value
        case int():
            message.integer = value
        case float():
            message.number = value
        case None:
            message.null = value_pb2.NULL_VALUE_UNSPECIFIED
        case bytes():
            message.blob = value
        case dt.datetime():
            if value.tzinfo is None:
                raise ValueError("an instant needs an offset")
            since = value - _EPOCH
            message.timestamp.seconds = since.days * 86400 + since.seconds
            message.timestamp.nanos = since.microseconds * 1000
        case dt.timedelta():
            micros = value // _MICROSECOND
            sign = -1 if micros < 0 else 1
            message.duration.SetInParent()
            message.duration.seconds = sign * (abs(micros) // 1_000_000)
            message.duration.nanos = sign * (abs(micros) % 1_000_000) * 1000
        case Mapping():
            message.map.SetInParent()
            _fill_map(message.map, value, depth - 1)
        case Sequence():
            if depth == 1:
                raise ValueError("lists and maps nest too deep")
            message.list.SetInParent()
            for item in value:
                _fill(message.list.items.add(), item, depth - 1)
        case _:
            raise TypeError(f"{type(value).__name__} is no value")


def _value(message: value_pb2.Value) -> Value:
    match message.WhichOneof("kind"):
        case "timestamp":
            at = message.timestamp
            return _EPOCH + dt.timedelta(seconds=at.seconds, microseconds=at.nanos // 1000)
        case "duration":
            span = message.duration
            micros = span.nanos // 1000 if span.nanos >= 0 else -(-span.nanos // 1000)
            return dt.timedelta(seconds=span.seconds, microseconds=micros)
        case "map":
            return values_from_map(message.map)
        case "list":
            return [_value(item) for item in message.list.items]
        case _:
            return _scalar(message)


def _json(message: value_pb2.Value) -> Json:
    match message.WhichOneof("kind"):
        case "map":
            return outputs_from_map(message.map)
        case "list":
            return tuple(_json(item) for item in message.list.items)
        case _:
            return _scalar(message)


def _scalar(message: value_pb2.Value) -> bool | int | float | str | bytes | None:
    match message.WhichOneof("kind"):
        case "text":
            return message.text
        case "boolean":
            return message.boolean
        case "integer":
            return message.integer
        case "number":
            return message.number
        case "null":
            return None
        case "blob":
            return message.blob
        case _:
            raise StoreTooNew("a stored value has a kind that this program does not know")


def _tamed(value: object, depth: int) -> Json:
    match value:
        case None | bool() | float() | bytes():
            return value
        case int():
            return value if value in _INT64 else str(value)
        case str():
            return clean_text(value)
        case Mapping() if depth < _OUTPUTS_DEPTH:
            return {clean_text(str(key)): _tamed(item, depth + 1) for key, item in value.items()}
        case list() | tuple() if depth < _OUTPUTS_DEPTH:
            return tuple(_tamed(item, depth + 1) for item in value)
        case _:
            return f"<{type(value).__name__}>"
