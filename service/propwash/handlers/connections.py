"""Which connections a plugin has, who may name them, and which is meant where a request names none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from propwash.core.definitions import Definitions
from propwash.core.model import Claim
from propwash.core.names import DERIVED, account_of
from propwash.core.pool import PoolSpec
from propwash.handlers.claiming import ClaimRule
from propwash.ports import FieldFault, Refused
from propwash.sdk import CallLimits, Connection, LocalSecrets, SecretReader

_ENDPOINT = re.compile(
    r"((?:[A-Za-z][\w+.-]*://)?)(?:[^/?#@]*@)?([^/?#@]+(?:/[^?#@]*)?)(?:[?#].*)?", re.DOTALL
)
"""Scheme, user info, host and path, query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A project, or one domain of it; an empty domain means all of them."""

    project: str
    domain: str = ""

    def __str__(self) -> str:
        return f"project {self.project}" + (f", domain {self.domain}" if self.domain else "")

    def covers(self, project: str, domain: str) -> bool:
        """Whether an execution of this project and domain belongs to it."""
        return self.project == project and self.domain in ("", domain)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredConnection:
    """A connection, the plugin that it belongs to, and what the operator says of its use."""

    plugin: str
    connection: Connection
    is_default: bool = False
    """Whether it is meant where a request names none; a plugin's only connection is, in any case."""
    defaults_for: tuple[Scope, ...] = ()
    """Where it is meant before the plugin's default."""
    only_for: tuple[Scope, ...] = ()
    """Who may use it; empty for everybody."""
    limits: CallLimits = field(default_factory=CallLimits)
    """Go before the handler's own."""
    settle_s: float | None = None
    """Goes before the handler's own."""
    claims: tuple[Claim, ...] = ()
    """What every execution on it takes of pools, besides what its handler claims; one for each pool."""
    claim_rules: tuple[ClaimRule, ...] = ()
    """What an execution takes besides, by what it asks for."""
    has_default_claims: bool = True
    """Whether what the handler claims holds."""
    takes_flyte_secrets: bool = True
    """Whether tasks that come with secrets of their own run with those in place of the connection's credentials."""

    @property
    def shown_endpoint(self) -> str:
        """The endpoint without user info and query; empty where it is not clear what of it these are."""
        match = _ENDPOINT.fullmatch(self.connection.endpoint)
        return match[1] + match[2] if match else ""

    def admits(self, project: str, domain: str) -> bool:
        """Whether an execution of this project and domain may use it."""
        return not self.only_for or any(scope.covers(project, domain) for scope in self.only_for)


def conflicts(
    configured: Iterable[ConfiguredConnection], *, pools: Mapping[str, int] | None = None
) -> list[str]:
    """One line a fault that the connections have with each other: a name used twice, or one of a form that is ours, a
    default claimed twice, a default for somebody who may not use the connection; and with the pools, by capacity, where
    they are given.
    """
    found: list[str] = []
    names: set[str] = set()
    claimed: dict[tuple[str, Scope | None], str] = {}
    for one in configured:
        name = one.connection.name
        if name in names:
            found.append(f"two connections have the name {name!r}")
        if DERIVED in name:
            found.append(
                f"connection {name!r} has a {DERIVED} in its name, which stands for secrets of tasks"
            )
        names.add(name)
        for scope in ((None,) if one.is_default else ()) + one.defaults_for:
            other = claimed.setdefault((one.plugin, scope), name)
            if other != name:
                where = f" for {scope}" if scope else ""
                found.append(f"plugin {one.plugin} has two default connections{where}: {other}, {name}")
            if scope and one.only_for and not any(_holds(only, scope) for only in one.only_for):
                found.append(f"connection {name} is the default for {scope}, which may not use it")
        if pools is not None:
            found += _beyond(one, pools)
    return found


