"""What a worker thread does for one submission: parse, count, translate, run; several statements one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlglot import exp

from propwash_snowflake.sandbox.bindings import bound
from propwash_snowflake.sandbox.commands import Commands, unsupported
from propwash_snowflake.sandbox.engine import Engine, Run
from propwash_snowflake.sandbox.engine_errors import missing_namespace, missing_object
from propwash_snowflake.sandbox.errors import SnowflakeError, canceled, known
from propwash_snowflake.sandbox.history import ARGUMENTS, Asked, History
from propwash_snowflake.sandbox.session import VERSION, Account, Session
from propwash_snowflake.sandbox.sql import Name, Scope, Translated, constant, dml_kind, parse, translate
from propwash_snowflake.sandbox.statements import Rows, Statement
from propwash_snowflake.sandbox.trivial import column, trivial_rows

_COUNTED = {
    "INSERT": (("number of rows inserted", "numRowsInserted"),),
    "UPDATE": (("number of rows updated", "numRowsUpdated"), ("number of multi-joined rows updated", None)),
    "DELETE": (("number of rows deleted", "numRowsDeleted"),),
    "MERGE": (
        ("number of rows inserted", "numRowsInserted"),
        ("number of rows updated", "numRowsUpdated"),
        ("number of rows deleted", "numRowsDeleted"),
    ),
}


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a statement ended. error is None where it succeeded."""

    rows: Rows | None = None
    error: SnowflakeError | None = None
    query_type: str = "UNKNOWN"
    is_multi: bool = False
    session: Session | None = None


OnChild = Callable[[str, Outcome], None]


