"""What a worker thread does for one job: parse, translate, run; for a script, statement by statement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from propwash_bigquery.sandbox.engine import Engine, Rows, Run, stopped
from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.jobs import billed_bytes
from propwash_bigquery.sandbox.parameters import parameter_expressions
from propwash_bigquery.sandbox.sql import Scope, Statement, TableName, invalid_query, parse, translate
from propwash_bigquery.sandbox.types import quoted


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a statement or a whole query ended. error is None where it succeeded."""

    statement: Statement | None = None
    rows: Rows | None = None
    processed_bytes: int = 0
    error: BigQueryError | None = None
    text: str = ""
    moved: dict[str, Any] = field(default_factory=dict)
    """The statistics of a load, extract or copy."""


@dataclass(slots=True, kw_only=True)
class DryRun:
    """What a query would do."""

    statement: Statement
    schema: list[dict[str, Any]]
    processed_bytes: int


def scope_of(project: str, query: dict[str, Any]) -> Scope:
    """The scope that a query configuration gives. Raises BigQueryError for parameters that cannot be read."""
    named, positional = parameter_expressions(query)
    given = query.get("defaultDataset")
    default = (given.get("projectId", project), given["datasetId"]) if given else None
    return Scope(project=project, default_dataset=default, named=named, positional=positional)


def dry_run(engine: Engine, project: str, query: dict[str, Any]) -> DryRun:
    """Check a query and say what it would give. Raises BigQueryError."""
    trees = parse(query["query"])
    if len(trees) > 1:
        return DryRun(
            statement=Statement(kind="SCRIPT", sql="", text=query["query"]), schema=[], processed_bytes=0
        )
    statement = translate(trees[0], scope_of(project, query))
    run = engine.begin(project)
    schema = engine.describe(run, statement)
    return DryRun(statement=statement, schema=schema, processed_bytes=engine.bytes_of(statement.tables))


def execute(
    engine: Engine,
    run: Run,
    project: str,
    query: dict[str, Any],
    *,
    on_child: Callable[[Outcome], None],
) -> tuple[Outcome, bool]:
    """Run a query to its end and say whether it was a script. on_child hears of each of a script's statements."""
    try:
        trees = parse(query["query"])
        scope = scope_of(project, query)
    except BigQueryError as error:
        return Outcome(error=error), False
    if len(trees) == 1:
        return _statement(engine, run, trees[0], scope, query), False
    last = Outcome()
    for tree in trees:
        try:
            if isinstance(tree, exp.Declare | exp.Set):
                _assign(engine, run, tree, scope)
                continue
        except BigQueryError as error:
            return Outcome(error=error), True
        # A destination table is for a query of one statement; in a script BigQuery refuses it.
        last = _statement(engine, run, tree, scope, {**query, "destinationTable": None})
        on_child(last)
        if last.error is not None:
            return last, True
    return last, True


def _statement(engine: Engine, run: Run, tree: exp.Expr, scope: Scope, query: dict[str, Any]) -> Outcome:
    outcome = Outcome(text=tree.sql("bigquery"))
    try:
        outcome.statement = statement = translate(tree, scope)
        outcome.processed_bytes = engine.bytes_of(statement.tables)
        _check_bill(query.get("maximumBytesBilled"), billed_bytes(statement, outcome.processed_bytes))
        if run.is_stopped:
            raise stopped()
        into = query.get("destinationTable")
        if into and statement.is_query:
            outcome.rows = engine.write(
                run,
                statement,
                into=TableName(into.get("projectId", scope.project), into["datasetId"], into["tableId"]),
                write=str(query.get("writeDisposition") or "WRITE_EMPTY").upper(),
                create=str(query.get("createDisposition") or "CREATE_IF_NEEDED").upper(),
            )
        else:
            outcome.rows = engine.run(run, statement)
    except BigQueryError as error:
        outcome.error = error
    return outcome


def _check_bill(most: object, billed: int) -> None:
    if most is not None and billed > int(str(most)):
        raise BigQueryError(
            "bytesBilledLimitExceeded",
            f"Query exceeded limit for bytes billed: {most}. {billed} or higher required.",
        )


def _assign(engine: Engine, run: Run, tree: exp.Expr, scope: Scope) -> None:
    for item in tree.expressions:
        if isinstance(item, exp.DeclareItem):
            names = [part.name for part in item.this] if isinstance(item.this, list) else [item.this.name]
            value, kind = item.args.get("default") or exp.null(), item.args.get("kind")
            if kind is not None:
                value = exp.cast(value.copy(), kind)
        elif isinstance(item.this, exp.EQ):
            names, value = [item.this.this.name], item.this.expression
        else:
            raise invalid_query(f"Unsupported assignment in this stand-in: {item.sql('bigquery')[:60]}")
        selected = translate(exp.select(exp.alias_(value.copy(), "x")), scope)
        text, type_name = engine.scalar(run, f"(SELECT x FROM ({selected.sql}) AS {quoted('assigned')})")
        literal = "NULL" if text is None else "'" + text.replace("'", "''") + "'"
        for name in names:
            scope.variables[name.lower()] = f"CAST({literal} AS {type_name})"
