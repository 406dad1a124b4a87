"""Connections that are made for the secrets of tasks: a configured one, with a task's own credentials in place of its.

Such a connection is called NAME~ID?SETTING=VALUE: the configured connection, the vault's id of the secrets, and what
the task's template says of the account that the configuration leaves open. So after a restart all is known but the
secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from propwash.core.model import Fault, FaultKind, Instant, Json
from propwash.core.names import DERIVED
from propwash.handlers.connections import ConfiguredConnection
from propwash.handlers.faults import internal
from propwash.handlers.registry import Served
from propwash.handlers.settings import faults_of
from propwash.handlers.vault import AWAY, Drawer, Vault
from propwash.ports import FieldFault, Refused
from propwash.sdk import CREDENTIALS_UNAVAILABLE, Connection, FlyteCredentials, Secret, TemplateError

NOT_TAKEN = "SECRETS_NOT_TAKEN"
_PATH = "custom.secrets"
_MOST_CHARS = 16 * 1024
"""Of one secret. A private key has a few thousand."""
_MOST_ACCOUNT_CHARS = 512
_REFUSED_S = 90.0
"""How long a refusal is held against secrets: longer than a call that fails again and again is put off."""


@dataclass(slots=True)
class _Made:
    served: Served
    connection: Connection
    refusal: Fault | None = None
    refused_at: Instant = 0.0


class DerivedConnections:
    """Makes them. forget is told whose secrets went or were replaced, so that no handler goes on with the former."""

    def __init__(
        self, *, now: Callable[[], Instant], forget: Callable[[Served, Connection], None] = lambda *_: None
    ) -> None:
        self._now = now
        self._vault = Vault(now=now, changed=self._changed)
        self._forget = forget
        self._made: dict[str, _Made] = {}
        """By the vault's id; each is of one handler."""

    def keep(
        self,
        served: Served,
        configured: ConfiguredConnection,
        account: Mapping[str, str],
        given: Mapping[str, Secret],
        *,
        scope: tuple[str, str],
    ) -> str:
        """Keep the secrets of a task of this scope, its project and domain, and name the connection that uses them.
        Tasks of another scope have another, so that none is touched by what is sent for others. Raises TemplateError,
        and Refused SECRETS_NOT_TAKEN.
        """
        name = configured.connection.name
        if not configured.takes_flyte_secrets:
            message = f"connection {name} takes no secrets of tasks"
            fault = FieldFault(path=f"template.{_PATH}", message=message)
            raise Refused(NOT_TAKEN, message, faults=(fault,))
        if too_long := [one for one, secret in given.items() if not _fits(secret)]:
            raise TemplateError(f"{_PATH}.{too_long[0]:.100}: is longer than {_MOST_CHARS} characters")
        settings = configured.connection.settings
        open_ = {key: value for key, value in sorted(account.items()) if not settings.get(key)}
        said = f"?{urlencode(open_)}" if open_ else ""
        if len(said) > _MOST_ACCOUNT_CHARS:
            raise TemplateError(f"custom.{next(iter(open_))}: is too long")
        made = _with(served, configured, f"{name}{DERIVED}{said}", frozenset(given))
        if not faults_of(served, configured.connection) and (faults := faults_of(served, made)):
            told = "; ".join(fault.message for fault in faults)
            raise TemplateError(f"{_PATH}: with these, connection {name} is none: {told}")
        vault_id = self._vault.keep((served.key, name, said, *scope), given)
        return f"{name}{DERIVED}{vault_id}{said}"

    def renew(self, served: Served, name: str, given: Mapping[str, Secret]) -> None:
        """The secrets of a task on this connection came again. What keep would refuse changes nothing."""
        try:
            _credentials(served, given)
        except TemplateError:
            return
        if all(map(_fits, given.values())):
            self._vault.fill(_parts(name)[0], given)

    def connection(self, served: Served, configured: ConfiguredConnection, name: str) -> Connection | Fault:
        """The connection of this name; a fault where its secrets are not here."""
        vault_id, _ = _parts(name)
        names = self._vault.names(vault_id)
        if names is None:
            return Fault(kind=FaultKind.UNAVAILABLE, reason=CREDENTIALS_UNAVAILABLE, message=AWAY)
        made = self._made.get(vault_id)
        if made is None:
            try:
                connection = _with(served, configured, name, names)
            except TemplateError as error:
                # Of a handler that took them when the task was created.
                return internal("SECRETS_UNKNOWN", str(error))
            drawer = Drawer(self._vault, vault_id, configured.connection.secrets)
            made = self._made[vault_id] = _Made(served, replace(connection, secrets=drawer))
        return made.connection

    def heed(self, name: str, fault: Fault) -> None:
        """A call on the connection failed."""
        made = self._made.get(_parts(name)[0])
        if made is not None and fault.reason == CREDENTIALS_UNAVAILABLE:
            made.refusal, made.refused_at = fault, self._now()

    def refusal(self, name: str) -> Fault | None:
        """Why the connection's secrets did not serve a short while ago; told once."""
        made = self._made.get(_parts(name)[0])
        if made is None or made.refusal is None:
            return None
        refusal, made.refusal = made.refusal, None
        return refusal if self._now() < made.refused_at + _REFUSED_S else None

    def without_secrets(self, name: str, fault: Fault) -> Fault:
        """The fault, its message without what it may quote of the connection's secrets."""
        return replace(fault, message=self._vault.without(_parts(name)[0], fault.message))

    def _changed(self, vault_id: str) -> None:
        made = self._made.pop(vault_id, None)
        if made is not None:
            self._forget(made.served, made.connection)


def is_derived(name: str) -> bool:
    """Whether a connection of this name is made for secrets of tasks."""
    return DERIVED in name


def known_settings(connection: Connection, name: str) -> Mapping[str, Json]:
    """The settings of the configured connection that a name is of or derived from, and what the name tells besides."""
    return {**connection.settings, **_parts(name)[1]}


def _with(served: Served, configured: ConfiguredConnection, name: str, names: Collection[str]) -> Connection:
    settings = {**known_settings(configured.connection, name), **_credentials(served, names)}
    return replace(
        configured.connection,
        name=name,
        settings={key: value for key, value in settings.items() if value is not None},
    )


def _credentials(served: Served, names: Collection[str]) -> Mapping[str, Json]:
    dialect: object = served.handler.flyte
    if not isinstance(dialect, FlyteCredentials):
        raise TemplateError(f"{_PATH}: tasks of type {served.handler.task_types[0]} have none")
    return dialect.credentials(names)


def _fits(secret: Secret) -> bool:
    return len(secret.reveal()) <= _MOST_CHARS


def _parts(name: str) -> tuple[str, Mapping[str, str]]:
    vault_id, _, said = name.partition(DERIVED)[2].partition("?")
    return vault_id, dict(parse_qsl(said, keep_blank_values=True))
