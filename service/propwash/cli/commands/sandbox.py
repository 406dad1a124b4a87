"""propwash sandbox."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
import uvloop

from propwash.cli.printing import Output, print_json_line
from propwash.cli.session import output_option
from propwash.sandbox import (
    Distribution,
    FaultPlanError,
    Sandbox,
    SandboxOptions,
    Speed,
    StandInError,
    run_sandbox,
)

_PORT_TAKEN = 9


@click.command(
    epilog="""\b
Examples:
  propwash sandbox
  propwash sandbox --port 9050 --faults 5 --seed 7
  propwash sandbox --distribution uniform --min-ms 500 --max-ms 20000
  curl localhost:9050/_sandbox/ledger        # every job ever created, counted

\b
Labels on a job steer it: sandbox-duration-ms=5000 makes it last five seconds,
sandbox-fail-reason=backenderror makes it fail."""
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9050, show_default=True, help="0 takes a free one."
)
@click.option("--only", multiple=True, metavar="NAME", help="Only these stand-ins; all by default.")
@click.option(
    "--faults",
    type=click.FloatRange(0, 100),
    default=0.0,
    metavar="PERCENT",
    help="How many of the requests go wrong, in every way there is.",
)
@click.option(
    "--fault-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A fault plan, YAML or JSON.",
)
@click.option("--seed", type=int, default=0, help="The number that faults and durations follow from.")
@click.option(
    "--distribution",
    type=click.Choice([each.value for each in Distribution]),
    default=Distribution.FIXED.value,
    show_default=True,
    help="How the durations of jobs without a label are drawn.",
)
@click.option("--min-ms", type=click.FloatRange(min=0), default=0.0, help="Shortest, fixed or mean duration.")
@click.option("--max-ms", type=click.FloatRange(min=0), default=0.0, help="Longest duration.")
@click.option("--pending-ms", type=click.FloatRange(min=0), default=0.0, help="How long a job is pending.")
@output_option
def command(
    host: str,
    port: int,
    only: tuple[str, ...],
    faults: float,
    fault_file: Path | None,
    seed: int,
    distribution: str,
    min_ms: float,
    max_ms: float,
    pending_ms: float,
    output: str,
) -> None:
    """Run local stand-ins for the remote systems.

    They speak the systems' own wire protocols, run real SQL, keep a ledger of every job, and fail on command.
    Runs until SIGTERM or Ctrl-C.
    """
    kind = Distribution(distribution)
    if kind is not Distribution.FIXED and max_ms < min_ms:
        raise click.UsageError("--max-ms must be at least --min-ms")
    options = SandboxOptions(
        host=host,
        port=port,
        stand_ins=only or None,
        fault_file=fault_file,
        fault_percent=faults,
        seed=seed,
        speed=Speed(distribution=kind, min_ms=min_ms, max_ms=max_ms, pending_ms=pending_ms),
    )

    def on_ready(sandbox: Sandbox) -> None:
        match Output(output):
            case Output.JSON:
                print_json_line({"url": sandbox.url, "stand_ins": sorted(sandbox.stand_ins)})
            case Output.NAME:
                click.echo(sandbox.url)
            case Output.TABLE:
                click.echo(f"sandbox at {sandbox.url}: {', '.join(sorted(sandbox.stand_ins))}")

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_sandbox(options, on_ready=on_ready))
    except (FaultPlanError, StandInError) as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        click.echo(f"propwash: cannot listen on {host}:{port}: {error.strerror or error}", err=True)
        sys.exit(_PORT_TAKEN)
