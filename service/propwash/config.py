"""The configuration: one YAML file, validated once at start, one clear line a fault.

Every value has a default that works; ``propwash config show`` prints what is in force. Secrets never stand in the file:
a connection names where its credentials are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Literal

import pydantic
import yaml

from propwash.api.options import ApiOptions
from propwash.core.admission import AdmissionLimits
from propwash.core.overload import OverloadLimits
from propwash.core.pool import PoolSpec, ProjectShare
from propwash.engine.options import EngineOptions, RateLimit
from propwash.handlers import claiming
from propwash.handlers.connections import ConfiguredConnection, Scope, conflicts
from propwash.sdk import CallLimits, Connection, Json, Rate, SecretRef


class ConfigError(Exception):
    """The configuration does not hold; faults has one line each, naming the setting."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class _Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class ListenSettings(_Section):
    """Where the server listens."""

    grpc: str = "127.0.0.1:8080"
    """Address of the gRPC port; port 0 takes a free one."""
    http: str = "127.0.0.1:8081"
    """Address of /metrics, /livez, /readyz and the hook for hints."""
    tls_cert: Path | None = None
    """The server's certificate chain, PEM. With tls_key it turns TLS on."""
    tls_key: Path | None = None
    """The certificate's private key, PEM."""
    tls_client_ca: Path | None = None
    """Who signs client certificates, PEM; turns mutual TLS on."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> ListenSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("tls_client_ca needs tls_cert and tls_key")
        return self

    @pydantic.field_validator("grpc", "http")
    @classmethod
    def _address(cls, value: str) -> str:
        host, colon, port = value.rpartition(":")
        if not (host and colon and port.isdigit() and int(port) < 65536):
            raise ValueError("must be host:port, such as 127.0.0.1:8080 or [::]:8080")
        return value


class LimitSettings(_Section):
    """A throttle: calls a second, and how many at once after a rest."""

    rate: float = pydantic.Field(gt=0)
    burst: float = pydantic.Field(ge=1)


class ShareSettings(_Section):
    """What one project may have of a pool; see propwash.core.pool.ProjectShare."""

    weight: float = ProjectShare().weight
    limit: int | None = None
    """Units that it may hold at once."""
    namespace_limit: int | None = None
    """Units that it may hold at once in each of its domains."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> ShareSettings:
        self.share()
        return self

    def share(self) -> ProjectShare:
        """The same as the core takes it."""
        return ProjectShare(weight=self.weight, limit=self.limit, namespace_limit=self.namespace_limit)


class PoolSettings(ShareSettings):
    """A pool; weight and limits are those of every project that is not named. See docs/pools.md."""

    capacity: int
    """Units."""
    projects: dict[str, ShareSettings] = {}
    """By project; stands in place of the pool's own weight and limits as a whole."""
    description: str = ""

    @pydantic.model_validator(mode="after")
    def _check_pool(self) -> PoolSettings:
        self.spec("pool")
        return self

    def spec(self, name: str) -> PoolSpec:
        """The same as the core takes it."""
        projects = {project: one.share() for project, one in self.projects.items()}
        return PoolSpec(
            name=name,
            capacity=self.capacity,
            share=self.share(),
            projects=projects,
            description=self.description,
        )


