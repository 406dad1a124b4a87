"""propwash abort."""

from __future__ import annotations

import click

from propwash.cli.exits import ExitCode, of_error
from propwash.cli.printing import EXECUTION_COLUMNS, Output, execution_row, print_json_line, print_table
from propwash.cli.session import Session, report, with_session
from propwash.client import Client, ClientError, Execution


@click.command(
    epilog="""\b
Examples:
  propwash abort 3q1v8 --message 'wrong table'
  propwash list --filter 'labels.team = "a" AND phase = RUNNING' -o name | xargs propwash abort
  propwash abort nightly-2026-01-31 --allow-missing   # also before it is created"""
)
@click.argument("executions", nargs=-1, required=True, metavar="EXECUTION...")
@click.option("-m", "--message", default="", help="Why, for people; at most 1,024 characters.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Where there is no such execution yet, let it be born ABORTED when it is created.",
)
@with_session
def command(session: Session, executions: tuple[str, ...], message: str, allow_missing: bool) -> None:
    """End executions. The wish is durable when this returns.

    The execution is ABORTED when nothing of it is left at the remote side: propwash wait waits for that. Each
    execution is asked for by itself; where one is refused the others are still aborted, and the exit code is
    that of the last refusal. JSON is one line an execution.
    """

    async def work(client: Client) -> int:
        code, done = ExitCode.OK, list[Execution]()
        for name in map(session.name, executions):
            try:
                execution = await client.abort(name, message=message, allow_missing=allow_missing)
            except ClientError as error:
                report(error, session.output)
                code = of_error(error)
                if error.is_transient:
                    break
                continue
            done.append(execution)
            if session.output is Output.JSON:
                print_json_line(execution)
            elif session.output is Output.NAME:
                click.echo(execution.name)
        if session.output is Output.TABLE and done:
            print_table(EXECUTION_COLUMNS, [execution_row(one, is_full=True) for one in done])
        return code

    session.run(work)
