"""The tokens of a filter, with their positions."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from propwash.api.errors import ApiError, Violation
from propwash.api.reasons import Reason


class TokenKind(enum.Enum):
    """What a token is."""

    WORD = "a word"
    TEXT = "a quoted text"
    COMPARATOR = "a comparator"
    OPEN = "("
    CLOSE = ")"
    AND = "AND"
    OR = "OR"
    NOT = "NOT"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token; text is a quoted text's content."""

    kind: TokenKind
    text: str
    position: int


_KEYWORDS = {"AND": TokenKind.AND, "OR": TokenKind.OR, "NOT": TokenKind.NOT}
_SINGLE = {"(": TokenKind.OPEN, ")": TokenKind.CLOSE}
_SCAN = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<comparator><=|>=|!=|=|<|>|:)
    |(?P<single>[()])
    |(?P<word>[^\s()=!<>:"',\\]+(?::[0-9][^\s()=!<>"',\\]*)?)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def flawed(reason: Reason, position: int, message: str) -> ApiError:
    """INVALID_ARGUMENT for the filter, with the position."""
    text = f"at {position}: {message}"
    return ApiError(
        reason,
        f"filter: {text}",
        violations=(Violation("filter", text),),
        metadata={"position": str(position)},
    )


def tokens_of(text: str) -> list[Token]:
    """All tokens and an END; raises ApiError FILTER_SYNTAX."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _SCAN.match(text, position)
        if match is None:
            what = "a quote without its end" if text[position] in "\"'" else f"unexpected {text[position]!r}"
            raise flawed(Reason.FILTER_SYNTAX, position, what)
        found += _token(match, position)
        position = match.end()
    found.append(Token(TokenKind.END, "", position))
    return found


def _token(match: re.Match[str], position: int) -> list[Token]:
    piece = match.group()
    match match.lastgroup:
        case "text":
            return [Token(TokenKind.TEXT, _ESCAPE.sub(r"\1", piece[1:-1]), position)]
        case "comparator":
            return [Token(TokenKind.COMPARATOR, piece, position)]
        case "single":
            return [Token(_SINGLE[piece], piece, position)]
        case "word":
            return [Token(_KEYWORDS.get(piece, TokenKind.WORD), piece, position)]
        case _:
            return []
