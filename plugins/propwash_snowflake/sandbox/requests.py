"""Requests of the SQL API, read and checked: headers, query parameters and the body of a submission.

Sources: Snowflake's OpenAPI description of the SQL API (parameters, request body) and "Snowflake SQL API reference".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from propwash.sandbox import Call
from propwash_snowflake.sandbox.errors import SnowflakeError, bad_payload

LONGEST_TIMEOUT_S: Final = 604_800
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_TEXTS: Final = ("database", "schema", "warehouse", "role")
_FIELDS: Final = frozenset({"statement", "timeout", *_TEXTS, "bindings", "parameters"})
_JSON_TYPES: Final = frozenset({"", "application/json"})
_ACCEPTED: Final = frozenset({"", "*/*", "application/*", "application/json"})
# Session parameters that a request may set. "Parameters" names many more; an unknown one is refused.
_PARAMETERS: Final = frozenset({
    "ABORT_DETACHED_QUERY", "AUTOCOMMIT", "BINARY_INPUT_FORMAT", "BINARY_OUTPUT_FORMAT",
    "CLIENT_RESULT_COLUMN_CASE_INSENSITIVE", "CLIENT_TIMESTAMP_TYPE_MAPPING", "DATABASE", "DATE_INPUT_FORMAT",
    "DATE_OUTPUT_FORMAT", "ERROR_ON_NONDETERMINISTIC_MERGE", "ERROR_ON_NONDETERMINISTIC_UPDATE",
    "GEOGRAPHY_OUTPUT_FORMAT", "GEOMETRY_OUTPUT_FORMAT", "JSON_INDENT", "LOCK_TIMEOUT", "MULTI_STATEMENT_COUNT",
    "QUERY_TAG", "QUOTED_IDENTIFIERS_IGNORE_CASE", "ROLE", "ROWS_PER_RESULTSET", "SCHEMA",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS", "STATEMENT_TIMEOUT_IN_SECONDS", "STRICT_JSON_OUTPUT",
    "TIMESTAMP_DAY_IS_ALWAYS_24H", "TIMESTAMP_INPUT_FORMAT", "TIMESTAMP_LTZ_OUTPUT_FORMAT",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT", "TIMESTAMP_OUTPUT_FORMAT", "TIMESTAMP_TYPE_MAPPING",
    "TIMESTAMP_TZ_OUTPUT_FORMAT", "TIMEZONE", "TIME_INPUT_FORMAT", "TIME_OUTPUT_FORMAT",
    "TRANSACTION_ABORT_ON_ERROR", "TRANSACTION_DEFAULT_ISOLATION_LEVEL", "TWO_DIGIT_CENTURY_START",
    "UNSUPPORTED_DDL_ACTION", "USE_CACHED_RESULT", "WAREHOUSE", "WEEK_OF_YEAR_POLICY", "WEEK_START",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One POST of statements, checked. parameters have upper-case names; timeout_s None is the account's own."""

    statement: str
    timeout_s: int | None = None
    database: str | None = None
    schema: str | None = None
    warehouse: str | None = None
    role: str | None = None
    bindings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None
    is_async: bool = False
    is_retry: bool = False
    is_nullable: bool = True

    @property
    def statement_count(self) -> int:
        """How many statements the caller says there are; 0 is any number. Raises SnowflakeError."""
        given = self.parameters.get("MULTI_STATEMENT_COUNT", "1")
        if not given.isdecimal():
            raise bad_payload("MULTI_STATEMENT_COUNT: a whole number of at least 0.")
        return int(given)


def check_headers(call: Call, *, takes_body: bool = True) -> None:
    """Refuse what no operation takes; one without a body has no media type. Raises SnowflakeError (400, 415)."""
    headers = call.headers
    if not headers.get("User-Agent"):
        raise SnowflakeError(None, "The request has no User-Agent header.", status=400)
    accepted = headers.get("Accept", "")
    if not any(part.partition(";")[0].strip().lower() in _ACCEPTED for part in accepted.split(",")):
        raise SnowflakeError("391902", f"Unsupported Accept header {accepted} is specified.", status=400)
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    # Some clients name this type for a request without a body.
    is_bodiless = kind == "application/octet-stream" and not call.body
    if takes_body and kind not in _JSON_TYPES and not is_bodiless:
        raise SnowflakeError(None, f"Unsupported Content-Type {kind} is specified.", status=415)


