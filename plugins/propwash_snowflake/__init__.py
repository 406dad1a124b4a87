"""Snowflake for Propwash: SQL statements on the SQL API v2.

Importing this needs no extra; key-pair authentication needs the extra propwash[snowflake], and what is missing is said
when a token is first wanted.
"""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sdk import Plugin
from propwash_snowflake.handler import SnowflakeHandler


def _make() -> Sequence[object]:
    return (SnowflakeHandler(),)


plugin = Plugin(name="snowflake", make=_make)

__all__ = ["SnowflakeHandler", "plugin"]
