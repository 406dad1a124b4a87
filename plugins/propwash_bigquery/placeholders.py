"""{{ .inputs.x }} in the queries of older templates of Flyte, as the named parameter @x. Pure.

A quoted placeholder is the text of its input: '{{ .inputs.x }}' is CAST(@x AS STRING), and what stands beside it in the
quotes is joined to it by CONCAT. Source: GoogleSQL reference, "Lexical structure and syntax".
"""

from __future__ import annotations

import re
from collections.abc import Container

from propwash.sdk import TemplateError

_PLACEHOLDER = re.compile(r"\{\{\s*\.inputs\.(\w+)\s*\}\}", re.IGNORECASE)
_TOKEN = re.compile(
    r"""
    (?P<comment> \#[^\n]* | --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<name> `[^`]*` )
  | (?P<text> (?P<prefix>(?:\b[rb]{1,2})?) (?P<quote>\"{3}|'{3}|"|') (?P<body>(?:\\.|(?!(?P=quote))[^\\])*) (?P=quote) )
  | (?P<unclosed> ['"`] .* )
  | \{\{\s*\.inputs\.(?P<input>\w+)\s*\}\}
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def with_parameters(statement: str, inputs: Container[str]) -> str:
    """The query with its placeholders as parameters; raises TemplateError for one that no input serves, and for one
    where no parameter can stand: in a name, or among bytes.
    """

    def put(found: re.Match[str]) -> str:
        if found["input"]:
            return _parameter(found["input"], inputs)
        if found["comment"] or found["unclosed"] or not _PLACEHOLDER.search(found[0]):
            return found[0]
        if found["name"] or "b" in found["prefix"].lower():
            raise TemplateError(
                f"sql.statement: {found[0]:.80} has a placeholder where no parameter can stand"
            )
        return _joined(found, inputs)

    return _TOKEN.sub(put, statement)


def _joined(text: re.Match[str], inputs: Container[str]) -> str:
    # A split at the one group gives text, name, text, name, and so on.
    pieces = _PLACEHOLDER.split(text["body"])
    made = [
        f"CAST({_parameter(piece, inputs)} AS STRING)"
        if number % 2
        else f"{text['prefix']}{text['quote']}{piece}{text['quote']}"
        for number, piece in enumerate(pieces)
        if piece
    ]
    before = " " if text.string[text.start() - 1 : text.start()].isalnum() else ""
    return before + (made[0] if len(made) == 1 else f"CONCAT({', '.join(made)})")


def _parameter(name: str, inputs: Container[str]) -> str:
    if name not in inputs:
        raise TemplateError(f"sql.statement: {{{{ .inputs.{name} }}}} names no input")
    return f"@{name}"
