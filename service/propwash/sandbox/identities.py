"""Who may call: everyone, until the admin endpoint names the identities that a stand-in accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Standing(StrEnum):
    """What a stand-in makes of whoever calls."""

    ACCEPTED = "accepted"
    EXPIRED = "expired"  # was good and is over: a new token of the same account would pass
    FORBIDDEN = "forbidden"  # known, and has no permission
    UNKNOWN = "unknown"  # never was, or was revoked


class IdentitiesError(ValueError):
    """Identities that cannot be understood; the message names the field."""


@dataclass(slots=True)
class Identities:
    """By stand-in, the standing of each identity. A stand-in that is not named here accepts everyone."""

    _of: dict[str, dict[str, Standing]] = field(default_factory=dict)

    def standing(self, system: str, identity: str | None) -> Standing:
        """The standing of a caller, None being one that showed nothing."""
        known = self._of.get(system)
        if known is None:
            return Standing.ACCEPTED
        return Standing.UNKNOWN if identity is None else known.get(identity, Standing.UNKNOWN)

    def set(self, system: str, standings: Mapping[str, Standing] | None) -> None:
        """Replace a stand-in's identities; None accepts everyone again."""
        if standings is None:
            self._of.pop(system, None)
        else:
            self._of[system] = dict(standings)

    def clear(self) -> None:
        """Accept everyone everywhere, as at start."""
        self._of.clear()

    def as_json(self) -> dict[str, Any]:
        """The form that parse_identities reads."""
        return {
            system: {
                standing.value: sorted(name for name, one in standings.items() if one is standing)
                for standing in Standing
                if standing in standings.values()
            }
            for system, standings in self._of.items()
        }


def parse_identities(value: object) -> dict[str, dict[str, Standing] | None]:
    """Read {stand-in: {"accepted"?: [...], "expired"?: [...], "forbidden"?: [...]} or null}. Raises IdentitiesError."""
    if not isinstance(value, Mapping):
        raise IdentitiesError("identities are an object of stand-ins")
    made: dict[str, dict[str, Standing] | None] = {}
    for system, given in value.items():
        if given is None:
            made[system] = None
            continue
        if not isinstance(given, Mapping):
            raise IdentitiesError(f"{system}: an object of lists, or null for everyone")
        standings: dict[str, Standing] = {}
        for word, names in given.items():
            if word not in set(Standing) - {Standing.UNKNOWN}:
                raise IdentitiesError(
                    f"{system}: unknown field {word!r}; known: accepted, expired, forbidden"
                )
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise IdentitiesError(f"{system}.{word}: a list of strings")
            standings.update(dict.fromkeys(names, Standing(word)))
        made[system] = standings
    return made
