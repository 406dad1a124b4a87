"""Snowflake tasks of Flyte's SDKs.

Source: flytekit's SnowflakeTask (account, user, warehouse, database and schema in config) and flyte-sdk's Snowflake
task (the same in custom, with connection_kwargs and batch); both write %(name)s for inputs, older templates
{{ .inputs.name }}.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from propwash.sdk import (
    FlyteDataset,
    FlyteDone,
    FlyteJob,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    Json,
    SentSecret,
    TemplateError,
    Value,
)
from propwash_snowflake.connection import OTHER_CREDENTIALS
from propwash_snowflake.keys import StatementKey

_PLACES = ("warehouse", "database", "schema")
_KWARGS = frozenset({"role", "session_parameters", "warehouse", "database", "schema"})
_KEY, _PASSPHRASE = "snowflake_private_key", "snowflake_private_key_passphrase"
"""What flyte-sdk's task calls its secrets; their values are PEM text and a passphrase as they stand."""
_INPUT = re.compile(r"%\((?P<percent>\w+)\)s|\{\{\s*\.inputs\.(?P<braces>\w+)\s*\}\}|%%")


class StatementTasks:
    """Templates of statements."""

    def request(self, task: FlyteTask) -> FlyteRequest:
        """The statement, its inputs as bind variables; raises TemplateError."""
        if not task.statement:
            raise TemplateError("sql.statement: is empty, and should be the statement")
        given = _texts(task)
        kwargs = task.custom.get("connection_kwargs") or {}
        if not isinstance(kwargs, Mapping):
            raise TemplateError("custom.connection_kwargs: should be a map")
        if unknown := sorted(set(kwargs) - _KWARGS):
            told = ", ".join(sorted(_KWARGS))
            raise TemplateError(f"custom.connection_kwargs.{unknown[0]}: is none of {told}")
        spec: dict[str, Json] = {name: given[name] for name in _PLACES if given.get(name)}
        spec.update(kwargs)
        statement, names = _bound(task.statement, task.inputs)
        spec["statement"] = statement
        if names:
            spec["bindings"] = tuple(names)
        inputs = {name: task.inputs[name] for name in dict.fromkeys(names)}
        account = {name: given[name] for name in ("account", "user") if given.get(name)}
        return FlyteRequest(spec=spec, inputs=inputs, account=account)

    def outputs(self, done: FlyteDone) -> FlyteOutputs:
        """The address of the statement's result, as the SDK that asks reads it."""
        handle = done.outputs.get("statement_handle")
        if not isinstance(handle, str) or not handle:
            return {}
        user, account, *places = (
            str(done.spec.get(name) or done.settings.get(name) or "")
            for name in ("user", "account", *_PLACES)
        )
        who = f"{user}/{account}" if done.is_v2 else f"{user}:{account}"
        return {"results": FlyteDataset(uri="/".join(("snowflake:/", who, *places, handle)))}

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:
        """The statement of the SDKs' SnowflakeJobMetadata."""
        match meta:
            case {"query_id": str(handle), "account": str(), "user": str()} if handle:
                pass
            case _:
                return None
        spec: dict[str, Json] = {"statement": f"-- {handle}, begun by another connector"}
        spec.update((name, meta[name]) for name in _PLACES if meta.get(name))
        account = {name: str(meta[name]) for name in ("account", "user") if meta[name]}
        return FlyteJob(meta=StatementKey(handle).meta(), request=FlyteRequest(spec=spec, account=account))

    def credentials(self, names: Collection[str]) -> Mapping[str, Json]:
        """A key pair, whatever the connection signs in with: the key belongs to the template's user."""
        if unknown := sorted(set(names) - {_KEY, _PASSPHRASE}):
            raise TemplateError(f"custom.secrets.{unknown[0]:.100}: is none of {_KEY}, {_PASSPHRASE}")
        if _KEY not in names:
            raise TemplateError(f"custom.secrets.{_KEY}: is missing, and should go with its passphrase")
        return {
            **dict.fromkeys(OTHER_CREDENTIALS),
            "auth": "key_pair",
            "private_key": SentSecret.named(_KEY),
            "private_key_passphrase": SentSecret.named(_PASSPHRASE) if _PASSPHRASE in names else None,
        }


def _texts(task: FlyteTask) -> dict[str, str]:
    made: dict[str, str] = dict(task.config)
    for name in (*_PLACES, "account", "user"):
        value = task.custom.get(name)
        if value is not None and not isinstance(value, str):
            raise TemplateError(f"custom.{name}: should be a text")
        if value:
            made[name] = value
    return made


def _bound(statement: str, inputs: Mapping[str, Value]) -> tuple[str, list[str]]:
    """The statement with ? for its inputs, and their names in that order. Without inputs nothing is a placeholder."""
    if not inputs:
        return statement, []
    names: list[str] = []

    def mark(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        name = found["percent"] or found["braces"]
        if name not in inputs:
            raise TemplateError(f"sql.statement: {found[0]} names no input")
        names.append(name)
        return "?"

    return _INPUT.sub(mark, statement), names
