"""propwash new-plugin."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from propwash.cli.exits import ExitCode
from propwash.cli.printing import Output, print_json
from propwash.cli.session import output_option
from propwash.sdk.scaffold import write_plugin


@click.command(
    epilog="""\b
Examples:
  propwash new-plugin acme && cd propwash-acme
  pip install -e . && pytest       # passes the conformance battery as it is
  propwash serve                   # and serves it"""
)
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder to write it in; here by default.",
)
@output_option
def command(name: str, into: Path, output: str) -> None:
    """Write a new plugin that passes the conformance battery.

    NAME is the system that it speaks to, in lower case, such as acme.
    """
    try:
        written = write_plugin(name, into)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from None
    except FileExistsError as error:
        click.echo(f"propwash: {error}", err=True)
        sys.exit(ExitCode.CONFLICT)
    except OSError as error:
        click.echo(f"propwash: {into}: {error.strerror or error}", err=True)
        sys.exit(ExitCode.FAILURE)
    match Output(output):
        case Output.JSON:
            print_json({"name": name, "path": str(written)})
        case Output.NAME:
            click.echo(written)
        case Output.TABLE:
            click.echo(f"written to {written}")
            click.echo(f"next: cd {written} && pip install -e . && pytest")
