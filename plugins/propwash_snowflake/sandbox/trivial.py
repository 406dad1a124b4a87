"""Queries of literals alone, such as SELECT 1 AS n: answered without the engine, since a demo runs thousands."""

from __future__ import annotations

import re
from typing import Any

from propwash_snowflake.sandbox.statements import Rows

_ITEM = r"(-?[0-9]{1,18}|'[^'\\\n]*'|true|false)(?:\s+as\s+([a-z_][a-z0-9_]*))?"
_ONE = re.compile(_ITEM, re.IGNORECASE)
_QUERY = re.compile(rf"\s*select\s+{_ITEM}(?:\s*,\s*{_ITEM})*\s*;?\s*", re.IGNORECASE)


def is_trivial(text: str) -> bool:
    """Whether the text is one query of literals."""
    return len(text) <= 1000 and _QUERY.fullmatch(text) is not None


def trivial_rows(text: str) -> Rows | None:
    """The one row of a query of literals; None where it is anything else."""
    if not is_trivial(text):
        return None
    row_type: list[dict[str, Any]] = []
    values: list[str | None] = []
    for literal, alias in _ONE.findall(text[text.lower().index("select") + 6 :]):
        name = (alias or literal).upper()
        if literal[0] == "'":
            values.append(literal[1:-1])
            row_type.append(text_column(name if alias else literal, length=max(1, len(literal) - 2)))
        elif literal[0].lower() in "tf":
            values.append(literal.lower())
            row_type.append(column(name, "boolean"))
        else:
            values.append(str(int(literal)))
            row_type.append(column(name, "fixed", precision=len(literal.lstrip("-")), scale=0))
    return Rows(row_type=row_type, rows=[values])


def column(name: str, kind: str, *, nullable: bool = False, **sizes: int) -> dict[str, Any]:
    """One entry of rowType. Sizes that do not apply are left out, where the real service shows null."""
    return {
        "name": name,
        "database": "",
        "schema": "",
        "table": "",
        "type": kind,
        "nullable": nullable,
        **sizes,
    }


def text_column(name: str, *, nullable: bool = False, length: int = 16_777_216) -> dict[str, Any]:
    """The entry of rowType for a column of text."""
    return column(name, "text", nullable=nullable, length=length, byteLength=min(4 * length, 16_777_216))


def status_rows(message: str, *, name: str = "status") -> Rows:
    """The one row of text that DDL and the like answer with."""
    return Rows(row_type=[text_column(name)], rows=[[message]])
