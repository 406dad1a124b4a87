"""Output: JSON documents, plain columns for pipes, coloured tables for terminals."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import enum
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from propwash.client import Execution, Phase

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_COLOURS = {
    Phase.SUCCEEDED: "green",
    Phase.FAILED: "red",
    Phase.TIMED_OUT: "red",
    Phase.ABORTED: "yellow",
    Phase.RUNNING: "cyan",
    Phase.CLEANING_UP: "magenta",
}
EXECUTION_COLUMNS = ("EXECUTION", "PHASE", "ATTEMPT", "TASK TYPE", "AGE", "MESSAGE")


class Output(enum.StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"
    NAME = "name"


def is_terminal() -> bool:
    """Whether people read standard output."""
    return sys.stdout.isatty()


def error_console() -> Console:
    """Standard error, for progress; no terminal where it is a pipe, whatever the environment asks for."""
    return Console(stderr=True, highlight=False, force_terminal=sys.stderr.isatty())


def one_line(text: str) -> str:
    """The text without line ends and without what could steer a terminal."""
    return _CONTROL.sub(" ", text).strip()


def print_json(value: object) -> None:
    """One document; indented for people, on one line for programs."""
    click.echo(dump(value, indent=2 if is_terminal() else None))


def print_json_line(value: object) -> None:
    """One item of a stream."""
    click.echo(dump(value))


def dump(value: object, *, indent: int | None = None) -> str:
    """JSON of the client's values: instants in ISO 8601, durations as 1.5s, bytes in base64."""
    return json.dumps(as_json(value), ensure_ascii=False, indent=indent)


def as_json(value: object) -> object:
    """The value in JSON's own kinds."""
    match value:
        case enum.Enum():
            return value.value
        case dt.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dt.timedelta():
            return f"{value.total_seconds():.9g}s"
        case bytes():
            return base64.b64encode(value).decode()
        case str() | None | bool() | int() | float():
            return value
        case Mapping():
            return {str(key): as_json(item) for key, item in value.items()}
        case Sequence():
            return [as_json(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: as_json(getattr(value, one.name)) for one in dataclasses.fields(value)}
    raise TypeError(f"a {type(value).__name__} has no JSON")


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal, aligned columns in a pipe, the header always first."""
    cleaned = [[one_line(cell) for cell in row] for row in rows]
    if is_terminal():
        Console().print(rich_table(headers, cleaned))
        return
    for line in _aligned([list(headers), *cleaned]):
        click.echo(line)


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line."""
    for line in _aligned([[f"{name}:", one_line(value)] for name, value in pairs if value]):
        click.echo(line)


def rich_table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> Table:
    """The table for a terminal; a cell that is a phase has its colour."""
    table = Table(box=None, pad_edge=False, header_style="bold", caption=caption or None)
    for header in headers:
        is_long = header in {"MESSAGE", "DESCRIPTION", "REMEDY", "SETTINGS", "WHY"}
        table.add_column(header, no_wrap=not is_long, overflow="ellipsis" if is_long else "fold")
    for row in rows:
        table.add_row(*(_cell(one_line(cell)) for cell in row))
    return table


def execution_row(execution: Execution, *, is_full: bool) -> tuple[str, ...]:
    """The cells for EXECUTION_COLUMNS; is_full shows the whole name."""
    return (
        execution.name if is_full else execution.id,
        execution.phase.value,
        str(execution.attempt),
        execution.task_type,
        age(execution.create_time),
        summary(execution),
    )


def summary(execution: Execution) -> str:
    """The reason and the message on one line."""
    return ": ".join(part for part in (execution.reason, execution.message) if part)


def age(since: dt.datetime | None) -> str:
    """How long ago, in the two largest units."""
    if since is None:
        return ""
    seconds = max(0, int((dt.datetime.now(dt.UTC) - since).total_seconds()))
    for size, unit, smaller, smaller_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if seconds >= size:
            return f"{seconds // size}{unit}{seconds % size // smaller}{smaller_unit}"
    return f"{seconds}s"


def _cell(text: str) -> Text:
    try:
        return Text(text, style=_COLOURS.get(Phase(text), ""))
    except ValueError:
        return Text(text)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
