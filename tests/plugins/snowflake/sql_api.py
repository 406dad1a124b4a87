"""Snowflake's published OpenAPI description of the SQL API, read where it lies; it is not ours to copy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS30Validator, oas30_format_checker

VARIABLE = "PROPWASH_SNOWFLAKE_OPENAPI"
_BESIDE = Path(__file__).resolve().parents[4] / "shared" / "specs" / "snowflake-sqlapi.yaml"

OPERATIONS = {
    "submit": ("/api/v2/statements", "post"),
    "get": ("/api/v2/statements/{statementHandle}", "get"),
    "cancel": ("/api/v2/statements/{statementHandle}/cancel", "post"),
}
_TOLD_ELSEWHERE = frozenset({"retry"})
"""Parameters that only the guide has: "Submitting a request to execute SQL statements", "Resubmitting a request"."""


def place() -> Path:
    """Where the description is, or would be."""
    return Path(os.environ[VARIABLE]) if VARIABLE in os.environ else _BESIDE


@cache
def description() -> dict[str, Any]:
    """The whole of it."""
    loaded: dict[str, Any] = yaml.safe_load(place().read_text())
    return loaded


def responses(operation: str) -> dict[str, Any]:
    """The documented answers by status."""
    path, verb = OPERATIONS[operation]
    return {
        status: _resolved(answer)
        for status, answer in description()["paths"][path][verb]["responses"].items()
    }


def check_answer(operation: str, status: int, body: object) -> None:
    """Raises AssertionError where the body is not what is documented for the status."""
    content = responses(operation)[str(status)].get("content")
    if content is not None:
        _check(content["application/json"]["schema"], body)


def check_submission(body: object) -> None:
    """Raises AssertionError where the body is no documented submission."""
    path, verb = OPERATIONS["submit"]
    content = description()["paths"][path][verb]["requestBody"]["content"]
    _check(content["application/json"]["schema"], body)


def check_parameters(operation: str, given: Mapping[str, Mapping[str, str]]) -> None:
    """given has the values by place ("query", "header") and name. Raises AssertionError for one that is not
    documented, for one that is required and absent, and for one of another type.
    """
    documented = {
        (one["in"], one["name"].lower()): one
        for one in map(_resolved, description()["paths"][OPERATIONS[operation][0]]["parameters"])
    }
    for name, value in given["query"].items():
        if name in _TOLD_ELSEWHERE:
            continue
        schema = documented["query", name.lower()]["schema"]
        _check(
            schema, {"true": True, "false": False}.get(value, value) if schema["type"] == "boolean" else value
        )
    present = {(where, name.lower()) for where, values in given.items() for name in values}
    for (where, name), one in documented.items():
        assert where == "path" or not one.get("required") or (where, name) in present, name


def _check(schema: Mapping[str, Any], body: object) -> None:
    whole = {**schema, "components": description()["components"]}
    found = [
        f"{error.json_path}: {error.message}"
        for error in OAS30Validator(whole, format_checker=oas30_format_checker).iter_errors(body)
    ]
    assert not found, found


def _resolved(one: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in one:
        return one
    at: Any = description()
    for part in one["$ref"].removeprefix("#/").split("/"):
        at = at[part]
    resolved: Mapping[str, Any] = at
    return resolved
