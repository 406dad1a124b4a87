"""Starts local-bigquery 0.4.0 without a network, in its own environment:

    python bigquery_launcher.py PORT GRPC_PORT FOLDER

Three things are put in the way of the package as published, none in its HTTP, its jobs or its errors:

- Storage. It keeps projects in DuckLake, an extension that DuckDB downloads when it is first used. Here each project is
  a plain DuckDB file.
- SQL functions of extensions that are not bundled (geography) are left out, with a line on standard error.
- jobs.insert looks for the name and then saves the job, so that two inserts of one name at one instant may both run.
  One insert at a time here, as the real service refuses the second.

This file runs where neither Propwash nor its tests can be imported, and imports neither.
"""

from __future__ import annotations

import functools
import sys
import threading
from pathlib import Path

import duckdb
from local_bigquery import cli
from local_bigquery.engine import database
from local_bigquery.jobs import runner
from local_bigquery.settings import settings

_one_insert = threading.Lock()
_submit = runner.submit


def _file(project: str) -> Path:
    return Path(settings.data_dir) / f"{project}.duckdb"


def _attach(connection: duckdb.DuckDBPyConnection, project: str) -> None:
    connection.execute(f"ATTACH IF NOT EXISTS '{_file(project)}' AS {database.quote(project)}")
    database._attached.add(project)


def _declare_functions(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("ATTACH ':memory:' AS bq")
    database.native.register(connection)
    for path in database.FUNCTIONS:
        script = database.MACRO.sub(r"CREATE MACRO bq.main.\1", path.read_text())
        for statement in duckdb.extract_statements(script):
            if statement.query.lstrip().upper().startswith("INSTALL"):
                continue
            try:
                connection.execute(statement)
            except duckdb.Error as error:
                print(f"left out: {str(error).splitlines()[0]}", file=sys.stderr)


@functools.cache
def _connect() -> duckdb.DuckDBPyConnection:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute(f"ATTACH '{settings.data_dir / 'emulator.duckdb'}' AS emulator")
    connection.execute(database.EMULATOR_SCHEMA)
    _declare_functions(connection)
    _attach(connection, settings.default_project_id)
    schema = database.quote(settings.default_project_id, settings.default_dataset_id)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    return connection


def _submit_alone(*given: object, **named: object) -> object:
    with _one_insert:
        return _submit(*given, **named)


def main(port: str, grpc_port: str, folder: str) -> None:
    """Serve on the loopback until the process is ended."""
    database._attach = _attach
    database._connect = _connect
    runner.submit = _submit_alone
    options = {"host": "127.0.0.1", "port": port, "grpc-port": grpc_port, "data-dir": folder}
    cli.main(["serve", *(word for name, value in options.items() for word in (f"--{name}", value))])


if __name__ == "__main__":
    main(*sys.argv[1:])
