"""propwash hint."""

from __future__ import annotations

import re

import click

from propwash.cli.exits import ExitCode, of_error
from propwash.cli.printing import Output, print_json_line
from propwash.cli.session import Session, report, with_session
from propwash.client import Client, ClientError

_REMOTE = re.compile(r"pw-[a-z0-9]+-[0-9a-z]{26}-[0-9]+")
"""The name of a remote job, told from that of an execution by its form."""


@click.command(
    epilog="""\b
Examples:
  propwash hint 3q1v8
  propwash hint pw-a1b2c3d4-01hzy3m8p0q4r5s6t7v8w9x0y1-1   # a BigQuery job's id, the name of an EMR step
The server's token for hints, where it has one, is given as for every call: PROPWASH_TOKEN."""
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@with_session
def command(session: Session, names: tuple[str, ...]) -> None:
    """Say that jobs may be over, so that the server asks the remote system soon and does not wait for its next poll.

    A hint ends nothing: what follows is what the remote system then answers. NAME is an execution, or the name of a
    remote job. JSON is one line a name.
    """

    async def work(client: Client) -> int:
        code = ExitCode.OK
        for name in names:
            is_remote = _REMOTE.fullmatch(name) is not None
            target = name if is_remote else session.name(name)
            try:
                heard = await client.hint(
                    "" if is_remote else target, remote_name=target if is_remote else ""
                )
            except ClientError as error:
                report(error, session.output)
                code = of_error(error)
                if error.is_transient:
                    break
                continue
            if session.output is Output.JSON:
                print_json_line({"name": target, "heard": heard})
            elif session.output is Output.NAME:
                click.echo(target)
            else:
                click.echo(f"{target}  {'is asked for' if heard else 'is over already'}")
        return code

    session.run(work)
