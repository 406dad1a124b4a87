"""EMR on AWS for Propwash."""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sdk import Plugin


def _make() -> Sequence[object]:
    return ()


plugin = Plugin(name="aws", make=_make)

__all__ = ["plugin"]
