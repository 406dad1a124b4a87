"""Names of remote jobs: derived, never drawn, so that a job is known before it exists and recognised after a crash; and
names of connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from propwash.core.model import ExecutionUid, RemoteName

DERIVED = "~"
"""Stands between the name of a configured connection and what tells those apart that are derived from it."""
OWNER_PATTERN = re.compile(r"[a-z0-9]{1,16}")
_NAME = re.compile(r"pw-([a-z0-9]{1,16})-([0-9a-hjkmnp-tv-z]{26})-([1-9][0-9]{0,2})")
_NAME_IN_TEXT = re.compile(rf"(?<![a-z0-9-]){_NAME.pattern}(?![0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedName:
    """What a remote name says."""

    owner: str
    uid: ExecutionUid
    attempt: int


def remote_name(*, owner: str, uid: ExecutionUid, attempt: int) -> RemoteName:
    """The name of one attempt's remote job: at most 50 characters of [a-z0-9-], usable as an id and as a label value.

    Raises ValueError for an owner that is not 1 to 16 of [a-z0-9].
    """
    if not OWNER_PATTERN.fullmatch(owner):
        raise ValueError(f"owner must be 1 to 16 of [a-z0-9], not {owner!r}")
    return RemoteName(f"pw-{owner}-{uid}-{attempt}")


def parse_remote_name(name: str) -> ParsedName | None:
    """Take a remote name apart, or None where it is not one of ours."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return ParsedName(owner=match[1], uid=ExecutionUid(match[2]), attempt=int(match[3]))


def remote_names_in(text: str) -> Iterator[str]:
    """Every remote name in a text, such as an event in which a remote system tells of a job."""
    return (match[0] for match in _NAME_IN_TEXT.finditer(text))


def account_of(connection: str) -> str:
    """The configured connection that a connection is, or is derived from: the same remote account, and so the same
    limits.
    """
    return connection.partition(DERIVED)[0]
