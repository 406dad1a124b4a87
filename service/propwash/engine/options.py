"""What an operator can set about the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from propwash.core.admission import AdmissionLimits
from propwash.core.breaker import BreakerLimits
from propwash.core.overload import OverloadLimits
from propwash.core.pool import PoolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A throttle's settings: calls a second and how many may go at once after a rest."""

    rate: float
    burst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """The engine's settings; durations in seconds. Raises ValueError where a value could not work."""

    pools: Mapping[str, PoolSpec | int] = field(default_factory=dict)
    """Pools and templates by name; a number is a capacity in units without limits. Default none."""
    gather_s: float = 0.003
    """How long a group commit gathers. Longer serves more with one fsync, and makes every answer wait that long."""
    commit_retry_s: float = 0.2
    """The first wait after a commit that the store could not take; doubles up to 5 s."""
    concurrency: int = 64
    """Calls at once for one handler, connection and method class."""
    reads: RateLimit = RateLimit(rate=200.0, burst=200.0)
    """Observations, look-ups and sweeps a second, for one handler and connection, where neither says otherwise."""
    writes: RateLimit = RateLimit(rate=1000.0, burst=1000.0)
    """Creates and dry runs a second, likewise."""
    deletes: RateLimit = RateLimit(rate=1000.0, burst=1000.0)
    """Deletes a second, likewise."""
    breaker_failures: int = 10
    """Calls in a row without an answer that open the breaker of a connection: nothing is called then but one probe at a
    time. Half of all calls may fail at random and it stays closed."""
    breaker_after_s: float = 10.0
    """How long that must have lasted."""
    breaker_executions: int = 3
    """How many executions' calls they must have been; the sweep's list counts as one."""
    breaker_first_s: float = 5.0
    """The first wait for a probe; doubles up to the longest."""
    breaker_longest_s: float = 30.0
    """How long it may take to notice that an outage is over."""
    observe_gather_s: float = 0.2
    """How long a batch of observations gathers. Longer makes fewer, larger calls."""
    sweep_every_s: float = 60.0
    """How often the remote systems are searched for orphans."""
    orphan_settle_s: float = 120.0
    """How long a job must have been seen as an orphan before it is deleted."""
    keep_ended_s: float = 7 * 86400.0
    """How long finished executions are kept."""
    keep_changes_s: float = 86400.0
    """How long a watcher may be away and still resume without a fresh snapshot."""
    purge_every_s: float = 60.0
    """How often what is too old is purged."""
    admission: AdmissionLimits = field(default_factory=AdmissionLimits)
    """How many executions may be in, and how many of one project may queue."""
    overload: OverloadLimits = field(default_factory=OverloadLimits)
    """When new work is turned away for a while, as the server is behind with what it has."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            limits = (value.rate, value.burst) if isinstance(value, RateLimit) else (value,)
            for number in limits:
                if isinstance(number, int | float) and number <= 0:
                    raise ValueError(f"{name} must be positive, not {number}")
            if isinstance(value, RateLimit) and value.burst < 1:
                raise ValueError(f"{name}.burst must be at least 1, not {value.burst}")
        self.pool_specs()
        if self.breaker_longest_s < self.breaker_first_s:
            raise ValueError(
                f"breaker_longest_s must be at least breaker_first_s, not {self.breaker_longest_s}"
            )

    def pool_specs(self) -> tuple[PoolSpec, ...]:
        """The pools as the core takes them. Raises ValueError, naming the pool, for one that could not be kept."""
        specs = []
        for name, given in self.pools.items():
            if isinstance(given, PoolSpec):
                specs.append(given)
                continue
            try:
                specs.append(PoolSpec(name=name, capacity=given))
            except ValueError as error:
                raise ValueError(f"pools.{name}: {error}") from None
        return tuple(specs)

    @property
    def breaker_limits(self) -> BreakerLimits:
        """The same as the core takes it."""
        return BreakerLimits(
            failures=self.breaker_failures,
            after_s=self.breaker_after_s,
            executions=self.breaker_executions,
            first_s=self.breaker_first_s,
            longest_s=self.breaker_longest_s,
        )
