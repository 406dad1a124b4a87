"""Names of pools: one grammar, whatever the parts hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propwash.core.pool import LONGEST_POOL_NAME, is_pool_name
from propwash.sdk import pool_name

PARTS = st.lists(
    st.text(min_size=1, max_size=80, alphabet=st.characters(exclude_categories=["Cs"])), min_size=1
)


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("slots",), "slots"),
        (("snowflake", "prod", "COMPUTE_WH"), "snowflake:prod:COMPUTE_WH"),
        (("bigquery", "example.com:sales", "eu"), "bigquery:example.com%3Asales:eu"),
        (("a b", "50%", "x*", "é", "~-._"), "a%20b:50%25:x%2A:%C3%A9:~-._"),
    ],
)
def test_other_characters_are_percent_encoded(parts: tuple[str, ...], name: str) -> None:
    assert pool_name(*parts) == name
    assert is_pool_name(name)


@given(PARTS, PARTS)
def test_every_name_is_well_formed_and_means_its_parts_alone(mine: list[str], theirs: list[str]) -> None:
    assert is_pool_name(pool_name(*mine))
    assert (pool_name(*mine) == pool_name(*theirs)) == (mine == theirs)


def test_a_long_name_is_cut_and_told_apart_by_its_digest() -> None:
    one, other = pool_name("w" * 300), pool_name("w" * 301)
    assert len(one) == len(other) == LONGEST_POOL_NAME
    assert one != other
    assert one.startswith("www")
    assert is_pool_name(one)


@pytest.mark.parametrize("parts", [(), ("",), ("a", "", "b")])
def test_a_name_needs_parts_that_are_not_empty(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no part may be empty"):
        pool_name(*parts)


@pytest.mark.parametrize("name", ["", ":", "a:", ":a", "a::b", "a b", "a/b", "a*", "é", "x" * 201, "a\n"])
def test_what_is_no_name(name: str) -> None:
    assert not is_pool_name(name)
