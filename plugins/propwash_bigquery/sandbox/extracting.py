"""What a worker thread does for an extract job: read the table, write files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from typing import Any

from propwash_bigquery.sandbox.engine import Engine, Rows, Run, not_found, stopped
from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.execution import Outcome
from propwash_bigquery.sandbox.loading import table_name
from propwash_bigquery.sandbox.objects import ObjectStore, split
from propwash_bigquery.sandbox.parquet import write_parquet
from propwash_bigquery.sandbox.types import TimestampForm, wire_row

# The real service writes a file for each GB or less; so that sharding can be seen, this one does for so many rows.
_SHARD_ROWS = 1000
_FORMATS = ("CSV", "NEWLINE_DELIMITED_JSON", "PARQUET")
_NUMBERS = {"FLOAT", "FLOAT64"}


def extract(engine: Engine, run: Run, store: ObjectStore, project: str, given: dict[str, Any]) -> Outcome:
    """Run an extract job to its end."""
    outcome = Outcome()
    try:
        if given.get("sourceModel"):
            model = given["sourceModel"]
            raise not_found(f"Model {project}:{model.get('datasetId')}.{model.get('modelId')}")
        source = table_name(given["sourceTable"], project)
        engine.require_dataset(source)
        if not engine.has_table(source):
            raise not_found(f"Table {source}")
        rows = engine.table_rows(source)
        if run.is_stopped:
            raise stopped()
        uris = [str(uri) for uri in given.get("destinationUris") or [given["destinationUri"]]]
        counts = _write(store, rows, uris, given)
        outcome.processed_bytes = 8 * len(rows.schema) * len(rows.rows)
        outcome.moved = {
            "destinationUriFileCounts": [str(count) for count in counts],
            "inputBytes": str(outcome.processed_bytes),
        }
    except BigQueryError as error:
        outcome.error = error
    return outcome


def _write(store: ObjectStore, rows: Rows, uris: list[str], given: dict[str, Any]) -> list[int]:
    kind = str(given.get("destinationFormat") or "CSV").upper()
    compression = str(given.get("compression") or "NONE").upper()
    if kind not in _FORMATS:
        raise BigQueryError("notImplemented", f"This stand-in extracts {', '.join(_FORMATS)}, not {kind}")
    if compression not in ("NONE", "GZIP", *(("SNAPPY", "ZSTD") if kind == "PARQUET" else ())):
        raise BigQueryError("invalid", f"Compression {compression} is not supported for {kind}")
    nested = [one["name"] for one in rows.schema if one["mode"] == "REPEATED" or one["type"] == "RECORD"]
    if kind == "CSV" and nested:
        raise BigQueryError(
            "invalid", f"Operation cannot be performed on a nested schema. Field: {nested[0]}"
        )
    share = math.ceil(len(rows.rows) / len(uris))
    counts = []
    for number, uri in enumerate(uris):
        bucket, pattern = split(uri)
        part = rows.rows[number * share : (number + 1) * share]
        size = _SHARD_ROWS if "*" in pattern else max(1, len(part))
        shards = [part[at : at + size] for at in range(0, len(part), size)] or [[]]
        for shard_number, shard in enumerate(shards):
            name = pattern.replace("*", f"{shard_number:012d}")
            content = _content(Rows(schema=rows.schema, rows=shard), kind, compression, given)
            store.put(bucket, name, content)
        counts.append(len(shards))
    return counts


def _content(rows: Rows, kind: str, compression: str, given: dict[str, Any]) -> bytes:
    if kind == "PARQUET":
        lines = [json.dumps(_texts(row, rows.schema), ensure_ascii=False) for row in rows.rows]
        codec = {"NONE": "uncompressed"}.get(compression, compression.lower())
        return write_parquet(rows.schema, lines, compression=codec)
    content = _csv(rows, given) if kind == "CSV" else _json_lines(rows)
    # A fixed instant, so that equal tables make equal files.
    return gzip.compress(content, mtime=0) if compression == "GZIP" else content


def _csv(rows: Rows, given: dict[str, Any]) -> bytes:
    made = io.StringIO()
    delimiter = {"\\t": "\t", "tab": "\t"}.get(
        given.get("fieldDelimiter") or ",", given.get("fieldDelimiter") or ","
    )
    writer = csv.writer(made, delimiter=delimiter, lineterminator="\n")
    if given.get("printHeader", True) is not False:
        writer.writerow([field["name"] for field in rows.schema])
    for row in rows.rows:
        writer.writerow(
            [_scalar(cell, field) for cell, field in zip(_wire(row, rows.schema), rows.schema, strict=True)]
        )
    return made.getvalue().encode()


def _json_lines(rows: Rows) -> bytes:
    lines = []
    for row in rows.rows:
        cells = zip(_wire(row, rows.schema), rows.schema, strict=True)
        record = {field["name"]: _json_value(cell, field) for cell, field in cells if cell is not None}
        lines.append(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
    return "".join(lines).encode()


def _wire(row: tuple[Any, ...], schema: list[dict[str, Any]]) -> list[Any]:
    return [cell["v"] for cell in wire_row(row, schema, TimestampForm.ISO8601)["f"]]


def _scalar(cell: Any, field: dict[str, Any]) -> Any:
    if field["type"] == "TIMESTAMP" and isinstance(cell, str):
        seconds, _, fraction = cell.removesuffix("Z").replace("T", " ").partition(".")
        kept = fraction.rstrip("0")
        return f"{seconds}{'.' + kept if kept else ''} UTC"
    return cell


def _json_value(cell: Any, field: dict[str, Any]) -> Any:
    """A cell as an export to JSON has it: integers and decimals as text, floats and booleans as they are."""
    if cell is None:
        return None
    if field["mode"] == "REPEATED":
        one = {**field, "mode": "NULLABLE"}
        return [_json_value(item["v"], one) for item in cell]
    if field["type"] == "RECORD":
        pairs = zip(cell["f"], field["fields"], strict=True)
        return {sub["name"]: _json_value(item["v"], sub) for item, sub in pairs if item["v"] is not None}
    if field["type"] == "BOOLEAN":
        return cell == "true"
    if field["type"] in _NUMBERS and cell not in ("NaN", "Infinity", "-Infinity"):
        return float(cell)
    return _scalar(cell, field)


def _texts(row: tuple[Any, ...], schema: list[dict[str, Any]]) -> list[str | None]:
    """Cells as the reader of rows takes them: text, JSON text for what is nested."""
    made: list[str | None] = []
    for cell, field in zip(_wire(row, schema), schema, strict=True):
        value = _json_value(cell, field)
        is_nested = field["mode"] == "REPEATED" or field["type"] == "RECORD"
        if value is None or isinstance(value, str):
            made.append(value)
        else:
            made.append(json.dumps(value) if is_nested or isinstance(value, bool) else str(value))
    return made