class EngineSettings(_Section):
    """The engine; see propwash.engine.options for what each value does. Durations are seconds."""

    pools: dict[claiming.PoolPattern, pydantic.NonNegativeInt | PoolSettings] = {}
    """Pools and templates; a number is a capacity."""
    gather_s: pydantic.PositiveFloat = EngineOptions().gather_s
    commit_retry_s: pydantic.PositiveFloat = EngineOptions().commit_retry_s
    concurrency: pydantic.PositiveInt = EngineOptions().concurrency
    reads: LimitSettings = LimitSettings(rate=EngineOptions().reads.rate, burst=EngineOptions().reads.burst)
    writes: LimitSettings = LimitSettings.model_validate(EngineOptions().writes, from_attributes=True)
    deletes: LimitSettings = LimitSettings.model_validate(EngineOptions().deletes, from_attributes=True)
    breaker_failures: pydantic.PositiveInt = EngineOptions().breaker_failures
    breaker_after_s: pydantic.PositiveFloat = EngineOptions().breaker_after_s
    breaker_executions: pydantic.PositiveInt = EngineOptions().breaker_executions
    breaker_first_s: pydantic.PositiveFloat = EngineOptions().breaker_first_s
    breaker_longest_s: pydantic.PositiveFloat = EngineOptions().breaker_longest_s
    observe_gather_s: pydantic.PositiveFloat = EngineOptions().observe_gather_s
    sweep_every_s: pydantic.PositiveFloat = EngineOptions().sweep_every_s
    orphan_settle_s: pydantic.PositiveFloat = EngineOptions().orphan_settle_s
    keep_ended_s: pydantic.PositiveFloat = EngineOptions().keep_ended_s
    keep_changes_s: pydantic.PositiveFloat = EngineOptions().keep_changes_s
    purge_every_s: pydantic.PositiveFloat = EngineOptions().purge_every_s
    admission: AdmissionLimits = EngineOptions().admission
    overload: OverloadLimits = EngineOptions().overload

    @pydantic.model_validator(mode="after")
    def _check(self) -> EngineSettings:
        self.options()
        return self

    def options(self) -> EngineOptions:
        """The same as the engine takes it."""
        values: dict[str, object] = {}
        for option in fields(EngineOptions):
            value = getattr(self, option.name)
            is_limit = isinstance(value, LimitSettings)
            values[option.name] = RateLimit(rate=value.rate, burst=value.burst) if is_limit else value
        values["pools"] = {
            name: given.spec(name) if isinstance(given, PoolSettings) else given
            for name, given in self.pools.items()
        }
        return EngineOptions(**values)  # type: ignore[arg-type]  # the names and types are those of the fields


class ScopeSettings(_Section):
    """A project, or one of its domains."""

    project: str = pydantic.Field(min_length=1)
    domain: str | None = pydantic.Field(default=None, min_length=1)
    """Without it, all domains of the project."""

    def scope(self) -> Scope:
        """The same as the handler host takes it."""
        return Scope(project=self.project, domain=self.domain or "")


class ConnectionLimitSettings(_Section):
    """How fast a connection may be called, by class of method; what is not given is the handler's, or the engine's."""

    reads: LimitSettings | None = None
    """Observations, look-ups and the sweep's lists."""
    writes: LimitSettings | None = None
    """Creates and dry runs."""
    deletes: LimitSettings | None = None

    def limits(self) -> CallLimits:
        """The same as the handler host takes it."""
        return CallLimits(reads=_rate(self.reads), writes=_rate(self.writes), deletes=_rate(self.deletes))


def _rate(limit: LimitSettings | None) -> Rate | None:
    return None if limit is None else Rate(per_s=limit.rate, burst=limit.burst)


class ConnectionSettings(_Section):
    """A named remote account."""

    plugin: str = pydantic.Field(min_length=1)
    """The plugin whose handlers may use it, such as bigquery."""
    endpoint: str = ""
    """Base URL; empty means the system's public endpoint."""
    is_default: bool = False
    """Whether executions that name no connection use it; a plugin's only connection is its default anyway."""
    defaults_for: tuple[ScopeSettings, ...] = ()
    """Projects and domains whose executions use it where they name none; goes before is_default."""
    only_for: tuple[ScopeSettings, ...] = ()
    """The projects and domains that may use it; for all others it is not there. Empty means everybody."""
    settings: dict[str, pydantic.JsonValue] = {}
    """What the plugin's own connection settings take; see its page in the documentation."""
    limits: ConnectionLimitSettings = ConnectionLimitSettings()
    """How fast it may be called."""
    takes_flyte_secrets: bool = True
    """Whether a task of Flyte 2's that comes with secrets runs with those, in place of this connection's own
    credentials; otherwise such a task is refused."""
    settle_s: float | None = pydantic.Field(default=None, ge=0, le=3600)
    """How long after a create was sent the remote system may still apply it, or still not show it: seconds; the
    handler's own where not given. Until then no second create is sent after a lost answer."""
    default_claims: bool = True
    """Whether what its handler claims of pools holds, where there are such pools."""
    claims: dict[claiming.PoolName, claiming.Units] = {}
    """Units by pool that executions on it hold while their job may run: a number, or an expression on the request."""
    claim_rules: tuple[claiming.ClaimRuleSettings, ...] = ()
    """Claims of which the pool depends on the request, too."""

    def connection(self, name: str) -> ConfiguredConnection:
        """The same as the handler host takes it."""
        return ConfiguredConnection(
            plugin=self.plugin,
            connection=Connection(
                name=name,
                endpoint=self.endpoint,
                settings={key: _frozen(value) for key, value in self.settings.items()},
            ),
            is_default=self.is_default,
            defaults_for=tuple(one.scope() for one in self.defaults_for),
            only_for=tuple(one.scope() for one in self.only_for),
            limits=self.limits.limits(),
            settle_s=self.settle_s,
            claims=claiming.fixed_claims(self.claims),
            claim_rules=claiming.claim_rules(self.claims, self.claim_rules),
            has_default_claims=self.default_claims,
            takes_flyte_secrets=self.takes_flyte_secrets,
        )


