"""BigQuery's discovery document, as google-api-python-client ships it, and what an exchange has to be by it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.witness.environments import DISCOVERY

_FILE = "lib/python3*/site-packages/googleapiclient/discovery_cache/documents/bigquery.v2.json"
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer; query has every pair, body and answer are JSON, or None for nothing."""

    verb: str
    path: str
    query: Sequence[tuple[str, str]]
    body: Any
    status: int
    answer: Any


@cache
def document() -> dict[str, Any]:
    """The whole of it."""
    (place,) = DISCOVERY.folder.glob(_FILE)
    loaded: dict[str, Any] = json.loads(place.read_text())
    return loaded


def method_of(exchange: Exchange) -> str:
    """The id of the method that a request calls, such as bigquery.jobs.get; raises AssertionError for none."""
    for method in _methods(document()):
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", method["flatPath"])
        if method["httpMethod"] == exchange.verb and re.fullmatch(
            f"/{document()['servicePath']}{pattern}", exchange.path
        ):
            return str(method["id"])
    raise AssertionError(f"no method has {exchange.verb} {exchange.path}")


def faults(exchange: Exchange) -> list[str]:
    """What the request, and an answer of success, have that the document does not."""
    name = method_of(exchange)
    (method,) = [one for one in _methods(document()) if one["id"] == name]
    found = [*_query_faults(exchange.query, method["parameters"])]
    if exchange.body is not None:
        found += _faults(exchange.body, method["request"], "request")
    if exchange.status == 200 and "response" in method:
        found += _faults(exchange.answer, method["response"], "answer")
    return [f"{name}: {one}" for one in found]


def _methods(node: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in node.get("resources", {}).values():
        yield from resource.get("methods", {}).values()
        yield from _methods(resource)


def _query_faults(query: Sequence[tuple[str, str]], parameters: Mapping[str, Any]) -> Iterator[str]:
    known = {**document()["parameters"], **parameters}
    for name, value in query:
        schema = known.get(name)
        if schema is None or schema.get("location") == "path":
            yield f"no parameter {name}"
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{name} may not be {value}"
        elif schema["type"] == "integer" and not value.isdecimal():
            yield f"{name} is no number: {value}"
    for name in {name for name, _ in query}:
        if not known.get(name, {}).get("repeated") and sum(one == name for one, _ in query) > 1:
            yield f"{name} is given twice"


def _faults(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    schema = document()["schemas"][schema["$ref"]] if "$ref" in schema else schema
    kind: str = schema["type"]
    if kind == "any" or value is None:
        return
    is_flag = isinstance(value, bool) and kind in ("integer", "number")
    fits: bool = isinstance(value, _TYPES[kind])
    if is_flag or not fits:
        yield f"{path} is no {kind}: {value!r:.60}"
    elif kind == "array":
        for number, one in enumerate(value):
            yield from _faults(one, schema["items"], f"{path}[{number}]")
    elif kind == "object":
        for name, one in value.items():
            of = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if of is None:
                yield f"{path} has no {name}"
            else:
                yield from _faults(one, of, f"{path}.{name}")
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path} may not be {value}"
    elif schema.get("format") in ("int64", "uint64") and kind == "string" and not _is_whole(value):
        yield f"{path} is no {schema['format']}: {value!r:.60}"


def _is_whole(value: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,20}", value) is not None
