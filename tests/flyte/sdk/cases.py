"""What both SDKs serialise: statements with typed inputs. Imported by their interpreters and by the tests; standard
library only.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Color(enum.Enum):
    """flytekit writes the value, flyte-sdk the name."""

    RED = "RED"


@dataclass
class Address:
    """Written as msgpack."""

    street: str
    number: int


NOON = dt.datetime(2024, 2, 29, 12, 30, 0, 250_000, tzinfo=dt.timezone(dt.timedelta(hours=2)))
DAY = dt.date(2024, 2, 29)
SPAN = dt.timedelta(hours=26, seconds=3)
SHORT = dt.timedelta(minutes=90)
BIG = 2**53 + 1
TABLE = "bq://a-project:sales.orders"
"""Given as a structured dataset."""
HIVE_APPLICATION = "0000000000000001"
"""The first that is made at EMR Serverless' stand-in."""
INPUTS: dict[str, tuple[Any, Any]] = {
    "n": (int, BIG),
    "x": (float, 0.5),
    "yes": (bool, True),
    "s": (str, 'it\'s 100% \\ "so"'),
    "noon": (dt.datetime, NOON),
    "day": (dt.date, DAY),
    "span": (dt.timedelta, SPAN),
    "short": (dt.timedelta, SHORT),
    "ns": (list[int], [1, 2, BIG]),
    "no_ns": (list[int], []),
    "names": (list[str], ["a", "b"]),
    "some": (int | None, 3),
    "none": (int | None, None),
    "no_day": (dt.datetime | None, None),
    "counts": (dict[str, int], {"a": 1}),
    "home": (Address, Address("Main", 7)),
    "color": (Color, Color.RED),
    "raw": (bytes, b"ab"),
}
"""Type and value by name. The tables of the SDKs have types of their own; bytes they pickle."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One task."""

    statement: str
    inputs: tuple[str, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)
    """Of the declared output; none is declared where this is empty and has_output is false."""
    has_output: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the task's class."""


BIGQUERY = {
    "typed": Case(
        statement="""
            SELECT @n + 1 AS n, @x AS x, @yes AS yes, @s AS s, @noon AS noon, DATE(@day) AS day, @span AS span,
                (SELECT MAX(one) FROM UNNEST(@ns) AS one) AS most, ARRAY_LENGTH(@no_ns) AS nothing,
                @names AS names, @some AS some, @none AS none, @no_day AS no_day,
                @counts.a AS a, @home.number AS number, @color AS color, @orders AS orders
        """,
        inputs=(
            "n", "x", "yes", "s", "noon", "day", "span", "ns", "no_ns", "names", "some", "none", "no_day", "counts",
            "home", "color", "orders",
        ),
    ),
    "braces": Case(
        statement="SELECT {{ .inputs.n }} AS n, '{{.inputs.color}}' AS color, 'at {{ .Inputs.n }}!' AS place",
        inputs=("n", "color", "x"),
    ),
    "pickled": Case(statement="SELECT @raw AS raw", inputs=("raw",)),
    "comment": Case(statement="SELECT 1 AS one -- the only\n, 2 AS two", has_output=False),
    "columns": Case(
        statement="SELECT 1 AS n, 'a' AS name, [0.5] AS shares",
        columns={"n": int, "name": str, "shares": list[float]},
    ),
    "full": Case(
        statement="SELECT name, amount FROM orders WHERE amount >= @least AND day >= @day ORDER BY name",
        inputs=("day",),
    ),
}  # fmt: skip
SNOWFLAKE = {
    "typed": Case(
        statement="""
            SELECT %(n)s + 1 AS n, %(x)s AS x, %(yes)s AS yes, %(s)s AS s, %(noon)s AS noon, %(short)s AS short,
                %(some)s AS some, %(none)s AS none, %(no_day)s AS no_day, %(color)s AS color, %(orders)s AS orders,
                5 %% 3 AS rest, '100%%' AS percent, 2 IN (%(ns)s) AS has_two, 'c' IN (%(names)s) AS has_c
        """,
        inputs=(
            "n", "x", "yes", "s", "noon", "short", "some", "none", "no_day", "color", "orders", "ns", "names",
        ),
    ),
    "braces": Case(
        statement="SELECT {{ .inputs.n }} AS n, '{{.inputs.color}}' AS color, 'at {{ .Inputs.n }}, 5%%' AS place",
        inputs=("n", "color", "x"),
    ),
    "pickled": Case(statement="SELECT %(raw)s AS raw", inputs=("raw",)),
    "session": Case(
        statement="""
            SELECT CURRENT_WAREHOUSE() AS warehouse, CURRENT_DATABASE() AS database, CURRENT_SCHEMA() AS schema,
                CURRENT_ROLE() AS role, 'a -- b' AS text, '5%' AS percent
        """,
        has_output=False,
    ),
    "columns": Case(
        statement="SELECT 1 AS n, 'a' AS name",
        columns={"n": int, "name": str},
    ),
    "undeclared": Case(
        statement="SELECT 1 AS n, 0.25 AS share, 'a' AS name, TO_DATE('2024-02-29') AS day, TRUE AS yes"
    ),
}  # fmt: skip
BATCH = Case(
    statement="INSERT INTO points (n, name, place) VALUES (%(ns)s, UPPER(%(names)s), 'at (0, 0)')",
    inputs=("ns", "names"),
    has_output=False,
    options={"batch": True},
)
"""flyte-sdk's own: lists become rows."""
BATCH_VALUES: dict[str, list[Any]] = {"ns": [1, 2, BIG], "names": ["a", "b", "it's"]}
