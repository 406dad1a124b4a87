"""Secrets by reference: settings name where a secret is, and it is read when a call needs it, so that a rotated one
holds without a restart and none is ever stored.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol, TypeAlias

import pydantic

from propwash.sdk.verdicts import Unavailable

CREDENTIALS_UNAVAILABLE = "CREDENTIALS_UNAVAILABLE"
"""The reason of every verdict that says: the connection's credentials do not serve now; the execution waits."""
SENT = "flyte:"
"""Begins the reference of a secret that came with a task."""
_ENVIRONMENT = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_FILE = re.compile(r"file:(/.+)", re.DOTALL)
_MOST_BYTES = 64 * 1024


class SentSecret(str):
    """The reference of a secret that came with the task which it is for. A type of its own, so that no text of a
    configuration or of a request passes for one: only the connection that the host makes for such tasks has any.
    """

    __slots__ = ()

    @classmethod
    def named(cls, name: str) -> SentSecret:
        """The reference of the secret that the caller calls so."""
        return cls(SENT + name)


def _reference(value: object, text_of: Callable[[object], str]) -> str:
    if isinstance(value, SentSecret):
        return value
    text = text_of(value)
    if not _ENVIRONMENT.fullmatch(text) and not _FILE.fullmatch(text):
        # The value is not quoted: it may be the secret itself, put in the wrong place.
        raise ValueError("write env:NAME or file:/absolute/path; the secret itself never stands here")
    return text


SecretRef: TypeAlias = Annotated[str, pydantic.WrapValidator(_reference)]
"""Where a secret is: env:NAME, an environment variable of the server, or file:/absolute/path. For settings models."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's text, kept out of every repr and comparison of logs; reveal() gives it."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The text itself, for the one call that needs it."""
        return self._text


class SecretReader(Protocol):
    """Reads secrets by reference."""

    async def read(self, reference: str) -> Secret:
        """The secret as it is now, without white space at its end.

        Raises Unavailable CREDENTIALS_UNAVAILABLE where it is missing, empty or not readable, with the reference and
        the cause and never a part of the secret.
        """


class LocalSecrets:
    """Environment variables and files of this machine."""

    async def read(self, reference: str) -> Secret:
        """See SecretReader."""
        if match := _ENVIRONMENT.fullmatch(reference):
            text = os.environ.get(match[1], "")
        elif match := _FILE.fullmatch(reference):
            # In a thread: a secret may lie on a network file system.
            text = await asyncio.to_thread(_file, Path(match[1]), reference)
        else:
            raise Unavailable(
                CREDENTIALS_UNAVAILABLE, "a secret's reference is env:NAME or file:/absolute/path"
            )
        text = text.rstrip()
        if not text:
            raise Unavailable(CREDENTIALS_UNAVAILABLE, f"the secret {reference} is not set or empty")
        return Secret(text)


def _file(path: Path, reference: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise Unavailable(CREDENTIALS_UNAVAILABLE, f"the secret {reference} is longer than 64 KiB")
        return content.decode()
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise Unavailable(CREDENTIALS_UNAVAILABLE, f"the secret {reference} cannot be read: {said}") from None
    except UnicodeDecodeError:
        raise Unavailable(CREDENTIALS_UNAVAILABLE, f"the secret {reference} is not UTF-8 text") from None