def _beyond(one: ConfiguredConnection, pools: Mapping[str, int]) -> Iterator[str]:
    """What it claims of pools that are not there, or are smaller."""
    name = one.connection.name
    for claim in one.claims:
        there = _capacity(pools, claim.pool) or 0
        if claim.units > there:
            short = f"{claim.units} of pool {claim.pool}, of which engine.pools has {there}"
            yield f"connection {name} claims {short}"
    for rule in one.claim_rules:
        if isinstance(rule.pool, str) and _capacity(pools, rule.pool) is None:
            yield f"connection {name} claims of pool {rule.pool}, which engine.pools does not have"


def _capacity(pools: Mapping[str, int], name: str) -> int | None:
    """Of the pool, or of the template that it would be made after; None where there is neither."""
    definitions = Definitions()
    for pool, capacity in pools.items():
        definitions.put(PoolSpec(name=pool, capacity=capacity))
    spec, _ = definitions.of(name)
    return None if spec is None else spec.capacity


def _holds(outer: Scope, inner: Scope) -> bool:
    return outer.project == inner.project and outer.domain in ("", inner.domain)


class Connections:
    """All connections. A plugin without any has one of its own name, with no endpoint and no settings.

    secrets is what every connection reads its secrets through. Raises ValueError, one line a fault, where conflicts
    finds any.
    """

    def __init__(
        self, configured: Iterable[ConfiguredConnection] = (), *, secrets: SecretReader | None = None
    ) -> None:
        self._secrets = secrets or LocalSecrets()
        given = [replace(one, connection=self._opened(one.connection)) for one in configured]
        if faults := conflicts(given):
            raise ValueError("\n".join(faults))
        self._of: dict[str, dict[str, ConfiguredConnection]] = {}
        for one in given:
            self._of.setdefault(one.plugin, {})[one.connection.name] = one

    @property
    def plugins(self) -> frozenset[str]:
        """The plugins that have a configured connection."""
        return frozenset(self._of)

    def all(self) -> Sequence[ConfiguredConnection]:
        """What is configured, in that order; not the connection that a plugin without any has."""
        return tuple(one for of_plugin in self._of.values() for one in of_plugin.values())

    def of(self, plugin: str) -> Sequence[ConfiguredConnection]:
        """A plugin's connections."""
        if plugin in self._of:
            return tuple(self._of[plugin].values())
        return (ConfiguredConnection(plugin=plugin, connection=self._opened(Connection(name=plugin))),)

    def named(self, plugin: str, name: str) -> ConfiguredConnection:
        """The one of this name, or that this name is derived from, whoever asks: for executions that were admitted.
        Raises Refused UNKNOWN_CONNECTION.
        """
        for one in self.of(plugin):
            if one.connection.name == account_of(name):
                return one
        raise _unknown(plugin, name, self.of(plugin))

    def pick(self, plugin: str, name: str, *, project: str, domain: str) -> Connection:
        """The named one; for an empty name the default of the domain, else of the project, else of the plugin, else the
        only one.

        One that the project or domain may not use is not there for them. Raises Refused UNKNOWN_CONNECTION.
        """
        usable = [one for one in self.of(plugin) if one.admits(project, domain)]
        if name:
            meant = [one for one in usable if one.connection.name == name]
        else:
            meant = (
                [one for one in usable if Scope(project=project, domain=domain) in one.defaults_for]
                or [one for one in usable if Scope(project=project) in one.defaults_for]
                or [one for one in usable if one.is_default]
                or usable
            )
        if len(meant) == 1:
            return meant[0].connection
        raise _unknown(plugin, name, usable)

    def _opened(self, connection: Connection) -> Connection:
        return replace(connection, secrets=self._secrets)


def _unknown(plugin: str, name: str, usable: Sequence[ConfiguredConnection]) -> Refused:
    known = ", ".join(sorted(one.connection.name for one in usable))
    if not known:
        message = f"plugin {plugin} has no connection that may be used here"
    elif name:
        message = f"plugin {plugin} has no connection {name!r:.100}; it has: {known}"
    else:
        message = f"plugin {plugin} has several connections, name one of them: {known}"
    return Refused("UNKNOWN_CONNECTION", message, faults=(FieldFault(path="connection", message=message),))
