"""BigQuery's SQL into the embedded engine's: sqlglot translates, and what it leaves different is made equal here."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.types import BIGNUMERIC_TYPE, NUMERIC_TYPE, quoted

# It warns on the log of what it cannot parse; the caller is told by an error instead.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_STANDARD_PREFIX = re.compile(r"\s*#standardSQL", re.IGNORECASE)
_ARITHMETIC = (
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Select,
    exp.Alias,
    exp.Array,
    exp.PropertyEQ,
    exp.Neg,
    exp.Paren,
)
_DML = {exp.Insert: "INSERT", exp.Update: "UPDATE", exp.Delete: "DELETE", exp.Merge: "MERGE"}


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table by its three parts."""

    project: str
    dataset: str
    table: str

    @property
    def sql(self) -> str:
        """As the engine reads it."""
        return f"{quoted(self.project)}.{quoted(self.dataset)}.{quoted(self.table)}"

    @property
    def reference(self) -> dict[str, str]:
        """As a TableReference."""
        return {"projectId": self.project, "datasetId": self.dataset, "tableId": self.table}

    def __str__(self) -> str:
        return f"{self.project}:{self.dataset}.{self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement, ready for the engine. kind is BigQuery's statementType; tables are those it names."""

    kind: str
    sql: str
    text: str
    tables: tuple[TableName, ...] = ()
    target: TableName | None = None

    @property
    def is_query(self) -> bool:
        """Whether it gives rows."""
        return self.kind == "SELECT"

    @property
    def is_dml(self) -> bool:
        """Whether it changes rows."""
        return self.kind in _DML.values()


@dataclass(slots=True, kw_only=True)
class Scope:
    """What names mean in one job: its project, default dataset, parameters and the script's variables."""

    project: str
    default_dataset: tuple[str, str] | None = None
    named: dict[str, str] = field(default_factory=dict)
    positional: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> list[exp.Expr]:
    """The statements of a query text. Raises BigQueryError (invalidQuery) with the place of the fault."""
    try:
        parsed = sqlglot.parse(_STANDARD_PREFIX.sub("", text), read="bigquery")
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        place = f" at [{first.get('line', 1)}:{first.get('col', 1)}]"
        description = str(first.get("description", "unexpected input")).split("<Token")[0].rstrip(" .")
        raise invalid_query(f"Syntax error: {description}{place}") from None
    except TokenError:
        raise invalid_query("Syntax error: Unclosed string literal or comment at [1:1]") from None
    statements = [statement for statement in parsed if statement is not None]
    if not statements:
        raise invalid_query("Syntax error: Unexpected end of statement at [1:1]")
    return statements


def translate(tree: exp.Expr, scope: Scope) -> Statement:
    """One parsed statement as the engine runs it. Raises BigQueryError for what cannot be."""
    text = tree.sql("bigquery")
    kind = _kind(tree)
    if kind is None:
        raise invalid_query(f"Unsupported statement in this stand-in: {text[:60]}")
    if kind in {"CREATE_SCHEMA", "DROP_SCHEMA"}:
        return Statement(kind=kind, sql=_schema_sql(tree, scope), text=text)
    tree = _substitute(tree.copy(), scope)
    tables = _qualify(tree, scope)
    _name_columns(tree)
    tree = tree.transform(_equalise, copy=False)
    target = tables[0] if kind != "SELECT" and tables else None
    return Statement(
        kind=kind, sql=tree.sql("duckdb"), text=text, tables=tuple(sorted(set(tables))), target=target
    )


def invalid_query(message: str) -> BigQueryError:
    """An error in the query's text or meaning."""
    return BigQueryError("invalidQuery", message, location="query")


def _kind(tree: exp.Expr) -> str | None:
    if isinstance(tree, exp.Query):
        return "SELECT"
    for node, name in _DML.items():
        if isinstance(tree, node):
            return name
    match tree:
        case exp.TruncateTable():
            return "TRUNCATE_TABLE"
        case exp.Create():
            what = str(tree.args.get("kind", "")).upper()
            as_select = "_AS_SELECT" if what == "TABLE" and tree.args.get("expression") is not None else ""
            return f"CREATE_{what}{as_select}" if what in {"TABLE", "VIEW", "SCHEMA"} else None
        case exp.Drop():
            what = str(tree.args.get("kind", "")).upper()
            return f"DROP_{what}" if what in {"TABLE", "VIEW", "SCHEMA"} else None
        case exp.Alter():
            return "ALTER_TABLE"
        case _:
            return None


