"""The embedded engine's errors in Snowflake's words."""

from __future__ import annotations

import re

import duckdb

from propwash_snowflake.sandbox.errors import SnowflakeError, canceled, compilation, known

_COLUMN = re.compile(r'(?:Referenced column|column named|column) "([^"]+)"')
_FUNCTION = re.compile(r"Function with name \"?([^\s\"]+)\"? does not exist", re.IGNORECASE)
_VALUE = re.compile(r"[Cc]ould not convert string ['\"](.*?)['\"] to (\w+)", re.DOTALL)
_FIELD = re.compile(r"(date|timestamp|time) field .*?\"(.*?)\"", re.DOTALL)
_EXISTS = re.compile(r'(?:Table|View|Schema) with name "?([^\s"]+)"? already exists', re.IGNORECASE)
_MISSING = re.compile(
    r'(?:Table|View|Schema|Catalog)\w* with name "?([^\s"!]+)"? does not exist', re.IGNORECASE
)
_KINDS = {"BOOL": ("100037", "Boolean"), "DATE": ("100040", "Date"), "TIMESTAMP": ("100035", "Timestamp")}


def mapped(error: duckdb.Error) -> SnowflakeError:
    """What Snowflake says where the engine says this."""
    text = str(error).split("\n", 1)[0].split(" Error: ", 1)[-1]
    if isinstance(error, duckdb.InterruptException):
        return canceled()
    if "Division by zero" in text:
        return known("100051")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        return _conversion(text)
    if isinstance(error, duckdb.ConstraintException):
        if "NOT NULL" in text:
            return SnowflakeError("100072", "NULL result in a non-nullable column", state="22000")
        return SnowflakeError("100070", text, state="22000")
    if isinstance(error, duckdb.OutOfMemoryException):
        return SnowflakeError("300004", "Query exceeded the memory that it may use.", state="XX000")
    return _compilation(text)


def missing_object(name: str) -> SnowflakeError:
    """The error for a table or view that is not there or not to be seen."""
    return compilation("002003", "42S02", f"Object '{name}' does not exist or not authorized.")


def missing_namespace(kind: str, name: str) -> SnowflakeError:
    """The error for a database or schema that is not there or not to be seen."""
    return compilation("002003", "02000", f"{kind} '{name}' does not exist or not authorized.")


def _conversion(text: str) -> SnowflakeError:
    if match := _VALUE.search(text):
        code, word = _KINDS.get(match[2].upper(), ("100038", "Numeric"))
        return SnowflakeError(code, f"{word} value '{match[1]}' is not recognized", state="22018")
    if match := _FIELD.search(text):
        code, word = _KINDS.get(match[1].upper(), ("100108", "Time"))
        return SnowflakeError(code, f"{word} '{match[2]}' is not recognized", state="22007")
    return SnowflakeError("100132", text, state="22003")


def _compilation(text: str) -> SnowflakeError:
    if match := _COLUMN.search(text):
        return compilation("000904", "42000", f"error line 1 at position 0\ninvalid identifier '{match[1]}'")
    if match := _FUNCTION.search(text):
        return compilation("002140", "42601", f"Unknown function {match[1].upper()}")
    if match := _EXISTS.search(text):
        return compilation("002002", "42710", f"Object '{match[1]}' already exists.")
    if match := _MISSING.search(text):
        return missing_object(match[1])
    if "columns but" in text:
        return compilation("002057", "42601", f"Insert value list does not match column list: {text}")
    return compilation("001003", "42000", text)
