"""Where plugins come from: entry points of installed distributions, and plugins given by hand."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from propwash.sdk import Plugin

GROUP = "propwash.handlers"
_REQUIREMENT = re.compile(r"""^([A-Za-z0-9._-]+).*\bextra\s*==\s*['"]([A-Za-z0-9._-]+)['"]""")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSource:
    """A plugin that may be loaded; nothing of it is imported yet."""

    name: str
    distribution: str
    """Distribution and version, for people; empty for a plugin given by hand."""
    load: Callable[[], object]
    """Imports; may raise anything."""
    extra_for: Callable[[str], str] = lambda _: ""
    """The extra that would bring a missing module, as pip takes it, or an empty string."""


def given(plugin: Plugin, *, distribution: str = "") -> PluginSource:
    """A source of a plugin that is at hand."""
    return PluginSource(name=plugin.name, distribution=distribution, load=lambda: plugin)


def discover(entry_points: Iterable[importlib.metadata.EntryPoint] | None = None) -> Sequence[PluginSource]:
    """The installed plugins by name, without importing any."""
    found = importlib.metadata.entry_points(group=GROUP) if entry_points is None else entry_points
    # An editable install can leave two records of one distribution: the same entry point is one plugin.
    unique = {(entry_point.name, entry_point.value): entry_point for entry_point in found}
    return [_source(unique[key]) for key in sorted(unique)]


def _source(entry_point: importlib.metadata.EntryPoint) -> PluginSource:
    distribution = entry_point.dist
    return PluginSource(
        name=entry_point.name,
        distribution="" if distribution is None else f"{distribution.name} {distribution.version}",
        load=entry_point.load,
        extra_for=lambda module: _extra_for(entry_point, module),
    )


def _extra_for(entry_point: importlib.metadata.EntryPoint, module: str) -> str:
    distribution = entry_point.dist
    if distribution is None:
        return ""
    offered = distribution.metadata.get_all("Provides-Extra") or []
    extra = next(iter(entry_point.extras), "")
    if not extra and entry_point.name in offered:
        extra = entry_point.name
    if not extra:
        wanted = _normal(module.partition(".")[0])
        for requirement in distribution.requires or []:
            match = _REQUIREMENT.match(requirement)
            if match is not None and _normal(match[1]).startswith(wanted):
                extra = match[2]
                break
    return f"{distribution.name}[{extra}]" if extra else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
