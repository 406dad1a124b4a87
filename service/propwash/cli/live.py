"""What is shown once, or again and again: a table that changes on a terminal, one after the other in a pipe."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from propwash.cli.printing import (
    Output,
    is_terminal,
    one_line,
    print_json,
    print_json_line,
    print_pairs,
    print_table,
    rich_table,
)
from propwash.client import ClientError

_ROOM_FOR_HEAD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One reading, in each way to print it: pairs and a table for people, a document for programs, names for pipes."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    document: object
    names: Sequence[str]
    pairs: Sequence[tuple[str, str]] = ()
    """Above the table."""
    caption: str = ""


def live_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options --watch and --every; the command gets every_s, None where it is to show once."""

    @functools.wraps(command)
    def wrapped(*arguments: object, is_watch: bool, every: float, **rest: object) -> None:
        command(*arguments, every_s=every if is_watch else None, **rest)

    made = click.option(
        "--every",
        type=click.FloatRange(min=0.1),
        default=1.0,
        show_default=True,
        metavar="SECONDS",
        help="How often, with --watch.",
    )(wrapped)
    return click.option(
        "-w", "--watch", "is_watch", is_flag=True, help="Show it again and again until Ctrl-C."
    )(made)


async def show(read: Callable[[], Awaitable[Sheet]], output: Output, *, every_s: float | None) -> None:
    """Show what is read, once or every so many seconds for ever.

    Raises ClientError; but where an earlier reading has been shown, a server that is away is told of and waited for.
    """
    sheet = await read()
    if every_s is None:
        _print(sheet, output)
    elif is_terminal() and output is Output.TABLE:
        await _draw(sheet, read, every_s)
    else:
        await _go_on(sheet, read, output, every_s)


async def _draw(sheet: Sheet, read: Callable[[], Awaitable[Sheet]], every_s: float) -> None:
    console = Console()
    trouble = ""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(drawn(sheet, height=console.height, trouble=trouble), refresh=True)
            await asyncio.sleep(every_s)
            try:
                sheet, trouble = await read(), ""
            except ClientError as error:
                trouble = _transient(error)


async def _go_on(
    sheet: Sheet | None, read: Callable[[], Awaitable[Sheet]], output: Output, every_s: float
) -> None:
    for turn in itertools.count():
        if sheet is not None:
            if turn and output is Output.TABLE:
                click.echo("")
            _print(sheet, output, is_stream=True)
        await asyncio.sleep(every_s)
        try:
            sheet = await read()
        except ClientError as error:
            click.echo(f"propwash: {_transient(error)}", err=True)
            sheet = None


def _transient(error: ClientError) -> str:
    if not error.is_transient:
        raise error
    return one_line(str(error))


def drawn(sheet: Sheet, *, height: int, trouble: str = "") -> Group:
    """The sheet for a terminal of so many lines: what has no room is counted."""
    pairs = [(name, value) for name, value in sheet.pairs if value]
    room = max(1, height - _ROOM_FOR_HEAD - len(pairs))
    now = dt.datetime.now(dt.UTC).strftime("%H:%M:%SZ")
    more = f"{room} of {len(sheet.rows)} shown" if len(sheet.rows) > room else ""
    said = f"not read again since, {trouble}" if trouble else now
    caption = ", ".join(part for part in (sheet.caption, more, said) if part)
    parts: list[Table | Text] = []
    if pairs:
        head = Table(box=None, pad_edge=False, show_header=False)
        for name, value in pairs:
            head.add_row(Text(f"{name}:"), Text(one_line(value), no_wrap=True, overflow="ellipsis"))
        parts.append(head)
    parts.append(rich_table(sheet.headers, sheet.rows[:room]))
    # Not the table's own caption, which is as narrow as the table.
    parts.append(Text(caption, style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*parts)


def _print(sheet: Sheet, output: Output, *, is_stream: bool = False) -> None:
    match output:
        case Output.JSON if is_stream:
            print_json_line(sheet.document)
        case Output.JSON:
            print_json(sheet.document)
        case Output.NAME:
            for name in sheet.names:
                click.echo(name)
        case Output.TABLE:
            print_pairs(sheet.pairs)
            if sheet.rows or not sheet.pairs:
                print_table(sheet.headers, sheet.rows)
