"""Statements that are neither queries nor changes of rows: DDL, SHOW, and what a session is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlglot import exp

from propwash_snowflake.sandbox.engine import Engine, Run
from propwash_snowflake.sandbox.engine_errors import missing_namespace, missing_object
from propwash_snowflake.sandbox.errors import SnowflakeError, compilation
from propwash_snowflake.sandbox.session import Account, Session
from propwash_snowflake.sandbox.sql import Name, Translated, identifier
from propwash_snowflake.sandbox.statements import Rows
from propwash_snowflake.sandbox.tags import parse_tag
from propwash_snowflake.sandbox.trivial import status_rows, text_column

_DONE: Final = "Statement executed successfully."
_RELATIONS: Final = frozenset({"TABLE", "VIEW"})
# "Submitting a request": not accepted as the only statement of a request.
_ALONE_REFUSED: Final = {
    exp.Transaction: "TRANSACTION_BEGIN",
    exp.Commit: "TRANSACTION_COMMIT",
    exp.Rollback: "TRANSACTION_ROLLBACK",
    exp.Use: "USE",
    exp.Set: "SET",
}


def unsupported(tree: exp.Expr) -> str | None:
    """The name of a command that cannot be the only statement of a request; None for one that can."""
    for node, name in _ALONE_REFUSED.items():
        if isinstance(tree, node):
            return name
    return type(tree).__name__.upper() if isinstance(tree, exp.Put | exp.Get) else None


class Commands:
    """Runs such statements in one session, which they may change."""

    def __init__(
        self,
        engine: Engine,
        account: Account,
        run: Run,
        session: Session,
        translated: Callable[[exp.Expr], Translated],
    ) -> None:
        self._engine = engine
        self._account = account
        self._run = run
        self._session = session
        self._translated = translated

    def query_type(self, tree: exp.Expr) -> str:
        """QUERY_TYPE as the history shows it."""
        match tree:
            case exp.Create():
                is_ctas = tree.kind == "TABLE" and tree.args.get("expression") is not None
                return "CREATE_TABLE_AS_SELECT" if is_ctas else f"CREATE_{tree.kind or 'OBJECT'}".upper()
            case exp.Drop():
                return "DROP"
            case exp.Alter():
                return "ALTER_SESSION" if tree.kind == "SESSION" else "ALTER"
            case exp.Transaction():
                return "BEGIN_TRANSACTION"
            case exp.TruncateTable():
                return "TRUNCATE_TABLE"
            case exp.Commit() | exp.Rollback() | exp.Use() | exp.Set() | exp.Show() | exp.Describe():
                return type(tree).__name__.upper()
            case _:
                return "UNKNOWN"

    def run_tree(self, tree: exp.Expr) -> Rows:
        """Run one statement. Raises SnowflakeError."""
        match tree:
            case exp.Create():
                return status_rows(self._create(tree))
            case exp.Drop():
                return status_rows(self._drop(tree))
            case exp.TruncateTable():
                return self._truncate(tree)
            case exp.Alter() if tree.kind == "SESSION":
                return status_rows(self._alter_session(tree))
            case exp.Alter():
                self._engine.change(self._run, self._translated(tree).sql)
                return status_rows(_DONE)
            case exp.Transaction():
                self._engine.transact(self._run)
                return status_rows(_DONE)
            case exp.Commit():
                self._engine.commit(self._run)
                return status_rows(_DONE)
            case exp.Rollback():
                self._engine.rollback(self._run)
                return status_rows(_DONE)
            case exp.Use():
                return status_rows(self._use(tree))
            case exp.Set():
                return status_rows(self._set(tree))
            case exp.Show():
                return self._show(tree)
            case _:
                shown = tree.sql("snowflake")[:60]
                raise SnowflakeError(
                    "000002", f"Unsupported statement in this stand-in: {shown}", state="0A000"
                )

    def _create(self, tree: exp.Create) -> str:
        kind, name = str(tree.kind).upper(), identifier(tree.this)
        exists = bool(tree.args.get("exists"))
        match kind:
            case "WAREHOUSE":
                self._account.warehouses.add(name)
            case "ROLE":
                self._account.roles.add(name)
            case "DATABASE":
                if self._engine.has_database(name):
                    return _there(name, exists)
                self._engine.attach(name)
            case "SCHEMA":
                database, name = self._schema_name(tree.this)
                if not self._engine.has_database(database):
                    raise missing_namespace("Database", database)
                if self._engine.has_schema(database, name):
                    return _there(name, exists)
                self._engine.change(self._run, f'CREATE SCHEMA "{database}"."{name}"')
            case "TABLE" | "VIEW":
                return self._create_relation(tree, kind, exists)
            case _:
                raise SnowflakeError("000002", f"Unsupported feature '{kind}'.", state="0A000")
        return f"{kind.capitalize()} {name} successfully created."

    def _create_relation(self, tree: exp.Create, kind: str, exists: bool) -> str:
        translated = self._translated(tree)
        name = translated.tables[0] if translated.tables else Name("temp", "main", identifier(tree.this))
        if not tree.args.get("replace") and self._has(name):
            return _there(name.name, exists, full=str(name))
        self._engine.change(self._run, translated.sql)
        return f"{kind.capitalize()} {name.name} successfully created."

    def _has(self, name: Name) -> bool:
        return self._engine.has_object(self._run, name.database, name.schema, name.name)

    def _drop(self, tree: exp.Drop) -> str:
        target = tree.this or tree.args["tables"][0]
        kind, name, exists = str(tree.kind).upper(), identifier(target), bool(tree.args.get("exists"))
        gone = f"Drop statement executed successfully ({name} already dropped)."
        match kind:
            case "WAREHOUSE":
                self._account.warehouses.discard(name)
            case "DATABASE":
                if not self._engine.has_database(name):
                    if exists:
                        return gone
                    raise missing_namespace("Database", name)
                self._engine.detach(name)
            case "SCHEMA":
                database, name = self._schema_name(target)
                if not self._engine.has_schema(database, name):
                    if exists:
                        return gone
                    raise missing_namespace("Schema", f"{database}.{name}")
                self._engine.change(self._run, f'DROP SCHEMA "{database}"."{name}" CASCADE')
            case one if one in _RELATIONS:
                try:
                    translated = self._translated(tree)
                except SnowflakeError:
                    if exists:
                        return gone
                    raise
                self._engine.change(self._run, translated.sql)
            case _:
                raise SnowflakeError("000002", f"Unsupported feature '{kind}'.", state="0A000")
        return f"{name} successfully dropped."

    def _schema_name(self, node: exp.Expr) -> tuple[str, str]:
        parts = (
            [identifier(part) for part in node.parts] if isinstance(node, exp.Table) else [identifier(node)]
        )
        return (parts[0] if len(parts) > 1 else self._session.database, parts[-1])

    def _truncate(self, tree: exp.TruncateTable) -> Rows:
        translated = self._translated(tree)
        name = translated.tables[0]
        found = self._engine.change(self._run, f'DELETE FROM "{name.database}"."{name.schema}"."{name.name}"')
        rows = status_rows(_DONE)
        if found and found[0][0]:
            rows.stats["numRowsDeleted"] = int(found[0][0])
        return rows

    def _alter_session(self, tree: exp.Alter) -> str:
        for setting in tree.find_all(exp.EQ):
            name = identifier(setting.this)
            self._session.parameters[name] = setting.expression.name
            if name == "QUERY_TAG":
                self._session.tag = parse_tag(setting.expression.name)
        return _DONE

    def _use(self, tree: exp.Use) -> str:
        kind = "" if tree.args.get("kind") is None else tree.args["kind"].name.upper()
        parts = [identifier(part) for part in tree.this.parts]
        session = self._session
        match kind:
            case "WAREHOUSE":
                if parts[-1] not in self._account.warehouses:
                    raise compilation(
                        "002043", "02000", "Object does not exist, or operation cannot be performed."
                    )
                session.warehouse = parts[-1]
            case "ROLE":
                if parts[-1] not in self._account.roles:
                    raise compilation(
                        "002043", "02000", "Object does not exist, or operation cannot be performed."
                    )
                session.role = parts[-1]
            case "SCHEMA":
                database, schema = self._schema_name(tree.this)
                if not self._engine.has_schema(database, schema):
                    raise missing_namespace("Schema", f"{database}.{schema}")
                session.database, session.schema = database, schema
            case _:
                if not self._engine.has_database(parts[0]):
                    raise missing_namespace("Database", parts[0])
                session.database = parts[0]
                session.schema = parts[1] if len(parts) > 1 else "PUBLIC"
        return _DONE

    def _set(self, tree: exp.Set) -> str:
        for setting in tree.find_all(exp.EQ):
            selected = self._translated(exp.select(exp.alias_(setting.expression.copy(), "x")))
            rows = self._engine.select(self._run, selected.sql, None, {})
            value = rows.rows[0][0]
            kind = {"fixed": "DECIMAL(38, 0)", "real": "DOUBLE", "boolean": "BOOLEAN"}.get(
                rows.row_type[0]["type"], "VARCHAR"
            )
            literal = "NULL" if value is None else "'" + value.replace("'", "''") + "'"
            self._session.variables[identifier(setting.this)] = f"CAST({literal} AS {kind})"
        return _DONE

    def _show(self, tree: exp.Show) -> Rows:
        what = str(tree.this).upper()
        match what:
            case "WAREHOUSES":
                names = sorted(self._account.warehouses)
            case "ROLES":
                names = sorted(self._account.roles)
            case "DATABASES":
                names = self._engine.databases()
            case "TABLES" | "VIEWS":
                kind = "BASE TABLE" if what == "TABLES" else "VIEW"
                sql = (
                    "SELECT upper(table_name) FROM information_schema.tables"
                    f" WHERE table_catalog = '{self._session.database}' AND table_type = '{kind}' ORDER BY 1"
                )
                names = [str(row[0]) for row in self._engine.select(self._run, sql, None, {}).rows]
            case _:
                raise missing_object(what)
        return Rows(row_type=[text_column("name")], rows=[[name] for name in names])


def _there(name: str, exists: bool, *, full: str = "") -> str:
    if exists:
        return f"{name} already exists, statement succeeded."
    raise compilation("002002", "42710", f"Object '{full or name}' already exists.")
