"""How an application that is there differs from what a spec describes.

Only what is described is compared. Sizes are numbers, whatever the space before their unit, and the order of subnets
and the like says nothing: EMR Serverless writes both in its own way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from propwash_aws.accounts import Answer
from propwash_aws.serverless.application_spec import ApplicationSpec

IMAGE = "imageConfiguration"
_NOT_COMPARED = {"if_different", "tags"}
_DEFAULTS = {"architecture": "X86_64"}
_WHOLE = frozenset({"initialCapacity", "workerTypeSpecifications", "encryptionContext", "logTypes"})
"""Maps by names of the user's: one that is there and is not described differs, too."""
_NOT_SHOWN = frozenset({"runtimeConfiguration", "monitoringConfiguration", "diskEncryptionConfiguration"})
"""May hold what is nobody's to read."""
_SIZES = frozenset({"cpu", "memory", "disk"})
_MOST_TOLD = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """field is the application's own, path leads to what differs in it, told is for people."""

    field: str
    path: str
    told: str


def differences(described: ApplicationSpec, found: Answer) -> tuple[Difference, ...]:
    """What differs, in the order of the fields; found is as GetApplication tells it."""
    wanted = described.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_NOT_COMPARED)
    return tuple(
        one
        for field, value in wanted.items()
        for one in _compared(field, field, value, found.get(field) or _DEFAULTS.get(field))
    )


def told(differing: Sequence[Difference]) -> str:
    """The differences in one line, such as `releaseLabel is emr-7.5.0, not emr-7.0.0`."""
    said = [one.told for one in differing[:_MOST_TOLD]]
    if more := len(differing) - len(said):
        said.append(f"{more} more")
    return "; ".join(said)


def _compared(field: str, path: str, wanted: object, found: object) -> Iterator[Difference]:
    key = path.rpartition(".")[2]
    if isinstance(wanted, Mapping):
        has = found if isinstance(found, Mapping) else {}
        for name, value in wanted.items():
            yield from _compared(field, f"{path}.{name}", value, has.get(name))
        for name in sorted(set(has) - set(wanted)) if key in _WHOLE else ():
            yield Difference(field, f"{path}.{name}", f"{path}.{name} is not described")
    elif _plain(key, wanted) != _plain(key, found):
        yield Difference(field, path, _told(field, path, wanted, found))


def _plain(key: str, value: object) -> object:
    if isinstance(value, str) and key in _SIZES:
        digits = re.match(r"[0-9]+", value)
        return int(digits[0]) if digits else value
    if isinstance(value, str) and key == "diskType":
        return value.upper()
    if isinstance(value, list | tuple):
        return sorted(json.dumps(one, sort_keys=True, default=str) for one in value)
    return value


def _told(field: str, path: str, wanted: object, found: object) -> str:
    if field in _NOT_SHOWN or isinstance(wanted, list):
        return f"{path} is another"
    return f"{path} is {'not set' if found is None else found}, not {wanted}"
