"""What an operator can set about the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A throttle's settings: calls a second and how many may go at once after a rest."""

    rate: float
    burst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """The engine's settings; durations in seconds. Raises ValueError where a value could not work."""

    pools: Mapping[str, int] = field(default_factory=dict)
    """Capacity in units by pool. Default none: only what claims a pool is limited."""
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

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            limits = (value.rate, value.burst) if isinstance(value, RateLimit) else (value,)
            for number in limits:
                if isinstance(number, int | float) and number <= 0:
                    raise ValueError(f"{name} must be positive, not {number}")
            if isinstance(value, RateLimit) and value.burst < 1:
                raise ValueError(f"{name}.burst must be at least 1, not {value.burst}")
        for pool, capacity in self.pools.items():
            if capacity < 0:
                raise ValueError(f"pools.{pool} must not be negative, not {capacity}")
