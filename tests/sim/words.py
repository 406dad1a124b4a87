"""How a trace says what happened."""

from __future__ import annotations

from propwash.core.effects import Create, Delete, Find, Observe
from propwash.core.events import Deleted
from propwash.core.model import Execution, Fault
from propwash.engine.table import Entry


def words(what: tuple[object, ...]) -> str:
    """A line of a trace."""
    return " ".join(map(_word, what))[:170]


def _word(what: object) -> str:
    match what:
        case Entry(execution=execution):
            return execution.uid[-1]
        case Create() | Find() | Observe() | Delete():
            return f"{what.verb.value} of attempt {what.attempt}"
        case Execution(state=state):
            keys = ("create", "then", "outcome")
            extra = "".join(f" {key}={getattr(state, key)}" for key in keys if hasattr(state, key))
            return f"{what.uid[-1]}: attempt {what.attempt} {type(state).__name__}{extra}"
        case Deleted(deletion=deletion):
            return f"Deleted {deletion.name}"
        case Fault(kind=kind):
            return f"Faulted {kind.name}"
        case str():
            return what
        case _:
            return type(what).__name__
