"""Puts inputs into a spec's addresses and names: {{ .inputs.x }} in any text of the configuration.

A text that is one placeholder and nothing else may take a list, where the text stands in a list: its items take the
text's place. Anything else takes a string or an integer. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from propwash.sdk import Value
from propwash_bigquery.sql_types import InputError

_PLACEHOLDER = re.compile(r"\{\{\s*\.inputs\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def filled(configuration: Mapping[str, object], inputs: Mapping[str, Value]) -> dict[str, object]:
    """The configuration with its placeholders filled in.

    Raises InputError for an input that is missing, of another type, blank or with control characters in it, for one
    that no placeholder names, and for braces that are no placeholder.
    """
    used: set[str] = set()
    made = {name: _filled(value, inputs, used, name) for name, value in configuration.items()}
    if unused := sorted(set(inputs) - used):
        raise InputError(f"inputs.{unused[0]}", f"no placeholder {{{{ .inputs.{unused[0]} }}}} takes it")
    return made


def _filled(value: object, inputs: Mapping[str, Value], used: set[str], path: str) -> object:
    match value:
        case str():
            return _text(value, inputs, used, path)
        case Mapping():
            return {name: _filled(item, inputs, used, f"{path}.{name}") for name, item in value.items()}
        case list() | tuple():
            return [
                one
                for number, item in enumerate(value)
                for one in _items(item, inputs, used, f"{path}[{number}]")
            ]
        case _:
            return value


def _items(item: object, inputs: Mapping[str, Value], used: set[str], path: str) -> list[object]:
    whole = _PLACEHOLDER.fullmatch(item) if isinstance(item, str) else None
    given = inputs.get(whole[1]) if whole else None
    if whole is None or not isinstance(given, list | tuple):
        return [_filled(item, inputs, used, path)]
    used.add(whole[1])
    if not given:
        raise InputError(f"inputs.{whole[1]}", f"is an empty list, which cannot stand for {path}")
    return [_plain(one, f"inputs.{whole[1]}[{number}]") for number, one in enumerate(given)]


def _text(text: str, inputs: Mapping[str, Value], used: set[str], path: str) -> str:
    def put(match: re.Match[str]) -> str:
        name = match[1]
        if name not in inputs:
            raise InputError(f"inputs.{name}", f"is missing: {path} names it")
        used.add(name)
        return _plain(inputs[name], f"inputs.{name}")

    if "{{" in _PLACEHOLDER.sub("", text):
        raise InputError(path, "has {{ that begins no placeholder; one is written {{ .inputs.name }}")
    return _PLACEHOLDER.sub(put, text)


def _plain(value: Value, path: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(
            path, f"a {type(value).__name__} cannot stand in a text: give a string or an integer"
        )
    text = str(value)
    if not text.strip() or _CONTROL.search(text):
        raise InputError(path, "is blank or holds control characters")
    return text
