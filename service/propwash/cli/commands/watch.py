"""propwash watch."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from contextlib import aclosing, nullcontext
from typing import cast

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from propwash.cli.exits import ExitCode, of_phases
from propwash.cli.printing import (
    EXECUTION_COLUMNS,
    Output,
    execution_row,
    is_terminal,
    one_line,
    print_json_line,
    rich_table,
    summary,
)
from propwash.cli.session import Session, with_session
from propwash.client import Change, Client, Execution, Phase


@click.command(
    epilog="""\b
Examples:
  propwash watch
  propwash watch 3q1v8 7k2m0           # ends when both have ended; the exit code says how
  propwash watch --changes-only -o json | jq -r 'select(.execution.phase == "FAILED").execution.name'
  propwash watch -o json --resume-token "$TOKEN"   # go on after the resume_token of an earlier item"""
)
@click.argument("executions", nargs=-1, metavar="[EXECUTION]...")
@click.option("--changes-only", is_flag=True, help="Leave out what is there now; begin with the next change.")
@click.option("--resume-token", default="", help="Go on after this token, without a gap or a repeat.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the server may be away at a time.",
)
@with_session
def command(
    session: Session,
    executions: tuple[str, ...],
    changes_only: bool,
    resume_token: str,
    patience: float,
) -> None:
    """Follow changes as they happen, through restarts of the server.

    Begins with what is there now. A terminal shows the latest in a table that changes; a pipe gets a line a
    change. Runs until Ctrl-C, or until the named executions have ended. JSON is one line an item, with the
    token to resume from.
    """
    names = tuple(session.name(one) for one in executions)

    async def work(client: Client) -> int:
        # Names may stand in any project, and then the parent must let them.
        is_any = any(one.startswith("projects/") for one in executions)
        changes = client.watch(
            project="-" if is_any else session.project,
            domain="-" if is_any else session.domain,
            names=names,
            resume_token=resume_token,
            changes_only=changes_only,
            patience_s=patience,
        )
        is_live = is_terminal() and session.output is Output.TABLE
        board = _Board() if is_live else None
        phases: dict[str, Phase] = {}
        async with aclosing(changes):
            with board.live if board is not None else nullcontext():
                async for change in changes:
                    if board is not None:
                        board.show(change)
                    else:
                        _print(change, session)
                    if change.execution is not None:
                        phases[change.execution.name] = change.execution.phase
                    if names and all(phases.get(name, Phase.QUEUED).is_terminal for name in names):
                        return of_phases(phases[name] for name in names)
        return ExitCode.OK

    session.run(work)


def _print(change: Change, session: Session) -> None:
    execution = change.execution
    if session.output is Output.JSON:
        print_json_line(change)
        return
    if execution is None:
        return
    if session.output is Output.NAME:
        click.echo(execution.name)
        return
    at = change.commit_time or execution.update_time or dt.datetime.now(dt.UTC)
    is_wide = "-" in (session.project, session.domain)
    cells = (
        at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        execution.name if is_wide else execution.id,
        execution.phase.value,
        f"attempt={execution.attempt}",
        one_line(summary(execution)),
    )
    click.echo("  ".join(cells).rstrip())


class _Board:
    """The latest executions in a table that changes, and how many are in each phase."""

    def __init__(self) -> None:
        self._console = Console()
        self._executions: dict[str, Execution] = {}
        self.live = Live(
            console=self._console, get_renderable=self._table, refresh_per_second=4, vertical_overflow="crop"
        )

    def show(self, change: Change) -> None:
        """Take a change in; drawn with the next refresh."""
        if change.kind == "RESET":
            self._executions.clear()
        if change.execution is not None:
            self._executions.pop(change.execution.name, None)
            self._executions[change.execution.name] = change.execution

    def _table(self) -> Table:
        room = max(1, self._console.height - 5)
        latest = list(reversed(cast("list[Execution]", list(self._executions.values()))))[:room]
        phases = Counter(one.phase for one in self._executions.values())
        caption = "  ".join(f"{phase.value} {phases[phase]}" for phase in Phase if phases[phase])
        rows = [execution_row(one, is_full=False) for one in latest]
        return rich_table(EXECUTION_COLUMNS, rows, caption=caption or "nothing yet")
