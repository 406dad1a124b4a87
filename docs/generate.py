"""Writes what of the documentation is made from the code: python docs/generate.py.

The state machine is a page of its own. In the other pages the tables of fields stand between two comments, and are made
from the JSON Schema of the installed handlers: `<!-- spec TASK_TYPE -->` to `<!-- /spec -->` holds a task type's spec,
`<!-- settings PLUGIN -->` to `<!-- /settings -->` what a plugin takes as a connection's settings. What is no number,
text or list of such has a table of its own below, once in a page.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydantic

from propwash.core import transitions
from propwash.handlers.discovery import discover
from propwash.handlers.registry import Registry, load

DOCS = Path(__file__).parent
STATE_MACHINE = DOCS / "state-machine.md"
_INTRODUCTION = """\
# The state machine of an execution

Made by `python docs/generate.py` from the table in `service/propwash/core/transitions.py`; do not edit. An event that
has no arrow from a state changes nothing there. What the states mean is told in `service/propwash/core/machine.py`.

"""
_BLOCK = re.compile(r"(<!-- (spec|settings) (\S+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)
_LOOSE = re.compile(r"<!-- /?(?:spec|settings)\b.*?-->")


class DocsError(Exception):
    """A page asks for what is not there; the message names the page and the marker."""


def state_machine() -> str:
    """The text of state-machine.md."""
    return f"{_INTRODUCTION}```mermaid\n{transitions.diagram()}```\n"


def installed() -> Registry:
    """The handlers of this environment; what is broken is said, and its tables cannot be made."""
    return asyncio.run(load(discover(), report=lambda line: print(line, file=sys.stderr)))


def pages() -> list[Path]:
    """The pages that may hold tables."""
    return sorted(page for page in DOCS.rglob("*.md") if page != STATE_MACHINE)


def asked_for(text: str) -> set[tuple[str, str]]:
    """The tables that a page holds, such as (spec, bigquery_query_job_task)."""
    return {(match[2], match[3]) for match in _BLOCK.finditer(text)}


def filled(text: str, registry: Registry, *, page: str) -> str:
    """The page with its tables made anew. Raises DocsError for an unknown name or a marker without its other end."""
    whole = [marker for match in _BLOCK.finditer(text) for marker in (match[1].strip(), match[4])]
    if loose := [marker for marker in _LOOSE.findall(text) if marker not in whole]:
        raise DocsError(f"{page}: {loose[0]} has no other end, or no line of its own")
    seen: set[str] = set()

    def table(match: re.Match[str]) -> str:
        model = _models(registry).get((match[2], match[3]))
        if model is None:
            raise DocsError(f"{page}: {match[1].strip()}: no such {match[2]} is installed")
        word = "setting" if match[2] == "settings" else "field"
        lines = "\n".join(_Tables(model.model_json_schema(), word=word, seen=seen).lines())
        return f"{match[1]}\n{lines}\n\n{match[4]}"

    return _BLOCK.sub(table, text)


def _models(registry: Registry) -> Mapping[tuple[str, str], type[pydantic.BaseModel]]:
    found: dict[tuple[str, str], type[pydantic.BaseModel]] = {
        ("spec", task_type): served.handler.spec_type for task_type, served in registry.served.items()
    }
    for served in registry.handlers:
        if served.handler.settings_type is not None:
            found.setdefault(("settings", served.plugin), served.handler.settings_type)
    return found


@dataclass(slots=True)
class _Tables:
    """The tables of one JSON Schema: the object itself, then the objects that it is made of, as they are met."""

    schema: Mapping[str, Any]
    word: str
    seen: set[str]
    _waiting: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield from self._table(self.schema)
        while self._waiting:
            name = self._waiting.pop(0)
            part = self.schema["$defs"][name]
            yield ""
            said = _one_line(part.get("description", ""))
            yield f"`{name}`: {said}" if said else f"`{name}`:"
            yield ""
            yield from self._table(part)

    def _table(self, part: Mapping[str, Any]) -> Iterator[str]:
        properties = part.get("properties", {})
        if not properties:
            yield "None."
            return
        yield f"| {self.word} | type | default | meaning |"
        yield "|---|---|---|---|"
        required = part.get("required", ())
        for name, one in properties.items():
            default = "required" if name in required else _default(one)
            yield f"| `{name}` | {self._type(one)} | {default} | {_cell(one.get('description', ''))} |"

    def _type(self, one: Mapping[str, Any]) -> str:
        if "$ref" in one:
            return self._named(one["$ref"].rpartition("/")[2])
        if "const" in one:
            return f"`{_plain(one['const'])}`"
        if "enum" in one:
            return ", ".join(f"`{_plain(value)}`" for value in one["enum"])
        for key in ("anyOf", "oneOf"):
            if key in one:
                kinds = [self._type(choice) for choice in one[key] if choice.get("type") != "null"]
                return " or ".join(dict.fromkeys(kinds))
        if "allOf" in one and len(one["allOf"]) == 1:
            return self._type(one["allOf"][0])
        match one.get("type"):
            case "array":
                inner = one.get("items") or next(iter(one.get("prefixItems", ())), None)
                return f"list of {self._type(inner)}" if inner else "list"
            case "object":
                inner = one.get("additionalProperties")
                kind = self._type(inner) if isinstance(inner, Mapping) else "any"
                return "map" if kind == "any" else f"map of {kind}"
            case "integer" | "number":
                return f"{one['type']}{_bounds(one)}"
            case str(kind):
                return f"{kind} ({one['format']})" if "format" in one else kind
            case list(kinds):
                return " or ".join(kind for kind in kinds if kind != "null")
            case _:
                return "any"

    def _named(self, name: str) -> str:
        part = self.schema["$defs"][name]
        if part.get("type") != "object" or not part.get("properties"):
            return self._type(part)
        # The same name may mean another model in another schema of the page.
        key = f"{name} {json.dumps(part, sort_keys=True)}"
        if key not in self.seen:
            self.seen.add(key)
            self._waiting.append(name)
        return f"`{name}`"


def _bounds(one: Mapping[str, Any]) -> str:
    low, high = one.get("minimum"), one.get("maximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    for key, word in (
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("exclusiveMinimum", "above"),
        ("exclusiveMaximum", "below"),
    ):
        if key in one:
            more = f" to {high:g}" if key == "exclusiveMinimum" and high is not None else ""
            return f", {word} {one[key]:g}{more}"
    return ""


def _default(one: Mapping[str, Any]) -> str:
    default = one.get("default")
    if default is None or default == [] or default == {} or default == "":
        return ""
    return f"`{_plain(default)}`"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    """Write every page."""
    STATE_MACHINE.write_text(state_machine())
    registry = installed()
    for page in pages():
        text = page.read_text()
        made = filled(text, registry, page=str(page.relative_to(DOCS)))
        if made != text:
            page.write_text(made)


if __name__ == "__main__":
    main()
