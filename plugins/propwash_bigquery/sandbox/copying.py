"""What a worker thread does for a copy job: tables into a table, a snapshot, a clone, or a table of a snapshot."""

from __future__ import annotations

import datetime
from typing import Any

from propwash_bigquery.sandbox.engine import Engine, Run, not_found
from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.execution import Outcome
from propwash_bigquery.sandbox.loading import table_name
from propwash_bigquery.sandbox.staging import put

_KINDS = {"SNAPSHOT": "snapshotDefinition", "CLONE": "cloneDefinition"}


def copy(engine: Engine, run: Run, project: str, given: dict[str, Any], *, now: float) -> Outcome:
    """Run a copy job to its end; now is the instant of a snapshot or clone."""
    outcome = Outcome()
    try:
        sources = [table_name(one, project) for one in given.get("sourceTables") or [given["sourceTable"]]]
        target = table_name(given["destinationTable"], project)
        operation = str(given.get("operationType") or "COPY").upper()
        for source in sources:
            engine.require_dataset(source)
            if not engine.has_table(source):
                raise not_found(f"Table {source}")
        engine.require_dataset(target)
        if operation != "COPY" and len(sources) > 1:
            raise BigQueryError("invalid", f"{operation} takes one source table, not {len(sources)}")
        is_snapshot = engine.definition(sources[0]).get("type") == "SNAPSHOT"
        if operation == "RESTORE" and not is_snapshot:
            raise BigQueryError("invalid", f"Table {sources[0]} is not a snapshot, and cannot be restored")
        write = str(given.get("writeDisposition") or "WRITE_EMPTY").upper()
        if operation in _KINDS and write != "WRITE_EMPTY":
            raise BigQueryError("invalid", f"{operation} takes writeDisposition WRITE_EMPTY alone")
        if operation in _KINDS and engine.has_table(target):
            raise BigQueryError("duplicate", f"Already Exists: Table {target}")
        schemas = [engine.table_schema(source) for source in sources]
        if any(schema != schemas[0] for schema in schemas):
            raise BigQueryError("invalid", "The source tables' schemas do not match")
        count = sum(engine.count(source) for source in sources)
        schema = schemas[0] or []
        put(
            engine,
            run,
            target,
            " UNION ALL ".join(f"SELECT * FROM {source.sql}" for source in sources),
            schema=schema,
            write=write,
            create=str(given.get("createDisposition") or "CREATE_IF_NEEDED").upper(),
        )
        _define(engine, operation, given, target, sources[0].reference, now)
        outcome.moved = {"copiedRows": str(count), "copiedLogicalBytes": str(8 * count * len(schema))}
    except BigQueryError as error:
        outcome.error = error
    return outcome


def _define(
    engine: Engine, operation: str, given: dict[str, Any], target: Any, source: dict[str, str], now: float
) -> None:
    made: dict[str, Any] = {}
    if operation in _KINDS:
        at = datetime.datetime.fromtimestamp(now, tz=datetime.UTC).isoformat().replace("+00:00", "Z")
        instant = "snapshotTime" if operation == "SNAPSHOT" else "cloneTime"
        made[_KINDS[operation]] = {"baseTableReference": source, instant: at}
        made["type"] = "SNAPSHOT" if operation == "SNAPSHOT" else "TABLE"
    if given.get("destinationExpirationTime"):
        expires = datetime.datetime.fromisoformat(str(given["destinationExpirationTime"]))
        made["expirationTime"] = str(int(expires.timestamp() * 1000))
    engine.define(target, made)