@dataclass(slots=True, kw_only=True)
class Execution:
    """One submission's run. now is the instant that CURRENT_TIMESTAMP tells, in seconds since the Unix epoch."""

    engine: Engine
    account: Account
    history: History
    run: Run
    statement: Statement
    now: float
    tables_of_history: int = 0

    def execute(self, on_child: OnChild) -> Outcome:
        """Run to the end. on_child hears of each statement of several."""
        try:
            trees = parse(self.statement.text)
            wanted = self.statement.submission.statement_count
            if wanted not in {0, len(trees)}:
                message = (
                    f"Actual statement count {len(trees)} did not match the desired statement count {wanted}."
                )
                raise SnowflakeError("000008", message, state="0A000")
            if len(trees) == 1:
                return self._one(trees[0], self.statement.session, is_alone=True)
            return self._several(trees, on_child)
        except SnowflakeError as error:
            return Outcome(error=error)
        finally:
            self.engine.end(self.run)

    def _several(self, trees: list[exp.Expr], on_child: OnChild) -> Outcome:
        session = replace(
            self.statement.session,
            parameters=dict(self.statement.session.parameters),
            variables=dict(self.statement.session.variables),
        )
        for tree in trees:
            if self.run.is_stopped:
                return Outcome(error=canceled(), is_multi=True, query_type="MULTI_STATEMENT")
            text = tree.sql("snowflake")
            outcome = self._one(tree, session, is_alone=False)
            outcome.session = replace(session)
            on_child(text, outcome)
            if outcome.error is not None:
                return Outcome(
                    error=_failed_within(outcome.error, text), is_multi=True, query_type="MULTI_STATEMENT"
                )
        return Outcome(is_multi=True, query_type="MULTI_STATEMENT")

    def _one(self, tree: exp.Expr, session: Session, *, is_alone: bool) -> Outcome:
        kind = "SELECT" if isinstance(tree, exp.Query) else dml_kind(tree)
        commands = Commands(
            self.engine, self.account, self.run, session, partial(self._plain, session=session)
        )
        query_type = kind or commands.query_type(tree)
        try:
            if kind is None:
                if is_alone and (name := unsupported(tree)):
                    raise SnowflakeError("391911", f"Command not supported by SQL API: {name}", state="0A000")
                return Outcome(rows=commands.run_tree(tree), query_type=query_type)
            if kind == "SELECT":
                return Outcome(rows=self._select(tree, session), query_type=query_type)
            return Outcome(rows=self._change(tree, kind, session), query_type=query_type)
        except SnowflakeError as error:
            return Outcome(error=error, query_type=query_type)

    def _select(self, tree: exp.Expr, session: Session) -> Rows:
        literals = (
            trivial_rows(tree.sql("snowflake")) if not session.parameters.get("DATE_OUTPUT_FORMAT") else None
        )
        if literals is not None:
            return literals
        translated = self._plain(tree, session=session)
        return self.engine.select(self.run, translated.sql, translated.names, session.parameters)

    def _change(self, tree: exp.Expr, kind: str, session: Session) -> Rows:
        counts = [0] * len(_COUNTED[kind])
        for bindings in bound(self.statement.submission.bindings):
            translated = self._translated(tree, session, bindings)
            for index, count in enumerate(self._counts(tree, kind, translated)):
                counts[index] += count
        shown = _COUNTED[kind]
        stats = {stat: count for (_, stat), count in zip(shown, counts, strict=True) if stat is not None}
        return Rows(
            row_type=[column(name, "fixed", precision=19, scale=0) for name, _ in shown],
            rows=[[str(count) for count in counts]],
            stats={stat: count for stat, count in stats.items() if count},
        )

    def _counts(self, tree: exp.Expr, kind: str, translated: Translated) -> list[int]:
        if kind == "MERGE":
            found = self.engine.change(self.run, f"{translated.sql} RETURNING merge_action")
            actions = [str(row[0]) for row in found]
            return [actions.count(action) for action in ("INSERT", "UPDATE", "DELETE")]
        statements = [translated.sql]
        if isinstance(tree, exp.Insert) and tree.args.get("overwrite"):
            name = translated.tables[0]
            statements = [f'DELETE FROM "{name.database}"."{name.schema}"."{name.name}"', *statements]
            statements[-1] = statements[-1].replace("INSERT OVERWRITE TABLE", "INSERT INTO", 1)
        found = self.engine.change(self.run, *statements)
        count = int(found[0][0]) if found and isinstance(found[0][0], int) else 0
        return [count, 0][: len(_COUNTED[kind])]

    def _plain(self, tree: exp.Expr, *, session: Session) -> Translated:
        bindings = next(iter(bound(self.statement.submission.bindings)), {})
        return self._translated(tree, session, bindings)

    def _translated(self, tree: exp.Expr, session: Session, bindings: dict[str, str]) -> Translated:
        scope = self._scope(session, bindings)
        translated = translate(tree, scope)
        created = translated.tables[0] if isinstance(tree, exp.Create) and translated.tables else None
        is_history = self.tables_of_history > 0
        if (translated.tables or is_history) and session.warehouse not in self.account.warehouses:
            raise known("000606")
        for name in translated.tables:
            self._check(name, is_new=name == created)
        return translated

    def _check(self, name: Name, *, is_new: bool) -> None:
        if not self.engine.has_database(name.database):
            raise missing_namespace("Database", name.database)
        if not self.engine.has_schema(name.database, name.schema):
            raise missing_namespace("Schema", f"{name.database}.{name.schema}")
        if is_new or self.engine.has_object(self.run, name.database, name.schema, name.name):
            return
        if not self.engine.has_object(self.run, "temp", "main", name.name):
            raise missing_object(str(name))

    def _scope(self, session: Session, bindings: dict[str, str]) -> Scope:
        has_warehouse = session.warehouse in self.account.warehouses
        return Scope(
            database=session.database,
            schema=session.schema,
            context={
                "CURRENT_ACCOUNT": self.account.name,
                "CURRENT_ACCOUNT_NAME": self.account.name,
                "CURRENT_USER": session.user,
                "CURRENT_ROLE": session.role,
                "CURRENT_WAREHOUSE": session.warehouse if has_warehouse else None,
                "CURRENT_DATABASE": session.database if self.engine.has_database(session.database) else None,
                "CURRENT_SCHEMA": session.schema,
                "CURRENT_VERSION": VERSION,
                "CURRENT_SESSION": str(self.statement.number),
                "CURRENT_REGION": "SANDBOX",
            },
            bindings=bindings,
            variables=session.variables,
            now_us=round(self.now * 1_000_000),
            read_history=partial(self._read_history, session),
        )

    def _read_history(
        self, session: Session, function: str, arguments: list[exp.Expr], wanted: frozenset[str] | None
    ) -> str:
        given: dict[str, Any] = {}
        scope = replace(self._scope(session, {}), read_history=None)
        for argument in arguments:
            name = argument.this.name.upper() if isinstance(argument, exp.Kwarg) else ""
            if name not in ARGUMENTS:
                raise known("001003", f"SQL compilation error:\ninvalid argument for function [{function}]")
            sql = constant(argument.expression, scope)
            if name.startswith("END_TIME"):
                sql = f"epoch_us(CAST({sql} AS TIMESTAMPTZ)) / 1e6"
            given[name] = self.engine.scalar(self.run, sql)
        user, warehouse = given.get("USER_NAME"), given.get("WAREHOUSE_NAME")
        if function.endswith("BY_USER"):
            user = user or session.user
        if function.endswith("BY_WAREHOUSE"):
            warehouse = warehouse or session.warehouse
        session_id = given.get("SESSION_ID")
        if function.endswith("BY_SESSION"):
            session_id = self.statement.session_id if session_id is None else int(session_id)
        asked = Asked(
            start=given.get("END_TIME_RANGE_START"),
            end=given.get("END_TIME_RANGE_END"),
            limit=int(given.get("RESULT_LIMIT", 100)),
            user=user,
            warehouse=warehouse,
            session=session_id,
        )
        name = f"__HISTORY_{self.tables_of_history}"
        self.tables_of_history += 1
        self.engine.load(self.run, name, self.history.table(asked, wanted, self.statement))
        return name


def _failed_within(error: SnowflakeError, text: str) -> SnowflakeError:
    if error.code == "000604":
        return error
    message = (
        "JavaScript execution error: Uncaught Execution of multiple statements failed on statement "
        f'"{text[:30]}" (at line 1, position 0).\n{error.message} in SYSTEM$MULTISTMT'
    )
    return SnowflakeError("100132", message, state="P0000")
