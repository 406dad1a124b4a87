"""What a stand-in is: named routes that answer calls as the remote system would, in a world that the frame provides.

A distribution offers one through the entry point group `propwash.sandboxes`: a function from World to StandIn.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Protocol

from multidict import MultiDict, MultiMapping

from propwash.sandbox.clock import Clock, Schedule
from propwash.sandbox.faults import Fault, FaultPlan, MethodClass
from propwash.sandbox.identities import Identities, Standing
from propwash.sandbox.ledger import Ledger
from propwash.sandbox.speed import SpeedControl

ENTRY_POINT_GROUP = "propwash.sandboxes"
JSON_TYPE = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What all stand-ins of one sandbox share. workers is a small bounded pool for SQL and other blocking work."""

    clock: Clock
    schedule: Schedule
    ledger: Ledger
    faults: FaultPlan
    speed: SpeedControl
    workers: Executor
    identities: Identities = field(default_factory=Identities)


@dataclass(slots=True, kw_only=True)
class Call:
    """One request: the path's variables, the query string, the body as sent, and the fault that it must show."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: MultiMapping[str] = field(default_factory=MultiDict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, ready for the wire."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


Handle = Callable[[Call], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of the remote system: HTTP verb ("*" for all), aiohttp path pattern, name for the ledger, class.

    Where several methods share one path and the body says which is meant, classify tells the call's own name and class.
    """

    verb: str
    path: str
    name: str
    method: MethodClass
    handle: Handle
    classify: Callable[[Call], tuple[str, MethodClass]] | None = None


class StandIn(Protocol):
    """A local stand-in for one remote system."""

    @property
    def name(self) -> str:
        """The system's name in the ledger and in fault rules."""

    def routes(self) -> Sequence[Route]:
        """Every method that it answers, the often used first."""

    def refuse(self, fault: Fault) -> Answer:
        """The system's own words for THROTTLE, QUOTA and SERVER_ERROR."""

    def identity(self, call: Call) -> str | None:
        """Who calls, by what the request shows: a bearer token, an access key's id, a key's fingerprint; None for
        nothing.
        """

    def deny(self, standing: Standing) -> Answer:
        """The system's own words for a caller that it does not accept."""

    def reset(self) -> None:
        """Forget all jobs and data, as at start."""

    async def close(self) -> None:
        """Let go of waiting calls and of what is held."""


class StandInError(RuntimeError):
    """A stand-in that cannot be had; the message names it and says why."""


def installed(names: Sequence[str] | None = None) -> dict[str, Callable[[World], StandIn]]:
    """The makers of the stand-ins with these names, or of all that are installed. Raises StandInError."""
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    chosen = sorted(found) if names is None else list(names)
    if missing := [name for name in chosen if name not in found]:
        raise StandInError(
            f"no stand-in named {missing[0]!r}; installed: {', '.join(sorted(found)) or 'none'}"
        )
    makers: dict[str, Callable[[World], StandIn]] = {}
    for name in chosen:
        try:
            makers[name] = found[name].load()
        except ImportError as error:
            raise StandInError(f"stand-in {name!r} cannot be loaded: {error}") from error
    return makers
