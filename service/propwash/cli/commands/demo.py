"""propwash demo."""

from __future__ import annotations

import asyncio
import sys
from typing import NoReturn

import click
import uvloop

from propwash.cli.demo.plan import KINDS
from propwash.cli.demo.processes import ProcessError
from propwash.cli.demo.run import DemoError, DemoOptions, run_demo
from propwash.cli.demo.showing import Display, print_faults, print_summary
from propwash.cli.exits import ExitCode
from propwash.cli.printing import Output, print_json
from propwash.cli.session import output_option
from propwash.client import ClientError


@click.command(
    epilog="""\b
Examples:
  propwash demo
  propwash demo --jobs 200 --aborts 20 --crashes 1 --seed 7
  propwash demo --jobs 10000 --crashes 0 -o json | jq '.peak_concurrent, .server_peak_rss_mib'
  propwash demo --only statements --only steps
  propwash demo --keep            # and read the logs and the data afterwards"""
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 200_000),
    default=2000,
    show_default=True,
    help="How many jobs, over all systems.",
)
@click.option(
    "--aborts", type=click.IntRange(min=0), default=None, help="How many to abort; 200, or a tenth."
)
@click.option(
    "--crashes",
    type=click.IntRange(0, 100),
    default=2,
    show_default=True,
    help="How often to kill the server with SIGKILL in the middle.",
)
@click.option(
    "--faults",
    type=click.FloatRange(0, 50),
    default=5.0,
    show_default=True,
    metavar="PERCENT",
    help="How many of the remote requests go wrong, in every way there is.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The number that all choices follow from."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The server's gRPC port; 0 takes a free one."
)
@click.option(
    "--only",
    type=click.Choice([kind.name for kind in KINDS]),
    multiple=True,
    help="Submit this kind of work alone; may be given several times.",
)
@click.option(
    "--keep", is_flag=True, help="Keep the logs and the data; kept anyway where something is wrong."
)
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="Give up after so long and say what is stuck; by default it grows with the jobs.",
)
@output_option
def command(
    jobs: int,
    aborts: int | None,
    crashes: int,
    faults: float,
    seed: int,
    port: int,
    only: tuple[str, ...],
    keep: bool,
    deadline: float | None,
    output: str,
) -> None:
    """Run thousands of jobs through a server that is killed, and check for leaks.

    Starts the sandbox and the server as processes of their own, submits BigQuery queries, Snowflake statements,
    runs, steps and clusters of EMR over gRPC, aborts some in
    the middle, lets remote requests go wrong, kills the server and starts it again, and follows everything
    with one watch. Ends with a summary.

    The exit code is 1 where the sandbox's ledger shows a job that is still live, was created twice or overlaps
    another of its execution, or where an acknowledged execution is lost or ended otherwise than it should.
    JSON has one key a figure.
    """
    options = DemoOptions(
        jobs=jobs,
        aborts=min(200, jobs // 10) if aborts is None else aborts,
        crashes=crashes,
        faults=faults,
        seed=seed,
        port=port,
        kinds=tuple(kind for kind in KINDS if not only or kind.name in only),
        is_kept=keep,
        deadline_s=deadline or 0.0,
    )
    if options.aborts > jobs:
        raise click.BadParameter("more than --jobs", param_hint="--aborts")
    display = Display()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            verdict = runner.run(run_demo(options, display))
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except (DemoError, ProcessError, ClientError, RuntimeError, OSError) as error:
        _fail(error)
    except ExceptionGroup as group:
        _fail(*_leaves(group))
    match Output(output):
        case Output.JSON:
            print_json({**verdict.figures, "seed": seed, "ok": verdict.is_good})
            print_faults(verdict)
        case Output.TABLE | Output.NAME:
            print_summary(verdict)
    sys.exit(ExitCode.OK if verdict.is_good else ExitCode.FAILURE)


def _fail(*errors: BaseException) -> NoReturn:
    for error in errors:
        click.echo(f"propwash: {error}", err=True)
    sys.exit(ExitCode.FAILURE)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
