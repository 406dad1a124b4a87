"""Fills inputs into texts: {{ .inputs.NAME }} becomes the input's text, and so on into maps and lists.

The form is that of Flyte's templates. Nothing else is evaluated, and what an input gave is not looked at again.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping, Sequence

from propwash.sdk import Permanent, Value

INVALID_INPUTS = "INVALID_INPUTS"
_PLACEHOLDER = re.compile(r"\{\{\s*\.(?:inputs|Inputs)\.([A-Za-z0-9_.-]+)\s*\}\}")


def render(text: str, inputs: Mapping[str, Value], path: str) -> str:
    """The text with its placeholders filled in.

    Integers, floats and booleans are written as JSON writes them, instants as RFC 3339 in UTC, durations as seconds,
    lists and maps as JSON. Raises Permanent INVALID_INPUTS, naming the path of the text, for an input that is missing,
    null, bytes, or without a text form.
    """

    def fill(match: re.Match[str]) -> str:
        value: Value = inputs
        for word in match[1].split("."):
            value = _member(value, word, path=path, name=match[1])
        return _text(value, path=path, name=match[1])

    return _PLACEHOLDER.sub(fill, text)


def _member(value: Value, word: str, *, path: str, name: str) -> Value:
    if isinstance(value, Mapping) and word in value:
        return value[word]
    if isinstance(value, list | tuple) and word.isdecimal() and int(word) < len(value):
        item: Value = value[int(word)]
        return item
    raise _refusal(path, name, "is not given")


def _text(value: Value, *, path: str, name: str) -> str:
    if isinstance(value, str):
        return value
    plain = _plain(value, path=path, name=name)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Value, *, path: str, name: str) -> object:
    if value is None:
        raise _refusal(path, name, "is null")
    if isinstance(value, bytes):
        raise _refusal(path, name, "is bytes, which have no text form")
    if isinstance(value, float) and not math.isfinite(value):
        raise _refusal(path, name, f"is {value}, which has no text form")
    if isinstance(value, dt.datetime):
        instant = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return instant.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.timedelta):
        return _plain(value.total_seconds(), path=path, name=name)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, path=path, name=f"{name}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item, path=path, name=f"{name}[{number}]") for number, item in enumerate(value)]
    return value


def _refusal(path: str, name: str, why: str) -> Permanent:
    return Permanent(INVALID_INPUTS, f"{path}: inputs.{name} {why}")
