"""Bodies of answers: ResultSet with its partitions and links, QueryStatus, CancelStatus.

Source: Snowflake's OpenAPI description of the SQL API (schemas, header Link) and the examples of "Snowflake SQL API
reference". A partition after the first comes compressed and with its rows alone, as the real service sends it.
"""

from __future__ import annotations

import gzip
import json
import uuid
from typing import Any, Final

from propwash.sandbox import Answer
from propwash_snowflake.sandbox.errors import (
    IN_PROGRESS,
    IN_PROGRESS_ASYNC,
    SUCCESS,
    SnowflakeError,
    canceled,
)
from propwash_snowflake.sandbox.statements import UNKNOWN_CODE, Rows, Statement
from propwash_snowflake.sandbox.trivial import status_rows

ROOT: Final = "/api/v2/statements"
# The real service measures partitions in bytes: 20,000 narrow rows came as 2,063, 4,682, 9,404 and 3,851.
_FIRST_ROWS = 2_000
_MOST_ROWS = 50_000
_MULTIPLE = "Multiple statements executed successfully."


def partitions(count: int) -> list[tuple[int, int]]:
    """The bounds of each partition of so many rows; there is always one."""
    made: list[tuple[int, int]] = []
    start, size = 0, _FIRST_ROWS
    while start < count or not made:
        end = min(count, start + size)
        made.append((start, end))
        start, size = end, min(size * 2, _MOST_ROWS)
    return made


def in_progress(statement: Statement, now: float) -> Answer:
    """202 with the QueryStatus of a statement that has not ended."""
    message = "Asynchronous execution in progress. Use provided query id to perform query monitoring and management."
    code = IN_PROGRESS_ASYNC
    if now < statement.unknown_until:
        code, message = UNKNOWN_CODE, "Statement is being rebalanced."
    elif not statement.submission.is_async:
        code, message = IN_PROGRESS, "Query execution in progress."
    handle = statement.handle
    body = (
        f'{{"code":"{code}","message":"{message}","statementHandle":"{handle}",'
        f'"createdOn":{int(statement.created_at * 1000)},"statementStatusUrl":"{ROOT}/{handle}"}}'
    )
    return Answer(202, body.encode())


def failure(statement: Statement, error: SnowflakeError, *, status: int) -> Answer:
    """A QueryFailureStatus (or, for 408, a QueryStatus)."""
    body = {
        **error.body(statement.handle),
        "createdOn": int(statement.created_at * 1000),
        "statementStatusUrl": f"{ROOT}/{statement.handle}",
    }
    return Answer(status, json.dumps(body).encode())


def cancel_status(statement: Statement) -> Answer:
    """200 with the CancelStatus: the cancel is accepted, and the statement ends when it ends."""
    body = {**canceled().body(statement.handle), "statementStatusUrl": f"{ROOT}/{statement.handle}"}
    return Answer(200, json.dumps(body).encode())


def result_set(statement: Statement, *, partition: int, is_nullable: bool) -> Answer:
    """200 with a partition of the result. Raises SnowflakeError (400) for one that does not exist."""
    rows = statement.rows
    if statement.is_multi:
        rows = status_rows(_MULTIPLE, name="multiple statement execution")
    if rows is None:
        raise SnowflakeError("391922", "The result is no longer available.", status=400)
    bounds = partitions(len(rows.rows))
    if partition >= len(bounds):
        message = f"Invalid partition {partition}: it must be from 0 to {len(bounds) - 1}."
        raise SnowflakeError("391922", message, status=400)
    start, end = bounds[partition]
    data: list[list[str | None]] = rows.rows[start:end]
    if not is_nullable:
        data = [["null" if value is None else value for value in row] for row in data]
    links = {"Link": _links(statement.handle, partition, len(bounds))}
    if partition:
        packed = gzip.compress(_dumped({"data": data}), compresslevel=1)
        return Answer(200, packed, {**links, "Content-Encoding": "gzip"})
    body = _head(statement, rows, bounds)
    body["data"] = data
    if rows.stats:
        body["stats"] = rows.stats
    if statement.is_multi:
        body["statementHandles"] = [child.handle for child in statement.children]
    return Answer(200, _dumped(body), links)


def _head(statement: Statement, rows: Rows, bounds: list[tuple[int, int]]) -> dict[str, Any]:
    width = 16 * max(1, len(rows.row_type))
    return {
        "resultSetMetaData": {
            "numRows": len(rows.rows),
            "format": "jsonv2",
            "partitionInfo": [
                {"rowCount": end - start, "uncompressedSize": width * (end - start)} for start, end in bounds
            ],
            "rowType": rows.row_type,
        },
        "code": SUCCESS,
        "sqlState": "00000",
        "message": "Statement executed successfully.",
        "statementHandle": statement.handle,
        "createdOn": int(statement.created_at * 1000),
        "statementStatusUrl": f"{ROOT}/{statement.handle}?requestId={uuid.uuid4()}",
    }


def _links(handle: str, partition: int, count: int) -> str:
    wanted = {"first": 0, "last": count - 1}
    if partition > 0:
        wanted["prev"] = partition - 1
    if partition + 1 < count:
        wanted["next"] = partition + 1
    url = f"{ROOT}/{handle}?requestId={uuid.uuid4()}&partition="
    return ",".join(f'<{url}{number}>;rel="{name}"' for name, number in wanted.items())


def _dumped(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
