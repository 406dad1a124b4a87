"""What an expression reads of a request, as plain values, in bounds."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass

import pydantic

MOST_VALUES = 1000
MOST_CHARACTERS = 65_536
_MOST_DEPTH = 64


class TooMuch(Exception):
    """More is read than the bounds allow; the message names them."""


class Unreadable(Exception):
    """A value has no plain form; the message is its type."""


def picked(wanted: Mapping[str, tuple[object, frozenset[str] | None]]) -> dict[str, object]:
    """The variables by name, each of its fields alone where they are named. Fields that are None are left out, so that
    they count as not given, and fields with an alias have both names. Raises TooMuch and Unreadable.
    """
    reader = _Reader()
    return {name: reader.read(value, fields) for name, (value, fields) in wanted.items()}


@dataclass(slots=True)
class _Reader:
    values: int = 0
    characters: int = 0

    def read(self, value: object, fields: frozenset[str] | None = None, depth: int = 0) -> object:
        self._count(value, depth)
        if isinstance(value, enum.Enum):
            return self.read(value.value, None, depth + 1)
        if value is None or isinstance(value, bool | int | float | str | bytes | dt.datetime | dt.timedelta):
            return value
        if isinstance(value, pydantic.BaseModel):
            return self._model(value, fields, depth)
        if isinstance(value, Mapping):
            return {
                str(key): self.read(inner, None, depth + 1)
                for key, inner in value.items()
                if fields is None or key in fields
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.read(inner, None, depth + 1) for inner in value]
        raise Unreadable(type(value).__name__)

    def _model(
        self, model: pydantic.BaseModel, fields: frozenset[str] | None, depth: int
    ) -> dict[str, object]:
        read: dict[str, object] = {}
        for name, info in type(model).model_fields.items():
            names = {name, info.alias or name}
            if fields is not None and not names & fields:
                continue
            if (value := getattr(model, name)) is not None:
                plain = self.read(value, None, depth + 1)
                read |= dict.fromkeys(names, plain)
        return read

    def _count(self, value: object, depth: int) -> None:
        self.values += 1
        self.characters += len(value) if isinstance(value, str | bytes) else 0
        if self.values > MOST_VALUES or self.characters > MOST_CHARACTERS or depth > _MOST_DEPTH:
            raise TooMuch(f"{MOST_VALUES} values, {MOST_CHARACTERS} characters, or {_MOST_DEPTH} levels")
