"""Typed values keep their types on the way there and back."""

from __future__ import annotations

import datetime as dt
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propwash.client import Value
from propwash.client.values import from_value, to_value

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(dt.UTC))
    | st.timedeltas(min_value=dt.timedelta(days=-3_000_000), max_value=dt.timedelta(days=3_000_000))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(values)
def test_every_value_comes_back_as_it_was(value: Value) -> None:
    back = from_value(to_value(value))
    assert back == value
    assert type(back) is type(value)


def test_an_integer_is_no_double_and_a_bool_no_integer() -> None:
    assert to_value(1).WhichOneof("kind") == "integer"
    assert to_value(1.0).WhichOneof("kind") == "number"
    assert to_value(True).WhichOneof("kind") == "boolean"


def test_a_naive_instant_is_utc() -> None:
    assert from_value(to_value(dt.datetime(2026, 1, 31))) == dt.datetime(2026, 1, 31, tzinfo=dt.UTC)


def test_what_has_no_kind_is_refused() -> None:
    with pytest.raises(OverflowError, match="64 bits"):
        to_value(2**63)
    with pytest.raises(TypeError, match="object is no value"):
        to_value(cast("Value", object()))
