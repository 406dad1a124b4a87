"""The query tag, by which a statement is known in the query history.

It is a JSON object that begins with our name, so that a prefix of it can be looked for. Source: Snowflake
documentation, "Parameters", QUERY_TAG: at most 2,000 characters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from propwash.sdk import RemoteName

INTERNAL = "internal"
"""What stands for a name in the tags of our own questions, which are no jobs."""
_MOST_CHARACTERS = 2000
NAME_PART = 4
"""Which part of a tag the name is, counted from 1, where the tag is split at quotes."""


def job_tag(name: RemoteName, *, of_spec: str | None, labels: Mapping[str, str]) -> str:
    """The tag of a job. Labels that do not fit are left out, last keys first; the spec's own tag is kept whole."""
    tag: dict[str, object] = {"propwash": name}
    if of_spec:
        tag["query_tag"] = of_spec
    kept = dict(sorted(labels.items()))
    while kept:
        made = _written({**tag, "labels": kept})
        if len(made) <= _MOST_CHARACTERS:
            return made
        kept.popitem()
    return _written(tag)


def internal_tag(purpose: str) -> str:
    """The tag of a question of ours."""
    return _written({"propwash": INTERNAL, "purpose": purpose})


def prefix_of(owner: str) -> str:
    """What the tags of all of an owner's jobs begin with."""
    return f'{{"propwash":"pw-{owner}-'


def name_in(tag: str) -> str:
    """The name that a tag holds, empty where it holds none."""
    parts = tag.split('"', NAME_PART)
    if len(parts) < NAME_PART or parts[:3] != ["{", "propwash", ":"]:
        return ""
    return parts[3]


def _written(tag: Mapping[str, object]) -> str:
    return json.dumps(tag, separators=(",", ":"), ensure_ascii=False)
