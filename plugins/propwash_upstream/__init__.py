"""Flyte's connector servers for Propwash: any that speaks the connector protocol, version 1 or 2, in any language.

Importing this needs the extra propwash[upstream], Flyte's published stubs.
"""

from __future__ import annotations

from collections.abc import Sequence

from propwash.sdk import Plugin
from propwash_upstream.handler import UpstreamHandler


def _make() -> Sequence[object]:
    return (UpstreamHandler(),)


plugin = Plugin(name="upstream", make=_make)

__all__ = ["UpstreamHandler", "plugin"]
