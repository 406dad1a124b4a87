"""Snowflake tasks of Flyte's SDKs.

Source: flytekit's SnowflakeTask (account, user, warehouse, database and schema in config) and flyte-sdk's Snowflake
task (the same in custom, with connection_kwargs and batch); both write %(name)s for inputs, older templates
{{ .inputs.name }}.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from propwash.sdk import (
    Column,
    FlyteDataset,
    FlyteDone,
    FlyteJob,
    FlyteKind,
    FlyteOutputs,
    FlyteRequest,
    FlyteTask,
    Json,
    SentSecret,
    TemplateError,
)
from propwash_snowflake.connection import OTHER_CREDENTIALS
from propwash_snowflake.keys import StatementKey
from propwash_snowflake.placeholders import Bound, bound, bound_rows

_ACCOUNT = ("account", "user")
_PLACES = ("warehouse", "database", "schema")
_SETTINGS = (*_ACCOUNT, *_PLACES, "role")
_CONFIG = frozenset({*_SETTINGS, "primary_container_name"})
"""The last is what flyte-sdk writes of a pod template, which a statement has no use for."""
_CUSTOM = frozenset({*_SETTINGS, "connection_kwargs", "batch", "secrets", "configs", "taskType"})
"""The last three are how Flyte 2 describes its connection."""
_KWARGS = frozenset({"role", *_PLACES, "session_parameters", "timezone", "autocommit"})
_CREDENTIAL_WORDS = re.compile(
    r"(pass(word|code)|authenticator|auth_class|token|private_key|oauth|mfa|workload_identity|session_id|browser)"
)
_TYPES = {
    FlyteKind.INTEGER: "FIXED",
    FlyteKind.FLOAT: "REAL",
    FlyteKind.STRING: "TEXT",
    FlyteKind.BOOLEAN: "BOOLEAN",
    FlyteKind.DATETIME: "TIMESTAMP_TZ",
    FlyteKind.DURATION: "TIME",
    FlyteKind.BINARY: "BINARY",
}
_KEY, _PASSPHRASE = "snowflake_private_key", "snowflake_private_key_passphrase"
"""What flyte-sdk's task calls its secrets; their values are PEM text and a passphrase as they stand."""


class StatementTasks:
    """Templates of statements."""

    def request(self, task: FlyteTask) -> FlyteRequest:
        """The statement, its inputs as bind variables; raises TemplateError."""
        if not task.statement:
            raise TemplateError("sql.statement: is empty, and should be the statement")
        given = _settings(task)
        spec: dict[str, Json] = {name: given[name] for name in (*_PLACES, "role") if name in given}
        spec.update(_of_kwargs(task.custom.get("connection_kwargs")))
        made = _bound(task)
        spec["statement"] = made.statement
        names = {name for name, _ in made.bindings}
        for name in names:
            if name in task.input_types and task.input_types[name].is_pickled:
                raise TemplateError(
                    f"interface.inputs.{name}: is pickled by Python, and no variable can be that"
                )
        if made.bindings:
            spec["bindings"] = tuple(_binding(name, element, task) for name, element in made.bindings)
        return FlyteRequest(
            spec=spec,
            # The SDKs' driver does without an input that the statement does not name, too.
            inputs={name: value for name, value in task.inputs.items() if name in names},
            account={name: given[name] for name in _ACCOUNT if name in given},
        )

    def outputs(self, done: FlyteDone) -> FlyteOutputs:
        """The address of the result, as the SDK that asks reads it, and the columns where they are known."""
        handle = done.outputs.get("statement_handle")
        if not isinstance(handle, str) or not handle:
            return {}
        user, account, *places = (
            str(done.spec.get(name) or done.settings.get(name) or "") for name in (*_ACCOUNT[::-1], *_PLACES)
        )
        who = f"{user}/{account}" if done.is_v2 else f"{user}:{account}"
        uri = "/".join(("snowflake:/", who, *places, handle))
        return {"results": FlyteDataset(uri=uri, columns=_columns(done.outputs.get("schema")))}

    def adopted(self, meta: Mapping[str, Json]) -> FlyteJob | None:
        """The statement of the SDKs' SnowflakeJobMetadata."""
        match meta:
            case {"query_id": str(handle), "account": str(), "user": str()} if handle:
                pass
            case _:
                return None
        spec: dict[str, Json] = {"statement": f"-- {handle}, begun by another connector"}
        spec.update((name, meta[name]) for name in _PLACES if meta.get(name))
        account = {name: str(meta[name]) for name in _ACCOUNT if meta[name]}
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


