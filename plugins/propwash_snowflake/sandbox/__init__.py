"""A stand-in for Snowflake: SQL API v2 as its OpenAPI description has it, with the SQL run on an embedded engine.

It imports nothing of the handler, so that the two cannot share a mistake. What is simplified is said where it is.
"""

from propwash.sandbox import World
from propwash_snowflake.sandbox.service import SnowflakeStandIn
from propwash_snowflake.sandbox.tags import (
    FAIL_ATTEMPTS_LABEL,
    FAIL_REASON_LABEL,
    RERUN_LABEL,
    STATUS_LABEL,
    STUCK_LABEL,
)

__all__ = [
    "FAIL_ATTEMPTS_LABEL",
    "FAIL_REASON_LABEL",
    "RERUN_LABEL",
    "STATUS_LABEL",
    "STUCK_LABEL",
    "SnowflakeStandIn",
    "stand_in",
]


def stand_in(world: World) -> SnowflakeStandIn:
    """The stand-in in this world; named by the entry point `propwash.sandboxes`."""
    return SnowflakeStandIn(world)
