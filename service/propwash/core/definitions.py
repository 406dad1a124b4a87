"""Which pools there are: those that are defined, and those that are made after templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from propwash.core.model import Claim
from propwash.core.pool import Overclaimed, PoolSpec, merged


class Definitions:
    """Pools and templates by name."""

    def __init__(self) -> None:
        self._pools: dict[str, PoolSpec] = {}
        self._templates: dict[str, PoolSpec] = {}

    @property
    def pools(self) -> Mapping[str, PoolSpec]:
        """What is defined as a pool."""
        return self._pools

    def all(self) -> Mapping[str, PoolSpec]:
        """Pools and templates."""
        return self._pools | self._templates

    def put(self, spec: PoolSpec) -> None:
        """Define a pool or a template, or define it anew."""
        (self._templates if spec.is_template else self._pools)[spec.name] = spec

    def drop(self, name: str) -> PoolSpec | None:
        """Take a definition away; what it was."""
        return self._pools.pop(name, None) or self._templates.pop(name, None)

    def of(self, name: str) -> tuple[PoolSpec | None, str]:
        """What a pool is, and the template that it is made after; of several templates, the one that says most."""
        if (spec := self._pools.get(name)) is not None:
            return spec, ""
        covering = [spec for spec in self._templates.values() if spec.covers(name)]
        if not covering:
            return None, ""
        nearest = max(covering, key=lambda one: len(one.name))
        return replace(nearest, name=name), nearest.name

    def has(self, name: str) -> bool:
        """Whether there is a pool of that name, or a template for it."""
        return self.of(name)[0] is not None

    def check(self, claims: Sequence[Claim], *, project: str) -> None:
        """Raise Overclaimed where the claims of a project could never be granted."""
        for claim in merged(claims):
            spec, _ = self.of(claim.pool)
            if spec is None:
                raise Overclaimed(f"there is no pool {claim.pool!r}")
            if claim.units < 1 or claim.units > spec.capacity:
                raise Overclaimed(f"pool {claim.pool!r} has {spec.capacity} units, {claim.units} are claimed")
            if claim.units > (most := spec.most(project)):
                raise Overclaimed(
                    f"project {project} may hold {most} units of pool {claim.pool!r}, {claim.units} are claimed"
                )
