"""Tells whether a call does input or output, by the interpreter's own audit events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_EVENTS = frozenset(
    {"open", "socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system"}
)
_seen: ContextVar[list[str] | None] = ContextVar("propwash_audited", default=None)
_installed: list[bool] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    del arguments
    if event in _EVENTS and (seen := _seen.get()) is not None:
        seen.append(event)


@contextmanager
def audited() -> Iterator[list[str]]:
    """The input and output that the block does, as names of audit events. The hook stays for the process's
    life.
    """
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    seen: list[str] = []
    mark = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(mark)
