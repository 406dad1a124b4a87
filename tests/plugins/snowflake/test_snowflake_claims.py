"""What a statement claims of pools by default: one unit of its warehouse."""

from __future__ import annotations

from typing import Any

import pytest

from propwash.sdk import Claim, Connection
from propwash_snowflake import SnowflakeHandler
from propwash_snowflake.spec import SnowflakeSpec


@pytest.mark.parametrize(
    ("spec", "settings", "pool"),
    [
        ({"warehouse": "LARGE_WH"}, {"warehouse": "SMALL_WH"}, "snowflake:prod:LARGE_WH"),
        ({}, {"warehouse": "SMALL_WH"}, "snowflake:prod:SMALL_WH"),
        ({}, {}, "snowflake:prod"),
        ({"warehouse": "large_wh"}, {}, "snowflake:prod:LARGE_WH"),
        ({"warehouse": '"large_wh"'}, {}, "snowflake:prod:large_wh"),
        ({"warehouse": '"a ""b"""'}, {}, "snowflake:prod:a%20%22b%22"),
        ({"warehouse": "night shift"}, {}, "snowflake:prod:night%20shift"),
        ({"warehouse": '"'}, {}, "snowflake:prod:%22"),
        ({"warehouse": '""'}, {}, "snowflake:prod:%22%22"),
    ],
)
def test_a_statement_claims_its_warehouse(spec: dict[str, Any], settings: dict[str, Any], pool: str) -> None:
    connection = Connection(name="prod", settings={"account": "acme-one", "auth": "none", **settings})
    parsed = SnowflakeSpec.model_validate({"statement": "SELECT 1", **spec})
    assert SnowflakeHandler().claims(connection, parsed) == (Claim(pool=pool),)
