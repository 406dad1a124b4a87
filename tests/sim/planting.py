"""Plants a bug: one line of a module, changed as a tired person might change it.

A mutant is a replacement in the source of one module. The changed module is compiled in place of the real one's
functions, so that the simulator runs the real code with one fault in it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A planted bug: in module, old becomes new."""

    name: str
    module: ModuleType
    old: str
    new: str


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Run with the bug in place. Raises ValueError where the source no longer has what the mutant changes."""
    source = inspect.getsource(mutant.module)
    if source.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: the line to change is there {source.count(mutant.old)} times")
    changed: dict[str, object] = {"__name__": mutant.module.__name__}
    exec(compile(source.replace(mutant.old, mutant.new), f"<mutant: {mutant.name}>", "exec"), changed)
    with _replaced(mutant.module, changed):
        yield


@contextmanager
def _replaced(module: ModuleType, changed: dict[str, object]) -> Iterator[None]:
    """Give every function and method of the module the changed code, in place, so that all who hold it have it."""
    kept: list[tuple[FunctionType, object]] = []
    for real, fake in _pairs(module, changed):
        kept.append((real, real.__code__))
        real.__code__ = fake.__code__
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code  # type: ignore[assignment]  # what was taken from there


def _pairs(module: ModuleType, changed: dict[str, object]) -> Iterator[tuple[FunctionType, FunctionType]]:
    for name, real in vars(module).items():
        fake = changed.get(name)
        if (
            isinstance(real, FunctionType)
            and isinstance(fake, FunctionType)
            and real.__module__ == module.__name__
        ):
            yield real, fake
        elif isinstance(real, type) and isinstance(fake, type) and real.__module__ == module.__name__:
            for attribute, method in vars(real).items():
                other = vars(fake).get(attribute)
                if not isinstance(method, FunctionType) or not isinstance(other, FunctionType):
                    continue
                if method.__code__.co_freevars == other.__code__.co_freevars:
                    yield method, other
