"""What a handler knows of a connection: the account as configured, how fast it may be called, and how it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from propwash.core.model import Json
from propwash.sdk.secrets import LocalSecrets, SecretReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A named remote account, as configured; credentials by reference only."""

    name: str
    endpoint: str = ""
    """Base URL; empty means the system's public endpoint."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """What the handler's own connection model takes: project, region, credentials reference and so on."""
    secrets: SecretReader = field(default_factory=LocalSecrets, compare=False, repr=False)
    """Reads the secrets that settings refer to, each time that one is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Calls a second, and how many at once after a rest. Raises ValueError where either could not work."""

    per_s: float
    burst: float

    def __post_init__(self) -> None:
        if not self.per_s > 0:
            raise ValueError(f"per_s must be above 0, not {self.per_s!r}")
        if not self.burst >= 1:
            raise ValueError(f"burst must be at least 1, not {self.burst!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How fast one connection of a handler may be called, by class of method; None leaves it to the server's default.

    The handler gives what the remote system documents; the operator's configuration of the connection goes before it.
    """

    reads: Rate | None = None
    """get, get_one, find and list."""
    writes: Rate | None = None
    """create and validate."""
    deletes: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One finding of a connection's check.

    what names the step, such as "token" or "jobs.insert"; message says what was seen; remedy says what to do, such as
    which permission to grant. Neither holds a secret.
    """

    what: str
    is_ok: bool
    message: str = ""
    remedy: str = ""
