"""Query tags as the stand-in reads them: who a statement belongs to, and what the sandbox is told about it.

Two forms are read: a JSON object {"propwash": name, "labels": {...}}, and pairs "key=value;key=value". Any other tag
is carried and shown, and says nothing here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

FAIL_REASON_LABEL: Final = "sandbox-fail-reason"
FAIL_ATTEMPTS_LABEL: Final = "sandbox-fail-attempts"
STUCK_LABEL: Final = "sandbox-stuck"
RERUN_LABEL: Final = "sandbox-rerun"
STATUS_LABEL: Final = "sandbox-running-status"
INTERNAL: Final = "internal"
_NAME_ENTRY: Final = "propwash"


@dataclass(frozen=True, slots=True)
class Tag:
    """A query tag: its text, the name in it and the labels in it."""

    text: str = ""
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    # A client's own book-keeping says so by this word instead of a name.
    is_internal: bool = False


def parse_tag(text: str) -> Tag:
    """Read a query tag; one that is in neither form has no name and no labels."""
    if text.startswith("{"):
        return _from_json(text)
    pairs = [pair.partition("=") for pair in text.split(";") if "=" in pair]
    labels = {key.strip(): value.strip() for key, _, value in pairs}
    return _named(text, labels.pop(_NAME_ENTRY, None), labels)


def _from_json(text: str) -> Tag:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return Tag(text)
    if not isinstance(value, dict):
        return Tag(text)
    name, given = value.get(_NAME_ENTRY), value.get("labels")
    labels = {
        key: item for key, item in value.items() if key.startswith("sandbox-") and isinstance(item, str)
    }
    if isinstance(given, dict):
        labels.update((key, item) for key, item in given.items() if isinstance(item, str))
    return _named(text, name if isinstance(name, str) and name else None, labels)


def _named(text: str, name: str | None, labels: dict[str, str]) -> Tag:
    if name == INTERNAL:
        return Tag(text, None, labels, is_internal=True)
    return Tag(text, name, labels)