def _frozen(value: pydantic.JsonValue) -> Json:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value


class LogSettings(_Section):
    """The log, on standard error."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"


class CallSettings(_Section):
    """Calls to handlers. Durations are seconds."""

    deadline_s: pydantic.PositiveFloat = 30.0
    """For one call of a handler; an overdue create counts as in doubt."""
    threads: pydantic.PositiveInt = 16
    """Threads for each plugin whose methods are plain def."""


class FlyteSettings(_Section):
    """Flyte's protocol."""

    lease_s: pydantic.NonNegativeFloat = ApiOptions().flyte_lease_s
    """A task that Flyte has not asked about for so many seconds is ended, as Flyte has forgotten it; 0 never."""
    tells_retryable: bool = True
    """Whether what another attempt may mend is told as RETRYABLE_FAILED, which FlytePropeller knows from 1.16 on."""


class HintSettings(_Section):
    """Completion hints: the hook POST /v1/hints, and HintExecution."""

    token: SecretRef | None = None
    """Where the bearer token is: env:NAME or file:/absolute/path. Without one the hook is off, and HintExecution is
    open to whoever may call the API."""


class Settings(_Section):
    """The whole configuration."""

    data_dir: Path = Path(".propwash")
    """Where the embedded store keeps its file."""
    listen: ListenSettings = ListenSettings()
    log: LogSettings = LogSettings()
    calls: CallSettings = CallSettings()
    engine: EngineSettings = EngineSettings()
    flyte: FlyteSettings = FlyteSettings()
    hints: HintSettings = HintSettings()
    connections: dict[str, ConnectionSettings] = {}
    drain_s: pydantic.PositiveFloat = 25.0
    """How long a drain waits for calls in flight; shorter than the grace period that kills the process."""

    def configured_connections(self) -> tuple[ConfiguredConnection, ...]:
        """The connections as the handler host takes them."""
        return tuple(one.connection(name) for name, one in self.connections.items())


def load(path: Path | None, overrides: Mapping[str, object] | None = None) -> Settings:
    """Read the file (None: defaults alone) and lay the overrides over it; dotted keys reach inside: listen.grpc.

    Raises ConfigError.
    """
    raw = {} if path is None else _read(path)
    for dotted, value in (overrides or {}).items():
        _put(raw, dotted.split("."), value)
    try:
        settings = Settings.model_validate(raw)
    except pydantic.ValidationError as error:
        # Without inputs: a secret that was put in the wrong place must not be shown.
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise ConfigError([_line(dict(fault)) for fault in faults]) from None
    pools = {spec.name: spec.capacity for spec in settings.engine.options().pool_specs()}
    if faulty := conflicts(settings.configured_connections(), pools=pools):
        raise ConfigError([f"connections: {line}" for line in faulty])
    return settings


def _read(path: Path) -> dict[str, object]:
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror or error}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{path}: not YAML: {_where(error)}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not UTF-8 text"]) from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError([f"{path}: expected a mapping of settings at the top, found {type(raw).__name__}"])
    return raw


def _where(error: yaml.YAMLError) -> str:
    """What is wrong, and where, without the line itself: it may hold a secret."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return type(error).__name__
    mark = error.problem_mark or error.context_mark
    place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return f"{error.problem or error.context}{place}"


def _put(raw: dict[str, object], keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        there = raw.get(key)
        inner: dict[str, object] = there if isinstance(there, dict) else {}
        raw[key] = inner
        raw = inner
    raw[keys[-1]] = value


def _line(fault: dict[str, object]) -> str:
    location = fault["loc"]
    assert isinstance(location, tuple)
    where = ".".join(str(part) for part in location if part != "[key]") or "configuration"
    return f"{where}: {str(fault['msg']).removeprefix('Value error, ')}"
