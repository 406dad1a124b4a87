"""Query parameters: BigQuery's QueryParameter messages as typed expressions of the embedded engine's SQL."""

from __future__ import annotations

import re
from typing import Any

from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.types import engine_type, quoted

_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]*")
_INTERVAL = re.compile(
    r"(?P<years>[+-]?\d+)-(?P<months>\d+) (?P<days>[+-]?\d+) (?P<sign>[+-]?)(?P<time>\d+:\d+:\d+(\.\d+)?)"
)
"""GoogleSQL reference, "Data types": the canonical form Y-M D H:M:S.F."""


def parameter_expressions(query: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """The named (by lowercase name) and the positional parameters of a query configuration, as SQL of the engine."""
    named: dict[str, str] = {}
    positional: list[str] = []
    for parameter in query.get("queryParameters") or ():
        kind, value = parameter.get("parameterType"), parameter.get("parameterValue", {})
        if not isinstance(kind, dict) or "type" not in kind:
            raise BigQueryError("invalid", "Query parameter has no parameterType", location="parameters")
        sql = _expression(kind, value)
        name = parameter.get("name")
        if name:
            named[str(name).lower()] = sql
        else:
            positional.append(sql)
    mode = str(query.get("parameterMode") or "").upper()
    if (mode == "NAMED" and positional) or (mode == "POSITIONAL" and named) or (named and positional):
        raise BigQueryError(
            "invalidQuery", "Named and positional parameters cannot be mixed", location="query"
        )
    return named, positional


def parameter_type(kind: dict[str, Any]) -> str:
    """The engine's type for a QueryParameterType."""
    match str(kind.get("type", "")).upper():
        case "ARRAY":
            return f"{parameter_type(kind.get('arrayType') or {})}[]"
        case "STRUCT":
            fields = kind.get("structTypes") or ()
            inner = ", ".join(
                f"{quoted(str(field.get('name') or f'_field_{number}'))} {parameter_type(field.get('type') or {})}"
                for number, field in enumerate(fields, 1)
            )
            return f"STRUCT({inner})"
        case name:
            return engine_type(name)


def _expression(kind: dict[str, Any], value: dict[str, Any] | None) -> str:
    target = parameter_type(kind)
    value = value or {}
    match str(kind["type"]).upper():
        case "ARRAY":
            items = value.get("arrayValues") or ()
            inner = ", ".join(_expression(kind["arrayType"], item) for item in items)
            return f"CAST([{inner}] AS {target})"
        case "STRUCT":
            given = value.get("structValues")
            if given is None:
                return f"CAST(NULL AS {target})"
            packed = []
            for number, field in enumerate(kind.get("structTypes") or (), 1):
                name = str(field.get("name") or f"_field_{number}")
                packed.append(f"{quoted(name)} := {_expression(field['type'], given.get(name))}")
            return f"CAST(struct_pack({', '.join(packed)}) AS {target})"
        case name:
            text = value.get("value")
            if text is None:
                return f"CAST(NULL AS {target})"
            return _scalar(name, str(text), target)


def _scalar(name: str, text: str, target: str) -> str:
    literal = "'" + text.replace("'", "''") + "'"
    if name == "BYTES":
        if not _BASE64.fullmatch(text):
            raise BigQueryError("invalid", f"Invalid value for type BYTES: {text}", location="parameters")
        return f"from_base64({literal})"
    if name == "INTERVAL":
        return _interval(text)
    if name in {"TIMESTAMP", "DATETIME"} and text.endswith(" UTC"):
        literal = f"'{text[:-4]}+00'"
    return f"CAST({literal} AS {target})"


def _interval(text: str) -> str:
    found = _INTERVAL.fullmatch(text)
    if found is None:
        raise BigQueryError("invalid", f"Invalid value for type INTERVAL: {text}", location="parameters")
    months = "-" if found["years"].startswith("-") else ""
    return (
        f"(to_years({int(found['years'])}) + to_months({months}{int(found['months'])}) + to_days({int(found['days'])})"
        f" + CAST('{found['sign'].strip('+')}{found['time']}' AS INTERVAL))"
    )
