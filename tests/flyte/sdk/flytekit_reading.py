"""Asks flytekit's own readers where they would read results; run by flytekit's interpreter.

python -m tests.flyte.sdk.flytekit_reading FILE...

Each file is a serialised flyteidl.core.StructuredDataset. Prints what the reader asks its client for, one JSON a line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import google.cloud.bigquery_storage
import snowflake.connector
from flyteidl.core import literals_pb2
from flytekit.models.literals import StructuredDataset
from flytekit.types.structured import bigquery
from flytekit.types.structured import snowflake as snowflake_tables

from tests.flyte.sdk.recorders import Asked, Connection, ReadClient


def main(files: list[str]) -> None:
    google.cloud.bigquery_storage.BigQueryReadClient = ReadClient
    snowflake.connector.connect = Connection
    snowflake_tables.get_private_key = lambda: b""
    for file in files:
        literal = literals_pb2.StructuredDataset.FromString(Path(file).read_bytes())
        dataset = StructuredDataset.from_flyte_idl(literal)
        reader = bigquery._read_from_bq if dataset.uri.startswith("bq:") else snowflake_tables._read_from_sf
        try:
            reader(dataset, dataset.metadata)
        except Asked as asked:
            print(asked)


if __name__ == "__main__":
    main(sys.argv[1:])
