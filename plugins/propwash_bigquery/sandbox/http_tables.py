"""Datasets, tables and table data over HTTP (BigQuery REST v2), on the engine's own catalog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from propwash.sandbox import Answer, Call, World
from propwash_bigquery.sandbox.engine import Engine, Rows, not_found
from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.http_jobs import json_answer, whole
from propwash_bigquery.sandbox.http_results import format_options, page_of, timestamp_form
from propwash_bigquery.sandbox.requests import body_of
from propwash_bigquery.sandbox.sql import TableName
from propwash_bigquery.sandbox.types import column_type, quoted

AnonymousRows = Callable[[TableName], Rows | None]


class HttpTables:
    """Answers calls on datasets and tables. anonymous gives the rows that a query left without a destination."""

    def __init__(self, world: World, engine: Engine, anonymous: AnonymousRows) -> None:
        self._world = world
        self._engine = engine
        self._anonymous = anonymous
        # What the engine's catalog has no place for, as given at creation.
        self._datasets: dict[tuple[str, str], dict[str, Any]] = {}
        self._tables: dict[TableName, dict[str, Any]] = {}

    def handle(self, answer: Callable[[Call], tuple[int, Any]]) -> Callable[[Call], Awaitable[Answer]]:
        """A blocking answer, run in a worker thread and with its errors as BigQuery's."""

        async def handled(call: Call) -> Answer:
            loop = asyncio.get_running_loop()
            try:
                status, value = await loop.run_in_executor(self._world.workers, answer, call)
                return Answer(status) if value is None else json_answer(value, call, status=status)
            except BigQueryError as error:
                return error.answer()

        return handled

    def insert_dataset(self, call: Call) -> tuple[int, Any]:
        """datasets.insert."""
        body, project = body_of(call.body), call.path["project"]
        dataset = (body.get("datasetReference") or {}).get("datasetId")
        if not dataset:
            raise BigQueryError("required", "Required parameter is missing: datasetId")
        self._engine.attach(project)
        if self._engine.has_dataset(project, dataset):
            raise BigQueryError("duplicate", f"Already Exists: Dataset {project}:{dataset}")
        self._engine.execute(f"CREATE SCHEMA {quoted(project)}.{quoted(dataset)}")
        kept: dict[str, Any] = {
            name: body[name] for name in ("location", "labels", "description", "friendlyName") if name in body
        }
        self._datasets[project, dataset] = {**kept, "creationTime": _now_ms()}
        return 200, self._dataset(project, dataset)

    def get_dataset(self, call: Call) -> tuple[int, Any]:
        """datasets.get."""
        project, dataset = call.path["project"], call.path["dataset"]
        self._require_dataset(project, dataset)
        return 200, self._dataset(project, dataset)

    def list_datasets(self, call: Call) -> tuple[int, Any]:
        """datasets.list."""
        project = call.path["project"]
        query = (
            "SELECT schema_name FROM duckdb_schemas()"
            " WHERE database_name = ? AND NOT internal AND schema_name <> 'main' ORDER BY ALL"
        )
        names = [name for (name,) in self._engine.execute(query, [project])]
        shown = [self._dataset(project, name) for name in names]
        return 200, {"kind": "bigquery#datasetList", "datasets": shown}

    def delete_dataset(self, call: Call) -> tuple[int, Any]:
        """datasets.delete; with deleteContents also one that holds tables."""
        project, dataset = call.path["project"], call.path["dataset"]
        self._require_dataset(project, dataset)
        if call.query.get("deleteContents", "").lower() != "true" and self._table_names(project, dataset):
            raise BigQueryError("resourceInUse", f"Dataset {project}:{dataset} is still in use")
        self._engine.execute(f"DROP SCHEMA {quoted(project)}.{quoted(dataset)} CASCADE")
        self._datasets.pop((project, dataset), None)
        return 204, None

    def insert_table(self, call: Call) -> tuple[int, Any]:
        """tables.insert with a schema."""
        body = body_of(call.body)
        project, dataset = call.path["project"], call.path["dataset"]
        self._require_dataset(project, dataset)
        table = TableName(project, dataset, str((body.get("tableReference") or {}).get("tableId", "")))
        fields = (body.get("schema") or {}).get("fields") or []
        if not table.table or not fields:
            raise BigQueryError("invalid", "This stand-in needs a tableId and a schema")
        if self._engine.has_table(table):
            raise BigQueryError("duplicate", f"Already Exists: Table {table}")
        columns = ", ".join(
            f"{quoted(str(field['name']))} {column_type(field)}"
            f"{' NOT NULL' if str(field.get('mode', '')).upper() == 'REQUIRED' else ''}"
            for field in fields
        )
        self._engine.execute(f"CREATE TABLE {table.sql} ({columns})")
        kept: dict[str, Any] = {
            name: body[name] for name in ("labels", "description", "friendlyName") if name in body
        }
        self._tables[table] = {**kept, "creationTime": _now_ms()}
        return 200, self._table(table)

    def get_table(self, call: Call) -> tuple[int, Any]:
        """tables.get."""
        return 200, self._table(_name(call))

    def list_tables(self, call: Call) -> tuple[int, Any]:
        """tables.list."""
        project, dataset = call.path["project"], call.path["dataset"]
        self._require_dataset(project, dataset)
        names = [TableName(project, dataset, name) for name in self._table_names(project, dataset)]
        size = whole(call.query, "maxResults") or len(names)
        start = whole(call.query, "pageToken") or 0
        shown = [
            {"kind": "bigquery#table", "id": str(name), "tableReference": name.reference, "type": "TABLE"}
            for name in names[start : start + size]
        ]
        go_on = {"nextPageToken": str(start + size)} if start + size < len(names) else {}
        return 200, {"kind": "bigquery#tableList", "tables": shown, "totalItems": len(names), **go_on}

    def delete_table(self, call: Call) -> tuple[int, Any]:
        """tables.delete."""
        table = _name(call)
        if not self._engine.has_table(table):
            raise not_found(f"Table {table}")
        self._engine.execute(f"DROP TABLE {table.sql}")
        self._tables.pop(table, None)
        self._engine.define(table, {})
        return 204, None

    def list_rows(self, call: Call) -> tuple[int, Any]:
        """tabledata.list."""
        table = _name(call)
        rows = self._anonymous(table)
        if rows is None:
            if not self._engine.has_table(table):
                raise not_found(f"Table {table}")
            rows = self._engine.table_rows(table)
        page = page_of(rows, call, timestamp_form(format_options(call)))
        return 200, {"kind": "bigquery#tableDataList", **page}

    def clear(self) -> None:
        """Forget what was given at creation."""
        self._datasets.clear()
        self._tables.clear()

    def _require_dataset(self, project: str, dataset: str) -> None:
        if not self._engine.has_dataset(project, dataset):
            raise BigQueryError("notFound", f"Not found: Dataset {project}:{dataset}")

    def _table_names(self, project: str, dataset: str) -> list[str]:
        query = (
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_catalog = ? AND table_schema = ? ORDER BY ALL"
        )
        return [name for (name,) in self._engine.execute(query, [project, dataset])]

    def _dataset(self, project: str, dataset: str) -> dict[str, Any]:
        return {
            "kind": "bigquery#dataset",
            "id": f"{project}:{dataset}",
            "datasetReference": {"projectId": project, "datasetId": dataset},
            "location": "US",
            **self._datasets.get((project, dataset), {}),
        }

    def _table(self, table: TableName) -> dict[str, Any]:
        rows = self._anonymous(table)
        if rows is None:
            schema, count = self._engine.table_schema(table), 0
            if schema is None:
                raise not_found(f"Table {table}")
            count = self._engine.count(table)
        else:
            schema, count = rows.schema, len(rows.rows)
        return {
            "kind": "bigquery#table",
            "id": str(table),
            "tableReference": table.reference,
            "type": "TABLE",
            "location": "US",
            "schema": {"fields": schema},
            "numRows": str(count),
            "numBytes": str(8 * count * len(schema)),
            **self._tables.get(table, {}),
            **self._engine.definition(table),
        }


def _name(call: Call) -> TableName:
    return TableName(call.path["project"], call.path["dataset"], call.path["table"])


def _now_ms() -> str:
    return str(int(time.time() * 1000))
