"""Inputs become bind variables of the right type, in the text that Snowflake asks for; others are refused by name."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from propwash.sdk import Permanent, Value
from propwash_snowflake.binding import InputError, bound
from propwash_snowflake.spec import SnowflakeSpec
from propwash_snowflake.submission import body_of
from tests.plugins.snowflake.snowflake_rig import snowflake_rig

NOON = dt.datetime(2024, 1, 1, 12, 0, 1, 500, tzinfo=dt.UTC)
INDIA = dt.timezone(dt.timedelta(hours=5, minutes=30))


def one(value: Value, kind: str | None = None) -> dict[str, object]:
    """What the only input is bound as."""
    binding: object = "x" if kind is None else {"input": "x", "type": kind}
    spec = SnowflakeSpec.model_validate({"statement": "SELECT ?", "bindings": [binding]})
    return bound(spec, {"x": value})["1"]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (True, "BOOLEAN", "true"),
        (42, "FIXED", "42"),
        (-(10**37), "FIXED", "-1" + "0" * 37),
        (0.1, "REAL", "0.1"),
        ("it's", "TEXT", "it's"),
        ("", "TEXT", ""),
        (b"\xca\xfe", "BINARY", "CAFE"),
        (NOON, "TIMESTAMP_TZ", "1704110401000500000 1440"),
        (NOON.astimezone(INDIA), "TIMESTAMP_TZ", "1704110401000500000 1770"),
        (dt.timedelta(hours=1, microseconds=5), "TIME", "3600000005000"),
        (None, "TEXT", None),
        ([1, None, 3], "FIXED", ["1", None, "3"]),
        (["a", "b"], "TEXT", ["a", "b"]),
        ([None, None], "TEXT", [None, None]),
    ],
)
def test_an_input_is_bound_by_its_own_type(value: Value, kind: str, text: object) -> None:
    assert one(value) == {"type": kind, "value": text}


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (7, "REAL", "7.0"),
        ("12.50", "FIXED", "12.50"),
        ("2024-02-29", "DATE", "1709164800000"),
        (NOON, "DATE", "1704067200000"),
        ("1969-12-31", "DATE", "-86400000"),
        ("12:00:00.5", "TIME", "43200500000000"),
        (NOON, "TIMESTAMP_LTZ", "1704110401000500000"),
        (NOON.astimezone(INDIA), "TIMESTAMP_NTZ", "1704130201000500000"),
        ("2024-01-01T00:00:00", "TIMESTAMP_NTZ", "1704067200000000000"),
        ("cafe", "BINARY", "CAFE"),
        (["2024-01-01", None], "DATE", ["1704067200000", None]),
    ],
)
def test_an_input_is_bound_as_the_spec_says(value: Value, kind: str, text: object) -> None:
    assert one(value, kind) == {"type": kind, "value": text}


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (1.5, "FIXED", "float cannot be bound as FIXED"),
        ("many", "FIXED", "str cannot be bound as FIXED"),
        (True, "FIXED", "bool cannot be bound as FIXED"),
        (1, "BOOLEAN", "int cannot be bound as BOOLEAN"),
        (1, "TEXT", "int cannot be bound as TEXT"),
        ("2024-13-01", "DATE", "str cannot be bound as DATE"),
        ("25:00", "TIME", "str cannot be bound as TIME"),
        (dt.timedelta(days=1), "TIME", "timedelta cannot be bound as TIME"),
        ("xyz", "BINARY", "str cannot be bound as BINARY"),
        ([1, "a"], "FIXED", "[1]: str cannot be bound as FIXED"),
        ({"a": 1}, None, "a map cannot be bound: give it as JSON text"),
        ([], None, "an empty list cannot be bound"),
        ([1, "a"], None, "a list of FIXED and TEXT: give one type"),
    ],
)
def test_an_input_that_does_not_fit_is_named(value: Value, kind: str | None, said: str) -> None:
    with pytest.raises(InputError) as raised:
        one(value, kind)
    assert str(raised.value).startswith("inputs.x")
    assert said in str(raised.value)


def test_one_element_of_a_list_is_bound_by_its_own_type() -> None:
    elements: list[dict[str, Any]] = [{"element": 1}, {"element": 0}, {"element": 2, "type": "FIXED"}]
    bindings = [{"input": "x", **one} for one in elements]
    spec = SnowflakeSpec.model_validate({"statement": "SELECT ? IN (?, ?)", "bindings": bindings})
    assert bound(spec, {"x": [1, "a", None]}) == {
        "1": {"type": "TEXT", "value": "a"},
        "2": {"type": "FIXED", "value": "1"},
        "3": {"type": "FIXED", "value": None},
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1], "inputs.x: a binding names its element 1, and it has 1"),
        ("ab", "inputs.x: a binding names its element 1, and it is no list"),
        (["a", ["b"]], "inputs.x[1]: a list within a list cannot be bound"),
        (["a", {"b": 1}], "inputs.x[1]: a map cannot be bound"),
    ],
)
def test_an_element_that_is_not_there_or_does_not_fit_is_named(value: Value, said: str) -> None:
    spec = SnowflakeSpec.model_validate({"statement": "?", "bindings": [{"input": "x", "element": 1}]})
    with pytest.raises(InputError) as raised:
        bound(spec, {"x": value})
    assert str(raised.value).startswith(said)


async def test_the_body_has_what_the_spec_and_the_connection_say() -> None:
    async with snowflake_rig(role="LOADER", session_parameters={"timezone": "UTC", "week_start": 1}) as rig:
        request = rig.request(
            "SELECT 1; SELECT 2",
            statement_count=2,
            timeout_s=0,
            schema="STAGE",
            session_parameters={"WEEK_START": 7, "ABORT_DETACHED_QUERY": False},
            query_tag="mine",
            labels={"team": "growth"},
            run_deadline_s=90.5,
        )
        from_settings: Any = rig.handler.settings_type
        body = body_of(request, from_settings.model_validate(dict(rig.connection.settings)))
    parameters = body.pop("parameters")
    assert isinstance(parameters, dict)
    tag = parameters.pop("QUERY_TAG")
    assert tag.startswith(f'{{"propwash":"{request.name}"')
    assert '"mine"' in tag
    assert '"growth"' in tag
    assert parameters == {
        "TIMEZONE": "UTC",
        "WEEK_START": "7",
        "ABORT_DETACHED_QUERY": "false",
        "MULTI_STATEMENT_COUNT": "2",
    }
    assert body == {
        "statement": "SELECT 1; SELECT 2",
        "timeout": 91,
        "warehouse": "DEMO_WH",
        "database": "DEMO",
        "schema": "STAGE",
        "role": "LOADER",
    }


async def test_inputs_that_nothing_binds_end_the_request() -> None:
    async with snowflake_rig() as rig:
        with pytest.raises(Permanent) as raised:
            await rig.handler.create(rig.request("SELECT 1", inputs={"unused": 1}))
        assert (raised.value.reason, "inputs.unused" in raised.value.message) == ("INVALID_INPUTS", True)
        assert rig.world.ledger.jobs == []
