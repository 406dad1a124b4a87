"""Writes what of the documentation is made from the code: python docs/generate.py."""

from __future__ import annotations

from pathlib import Path

from propwash.core import transitions

STATE_MACHINE = Path(__file__).parent / "state-machine.md"
_INTRODUCTION = """\
# The state machine of an execution

Made by `python docs/generate.py` from the table in `service/propwash/core/transitions.py`; do not edit. An event that
has no arrow from a state changes nothing there. What the states mean is told in `service/propwash/core/machine.py`.

"""


def state_machine() -> str:
    """The text of state-machine.md."""
    return f"{_INTRODUCTION}```mermaid\n{transitions.diagram()}```\n"


if __name__ == "__main__":
    STATE_MACHINE.write_text(state_machine())
