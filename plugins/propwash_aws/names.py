"""Tags of a job, and what a remote name says: our own mark, the user's tags, and the execution's labels made to fit.

Source: Tagging AWS resources, "Tag naming limits and requirements": at most 50 tags; keys of 1 to 128 and values of 0
to 256 characters, of letters, digits, spaces and + - = . _ : / @ in any language; no key begins with aws:.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from propwash.sdk import RemoteName, parse_remote_name

OWNER = "propwash-owner"
EXECUTION = "propwash-execution"
ATTEMPT = "propwash-attempt"
USER_NAME = "propwash-name"
"""The tag that holds the name that the spec asks for: the job's own name is ours."""
DIFFERS = "propwash-application-differs"
"""The tag that tells what of an application differs from what the spec describes."""
RESERVED_PREFIX = "propwash-"
MOST_TAGS = 50
OWN_TAGS = 4
MOST_KEY, MOST_VALUE = 128, 256
_ALLOWED = re.compile(r"[\w .:/=+@-]*")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def mark(*, owner: str, uid: str, attempt: int) -> dict[str, str]:
    """The tags by which our job is known."""
    return {OWNER: owner, EXECUTION: uid, ATTEMPT: str(attempt)}


def job_tags(
    own: Mapping[str, str],
    *,
    of_spec: Mapping[str, str],
    of_execution: Mapping[str, str],
    user_name: str | None = None,
) -> dict[str, str]:
    """All tags of a job. The spec's win over the execution's labels, which are made to fit; what is beyond the 50 that
    AWS takes is left out, last keys first.
    """
    made = dict(of_spec)
    room = MOST_TAGS - len(own) - (user_name is not None)
    for key, value in sorted(of_execution.items()):
        fitting = _fit(key)[:MOST_KEY]
        if len(made) < room and fitting.strip() and not is_reserved(fitting):
            made.setdefault(fitting, _fit(value)[:MOST_VALUE])
    if user_name is not None:
        made[USER_NAME] = _fit(user_name)[:MOST_VALUE]
    return {**made, **own}


def checked_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """A spec's tags; raises ValueError for one that AWS refuses, or that is ours."""
    for key, value in tags.items():
        if not 1 <= len(key) <= MOST_KEY or not _ALLOWED.fullmatch(key):
            raise ValueError(
                f"the key {key!r:.140} must be 1 to 128 letters, digits, spaces and + - = . _ : / @"
            )
        if is_reserved(key):
            raise ValueError(
                f"the key {key!r:.140} begins with aws: or {RESERVED_PREFIX}, which are not the user's"
            )
        if len(value) > MOST_VALUE or not _ALLOWED.fullmatch(value):
            raise ValueError(
                f"the value of {key!r:.140} must be at most 256 letters, digits, spaces and + - = . _ : / @"
            )
    return tags


def is_reserved(key: str) -> bool:
    """Whether a tag's key is AWS's or ours."""
    return key.lower().startswith(("aws:", RESERVED_PREFIX))


def created_at(name: RemoteName) -> float | None:
    """The instant at which the execution of this name began: the first 48 bits of its uid are its milliseconds.

    None for a name that is not ours.
    """
    parsed = parse_remote_name(name)
    if parsed is None:
        return None
    number = 0
    for character in parsed.uid:
        number = number << 5 | _ALPHABET.index(character)
    return (number >> 80) / 1000


def _fit(text: str) -> str:
    return "".join(one if _ALLOWED.fullmatch(one) else "_" for one in text)
