"""Results as Flyte's structured datasets: typed as the task declares them, else as the remote system told."""

from __future__ import annotations

import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import literals_pb2, types_pb2

from propwash.api.flyte.outputs import fill_outputs, memo_of
from propwash.sdk import Column, FlyteDataset
from tests.flyte.flyte_callers import template

WHOLE = types_pb2.LiteralType(simple=types_pb2.INTEGER)


def filled(dataset: FlyteDataset, memo: bytes = b"") -> literals_pb2.StructuredDataset:
    resource = agent_pb2.Resource()
    fill_outputs(resource, {"results": dataset}, memo=memo)
    return resource.outputs.literals["results"].scalar.structured_dataset


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("INTEGER", types_pb2.INTEGER),
        ("fixed", types_pb2.INTEGER),
        ("FIXED(38,0)", types_pb2.INTEGER),
        ("FIXED(38,2)", types_pb2.FLOAT),
        ("NUMBER(10, 2)", types_pb2.FLOAT),
        ("NUMERIC", types_pb2.FLOAT),
        ("NUMERIC(10)", types_pb2.FLOAT),
        ("DECIMAL(10,0)", types_pb2.FLOAT),
        ("VARCHAR(20)", types_pb2.STRING),
        ("DATE", types_pb2.DATETIME),
        ("TIMESTAMP_TZ", types_pb2.DATETIME),
        ("TIME", types_pb2.STRING),
        ("INTERVAL", types_pb2.DURATION),
        ("BYTES", types_pb2.BINARY),
        ("BOOL", types_pb2.BOOLEAN),
        ("RANGE<DATE>", types_pb2.STRING),
        ("STRUCT<a INT64>", types_pb2.STRUCT),
        ("VARIANT", types_pb2.STRUCT),
        ("ARRAY", types_pb2.STRUCT),
        ("", types_pb2.STRUCT),
    ],
)
def test_a_column_has_flyte_s_nearest_type(told: str, kind: types_pb2.SimpleType) -> None:
    made = filled(FlyteDataset(uri="bq://p:d.t", columns=(Column(name="a", type=told),)))
    (column,) = made.metadata.structured_dataset_type.columns
    assert (column.name, column.literal_type) == ("a", types_pb2.LiteralType(simple=kind))


def test_a_repeated_column_is_a_collection() -> None:
    made = filled(FlyteDataset(uri="bq://p:d.t", columns=(Column(name="a", type="ARRAY<INT64>"),)))
    (column,) = made.metadata.structured_dataset_type.columns
    assert column.literal_type == types_pb2.LiteralType(collection_type=WHOLE)


def test_what_the_task_declares_goes_before_what_the_remote_system_told() -> None:
    kind = {
        "structuredDatasetType": {
            "columns": [{"name": "n", "literalType": {"simple": "INTEGER"}}],
            "format": "x",
        }
    }
    memo = memo_of(template("t", interface={"outputs": {"variables": {"results": {"type": kind}}}}))
    made = filled(FlyteDataset(uri="bq://p:d.t", columns=(Column(name="a", type="TEXT"),)), memo)
    told = made.metadata.structured_dataset_type
    assert [(one.name, one.literal_type) for one in told.columns] == [("n", WHOLE)]
    assert told.format == "x"


def test_without_either_there_are_no_columns() -> None:
    made = filled(FlyteDataset(uri="bq://p:d.t"), b"\xff\xff")
    assert made.uri == "bq://p:d.t"
    assert list(made.metadata.structured_dataset_type.columns) == []
