"""What callers send: job configurations checked as BigQuery checks them, before anything is kept."""

from __future__ import annotations

import json
import re
from typing import Any

from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.objects import split

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,1024}")
# International letters are allowed in labels, capital ones are not ("Requirements for labels").
_LABEL_KEY = re.compile(r"[^\W\d_][\w-]{0,62}")
_LABEL_VALUE = re.compile(r"[\w-]{0,63}")
_STANDARD_PREFIX = re.compile(r"\s*#standardSQL", re.IGNORECASE)
_CHOICES = {
    "priority": ("INTERACTIVE", "BATCH"),
    "writeDisposition": ("WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA", "WRITE_APPEND", "WRITE_EMPTY"),
    "createDisposition": ("CREATE_IF_NEEDED", "CREATE_NEVER"),
    "parameterMode": ("NAMED", "POSITIONAL"),
}


def body_of(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request. Raises BigQueryError."""
    try:
        body = json.loads(raw or b"{}")
    except ValueError as error:
        raise BigQueryError("parseError", f"Parse Error: {error}") from None
    if not isinstance(body, dict):
        raise BigQueryError("parseError", "Parse Error: the body is no object")
    return body


def checked_configuration(body: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a jobs.insert with its defaults filled in. Raises BigQueryError."""
    configuration = body.get("configuration")
    if not isinstance(configuration, dict):
        raise BigQueryError("required", "Required parameter is missing")
    kinds = [kind for kind in ("query", "load", "copy", "extract") if kind in configuration]
    if len(kinds) != 1:
        raise BigQueryError(
            "invalid",
            "Job configuration must contain exactly one job-specific configuration object "
            f"(e.g., query, load, extract, spark), but there were {len(kinds)}: ",
        )
    kind = kinds[0]
    given = _CHECKS[kind](configuration[kind])
    checked: dict[str, Any] = {**configuration, "jobType": kind.upper(), kind: given}
    _check_labels(configuration.get("labels") or {})
    timeout_ms = configuration.get("jobTimeoutMs")
    if timeout_ms is not None and not re.fullmatch(r"[0-9]+", str(timeout_ms)):
        raise BigQueryError("invalid", f"Invalid value for jobTimeoutMs: {timeout_ms}")
    return checked


def checked_query(query: object) -> dict[str, Any]:
    """A query configuration with its defaults filled in. Raises BigQueryError."""
    if not isinstance(query, dict):
        raise BigQueryError("invalid", "Invalid value for query: no object")
    text = query.get("query")
    if not isinstance(text, str) or not text.strip():
        raise BigQueryError("required", "Required parameter is missing: query", location="query")
    # Legacy SQL is what BigQuery takes a query for that says nothing, so a caller who forgets is told here.
    if query.get("useLegacySql", True) is not False and not _STANDARD_PREFIX.match(text):
        raise BigQueryError(
            "invalid",
            "Legacy SQL is not supported by this stand-in; set useLegacySql to false, since its default is true",
            location="useLegacySql",
        )
    _check_choices(query)
    destination = query.get("destinationTable")
    if destination is not None and not (destination.get("datasetId") and destination.get("tableId")):
        raise BigQueryError("required", "Required parameter is missing: destinationTable")
    return {"priority": "INTERACTIVE", **query, "useLegacySql": False}


def _load(given: object) -> dict[str, Any]:
    load = _object(given, "load")
    uris = load.get("sourceUris")
    if not isinstance(uris, list) or not uris:
        raise BigQueryError("required", "Required parameter is missing: sourceUris", location="sourceUris")
    for uri in uris:
        split(str(uri))
    _check_table(load, "destinationTable")
    return {"writeDisposition": "WRITE_APPEND", "sourceFormat": "CSV", **load}


def _extract(given: object) -> dict[str, Any]:
    extract = _object(given, "extract")
    uris = extract.get("destinationUris") or (
        [extract["destinationUri"]] if extract.get("destinationUri") else []
    )
    if not uris:
        raise BigQueryError("required", "Required parameter is missing: destinationUris")
    for uri in uris:
        split(str(uri))
    if bool(extract.get("sourceTable")) == bool(extract.get("sourceModel")):
        raise BigQueryError("required", "Required parameter is missing: sourceTable or sourceModel")
    if extract.get("sourceTable"):
        _check_table(extract, "sourceTable")
    # The real service answers in the plural, whichever was given.
    return {"destinationFormat": "CSV", **extract, "destinationUris": uris}


def _copy(given: object) -> dict[str, Any]:
    copy = _object(given, "copy")
    sources = copy.get("sourceTables") or ([copy["sourceTable"]] if copy.get("sourceTable") else [])
    if not sources:
        raise BigQueryError("required", "Required parameter is missing: sourceTable")
    for one in (*sources, copy.get("destinationTable")):
        _check_table({"table": one}, "table")
    operation = str(copy.get("operationType") or "COPY").upper()
    if operation not in ("OPERATION_TYPE_UNSPECIFIED", "COPY", "SNAPSHOT", "RESTORE", "CLONE"):
        raise BigQueryError("invalid", f"Invalid value for operationType: {operation}")
    operation = "COPY" if operation == "OPERATION_TYPE_UNSPECIFIED" else operation
    return {"writeDisposition": "WRITE_EMPTY", **copy, "sourceTables": sources, "operationType": operation}


def _object(given: object, name: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BigQueryError("invalid", f"Invalid value for {name}: no object")
    _check_choices(given)
    return given


def _check_choices(given: dict[str, Any]) -> None:
    for name, choices in _CHOICES.items():
        if given.get(name) is not None and str(given[name]).upper() not in choices:
            raise BigQueryError("invalid", f"Invalid value for {name}: {given[name]}", location=name)


def _check_table(given: dict[str, Any], name: str) -> None:
    table = given.get(name)
    if not isinstance(table, dict) or not (table.get("datasetId") and table.get("tableId")):
        raise BigQueryError("required", f"Required parameter is missing: {name}", location=name)


def _check_labels(labels: object) -> None:
    if not isinstance(labels, dict) or len(labels) > 64:
        raise BigQueryError("invalid", "Invalid value for labels: at most 64 pairs")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or key != key.lower():
            raise BigQueryError("invalid", f'Label key "{key}" has invalid characters.')
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value) or value != value.lower():
            raise BigQueryError("invalid", f'Label value "{value}" has invalid characters.')


_CHECKS = {"query": checked_query, "load": _load, "extract": _extract, "copy": _copy}
