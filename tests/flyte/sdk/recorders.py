"""Clients that only write down what they are asked, for the SDKs' own readers of results; run by their interpreters."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class Asked(Exception):
    """What a reader asked for; it ends the reading there, before anything is read."""


class ReadClient:
    """In place of BigQuery's storage client."""

    def create_read_session(self, *, parent: str, read_session: Any) -> NoReturn:
        selected = list(read_session.read_options.selected_fields)
        raise Asked(json.dumps({"parent": parent, "table": read_session.table, "selected": selected}))


class Connection:
    """In place of a connection of Snowflake's driver."""

    def __init__(self, **settings: Any) -> None:
        self._settings = {name: value for name, value in settings.items() if isinstance(value, str)}

    def cursor(self) -> Connection:
        return self

    def get_results_from_sfqid(self, query_id: str) -> NoReturn:
        raise Asked(json.dumps({**self._settings, "query_id": query_id}))