def _schema_sql(tree: exp.Expr, scope: Scope) -> str:
    parts = [piece for part in tree.this.parts for piece in part.name.split(".")]
    project, dataset = (parts[-2], parts[-1]) if len(parts) > 1 else (scope.project, parts[-1])
    name = f"{quoted(project)}.{quoted(dataset)}"
    if isinstance(tree, exp.Create):
        return f"CREATE SCHEMA {'IF NOT EXISTS ' if tree.args.get('exists') else ''}{name}"
    exists, cascade = tree.args.get("exists"), tree.args.get("cascade")
    return f"DROP SCHEMA {'IF EXISTS ' if exists else ''}{name}{' CASCADE' if cascade else ''}"


def _substitute(tree: exp.Expr, scope: Scope) -> exp.Expr:
    positional = iter(scope.positional)

    def put(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Parameter):
            sql = scope.named.get(node.name.lower())
            if sql is None:
                raise invalid_query(f"Query parameter '{node.name}' not found")
            return sqlglot.parse_one(sql, read="duckdb")
        if isinstance(node, exp.Placeholder):
            sql = next(positional, None)
            if sql is None:
                raise invalid_query("Query parameter number out of range: more ? than parameters")
            return sqlglot.parse_one(sql, read="duckdb")
        if scope.variables and isinstance(node, exp.Column) and not node.table:
            sql = scope.variables.get(node.name.lower())
            if sql is not None:
                return sqlglot.parse_one(sql, read="duckdb")
        return node

    # Depth first by transform(), which is the textual order that positional parameters count in.
    return tree.transform(put, copy=False)


def _qualify(tree: exp.Expr, scope: Scope) -> list[TableName]:
    known = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    names: list[TableName] = []
    for node in tree.find_all(exp.Table):
        if not isinstance(node.this, exp.Identifier):
            continue
        parts = [piece for part in node.parts for piece in part.name.split(".")]
        if len(parts) == 1 and parts[0].lower() in known:
            continue
        if len(parts) == 1:
            if scope.default_dataset is None:
                raise invalid_query(
                    f'Table "{parts[0]}" must be qualified with a dataset (e.g. dataset.table).'
                )
            parts = [*scope.default_dataset, parts[0]]
        elif len(parts) == 2:
            parts = [scope.project, *parts]
        # A project may itself hold a dot: example.com:project.
        name = TableName(".".join(parts[:-2]), parts[-2], parts[-1])
        if not node.alias and isinstance(tree, exp.Query):
            node.set("alias", exp.TableAlias(this=exp.to_identifier(name.table, quoted=True)))
        node.set("catalog", exp.to_identifier(name.project, quoted=True))
        node.set("db", exp.to_identifier(name.dataset, quoted=True))
        node.set("this", exp.to_identifier(name.table, quoted=True))
        names.append(name)
    return names


def _name_columns(tree: exp.Expr) -> None:
    # BigQuery names what has no name f0_, f1_ and so on.
    query = tree.args.get("expression") if isinstance(tree, exp.Create) else tree
    while isinstance(query, exp.SetOperation):
        query = query.this
    if not isinstance(query, exp.Select):
        return
    unnamed = 0
    for node in list(query.expressions):
        if not isinstance(node, exp.Alias | exp.Column | exp.Dot | exp.Star):
            node.replace(exp.alias_(node.copy(), f"f{unnamed}_", quoted=True))
            unnamed += 1


def _equalise(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.DataType() if node.this == exp.DataType.Type.DECIMAL and not node.expressions:
            return exp.DataType.build(NUMERIC_TYPE, dialect="duckdb")
        case exp.DataType() if node.this == exp.DataType.Type.BIGDECIMAL:
            return exp.DataType.build(BIGNUMERIC_TYPE, dialect="duckdb")
        # The engine would take 1 as 32 bits wide and 1.5 as a decimal: they are INT64 and FLOAT64.
        case exp.Literal() if not node.is_string and not node.is_int:
            return exp.cast(node.copy(), "DOUBLE")
        case exp.Literal() if not node.is_string and isinstance(node.parent, _ARITHMETIC):
            return exp.cast(node.copy(), "BIGINT")
        case exp.Format():
            return exp.func("PRINTF", node.this, *node.expressions)
        # The engine gives infinity where BigQuery fails.
        case exp.Div() if not (isinstance(node.expression, exp.Literal) and float(node.expression.name)):
            failure = exp.func("ERROR", exp.Literal.string("division by zero"))
            divisor = node.expression.copy()
            guarded = exp.Case().when(exp.EQ(this=divisor, expression=exp.Literal.number(0)), failure)
            node.set("expression", exp.paren(guarded.else_(divisor.copy())))
            return node
        case _:
            return node
