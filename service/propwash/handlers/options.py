"""What an operator can set about the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_DEADLINES_S: Mapping[str, float] = {
    "create": 60.0,
    "get": 30.0,
    "find": 30.0,
    "delete": 30.0,
    "list": 120.0,
    "validate": 60.0,
    "logs": 30.0,
    "results": 60.0,
    "check": 60.0,
    "forget": 5.0,
    "flyte_types": 10.0,
    "close": 5.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """Times in seconds, counts for each plugin."""

    deadlines_s: Mapping[str, float] = field(default_factory=lambda: dict(_DEADLINES_S))
    """By method; one that is not named here has its default."""
    slot_deadline_s: float = 30.0
    """How long a call may wait for a free slot of its plugin; then it was not made, and says so."""
    grace_s: float = 1.0
    """How long a cancelled coroutine may take to end before it is abandoned."""
    calls: int = 256
    """Coroutine calls at once. An abandoned call keeps its slot until it really ends."""
    threads: int = 16
    """Threads for plain def methods, and so their calls at once."""
    get_one_calls: int = 32
    """Calls of get_one at once for one get."""
    blocked_s: float = 0.2
    """How long a handler may hold the loop before it is reported."""
    beat_s: float = 0.05
    """How often the loop's lag is measured."""

    def deadline_s(self, method: str) -> float:
        """The deadline of a method; get_one has get's."""
        key = "get" if method == "get_one" else method
        return self.deadlines_s.get(key, _DEADLINES_S[key])
