"""The legal transitions, as data: which states an event may lead to. The diagram in the documentation is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from propwash.core.events import (
    AbortRequested,
    Created,
    Deleted,
    Event,
    Faulted,
    Found,
    FoundNothing,
    Granted,
    Hinted,
    Missed,
    Observed,
    Resumed,
    Ticked,
    Unsent,
)
from propwash.core.model import Cleaning, Done, Execution, Launching, Queued, Running, State, Waiting


class InvalidTransition(Exception):
    """The machine made a change that the table does not have: a bug of ours, never of a caller."""


_NEXT: Final = frozenset((Queued, Done))
_CLEAN: Final = _NEXT | {Cleaning}

TRANSITIONS: Final[Mapping[tuple[type[State], type[Event]], frozenset[type[State]]]] = {
    (Queued, Ticked): frozenset((Waiting, Done)),
    (Queued, AbortRequested): frozenset((Done,)),
    (Waiting, Ticked): frozenset((Done,)),
    (Waiting, AbortRequested): frozenset((Done,)),
    (Waiting, Granted): frozenset((Launching,)),
    (Launching, Ticked): frozenset((Launching,)) | _CLEAN,
    (Launching, Resumed): frozenset((Launching,)) | _NEXT,
    (Launching, AbortRequested): frozenset((Cleaning, Done)),
    (Launching, Hinted): frozenset((Launching,)),
    (Launching, Created): frozenset((Running,)) | _CLEAN,
    (Launching, Found): frozenset((Running,)) | _CLEAN,
    (Launching, FoundNothing): frozenset((Launching,)),
    (Launching, Unsent): frozenset((Launching,)),
    (Launching, Faulted): frozenset((Launching,)) | _CLEAN,
    (Running, Ticked): frozenset((Cleaning,)),
    (Running, AbortRequested): frozenset((Cleaning,)),
    (Running, Hinted): frozenset((Running,)),
    (Running, Observed): frozenset((Running,)) | _CLEAN,
    (Running, Missed): frozenset((Running, Cleaning)),
    (Running, Faulted): frozenset((Running,)),
    (Cleaning, Ticked): frozenset((Cleaning,)),
    (Cleaning, Resumed): frozenset((Cleaning,)) | _NEXT,
    (Cleaning, AbortRequested): frozenset((Cleaning,)),
    (Cleaning, Hinted): frozenset((Cleaning,)),
    (Cleaning, Created): frozenset((Cleaning,)),
    (Cleaning, Found): frozenset((Cleaning,)),
    (Cleaning, Unsent): _CLEAN,
    (Cleaning, Deleted): _CLEAN,
    (Cleaning, Faulted): _CLEAN,
}
"""A pair that is not here changes nothing."""


def check(before: Execution, event: Event, after: Execution) -> None:
    """Raise InvalidTransition where after is not a legal successor of before under the event."""
    if after is before:
        return
    source, target = type(before.state), type(after.state)
    if target not in TRANSITIONS.get((source, type(event)), frozenset()):
        raise InvalidTransition(f"{source.__name__} --{type(event).__name__}--> {target.__name__}")
    if (after.attempt - before.attempt) != (1 if target is Queued else 0):
        raise InvalidTransition(f"attempt {before.attempt} to {after.attempt} with {target.__name__}")


def diagram() -> str:
    """The table as a Mermaid state diagram, one line a pair of states, its events in order."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (source, event), targets in TRANSITIONS.items():
        for target in targets:
            arrows.setdefault((source.__name__, target.__name__), []).append(event.__name__)
    lines = ["stateDiagram-v2", "    [*] --> Queued"]
    lines += [f"    {a} --> {b}: {', '.join(sorted(events))}" for (a, b), events in sorted(arrows.items())]
    return "\n".join([*lines, "    Done --> [*]", ""])
