"""Filters in the language of AIP-160, parsed to ports.Filter.

expression = sequence
sequence   = factor { AND factor }            # OR binds tighter than AND, as AIP-160 has it
factor     = term { OR term }
term       = [ NOT | - ] ( restriction | "(" expression ")" )
restriction = field comparator value          # labels.KEY, where KEY may be quoted
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from propwash.api.errors import ApiError
from propwash.api.lexer import Token, TokenKind, flawed, tokens_of
from propwash.api.reasons import Reason
from propwash.core.model import Phase
from propwash.ports import AllOf, AnyOf, Comparator, Comparison, Filter, Not

MAX_CHARS = 4096
MAX_TERMS = 64
MAX_DEPTH = 16
_EQUALITY = (Comparator.EQUAL, Comparator.NOT_EQUAL)
_LABEL = "labels."
_INTEGER = re.compile(r"-?[0-9]{1,9}")


def parse_filter(text: str) -> Filter | None:
    """The filter, or None for an empty one; raises ApiError with a FILTER_ reason and the position."""
    if len(text) > MAX_CHARS:
        raise flawed(Reason.FILTER_TOO_LARGE, MAX_CHARS, f"a filter has at most {MAX_CHARS} characters")
    tokens = tokens_of(text)
    if tokens[0].kind is TokenKind.END:
        return None
    return _Parser(tokens).whole()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._terms = 0
        self._depth = 0

    def whole(self) -> Filter:
        found = self._expression()
        self._expect(TokenKind.END, "AND, OR or the end")
        return found

    def _expression(self) -> Filter:
        parts = [self._factor()]
        while self._take(TokenKind.AND):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _factor(self) -> Filter:
        parts = [self._term()]
        while self._take(TokenKind.OR):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _term(self) -> Filter:
        token = self._peek()
        if token.kind is TokenKind.WORD and token.text.startswith("-"):
            self._tokens[self._index] = Token(TokenKind.WORD, token.text[1:], token.position + 1)
            if not token.text[1:]:
                self._index += 1
            return Not(self._simple())
        if self._take(TokenKind.NOT):
            return Not(self._simple())
        return self._simple()

    def _simple(self) -> Filter:
        opening = self._peek()
        if not self._take(TokenKind.OPEN):
            return self._restriction()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise flawed(
                Reason.FILTER_TOO_LARGE, opening.position, f"parentheses nest {MAX_DEPTH} deep at most"
            )
        inner = self._expression()
        self._expect(TokenKind.CLOSE, "AND, OR or )")
        self._depth -= 1
        return inner

    def _restriction(self) -> Filter:
        field = self._expect(TokenKind.WORD, "a field")
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise flawed(
                Reason.FILTER_TOO_LARGE, field.position, f"a filter has at most {MAX_TERMS} comparisons"
            )
        name = field.text
        if name == _LABEL:
            name += self._expect(TokenKind.TEXT, "a label's key").text
        read = _reader(name)
        if read is None:
            raise _unknown_field(field, name)
        comparator = self._comparator(name)
        value = self._peek()
        if value.kind not in (TokenKind.WORD, TokenKind.TEXT):
            raise flawed(Reason.FILTER_SYNTAX, value.position, f"expected a value, not {_shown(value)}")
        self._index += 1
        return Comparison(field=name, comparator=comparator, value=read(value))

    def _comparator(self, name: str) -> Comparator:
        token = self._expect(TokenKind.COMPARATOR, "a comparator")
        if token.text == ":":
            raise flawed(Reason.FILTER_SYNTAX, token.position, "the has operator : is not offered; use =")
        comparator = Comparator(token.text)
        if comparator not in _EQUALITY and name not in _ORDERED:
            raise flawed(Reason.FILTER_VALUE_INVALID, token.position, f"{name} takes = and != only")
        return comparator

    def _peek(self) -> Token:
        return self._tokens[self._index]

    def _take(self, kind: TokenKind) -> bool:
        if self._peek().kind is not kind:
            return False
        self._index += 1
        return True

    def _expect(self, kind: TokenKind, what: str) -> Token:
        token = self._peek()
        if token.kind is not kind:
            raise flawed(Reason.FILTER_SYNTAX, token.position, f"expected {what}, not {_shown(token)}")
        if kind is not TokenKind.END:
            self._index += 1
        return token


_Read = Callable[[Token], "str | int | float | Phase"]


def _text(token: Token) -> str:
    return token.text


def _phase(token: Token) -> Phase:
    try:
        return Phase[token.text.removeprefix("PHASE_")]
    except KeyError:
        known = ", ".join(phase.name for phase in Phase)
        raise flawed(Reason.FILTER_VALUE_INVALID, token.position, f"a phase is one of {known}") from None


def _integer(token: Token) -> int:
    if token.kind is not TokenKind.WORD or not _INTEGER.fullmatch(token.text):
        raise flawed(Reason.FILTER_VALUE_INVALID, token.position, "expected an integer")
    return int(token.text)


def _instant(token: Token) -> float:
    try:
        at = dt.datetime.fromisoformat(token.text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        expected = 'expected an instant with its offset, such as "2026-01-31T12:00:00Z"'
        raise flawed(Reason.FILTER_VALUE_INVALID, token.position, expected)
    return at.timestamp()


_READERS: dict[str, _Read] = {
    "phase": _phase,
    "task_type": _text,
    "connection": _text,
    "reason": _text,
    "attempt": _integer,
    "create_time": _instant,
    "update_time": _instant,
    "end_time": _instant,
}
_ORDERED = frozenset({"attempt", "create_time", "update_time", "end_time"})


def _reader(field: str) -> _Read | None:
    if field.startswith(_LABEL) and len(field) > len(_LABEL):
        return _text
    return _READERS.get(field)


def _unknown_field(token: Token, name: str) -> ApiError:
    known = ", ".join([*_READERS, "labels.KEY"])
    return flawed(
        Reason.FILTER_FIELD_UNKNOWN, token.position, f"there is no field {name!r}; there are {known}"
    )


def _shown(token: Token) -> str:
    return token.kind.value if token.kind is TokenKind.END else repr(token.text)
