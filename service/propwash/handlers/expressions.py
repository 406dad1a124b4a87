"""Expressions of the operator's over a request, in the Common Expression Language (CEL).

An expression is the operator's, what it reads is a client's: so no request can make one slow. There are no loops (all,
exists, map and the like), a pattern is a literal, and what an expression reads of a request is bounded. Only the fields
that it names are read at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from propwash.handlers.reading import TooMuch, Unreadable, picked
from propwash.sdk import pool_name

if TYPE_CHECKING:
    import cel

LONGEST_EXPRESSION = 1000
VARIABLES = ("spec", "inputs", "labels", "project", "domain", "connection", "task_type")
FUNCTIONS = (
    *("bytes", "contains", "double", "duration", "dyn", "endsWith", "int", "matches", "pool_name", "size"),
    *("startsWith", "string", "timestamp", "type", "uint", "getDate", "getDayOfMonth", "getDayOfWeek"),
    *("getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds"),
)
_LOOPS = frozenset(
    {"all", "exists", "exists_one", "existsOne", "filter", "map", "transformList", "transformMap"}
)
_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)
    |(?P<text>[bB]?[rR](?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
      |[bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<word>[A-Za-z_]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN_TEXT = re.compile(r"""(["'])([^"'\\]*)\1""")
_PLACE = re.compile(r"<input>:(\d+):(\d+): (?:Syntax error: )?(.+)")
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (KeyError, "a field or key that it names is not there: ask for it with has()"),
    (IndexError, "it reads beyond the end of a list"),
    (ZeroDivisionError, "it divides by zero"),
    (OverflowError, "a number is too large"),
    (TypeError, "its types do not fit together: write int(), double() or string() around one"),
)


class ExpressionFault(ValueError):
    """The expression can never be evaluated; the message says why, and where."""


class ExpressionFailed(Exception):
    """The expression gives nothing for this request. The message quotes nothing of the request."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; value() evaluates it. Raises ExpressionFault."""

    source: str
    _program: cel.Program = field(init=False, repr=False, compare=False)
    _context: type[cel.Context] = field(init=False, repr=False, compare=False)
    _reads: Mapping[str, frozenset[str] | None] = field(init=False, repr=False, compare=False)
    """The variables that it reads, and of each the fields; None for all of them."""

    def __post_init__(self) -> None:
        if len(self.source) > LONGEST_EXPRESSION:
            raise ExpressionFault(f"an expression has at most {LONGEST_EXPRESSION} characters")
        program, context, names = _compiled(self.source)
        tokens = [token for token in _tokens(self.source) if token.kind != "blank"]
        _check(self.source, tokens, names)
        fields = _fields(tokens)
        reads = {name: fields.get(name) for name in names["variables"]}
        for name, value in (("_program", program), ("_context", context), ("_reads", reads)):
            object.__setattr__(self, name, value)

    def value(self, facts: Mapping[str, object]) -> object:
        """What it gives for these variables; raises ExpressionFailed."""
        try:
            read = picked({name: (facts[name], fields) for name, fields in self._reads.items()})
        except TooMuch as error:
            raise ExpressionFailed(f"it reads more than {error}") from None
        except Unreadable as error:
            raise ExpressionFailed(f"it reads a value of type {error}, which has no form here") from None
        try:
            return self._program.execute(self._context(read, {"pool_name": _pool_name}))
        except Exception as error:  # noqa: BLE001  the language raises many types, and its messages quote values
            raise ExpressionFailed(_cause(error)) from None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(source: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(source):
        assert match.lastgroup is not None
        yield _Token(match.lastgroup, match.group(), match.start())


def _compiled(source: str) -> tuple[cel.Program, type[cel.Context], Mapping[str, list[str]]]:
    try:
        # Optional: it takes half a second and 30 MB, which a server without expressions does not spend.
        import cel
    except ImportError:
        raise ExpressionFault("expressions need propwash[expressions]") from None
    try:
        program = cel.compile(source)
    except ValueError as error:
        place = _PLACE.search(str(error))
        if place is None:
            raise ExpressionFault("is no expression") from None
        line, column, said = place.groups()
        where = _place(int(line), int(column), source)
        raise ExpressionFault(f"{where}: {said.partition(' expecting ')[0]}") from None
    return program, cel.Context, program.references()


def _check(source: str, tokens: list[_Token], names: Mapping[str, list[str]]) -> None:
    padded = [*tokens, _END, _END, _END]
    for index, token in enumerate(tokens):
        following, argument, last = padded[index + 1 : index + 4]
        if token.kind != "word" or following.text != "(":
            continue
        if token.text in _LOOPS:
            raise _at(source, token, f"{token.text}() is a loop, and there are none here")
        if token.text == "matches" and not (argument.kind == "text" and last.text == ")"):
            raise _at(source, token, "matches() takes a literal pattern")
    for kind, used, known in (
        ("variable", names["variables"], VARIABLES),
        ("function", [name for name in names["functions"] if name.isidentifier()], FUNCTIONS),
    ):
        # The language's operators are functions, too, whose names hold what no identifier does.
        for name in used:
            if name not in known and not (kind == "function" and name.startswith("_") and name.endswith("_")):
                where = next((one for one in tokens if one.text == name), tokens[0])
                there = ", ".join(sorted(known))
                raise _at(source, where, f"there is no {kind} {name!r:.60}; there are: {there}")


_END = _Token("end", "", -1)


def _fields(tokens: list[_Token]) -> Mapping[str, frozenset[str] | None]:
    """Of each variable the fields that are named with it, or None where it stands alone somewhere."""
    found: dict[str, frozenset[str] | None] = {}
    previous = _END
    padded = [*tokens, _END, _END, _END]
    for index, token in enumerate(tokens):
        if token.kind == "word" and token.text in VARIABLES and previous.text != ".":
            name = _field(*padded[index + 1 : index + 4])
            known = found.get(token.text, frozenset())
            found[token.text] = None if name is None or known is None else known | {name}
        previous = token
    return found


def _field(first: _Token, second: _Token, third: _Token) -> str | None:
    if first.text == "." and second.kind == "word":
        return second.text
    literal = _PLAIN_TEXT.fullmatch(second.text) if second.kind == "text" else None
    return literal[2] if first.text == "[" and literal is not None and third.text == "]" else None


def _at(source: str, token: _Token, said: str) -> ExpressionFault:
    before = source[: token.at]
    return ExpressionFault(
        f"{_place(before.count(chr(10)) + 1, token.at - (before.rfind(chr(10)) + 1) + 1, source)}: {said}"
    )


def _place(line: int, column: int, source: str) -> str:
    return f"line {line}, column {column}" if "\n" in source.strip() else f"column {column}"


def _pool_name(*parts: object) -> str:
    """Never raises: the language would write the fault, with the values in it, into the log."""
    texts = [str(part) if isinstance(part, str | int) else "" for part in parts]
    return pool_name(*texts) if texts and all(texts) else ""


def _cause(error: Exception) -> str:
    return next((said for kind, said in _CAUSES if isinstance(error, kind)), "it cannot be evaluated")
