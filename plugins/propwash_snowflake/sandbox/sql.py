"""Snowflake's SQL into the embedded engine's: sqlglot translates, and what it leaves different is made equal here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from propwash_snowflake.sandbox.errors import SnowflakeError, compilation
from propwash_snowflake.sandbox.history import FUNCTIONS

# It warns on the log of what it cannot parse; the caller is told by an error instead.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_DML: Final = {exp.Insert: "INSERT", exp.Update: "UPDATE", exp.Delete: "DELETE", exp.Merge: "MERGE"}
_JSON_TYPES: Final = frozenset({exp.DType.VARIANT, exp.DType.OBJECT})
_WHOLE_TYPES: Final = frozenset({exp.DType.INT, exp.DType.SMALLINT, exp.DType.TINYINT})
_DEFAULT_SCHEMA_OF_ENGINE: Final = "INFORMATION_SCHEMA"


@dataclass(frozen=True, slots=True)
class Name:
    """A table or view by its three upper-case parts."""

    database: str
    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.database}.{self.schema}.{self.name}"


@dataclass(slots=True, kw_only=True)
class Scope:
    """What names mean to one statement: its namespace, what context functions say, bindings and variables."""

    database: str
    schema: str
    context: Mapping[str, str | None] = field(default_factory=dict)
    bindings: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    now_us: int = 0
    # Makes the table of one call of the history and gives its name.
    read_history: Callable[[str, list[exp.Expr], frozenset[str] | None], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A statement for the engine. names are the result's columns where the statement tells them."""

    sql: str
    tables: tuple[Name, ...] = ()
    names: tuple[str, ...] | None = None


def parse(text: str) -> list[exp.Expr]:
    """The statements of a text. Raises SnowflakeError (001003) with the place of the fault, 000900 for none."""
    try:
        parsed = sqlglot.parse(text, read="snowflake")
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        place = f"line {first.get('line', 1)} at position {first.get('col', 0)}"
        unexpected = str(first.get("highlight") or "<EOF>")
        raise compilation("001003", "42000", f"syntax error {place} unexpected '{unexpected}'.") from None
    except TokenError:
        raise compilation(
            "001003", "42000", "syntax error line 1 at position 0 unexpected '<EOF>'."
        ) from None
    statements = [one for one in parsed if one is not None and not isinstance(one, exp.Semicolon)]
    if not statements:
        raise SnowflakeError("000900", "SQL compilation error:\nEmpty SQL statement.", state="42601")
    return statements


def dml_kind(tree: exp.Expr) -> str | None:
    """INSERT, UPDATE, DELETE or MERGE; None for anything else."""
    return next((name for node, name in _DML.items() if isinstance(tree, node)), None)


def translate(tree: exp.Expr, scope: Scope) -> Translated:
    """One parsed statement as the engine runs it. Raises SnowflakeError for what cannot be."""
    tree = tree.copy()
    names = _output_names(tree)
    tree = _substitute(tree, scope)
    tree = _history(tree, scope)
    _fold(tree)
    tables = _qualify(tree, scope)
    tree = tree.transform(_equalise, copy=False)
    return Translated(sql=tree.sql("duckdb"), tables=tuple(tables), names=names)


def constant(tree: exp.Expr, scope: Scope) -> str:
    """A constant expression as the engine reads it. Raises SnowflakeError."""
    return _substitute(tree.copy(), scope).transform(_equalise, copy=False).sql("duckdb")


def identifier(node: exp.Expr | None) -> str:
    """A name as Snowflake keeps it: in upper case unless it is quoted."""
    if node is None:
        return ""
    inner = node if isinstance(node, exp.Identifier) else node.find(exp.Identifier)
    if inner is None:
        return node.name.upper()
    return inner.name if inner.args.get("quoted") else inner.name.upper()


def _output_names(tree: exp.Expr) -> tuple[str, ...] | None:
    query: object = tree
    while isinstance(query, exp.SetOperation):
        query = query.this
    if not isinstance(query, exp.Select):
        return None
    names: list[str] = []
    for node in query.expressions:
        if node.is_star or isinstance(node, exp.Star):
            return None
        if isinstance(node, exp.Alias):
            names.append(identifier(node.args["alias"]))
        elif isinstance(node, exp.Column):
            names.append(identifier(node.this))
        else:
            names.append(node.sql("snowflake").upper())
    return tuple(names)


