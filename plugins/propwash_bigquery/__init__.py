"""BigQuery for Propwash: query, load, extract and copy jobs on the REST API v2.

Importing this needs no extra; credentials need the extra propwash[bigquery], and what is missing is said when they
are first wanted.
"""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sdk import Plugin
from propwash_bigquery.desks import Desks
from propwash_bigquery.handler import (
    BigQueryCopyHandler,
    BigQueryExtractHandler,
    BigQueryHandler,
    BigQueryLoadHandler,
)


def _make() -> Sequence[object]:
    desks = Desks()
    kinds = (BigQueryHandler, BigQueryLoadHandler, BigQueryExtractHandler, BigQueryCopyHandler)
    return [kind(desks=desks) for kind in kinds]


plugin = Plugin(name="bigquery", make=_make)

__all__ = [
    "BigQueryCopyHandler",
    "BigQueryExtractHandler",
    "BigQueryHandler",
    "BigQueryLoadHandler",
    "plugin",
]
