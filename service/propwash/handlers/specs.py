"""Parses a request's spec by the handler's own model, and says which field is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pydantic

from propwash.handlers.faults import short
from propwash.ports import FieldFault, Refused
from propwash.sdk import Spec, Value

_FAULT_LIMIT = 100


def parse(spec_type: type[Spec], spec: Mapping[str, Value]) -> Spec:
    """The spec; raises Refused INVALID_SPEC with a fault for each wrong field, and what the plugin's
    validators raise.
    """
    try:
        return spec_type.model_validate(dict(spec))
    except pydantic.ValidationError as error:
        faults = _faults(error, spec)
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    raise Refused("INVALID_SPEC", f"{first.path}: {first.message}{more}", faults=faults)


def _faults(error: pydantic.ValidationError, spec: Mapping[str, Value]) -> Sequence[FieldFault]:
    messages: dict[str, list[str]] = {}
    # Neither input nor context: they may hold what the user would not see in a log.
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        said = messages.setdefault(_path(one["loc"], spec, is_missing=one["type"] == "missing"), [])
        message = short(one["msg"], limit=500)
        if message not in said:
            said.append(message)
    faults = [FieldFault(path=path, message=" or ".join(said)) for path, said in messages.items()]
    return faults[:_FAULT_LIMIT]


def _path(location: Sequence[int | str], spec: Mapping[str, Value], *, is_missing: bool) -> str:
    """The path as the user wrote it: what pydantic adds for the members of a union is no field, and left
    out.
    """
    path = "spec"
    value: object = spec
    for index, part in enumerate(location):
        is_absent = is_missing and index == len(location) - 1
        if isinstance(part, int):
            path += f"[{part}]"
            is_there = isinstance(value, list | tuple) and part < len(value)
            value = value[part] if is_there and isinstance(value, list | tuple) else None
        elif isinstance(value, Mapping) and (part in value or is_absent):
            path += f".{part}" if part.isidentifier() else f"[{part!r}]"
            value = value.get(part)
    return path