def _substitute(tree: exp.Expr, scope: Scope) -> exp.Expr:
    position = 0

    def put(node: exp.Expr) -> exp.Expr:
        nonlocal position
        if isinstance(node, exp.Placeholder):
            key = str(node.this).upper() if node.this else ""
            if not key:
                position += 1
                key = str(position)
            sql = scope.bindings.get(key)
            if sql is None:
                raise compilation(
                    "002049", "42601", f"Bind variable {'?' if not node.this else ':' + key} not set."
                )
            return sqlglot.parse_one(sql, read="duckdb")
        if isinstance(node, exp.Parameter):
            sql = scope.variables.get(node.name.upper())
            if sql is None:
                raise compilation(
                    "002211", "02000", f"Session variable '${node.name.upper()}' does not exist"
                )
            return sqlglot.parse_one(sql, read="duckdb")
        return _context(node, scope)

    # Depth first by transform(), which is the textual order that positional bindings count in.
    return tree.transform(put, copy=False)


def _context(node: exp.Expr, scope: Scope) -> exp.Expr:
    if isinstance(node, exp.CurrentTimestamp):
        return sqlglot.parse_one(f"make_timestamptz({scope.now_us})", read="duckdb")
    if isinstance(node, exp.CurrentDate):
        return sqlglot.parse_one(f"CAST(make_timestamp({scope.now_us}) AS DATE)", read="duckdb")
    if not isinstance(node, exp.Func):
        return node
    name = str(node.this).upper() if isinstance(node, exp.Anonymous) else node.sql_name().upper()
    if name not in scope.context:
        return node
    value = scope.context[name]
    return exp.cast(exp.null(), "TEXT") if value is None else exp.Literal.string(value)


def _history(tree: exp.Expr, scope: Scope) -> exp.Expr:
    for node in list(tree.find_all(exp.TableFromRows)):
        call = node.this
        while isinstance(call, exp.Dot):
            call = call.expression
        name = str(call.this).upper() if isinstance(call, exp.Anonymous) else ""
        if name not in FUNCTIONS or scope.read_history is None:
            continue
        wanted = (
            None if tree.find(exp.Star) else frozenset(identifier(c.this) for c in tree.find_all(exp.Column))
        )
        table = scope.read_history(name, call.expressions, wanted)
        new = exp.Table(
            this=exp.to_identifier(table, quoted=True),
            db=exp.to_identifier("main", quoted=True),
            catalog=exp.to_identifier("temp", quoted=True),
            alias=node.args.get("alias"),
        )
        node.replace(new)
    return tree


def _fold(tree: exp.Expr) -> None:
    for node in tree.find_all(exp.Identifier):
        if not node.args.get("quoted"):
            node.set("this", node.name.upper())
            node.set("quoted", True)


def _qualify(tree: exp.Expr, scope: Scope) -> list[Name]:
    known = {cte.alias for cte in tree.find_all(exp.CTE)}
    is_temporary = isinstance(tree, exp.Create) and tree.find(exp.TemporaryProperty) is not None
    names: list[Name] = []
    for node in tree.find_all(exp.Table):
        if not isinstance(node.this, exp.Identifier) or node.catalog == "temp":
            continue
        parts = [part.name for part in node.parts]
        if len(parts) == 1 and (parts[0] in known or is_temporary):
            continue
        if len(parts) > 1 and parts[-2] == _DEFAULT_SCHEMA_OF_ENGINE:
            node.set("catalog", None)
            continue
        name = Name(*[scope.database, scope.schema][: 3 - len(parts)], *parts)
        if not node.alias and isinstance(tree, exp.Query):
            node.set("alias", exp.TableAlias(this=exp.to_identifier(name.name, quoted=True)))
        node.set("catalog", exp.to_identifier(name.database, quoted=True))
        node.set("db", exp.to_identifier(name.schema, quoted=True))
        names.append(name)
    return names


def _equalise(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.DataType() if node.this in _WHOLE_TYPES:
            return exp.DataType.build("BIGINT")
        case exp.DataType() if node.this == exp.DType.DECIMAL and not node.expressions:
            return exp.DataType.build("DECIMAL(38, 0)", dialect="duckdb")
        case exp.DataType() if node.this == exp.DType.FLOAT:
            return exp.DataType.build("DOUBLE")
        case exp.DataType() if node.this in _JSON_TYPES or (
            node.this == exp.DType.ARRAY and not node.expressions
        ):
            return exp.DataType.build("JSON")
        # The engine gives infinity where Snowflake fails.
        case exp.Div() if not (_is_number(node.expression) and float(node.expression.name)):
            failure = exp.func("ERROR", exp.Literal.string("Division by zero"))
            divisor = node.expression.copy()
            guarded = exp.Case().when(exp.EQ(this=divisor, expression=exp.Literal.number(0)), failure)
            node.set("expression", exp.paren(guarded.else_(divisor.copy())))
            return node
        case _:
            return node


def _is_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string
