"""A stand-in for BigQuery: REST API v2 as the official clients speak it, with the SQL really run on an embedded engine.

It imports nothing of the handler, so that the two cannot share a mistake. Facts of the wire are BigQuery's REST
reference (discovery document bigquery:v2); what is simplified is said where it is.
"""

from propwash.sandbox import World
from propwash_bigquery.sandbox.lifecycle import FAIL_ATTEMPTS_LABEL, FAIL_REASON_LABEL, STUCK_LABEL
from propwash_bigquery.sandbox.service import BigQueryStandIn

__all__ = ["FAIL_ATTEMPTS_LABEL", "FAIL_REASON_LABEL", "STUCK_LABEL", "BigQueryStandIn", "stand_in"]


def stand_in(world: World) -> BigQueryStandIn:
    """The stand-in in this world; named by the entry point `propwash.sandboxes`."""
    return BigQueryStandIn(world)