def _settings(task: FlyteTask) -> dict[str, str]:
    """The settings of both places; those in custom go before those in config."""
    for place, given, known in (("config", task.config, _CONFIG), ("custom", task.custom, _CUSTOM)):
        if unknown := sorted(set(given) - known):
            raise TemplateError(f"{place}.{unknown[0]}: is none of {', '.join(sorted(known))}")
    made = {name: task.config[name] for name in _SETTINGS if task.config.get(name)}
    for name in _SETTINGS:
        value = task.custom.get(name)
        if value is not None and not isinstance(value, str):
            raise TemplateError(f"custom.{name}: should be a text")
        if value:
            made[name] = value
    return made


def _of_kwargs(given: Json) -> dict[str, Json]:
    """What the arguments of the SDK's driver mean to a statement; raises TemplateError for those that mean nothing."""
    if given is None:
        return {}
    path = "custom.connection_kwargs"
    if not isinstance(given, Mapping):
        raise TemplateError(f"{path}: should be a map")
    for name in sorted(set(given) - _KWARGS):
        if name in _ACCOUNT:
            raise TemplateError(f"{path}.{name}: belongs into custom.{name}")
        if _CREDENTIAL_WORDS.search(name):
            raise TemplateError(f"{path}.{name}: credentials are those of the connection")
        told = ", ".join(sorted(_KWARGS))
        raise TemplateError(
            f"{path}.{name}: is for Snowflake's Python driver alone, which is not used; taken are {told}"
        )
    if given.get("autocommit") not in (None, True):
        raise TemplateError(
            f"{path}.autocommit: every statement of the SQL API commits, so it can be true alone"
        )
    made: dict[str, Json] = {
        name: value for name in ("role", *_PLACES) if (value := given.get(name)) is not None
    }
    parameters = given.get("session_parameters") or {}
    if not isinstance(parameters, Mapping):
        raise TemplateError(f"{path}.session_parameters: should be a map")
    session = {name.upper(): value for name, value in parameters.items()}
    if given.get("timezone") is not None:
        session.setdefault("TIMEZONE", given["timezone"])
    # Two that have a field of their own, since the service sets them itself.
    for name, field in (("QUERY_TAG", "query_tag"), ("MULTI_STATEMENT_COUNT", "statement_count")):
        if name in session:
            made[field] = session.pop(name)
    return {**made, "session_parameters": session} if session else made


def _bound(task: FlyteTask) -> Bound:
    is_batch = task.custom.get("batch")
    if is_batch not in (None, True, False):
        raise TemplateError("custom.batch: should be true or false")
    if is_batch and task.inputs:
        return bound_rows(task.statement, task.inputs)
    return bound(task.statement, task.inputs)


def _binding(name: str, element: int | None, task: FlyteTask) -> Json:
    """An input by its name alone, where it is one value that tells its type."""
    value, declared = task.inputs[name], task.input_types.get(name)
    if element is not None and isinstance(value, tuple | list):
        value, declared = value[element], None if declared is None else declared.element
    made: dict[str, Json] = {"input": name}
    if element is not None:
        made["element"] = element
    if value is None and declared is not None and declared.kind in _TYPES:
        made["type"] = _TYPES[declared.kind]
    return made if len(made) > 1 else name


def _columns(schema: Json) -> tuple[Column, ...]:
    made = []
    for one in schema if isinstance(schema, tuple | list) else ():
        if isinstance(one, Mapping):
            kind, scale = str(one.get("type") or "").upper(), one.get("scale")
            made.append(
                Column(
                    name=str(one.get("name") or ""),
                    type=f"{kind}(38,{scale})" if isinstance(scale, int) else kind,
                )
            )
    return tuple(made)
