"""Reads requests as AWS's own service models describe them, and refuses what does not fit.

The models are those that botocore ships. Source: Smithy documentation, "AWS restJson1 protocol": members go into the
path, the query string or the body; instants are ISO 8601 in a query string.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader  # type: ignore[import-untyped]  # botocore has no types
from botocore.model import ServiceModel, Shape  # type: ignore[import-untyped]  # as above

from propwash.sandbox import Call
from propwash_aws.sandbox.errors import AwsError, invalid

_NUMBERS = frozenset({"integer", "long", "float", "double"})
_WHOLE = frozenset({"integer", "long"})


@cache
def service_model(service: str) -> ServiceModel:
    """The newest model of a service."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service_name=service)


def rest_input(service: str, operation: str, call: Call) -> dict[str, Any]:
    """The input of a restJson1 operation, checked. Raises AwsError."""
    shape = service_model(service).operation_model(operation).input_shape
    if shape is None:
        return {}
    given = _body(call)
    for name, member in shape.members.items():
        wire = str(member.serialization.get("name", name))
        match member.serialization.get("location"):
            case "uri":
                given[name] = call.path[wire]
            case "querystring" if wire in call.query:
                values = call.query.getall(wire)
                given[name] = values if member.type_name == "list" else _from_text(values[0], member, name)
            case _:
                pass
    check(shape, given, "")
    return given


def _body(call: Call) -> dict[str, Any]:
    if not call.body:
        return {}
    try:
        body = json.loads(call.body)
    except ValueError:
        raise AwsError("SerializationException", "The body is not JSON") from None
    if not isinstance(body, dict):
        raise AwsError("SerializationException", "The body is not a JSON object")
    return body


def _from_text(value: str, shape: Shape, name: str) -> Any:
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(value)
            case "timestamp":
                return dt.datetime.fromisoformat(value).timestamp()
            case "boolean":
                return {"true": True, "false": False}[value]
            case _:
                return value
    except (ValueError, KeyError):
        raise invalid(f"{name}: {value!r} is no {shape.type_name}") from None


def check(shape: Shape, value: Any, path: str) -> None:
    """Refuse what the shape does not allow: unknown members, types, lengths, ranges, patterns and enumerations."""
    kind = shape.type_name
    if kind == "structure":
        _check_structure(shape, value, path)
    elif kind == "list":
        _expect(isinstance(value, list), path, "a list")
        _check_size(shape, len(value), path)
        for index, one in enumerate(value):
            check(shape.member, one, f"{path}[{index}]")
    elif kind == "map":
        _expect(isinstance(value, dict), path, "an object")
        _check_size(shape, len(value), path)
        for key, one in value.items():
            check(shape.key, key, f"{path} key {key!r}")
            check(shape.value, one, f"{path}.{key}")
    elif kind == "boolean":
        _expect(isinstance(value, bool), path, "true or false")
    elif kind in _NUMBERS:
        fits = isinstance(value, int if kind in _WHOLE else (int, float)) and not isinstance(value, bool)
        _expect(fits, path, "a number")
        _check_size(shape, value, path)
    elif kind == "timestamp":
        _expect(isinstance(value, int | float), path, "an instant")
    else:
        _check_text(shape, value, path)


def _check_structure(shape: Shape, value: Any, path: str) -> None:
    _expect(isinstance(value, dict), path, "an object")
    members: Mapping[str, Shape] = shape.members
    for name in shape.required_members:
        if value.get(name) is None:
            raise invalid(f"{_joined(path, name)}: is required")
    for name, one in value.items():
        if name not in members:
            raise invalid(f"{_joined(path, name)}: is not known")
        if one is not None:
            check(members[name], one, _joined(path, name))


def _check_text(shape: Shape, value: Any, path: str) -> None:
    _expect(isinstance(value, str), path, "text")
    _check_size(shape, len(value), path)
    if allowed := getattr(shape, "enum", None):
        _expect(value in allowed, path, f"one of {', '.join(allowed)}")
    if pattern := shape.metadata.get("pattern"):
        _expect(_compiled(pattern).fullmatch(value) is not None, path, f"text that matches {pattern}")


def _check_size(shape: Shape, size: float, path: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        raise invalid(f"{path}: must be from {low} to {high} in size or value")


def _expect(is_so: bool, path: str, what: str) -> None:
    if not is_so:
        raise invalid(f"{path or 'input'}: must be {what}")


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # AWS's patterns are Java's, which write what is beyond 16 bits as surrogates.
    return re.compile(pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"), re.DOTALL)
