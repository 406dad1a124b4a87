"""Binds typed inputs to query parameters.

Source: BigQuery REST v2 reference, QueryParameterValue: every scalar travels as text, BYTES in base64.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Callable, Mapping, Sequence

from propwash.sdk import Value
from propwash_bigquery.parameters import QueryParameter
from propwash_bigquery.spec import BigQuerySpec
from propwash_bigquery.sql_types import UNKNOWN, InputError, SqlType, declared, inferred
from propwash_bigquery.texts import civil_text, interval_text, timestamp_text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_INT64_LEAST, _INT64_MOST = -(2**63), 2**63 - 1
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_WORDS_OF_FLOAT = frozenset({"nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})


def bound_parameters(
    spec: BigQuerySpec, inputs: Mapping[str, Value]
) -> tuple[str | None, list[dict[str, object]]]:
    """The parameter mode and the QueryParameters of a query: those of the spec, then the other inputs.

    Raises InputError with the path of what cannot be bound.
    """
    explicit = spec.query_parameters or ()
    is_positional = spec.parameter_mode == "POSITIONAL" or any(one.name is None for one in explicit)
    if inputs and spec.use_legacy_sql:
        raise InputError("inputs", "legacy SQL takes no query parameters")
    if inputs and is_positional:
        raise InputError("inputs", "are bound by name, but the query's parameters are positional")
    left = _by_lower_name(inputs)
    made = [_explicit(one, left) for one in explicit]
    for name, value in left.values():
        path = f"inputs.{name}"
        kind = inferred(value, path)
        made.append(
            {"name": name, "parameterType": kind.wire(), "parameterValue": encoded(value, kind, path)}
        )
    mode = spec.parameter_mode
    if mode is None and made:
        mode = "POSITIONAL" if is_positional else "NAMED"
    return mode, made


def _by_lower_name(inputs: Mapping[str, Value]) -> dict[str, tuple[str, Value]]:
    left: dict[str, tuple[str, Value]] = {}
    for name, value in inputs.items():
        if not _NAME.fullmatch(name):
            raise InputError(
                f"inputs[{name!r:.140}]", "is no parameter name: a letter or _, then letters, digits, _"
            )
        if name.lower() in left:
            raise InputError(f"inputs.{name}", "differs from another input in case only")
        left[name.lower()] = (name, value)
    return left


def _explicit(one: QueryParameter, left: dict[str, tuple[str, Value]]) -> dict[str, object]:
    wire = one.model_dump(by_alias=True, exclude_none=True)
    given = left.pop((one.name or "").lower(), None)
    if one.parameter_value is not None:
        if given is not None:
            raise InputError(f"inputs.{given[0]}", "queryParameters gives this parameter a value already")
        return wire
    if given is None:
        raise InputError(f"inputs.{one.name}", "is missing: queryParameters declares it without a value")
    path = f"inputs.{given[0]}"
    return {**wire, "parameterValue": encoded(given[1], declared(one.parameter_type, path), path)}


def encoded(value: Value, kind: SqlType, path: str) -> dict[str, object]:
    """The QueryParameterValue of a value of a type; raises InputError where it does not fit.

    A null ARRAY is the empty one, as BigQuery itself does not tell the two apart in results.
    """
    match kind.name:
        case "ARRAY":
            return {"arrayValues": _elements(value, kind.element or UNKNOWN, path)}
        case _ if value is None:
            return {"value": None}
        case "STRUCT":
            return {"structValues": _fields(value, kind, path)}
        case "RANGE" if isinstance(value, Mapping):
            return {"rangeValue": _ends(value, kind.element or UNKNOWN, path)}
        case _:
            return {"value": _scalar(value, kind.name, path)}


def _elements(value: Value, element: SqlType, path: str) -> list[dict[str, object]]:
    if value is None:
        return []
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise InputError(path, f"an ARRAY is a list, not a {type(value).__name__}")
    return [encoded(item, element, f"{path}[{number}]") for number, item in enumerate(value)]


def _fields(value: Value, kind: SqlType, path: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise InputError(path, f"a STRUCT is a map, not a {type(value).__name__}")
    names = {name for name, _ in kind.fields}
    if unknown := sorted(set(value) - names):
        raise InputError(f"{path}.{unknown[0]}", "is no field of the STRUCT")
    return {name: encoded(value.get(name), field, f"{path}.{name}") for name, field in kind.fields}


def _ends(value: Mapping[str, Value], element: SqlType, path: str) -> dict[str, object]:
    if unknown := sorted(set(value) - {"start", "end"}):
        raise InputError(f"{path}.{unknown[0]}", "a RANGE has start and end")
    return {
        end: encoded(value[end], element, f"{path}.{end}")
        for end in ("start", "end")
        if value.get(end) is not None
    }


def _scalar(value: Value, name: str, path: str) -> str:
    text = _WRITERS.get(name, _unknown_type)(value)
    if text is None:
        raise InputError(path, f"a {type(value).__name__} does not fit {name or 'STRING'}")
    return text


def _int64(value: Value) -> str | None:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not _INT64_LEAST <= value <= _INT64_MOST:
        return None
    return str(value)


def _float64(value: Value) -> str | None:
    if isinstance(value, str):
        is_number = _NUMBER.fullmatch(value) is not None or value.lower() in _WORDS_OF_FLOAT
        return value if is_number else None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _exact(value: Value) -> str | None:
    if isinstance(value, str):
        return value if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    text = str(value)
    return text if _NUMBER.fullmatch(text) else None


def _bool(value: Value) -> str | None:
    if isinstance(value, str):
        return value.lower() if value.lower() in ("true", "false") else None
    return ("true" if value else "false") if isinstance(value, bool) else None


def _string(value: Value) -> str | None:
    return value if isinstance(value, str) else None


def _bytes(value: Value) -> str | None:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else None


def _timestamp(value: Value) -> str | None:
    if isinstance(value, dt.datetime):
        return timestamp_text(value)
    return _string(value)


def _datetime(value: Value) -> str | None:
    return civil_text(value) if isinstance(value, dt.datetime) else _string(value)


def _date(value: Value) -> str | None:
    return civil_text(value).partition(" ")[0] if isinstance(value, dt.datetime) else _string(value)


def _time(value: Value) -> str | None:
    return civil_text(value).partition(" ")[2] if isinstance(value, dt.datetime) else _string(value)


def _interval(value: Value) -> str | None:
    return interval_text(value) if isinstance(value, dt.timedelta) else _string(value)


def _json(value: Value) -> str | None:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None


def _unknown_type(value: Value) -> str | None:
    # A type that BigQuery has got since: text is taken as it is, and BigQuery judges.
    return _string(value)


_WRITERS: Mapping[str, Callable[[Value], str | None]] = {
    "": _string,
    "INT64": _int64,
    "FLOAT64": _float64,
    "NUMERIC": _exact,
    "BIGNUMERIC": _exact,
    "BOOL": _bool,
    "STRING": _string,
    "BYTES": _bytes,
    "TIMESTAMP": _timestamp,
    "DATETIME": _datetime,
    "DATE": _date,
    "TIME": _time,
    "INTERVAL": _interval,
    "JSON": _json,
}
