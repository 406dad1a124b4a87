"""propwash throttles."""

from __future__ import annotations

import click

from propwash.cli.connection_sheets import throttle_sheet
from propwash.cli.exits import ExitCode
from propwash.cli.live import Sheet, live_options, show
from propwash.cli.session import Session, with_session
from propwash.client import Client


@click.command(
    epilog="""\b
Examples:
  propwash throttles
  propwash throttles --watch
  propwash throttles -o json | jq '.[].uses[].throttles[] | select(.throttled_total > 0)'"""
)
@live_options
@with_session
def command(session: Session, every_s: float | None) -> None:
    """Show how fast each connection is called, what is left of its budget, and what waits for it.

    RATE is what the remote system bore lately, CONFIGURED the most. LEFT are calls that may go at once.
    """

    async def work(client: Client) -> int:
        async def read() -> Sheet:
            return throttle_sheet(await client.connections())

        await show(read, session.output, every_s=every_s)
        return ExitCode.OK

    session.run(work)
