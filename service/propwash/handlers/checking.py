"""What a handler must be before it serves: checked once, when it is loaded, so that no call finds it out."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator

import pydantic

from propwash.core.model import Traits
from propwash.sdk import CallLimits, Handler, Spec

_TASK_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,126}")
_ARGUMENTS = {
    "create": 1,
    "get": 2,
    "get_one": 2,
    "find": 3,
    "delete": 4,
    "list": 2,
    "validate": 1,
    "logs": 3,
    "results": 4,
    "claims": 2,
    "hint": 2,
    "links": 3,
    "check": 1,
    "traits_of": 1,
    "flyte_types": 1,
    "forget": 1,
    "stated_flyte_types": 1,
    "close": 0,
}
_PURE = ("claims", "hint", "links", "traits_of", "stated_flyte_types")
_MOST_META = 65_536


def complaints(handler: object) -> Iterator[str]:
    """What is wrong with an object that a plugin offers as a handler; nothing where it may serve."""
    if not isinstance(handler, Handler):
        yield f"{_named(handler)} does not derive from propwash.sdk.Handler"
        return
    yield from _about_task_types(handler)
    yield from _about_spec(getattr(handler, "spec_type", None))
    yield from about_traits(getattr(handler, "traits", None))
    yield from _about_methods(handler)
    batch_size: object = getattr(handler, "batch_size", None)
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        yield f"batch_size must be a positive integer, not {batch_size!r:.100}"
    meta_limit: object = getattr(handler, "meta_limit", None)
    if not isinstance(meta_limit, int) or isinstance(meta_limit, bool) or not 0 < meta_limit <= _MOST_META:
        yield f"meta_limit must be an integer from 1 to {_MOST_META}, not {meta_limit!r:.100}"
    if not isinstance(getattr(handler, "description", None), str):
        yield "description must be a string"
    if not isinstance(getattr(handler, "limits", None), CallLimits):
        yield "limits must be a propwash.sdk.CallLimits"
    settings_type: object = getattr(handler, "settings_type", None)
    is_model = isinstance(settings_type, type) and issubclass(settings_type, pydantic.BaseModel)
    if settings_type is not None and not is_model:
        yield f"settings_type must be a pydantic model or None, not {settings_type!r:.100}"


def task_types_of(handler: object) -> tuple[str, ...]:
    """The well-formed task types of an object, whatever else is wrong with it."""
    given: object = getattr(handler, "task_types", ())
    if not isinstance(given, tuple | list):
        return ()
    return tuple(one for one in given if isinstance(one, str) and _TASK_TYPE.fullmatch(one))


def overrides(handler: object, method: str) -> bool:
    """Whether the handler has a method of its own in place of the default."""
    return getattr(type(handler), method, None) is not getattr(Handler, method)


def _about_task_types(handler: object) -> Iterator[str]:
    given: object = getattr(handler, "task_types", None)
    if not isinstance(given, tuple | list) or not given:
        yield "task_types must be a tuple of at least one string"
        return
    for one in given:
        if not isinstance(one, str) or not _TASK_TYPE.fullmatch(one):
            yield f"{one!r:.150} is no task type: a letter, then up to 126 of letters, digits and _ . : -"
    if len(set(map(repr, given))) != len(given):
        yield "task_types names one task type twice"


def _about_spec(spec_type: object) -> Iterator[str]:
    if not isinstance(spec_type, type) or not issubclass(spec_type, Spec):
        yield f"spec_type must be a subclass of propwash.sdk.Spec, not {spec_type!r:.100}"
        return
    if spec_type.model_config.get("extra") != "forbid":
        yield "the spec must refuse unknown fields: leave extra='forbid' as propwash.sdk.Spec has it"
    if not spec_type.model_config.get("frozen"):
        yield "the spec must be frozen: leave frozen=True as propwash.sdk.Spec has it"
    try:
        spec_type.model_json_schema()
    except Exception as error:  # noqa: BLE001  a custom type of the plugin's may raise anything
        yield f"the spec has no JSON Schema: {type(error).__name__}: {error}"[:300]


def about_traits(traits: object) -> Iterator[str]:
    """What is wrong with traits; nothing where they may serve."""
    if not isinstance(traits, Traits):
        yield f"traits must be a propwash.sdk.Traits, not {traits!r:.100}"
        return
    times = (traits.settle_s, traits.poll_floor_s, traits.poll_ceiling_s)
    if not all(isinstance(time, int | float) and math.isfinite(time) for time in times):
        yield "settle_s, poll_floor_s and poll_ceiling_s must be finite numbers of seconds"
    elif traits.settle_s < 0 or not 0 < traits.poll_floor_s <= traits.poll_ceiling_s:
        yield "settle_s >= 0 and 0 < poll_floor_s <= poll_ceiling_s must hold"


def _about_methods(handler: object) -> Iterator[str]:
    for name, count in _ARGUMENTS.items():
        method: object = getattr(handler, name, None)
        if not callable(method):
            yield f"{name} must be a method"
            continue
        if name in _PURE and inspect.iscoroutinefunction(method):
            yield f"{name} must be a plain def: it is asked without input or output"
        try:
            inspect.signature(method).bind(*range(count))
        except (TypeError, ValueError):
            yield f"{name} must take {count} arguments besides self"
    if not overrides(handler, "get") and not overrides(handler, "get_one"):
        yield "get or get_one must be overridden"


def _named(thing: object) -> str:
    return thing.__qualname__ if isinstance(thing, type) else f"an object of type {type(thing).__qualname__}"
