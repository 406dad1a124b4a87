"""Typed bindings of a submission into expressions of the embedded engine.

Source: "Submitting a request to execute SQL statements", "Using bind variables in a statement": DATE in milliseconds
since the epoch, TIME in nanoseconds since midnight, TIMESTAMP_* in nanoseconds since the epoch (TIMESTAMP_TZ with a
space and the offset in minutes plus 1440), BINARY in hexadecimal digits; arrays run the statement once an element.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from propwash_snowflake.sandbox.errors import SnowflakeError

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_NULLS: Final = {
    "FIXED": "DECIMAL(38, 0)", "REAL": "DOUBLE", "TEXT": "VARCHAR", "BOOLEAN": "BOOLEAN", "BINARY": "BLOB",
    "DATE": "DATE", "TIME": "TIME", "TIMESTAMP_NTZ": "TIMESTAMP", "TIMESTAMP_LTZ": "TIMESTAMPTZ",
    "TIMESTAMP_TZ": "TIMESTAMPTZ",
}  # fmt: skip


def bound(bindings: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """Each set of expressions to run the statement with, by upper-case name or number. Raises SnowflakeError."""
    lists = {name: binding["value"] for name, binding in bindings.items() if _is_list(binding)}
    lengths = {len(values) for values in lists.values()}
    if len(lengths) > 1:
        raise SnowflakeError("002099", "Array bind variables must be of the same length.", state="22000")
    for index in range(lengths.pop() if lengths else 1):
        yield {
            name.upper(): _expression(
                str(binding["type"]), lists[name][index] if name in lists else binding.get("value")
            )
            for name, binding in bindings.items()
        }


def _is_list(binding: Mapping[str, Any]) -> bool:
    return isinstance(binding.get("value"), list)


def _expression(kind: str, value: str | None) -> str:
    plain = kind.upper()
    if plain not in _NULLS:
        raise SnowflakeError(
            "002040", f"SQL compilation error:\nUnsupported data type '{kind}'.", state="42601"
        )
    if value is None:
        return f"CAST(NULL AS {_NULLS[plain]})"
    sql = _literal(plain, value)
    if sql is None:
        raise SnowflakeError(
            "002086", f"SQL compilation error:\nInvalid bind value for {kind}.", state="22000"
        )
    return sql


def _literal(kind: str, value: str) -> str | None:
    match kind:
        case "TEXT":
            return "'" + value.replace("'", "''") + "'"
        case "FIXED":
            return f"({value})" if _NUMBER.fullmatch(value) else None
        case "REAL":
            is_good = _NUMBER.fullmatch(value) or value in {"NaN", "Infinity", "-Infinity"}
            return f"CAST('{value}' AS DOUBLE)" if is_good else None
        case "BOOLEAN":
            lower = value.lower()
            return lower if lower in {"true", "false"} else None
        case "BINARY":
            return f"from_hex('{value}')" if _HEX.fullmatch(value) else None
        case "DATE":
            return f"CAST(make_timestamp({value}000) AS DATE)" if _WHOLE.fullmatch(value) else None
        case "TIME":
            return _time(value)
        case "TIMESTAMP_NTZ":
            return f"make_timestamp({int(value) // 1000})" if _WHOLE.fullmatch(value) else None
        case _:
            moment, _, offset = value.partition(" ")
            if not _WHOLE.fullmatch(moment) or (offset and not _WHOLE.fullmatch(offset)):
                return None
            return f"make_timestamptz({int(moment) // 1000})"


def _time(value: str) -> str | None:
    if not _WHOLE.fullmatch(value) or not 0 <= int(value) < 86_400_000_000_000:
        return None
    return f"CAST(make_timestamp({int(value) // 1000}) AS TIME)"
