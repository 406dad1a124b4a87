"""Queries of literals alone, such as SELECT 1 AS n: answered without the engine, since a demo runs thousands."""

from __future__ import annotations

import re
from typing import Any

from propwash_bigquery.sandbox.engine import Rows
from propwash_bigquery.sandbox.sql import Statement

_ITEM = r"(-?[0-9]{1,18}|'[^'\\\n]*'|true|false)(?:\s+as\s+([a-z_][a-z0-9_]*))?"
_ONE = re.compile(_ITEM, re.IGNORECASE)
_QUERY = re.compile(rf"\s*select\s+{_ITEM}(?:\s*,\s*{_ITEM})*\s*;?\s*", re.IGNORECASE)


def trivial_rows(query: dict[str, Any]) -> tuple[Statement, Rows] | None:
    """The statement and its one row where the query is of literals and asks for no table; None otherwise."""
    text = query["query"]
    if len(text) > 1000 or query.get("destinationTable") or query.get("queryParameters"):
        return None
    if not _QUERY.fullmatch(text):
        return None
    schema: list[dict[str, Any]] = []
    values: list[Any] = []
    unnamed = 0
    for literal, alias in _ONE.findall(text[text.lower().index("select") + 6 :]):
        name = alias
        if not name:
            name, unnamed = f"f{unnamed}_", unnamed + 1
        if literal[0] == "'":
            kind, value = "STRING", literal[1:-1]
        elif literal[0].lower() in "tf":
            kind, value = "BOOLEAN", literal.lower() == "true"
        else:
            kind, value = "INTEGER", int(literal)
        schema.append({"name": name, "type": kind, "mode": "NULLABLE"})
        values.append(value)
    if len({field["name"].lower() for field in schema}) < len(schema):
        return None
    return Statement(kind="SELECT", sql=text, text=text), Rows(schema=schema, rows=[tuple(values)])
