"""Values and types between the embedded engine (DuckDB) and the SQL API's text form.

Sources: "Handling responses" of the SQL API's guide ("Getting the data from the results"): DATE in days, TIME and
TIMESTAMP in seconds with nine digits of fraction, all as strings. An output format in the request changes that text.
Simplified: whole numbers are NUMBER(38, 0), an instant with a zone is TIMESTAMP_LTZ, a value of structure is one line
of JSON.
"""

from __future__ import annotations

import base64
import datetime
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from duckdb.sqltypes import DuckDBPyType

from propwash_snowflake.sandbox.trivial import column, text_column

Write = Callable[[Any], str | None]
_WHOLE = frozenset(
    {
        "bigint",
        "integer",
        "smallint",
        "tinyint",
        "hugeint",
        "ubigint",
        "uinteger",
        "usmallint",
        "utinyint",
        "uhugeint",
    }
)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_NAMED: Final = {"timestamp": "TIMESTAMP_NTZ", "timestamp with time zone": "TIMESTAMP_LTZ"}
_TOKEN = re.compile(r"YYYY|YY|MON|MM|DD|HH24|HH12|MI|SS|FF[0-9]?|AM|PM|TZHTZM|TZH:TZM", re.IGNORECASE)
_DIRECTIVE: Final = {
    "YYYY": "%Y", "YY": "%y", "MON": "%b", "MM": "%m", "DD": "%d", "HH24": "%H", "HH12": "%I", "MI": "%M",
    "SS": "%S", "AM": "%p", "PM": "%p", "TZHTZM": "+0000", "TZH:TZM": "+00:00",
}  # fmt: skip


def quoted(identifier: str) -> str:
    """An identifier as the engine reads it."""
    return '"' + identifier.replace('"', '""') + '"'


def row_type(name: str, kind: DuckDBPyType) -> dict[str, Any]:
    """The rowType entry of a column of the engine."""
    match kind.id:
        case one if one in _WHOLE:
            return column(name, "fixed", nullable=True, precision=38, scale=0)
        case "decimal":
            sizes = {key: int(str(value)) for key, value in kind.children}
            return column(name, "fixed", nullable=True, precision=sizes["precision"], scale=sizes["scale"])
        case "double" | "float":
            return column(name, "real", nullable=True)
        case "boolean" | "date":
            return column(name, kind.id, nullable=True)
        case "time":
            return column(name, "time", nullable=True, precision=0, scale=9)
        case "blob":
            return column(name, "binary", nullable=True, length=8_388_608, byteLength=8_388_608)
        case "list" | "array":
            return column(name, "array", nullable=True)
        case "struct" | "map":
            return column(name, "object", nullable=True)
        case one if one in _NAMED:
            return column(name, _NAMED[one].lower(), nullable=True, precision=0, scale=9)
        case _:
            if str(kind) == "JSON":
                return column(name, "variant", nullable=True)
            return text_column(name, nullable=True)


def reading(expression: str, kind: DuckDBPyType, parameters: Mapping[str, str]) -> tuple[str, Write | None]:
    """An expression of the engine for the column, and what makes text of its values, None where they are text."""
    match kind.id:
        case "double" | "float":
            return expression, _real
        case "date":
            days = f"CAST({expression} - DATE '1970-01-01' AS VARCHAR)"
            form = _format(parameters, "DATE_OUTPUT_FORMAT")
            return days, None if form is None else lambda value: _instant(int(value) * 86_400_000_000, form)
        case "time":
            return f"epoch_us({expression})", _timed(_format(parameters, "TIME_OUTPUT_FORMAT"))
        case one if one in _NAMED:
            names = (f"{_NAMED[one]}_OUTPUT_FORMAT", "TIMESTAMP_OUTPUT_FORMAT")
            return f"epoch_us({expression})", _timed(_format(parameters, *names))
        case "blob":
            return expression, _binary(parameters.get("BINARY_OUTPUT_FORMAT", "HEX"))
        case "list" | "array" | "struct" | "map":
            return f"CAST(to_json({expression}) AS VARCHAR)", None
        case _:
            return f"CAST({expression} AS VARCHAR)", None


def _format(parameters: Mapping[str, str], *names: str) -> str | None:
    for name in names:
        given = parameters.get(name, "")
        if given and given.upper() != "AUTO":
            return given
    return None


def _timed(form: str | None) -> Write:
    if form is None:
        return seconds
    return lambda value: _instant(int(value), form)


def seconds(microseconds: Any) -> str:
    """Microseconds as seconds with nine digits of fraction."""
    whole, part = divmod(abs(int(microseconds)), 1_000_000)
    return f"{'-' if microseconds < 0 else ''}{whole}.{part:06d}000"


def _instant(microseconds: int, form: str) -> str:
    moment = _EPOCH + datetime.timedelta(microseconds=microseconds)

    def put(match: re.Match[str]) -> str:
        token = match[0].upper()
        if token.startswith("FF"):
            return f"{moment.microsecond:06d}000"[: int(token[2:] or 9)]
        directive = _DIRECTIVE[token]
        return moment.strftime(directive) if directive.startswith("%") else directive

    return _TOKEN.sub(put, form)


def _binary(form: str) -> Write:
    if form.upper() == "BASE64":
        return lambda value: base64.b64encode(value).decode()
    return lambda value: bytes(value).hex().upper()


def _real(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
