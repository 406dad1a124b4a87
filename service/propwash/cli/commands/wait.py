"""propwash wait."""

from __future__ import annotations

import asyncio
import datetime as dt

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from propwash.cli.exits import of_phases
from propwash.cli.parsing import Span
from propwash.cli.printing import (
    EXECUTION_COLUMNS,
    Output,
    error_console,
    execution_row,
    print_json,
    print_table,
)
from propwash.cli.session import Session, with_session
from propwash.client import Client, Execution

_AT_ONCE = 100


@click.command(
    epilog="""\b
Examples:
  propwash wait 3q1v8 && echo succeeded
  propwash wait a b c --for 30m -o json
  propwash submit -t bigquery_query_job_task --query 'SELECT 1' -o name | xargs propwash wait"""
)
@click.argument("executions", nargs=-1, required=True, metavar="EXECUTION...")
@click.option("--for", "span", type=Span(), help="Give up after so long, such as 30m; exit code 11.")
@with_session
def command(session: Session, executions: tuple[str, ...], span: dt.timedelta | None) -> None:
    """Wait until executions have ended, through restarts of the server.

    The exit code is 0 where all SUCCEEDED, else that of the worst: 3 FAILED, 5 TIMED_OUT, 4 ABORTED, 11 not
    ended in time. Nothing is aborted when the waiting ends.
    """

    async def work(client: Client) -> int:
        ended = await wait_for_all(client, [session.name(one) for one in executions], span)
        show_ended(ended, session.output)
        return of_phases(one.phase for one in ended)

    session.run(work)


async def wait_for_all(client: Client, names: list[str], span: dt.timedelta | None) -> list[Execution]:
    """The executions in the order of the names; with a progress bar on a terminal."""
    loop = asyncio.get_running_loop()
    until = None if span is None else loop.time() + span.total_seconds()
    turns = asyncio.Semaphore(_AT_ONCE)
    console = error_console()
    bar = Progress(
        SpinnerColumn(),
        TextColumn("waiting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )

    async def one(name: str) -> Execution:
        async with turns:
            left_s = None if until is None else max(0.0, until - loop.time())
            execution = await client.wait(name, timeout_s=left_s)
            bar.advance(row)
            return execution

    with bar:
        row = bar.add_task("", total=len(names))
        tasks = [asyncio.create_task(one(name), name=f"wait for {name}") for name in names]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()


def show_ended(ended: list[Execution], output: Output) -> None:
    """Print how they ended."""
    match output:
        case Output.JSON:
            print_json(ended[0] if len(ended) == 1 else ended)
        case Output.NAME:
            for one in ended:
                click.echo(one.name)
        case Output.TABLE:
            print_table(EXECUTION_COLUMNS, [execution_row(one, is_full=True) for one in ended])
