"""BigQuery for Propwash: query jobs on the REST API v2.

Importing this needs no extra; credentials need the extra propwash[bigquery], and what is missing is said when they
are first wanted.
"""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sdk import Plugin
from propwash_bigquery.handler import BigQueryHandler


def _make() -> Sequence[object]:
    return (BigQueryHandler(),)


plugin = Plugin(name="bigquery", make=_make)

__all__ = ["BigQueryHandler", "plugin"]
