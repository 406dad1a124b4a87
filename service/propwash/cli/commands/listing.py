"""propwash list."""

from __future__ import annotations

import asyncio
import itertools

import click
from rich.console import Console
from rich.live import Live

from propwash.cli.exits import ExitCode
from propwash.cli.printing import (
    EXECUTION_COLUMNS,
    Output,
    execution_row,
    is_terminal,
    print_json,
    print_json_line,
    print_table,
    rich_table,
)
from propwash.cli.session import Session, with_session
from propwash.client import Client, Execution


@click.command(
    epilog="""\b
Examples:
  propwash list
  propwash list --filter 'phase = RUNNING AND labels.team = "a"'
  propwash list --filter 'phase = FAILED AND create_time > "2026-01-31T00:00:00Z"' -o json
  propwash list --project - --domain - --limit 20 --watch
  propwash list --filter 'phase = QUEUED' -o name | xargs propwash abort"""
)
@click.option("-f", "--filter", "where", default="", help="AIP-160 filter; see the examples.")
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most."
)
@click.option("--all", "is_all", is_flag=True, help="All of them, however many.")
@click.option("-w", "--watch", "is_watch", is_flag=True, help="List again and again until Ctrl-C.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often, with --watch.",
)
@with_session
def command(session: Session, where: str, limit: int, is_all: bool, is_watch: bool, every: float) -> None:
    """List executions, newest first.

    A project or domain of - means any. With --watch a terminal shows a table that changes, and a pipe gets a
    line for each execution that is new or has changed. To follow every change, use propwash watch.
    """
    wanted = None if is_all else limit

    async def work(client: Client) -> int:
        if not is_watch:
            await _list(client, session, where, wanted)
        elif is_terminal() and session.output is Output.TABLE:
            await _live(client, session, where, wanted, every)
        else:
            await _lines(client, session, where, wanted, every)
        return ExitCode.OK

    session.run(work)


async def _read(client: Client, session: Session, where: str, limit: int | None) -> list[Execution]:
    found: list[Execution] = []
    page_size = min(limit or 1000, 1000)
    pages = client.list(project=session.project, domain=session.domain, filter=where, page_size=page_size)
    async for execution in pages:
        found.append(execution)
        if limit is not None and len(found) >= limit:
            break
    return found


async def _list(client: Client, session: Session, where: str, limit: int | None) -> None:
    found = await _read(client, session, where, limit)
    match session.output:
        case Output.JSON:
            print_json(found)
        case Output.NAME:
            for one in found:
                click.echo(one.name)
        case Output.TABLE:
            print_table(EXECUTION_COLUMNS, [execution_row(one, is_full=_is_wide(session)) for one in found])


async def _live(client: Client, session: Session, where: str, limit: int | None, every: float) -> None:
    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            found = await _read(client, session, where, limit)
            rows = [execution_row(one, is_full=_is_wide(session)) for one in found]
            room = max(1, console.height - 3)
            caption = f"{len(found)} executions" + (f", {room} shown" if len(rows) > room else "")
            live.update(rich_table(EXECUTION_COLUMNS, rows[:room], caption=caption), refresh=True)
            await asyncio.sleep(every)


async def _lines(client: Client, session: Session, where: str, limit: int | None, every: float) -> None:
    seen: dict[str, str] = {}
    for turn in itertools.count():
        if turn:
            await asyncio.sleep(every)
        found = await _read(client, session, where, limit)
        for one in reversed(found):
            if seen.get(one.name) == one.etag:
                continue
            match session.output:
                case Output.JSON:
                    print_json_line(one)
                case Output.NAME:
                    click.echo(one.name)
                case Output.TABLE:
                    click.echo("  ".join(execution_row(one, is_full=_is_wide(session))).rstrip())
        seen = {one.name: one.etag for one in found}


def _is_wide(session: Session) -> bool:
    return "-" in (session.project, session.domain)
