"""propwash logs."""

from __future__ import annotations

from contextlib import aclosing

import click

from propwash.cli.exits import ExitCode
from propwash.cli.printing import Output, one_line, print_json_line
from propwash.cli.session import Session, with_session
from propwash.client import Client


@click.command(
    epilog="""\b
Examples:
  propwash logs 3q1v8
  propwash logs 3q1v8 --follow
  propwash logs 3q1v8 -o json | jq -r .text"""
)
@click.argument("execution")
@click.option("-f", "--follow", is_flag=True, help="Go on until the execution has ended.")
@click.option("--cursor", default="", help="Go on after the cursor of an earlier line.")
@with_session
def command(session: Session, execution: str, follow: bool, cursor: str) -> None:
    """Show a remote job's log, where its handler offers logs.

    JSON is one object a line, with text, time and cursor.
    """

    async def work(client: Client) -> int:
        name = session.name(execution)
        async with aclosing(client.logs(name, follow=follow, cursor=cursor)) as lines:
            async for line in lines:
                if session.output is Output.JSON:
                    print_json_line(line)
                elif line.time is None or session.output is Output.NAME:
                    click.echo(one_line(line.text))
                else:
                    click.echo(f"{line.time:%Y-%m-%dT%H:%M:%SZ}  {one_line(line.text)}")
        return ExitCode.OK

    session.run(work)
