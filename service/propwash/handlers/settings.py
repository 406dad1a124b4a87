"""Whether a connection's settings are such as the plugin's handlers take, told without showing any of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pydantic

from propwash.core.names import account_of
from propwash.handlers.connections import Connections
from propwash.handlers.faults import short
from propwash.handlers.registry import Registry, Served
from propwash.sdk import Connection

INVALID = "CONNECTION_INVALID"
"""The reason of what waits for the operator to mend a connection's settings."""
_SHORTEST_TOLD = 4
"""Characters. A shorter input is no secret, and would tear words apart where it is taken out of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingFault:
    """What is wrong with one setting of one connection."""

    connection: str
    path: str
    """Such as settings.project; empty for the connection itself."""
    message: str

    def __str__(self) -> str:
        where = f"connections.{self.connection}" + (f".{self.path}" if self.path else "")
        return f"{where}: {self.message}"


class SettingFaults:
    """What is wrong with the settings of all configured connections; found once, as neither changes while we run."""

    def __init__(self, registry: Registry, connections: Connections) -> None:
        self._of: dict[tuple[str, str], tuple[SettingFault, ...]] = {
            (one.key, configured.connection.name): faults_of(one, configured.connection)
            for one in registry.handlers
            for configured in connections.of(one.plugin)
        }
        self._registry = registry
        self._connections = connections

    def of(self, served: Served, connection: str) -> Sequence[SettingFault]:
        """Why this handler cannot use the connection, or the one that it is derived from."""
        return self._of.get((served.key, account_of(connection)), ())

    def all(self) -> tuple[SettingFault, ...]:
        """Every fault of every connection. Settings that one handler of the plugin takes are in order, as the handlers
        of one plugin may know settings of their own.
        """
        found: dict[SettingFault, None] = {}
        for configured in self._connections.all():
            name = configured.connection.name
            handlers = [one for one in self._registry.handlers if one.plugin == configured.plugin]
            if not handlers:
                message = self._why_nobody(configured.plugin)
                found[SettingFault(connection=name, path="plugin", message=message)] = None
            elif all(self.of(one, name) for one in handlers):
                found.update(dict.fromkeys(fault for one in handlers for fault in self.of(one, name)))
        return tuple(found)

    def _why_nobody(self, plugin: str) -> str:
        broken = [one for one in self._registry.infos if one.plugin == plugin and not one.is_serving]
        if broken:
            return f"plugin {plugin} is broken: {broken[0].message}"
        if plugin in self._registry.plugins:
            return f"plugin {plugin} offers no handler"
        return f"plugin {plugin} is not installed; installed are: {', '.join(sorted(self._registry.plugins)) or 'none'}"


def faults_of(served: Served, connection: Connection) -> tuple[SettingFault, ...]:
    """What the handler's model has against the settings; nothing where it has no model."""
    model = served.handler.settings_type
    if model is None:
        return ()
    try:
        model.model_validate(dict(connection.settings))
    except pydantic.ValidationError as error:
        return tuple(
            SettingFault(
                connection=connection.name,
                path=".".join(("settings", *map(str, one["loc"]))),
                message=_without(one["msg"].removeprefix("Value error, "), one["input"]),
            )
            for one in error.errors(include_url=False, include_context=False)
        )
    except Exception as error:  # noqa: BLE001  a validator of the plugin's may raise anything
        message = f"the plugin's own check of the settings raised {type(error).__name__}"
        return (SettingFault(connection=connection.name, path="settings", message=message),)
    return ()


def _without(message: str, given: object) -> str:
    """The message without what was given, in whole or in part: it may be a secret in the wrong place."""
    for text in sorted(_texts(given), key=len, reverse=True):
        if len(text) >= _SHORTEST_TOLD:
            message = message.replace(text, "[not shown]")
    return short(message, limit=500)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from _texts(item)
        case tuple() | list():
            for item in value:
                yield from _texts(item)
        case bool() | None:
            return
        case _:
            yield str(value)