def parse_submission(call: Call) -> Submission:
    """Read a POST of statements. Raises SnowflakeError (400)."""
    try:
        body = json.loads(call.body)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise bad_payload("The body is no JSON.") from None
    if not isinstance(body, dict):
        raise bad_payload("The body is no object.")
    for name in body:
        if name not in _FIELDS:
            raise bad_payload(f"Unknown field: {name}.")
    texts = {name: _text(body, name) for name in _TEXTS}
    statement = _text(body, "statement")
    if statement is None or not statement.strip():
        raise SnowflakeError(
            "000900", "SQL compilation error:\nEmpty SQL statement.", state="42601", status=400
        )
    return Submission(
        statement=statement,
        timeout_s=_timeout(body.get("timeout")),
        bindings=_bindings(body.get("bindings")),
        parameters=_parameters(body.get("parameters")),
        request_id=_request_id(call),
        is_async=flag(call, "async", False),
        is_retry=flag(call, "retry", False),
        is_nullable=flag(call, "nullable", True),
        **texts,
    )


def flag(call: Call, name: str, default: bool) -> bool:
    """A boolean query parameter. Raises SnowflakeError (400)."""
    given = call.query.get(name)
    if given is None:
        return default
    if given.lower() not in {"true", "false"}:
        raise bad_payload(f"{name}: true or false, not {given}.")
    return given.lower() == "true"


def partition_of(call: Call) -> int:
    """The partition that a GET asks for. Raises SnowflakeError (400)."""
    given = call.query.get("partition", "0")
    if not given.isdecimal():
        raise bad_payload(f"partition: a whole number of at least 0, not {given}.")
    return int(given)


def _request_id(call: Call) -> str | None:
    given = call.query.get("requestId")
    if given is not None and not _UUID.fullmatch(given):
        raise bad_payload(f"requestId: a UUID, not {given}.")
    return given


def check_request_id(call: Call) -> None:
    """Refuse a request id that is no UUID. Raises SnowflakeError (400)."""
    _request_id(call)


def _text(body: dict[str, Any], name: str) -> str | None:
    given = body.get(name)
    if given is not None and not isinstance(given, str):
        raise bad_payload(f"{name}: a string.")
    return given


def _timeout(given: object) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= LONGEST_TIMEOUT_S:
        raise bad_payload(f"timeout: a whole number from 0 to {LONGEST_TIMEOUT_S}.")
    return given or LONGEST_TIMEOUT_S


def _bindings(given: object) -> Mapping[str, Mapping[str, Any]]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise bad_payload("bindings: an object.")
    for name, binding in given.items():
        if not isinstance(binding, dict) or not isinstance(binding.get("type"), str):
            raise bad_payload(f"bindings.{name}: an object with type and value.")
        value = binding.get("value")
        one_by_one = value if isinstance(value, list) else [value]
        if not all(item is None or isinstance(item, str) for item in one_by_one):
            raise bad_payload(f"bindings.{name}.value: a string, null or a list of these.")
    return given


def _parameters(given: object) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise bad_payload("parameters: an object.")
    made: dict[str, str] = {}
    for name, value in given.items():
        upper = name.upper()
        if upper not in _PARAMETERS:
            raise SnowflakeError("001006", f"Invalid parameter '{upper}'", state="22023", status=400)
        if isinstance(value, bool):
            made[upper] = "true" if value else "false"
        elif isinstance(value, str | int):
            made[upper] = str(value)
        elif value is not None:
            raise bad_payload(f"parameters.{name}: a string, a number or a boolean.")
    return made
