"""Which connections a plugin has, and which is meant where a request names none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from propwash.ports import FieldFault, Refused
from propwash.sdk import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredConnection:
    """A connection and the plugin that it belongs to."""

    plugin: str
    connection: Connection
    is_default: bool = False
    """Whether it is meant where a request names none; a plugin's only connection is, in any case."""


class Connections:
    """All connections. A plugin without any has one of its own name, with no endpoint and no settings.

    Raises ValueError for a name that is used twice, and for two defaults of one plugin.
    """

    def __init__(self, configured: Iterable[ConfiguredConnection] = ()) -> None:
        self._of: dict[str, dict[str, Connection]] = {}
        self._default: dict[str, str] = {}
        names: set[str] = set()
        for one in configured:
            name = one.connection.name
            if name in names:
                raise ValueError(f"two connections have the name {name!r}")
            names.add(name)
            self._of.setdefault(one.plugin, {})[name] = one.connection
            if one.is_default and one.plugin in self._default:
                raise ValueError(
                    f"plugin {one.plugin} has two default connections: {self._default[one.plugin]}, {name}"
                )
            if one.is_default:
                self._default[one.plugin] = name

    @property
    def plugins(self) -> frozenset[str]:
        """The plugins that have a configured connection."""
        return frozenset(self._of)

    def of(self, plugin: str) -> Sequence[Connection]:
        """A plugin's connections."""
        return tuple(self._of.get(plugin, {plugin: Connection(name=plugin)}).values())

    def pick(self, plugin: str, name: str) -> Connection:
        """The named one, or the default for an empty name; raises Refused UNKNOWN_CONNECTION."""
        connections = {one.name: one for one in self.of(plugin)}
        wanted = (
            name or self._default.get(plugin) or (next(iter(connections)) if len(connections) == 1 else "")
        )
        if wanted in connections:
            return connections[wanted]
        known = ", ".join(sorted(connections))
        if name:
            message = f"plugin {plugin} has no connection {name!r:.100}; it has: {known}"
        else:
            message = f"plugin {plugin} has several connections, name one of them: {known}"
        raise Refused("UNKNOWN_CONNECTION", message, faults=(FieldFault(path="connection", message=message),))
