"""Asks flyte-sdk's own readers where they would read results; run by flyte-sdk's interpreter.

python -m tests.flyte.sdk.flyte_reading FILE...

Each file is a serialised flyteidl2.core.StructuredDataset. Prints what the reader asks its client for, one JSON a line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import google.cloud.bigquery_storage
import snowflake.connector
from flyteidl2.core import literals_pb2
from flyteplugins.bigquery import dataframe as bigquery
from flyteplugins.snowflake import dataframe as snowflake_tables

from tests.flyte.sdk.recorders import Asked, Connection, ReadClient


def main(files: list[str]) -> None:
    google.cloud.bigquery_storage.BigQueryReadClient = ReadClient
    snowflake.connector.connect = Connection
    for file in files:
        literal = literals_pb2.StructuredDataset.FromString(Path(file).read_bytes())
        reader = bigquery._read_from_bq if literal.uri.startswith("bq:") else snowflake_tables._read_from_sf
        try:
            reader(literal, literal.metadata)
        except Asked as asked:
            print(asked)


if __name__ == "__main__":
    main(sys.argv[1:])
