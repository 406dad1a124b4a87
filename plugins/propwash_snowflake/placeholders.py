"""The placeholders of Flyte's templates, %(x)s and {{ .inputs.x }}, as bind variables. Pure.

A quoted placeholder is the text of its input: '{{ .inputs.x }}' is TO_VARCHAR(?), joined by || to what stands beside it
in the quotes. A list stands for its elements, as in IN (%(x)s). With batch, each element of the lists is a row of the
statement's VALUES. Sources: Snowflake documentation, "String & binary data types" (string constants) and "Comments";
snowflake-connector-python, paramstyle pyformat; flyte-sdk, the Snowflake task's batch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from propwash.sdk import TemplateError, Value

_INPUT = r"%\((?P<percent>\w+)\)s | \{\{\s*\.inputs\.(?P<braces>\w+)\s*\}\}"
_TOKEN = re.compile(
    rf"""
    (?P<comment> --[^\n]* | //[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<name> "(?:[^"]|"")*" | \$\$.*?\$\$ )
  | (?P<text> '(?:[^'\\]|\\.|'')*' )
  | (?P<unclosed> ['"] .* )
  | (?P<escape> %% )
  | (?P<input> {_INPUT} )
  | (?P<values> \bVALUES\s*(?=\() )
  | (?P<opening> \( )
  | (?P<closing> \) )
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_QUOTED = re.compile(rf"%% | (?P<input> {_INPUT} )", re.IGNORECASE | re.VERBOSE)
_BRACES = re.compile(r"\{\{\s*\.inputs\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Bound:
    """A statement with ? for its inputs, and what each ? stands for: an input's name, or one of its elements."""

    statement: str
    bindings: tuple[tuple[str, int | None], ...] = ()


def bound(statement: str, inputs: Mapping[str, Value]) -> Bound:
    """The statement with its placeholders bound; raises TemplateError. Without inputs, % is as it is written."""
    if not inputs and not _BRACES.search(statement):
        return Bound(statement)
    marker = _Marker(inputs, lacks="names no input")
    return Bound(marker.marked(statement), tuple(marker.bindings))


def bound_rows(statement: str, inputs: Mapping[str, Value]) -> Bound:
    """The statement with its one row of VALUES repeated for the elements of the inputs, which are lists of one length;
    raises TemplateError.
    """
    count = _length(inputs)
    start, end = _row(statement)
    around = _Marker({}, lacks="stands outside of VALUES, where custom.batch has no value for it")
    # One element of each stands for all of them: a row has no lists in it.
    row = _Marker(dict.fromkeys(inputs), lacks="names no input")
    before, text, after = (
        one.marked(part)
        for one, part in (
            (around, statement[:start]),
            (row, statement[start:end]),
            (around, statement[end:]),
        )
    )
    bindings = tuple((name, number) for number in range(count) for name, _ in row.bindings)
    return Bound(f"{before}{', '.join([text] * count)}{after}", bindings)


class _Marker:
    """Marks the placeholders of texts, one after another, and gathers what they stand for."""

    def __init__(self, inputs: Mapping[str, Value], *, lacks: str) -> None:
        self._inputs = inputs
        self._lacks = lacks
        self.bindings: list[tuple[str, int | None]] = []

    def marked(self, text: str) -> str:
        """The text with ? for its placeholders; raises TemplateError."""
        return _TOKEN.sub(self._token, text)

    def _token(self, found: re.Match[str]) -> str:
        if found["escape"]:
            return "%"
        if found["input"]:
            return self._variables(found)
        if found["text"]:
            made = self._quoted(found[0])
            is_glued = found.string[found.start() - 1 : found.start()].isalnum()
            return made if made.startswith("'") or not is_glued else f" {made}"
        if found["name"] and any(one["input"] for one in _QUOTED.finditer(found[0])):
            raise TemplateError(
                f"sql.statement: {found[0]:.80} has a placeholder where no variable can be bound"
            )
        return found[0]

    def _quoted(self, quoted: str) -> str:
        pieces, text, position = [], "", 1
        for found in _QUOTED.finditer(quoted):
            text += quoted[position : found.start()]
            position = found.end()
            if found["input"] is None:
                text += "%"
                continue
            self._variables(found)
            if self.bindings[-1][1] is not None:
                raise TemplateError(f"sql.statement: {found[0]} is a list, and stands in quotes")
            pieces += [f"'{text}'"] * bool(text) + ["TO_VARCHAR(?)"]
            text = ""
        text += quoted[position:-1]
        if text or not pieces:
            pieces.append(f"'{text}'")
        return pieces[0] if len(pieces) == 1 else f"({' || '.join(pieces)})"

    def _variables(self, found: re.Match[str]) -> str:
        name = found["percent"] or found["braces"]
        if name not in self._inputs:
            raise TemplateError(f"sql.statement: {found[0]} {self._lacks}")
        value = self._inputs[name]
        if not isinstance(value, tuple | list):
            self.bindings.append((name, None))
            return "?"
        if not value:
            raise TemplateError(f"sql.statement: {found[0]} is an empty list, which no statement can hold")
        self.bindings.extend((name, number) for number in range(len(value)))
        return ", ".join("?" * len(value))


def _length(inputs: Mapping[str, Value]) -> int:
    lengths: dict[str, int] = {}
    for name, value in inputs.items():
        if not isinstance(value, tuple | list):
            raise TemplateError(f"custom.batch: wants lists, and inputs.{name} is none")
        lengths[name] = len(value)
    if len(set(lengths.values())) != 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise TemplateError(f"custom.batch: wants lists of one length: {told}")
    count = next(iter(lengths.values()))
    if not count:
        raise TemplateError("custom.batch: wants at least one row, and the lists are empty")
    return count


def _row(statement: str) -> tuple[int, int]:
    """Where the row of the one VALUES begins and ends, its parentheses included."""
    rows: list[tuple[int, int]] = []
    start = depth = 0
    for found in _TOKEN.finditer(statement):
        if found["values"]:
            start, depth = found.end(), 0
        elif found["opening"] and (depth or found.start() == start > 0):
            depth += 1
        elif found["closing"] and depth:
            depth -= 1
            if not depth:
                rows.append((start, found.end()))
    if len(rows) != 1:
        raise TemplateError(f"sql.statement: has {len(rows)} of VALUES (...), and custom.batch wants one")
    return rows[0]
