"""The entry point of the command line: which commands there are, and how their errors end."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import ClassVar

import click

from propwash.cli.lazy import LazyCommand, LazyGroup

EXIT_CODES = """\b
Exit codes:
  0    done; waited-for executions SUCCEEDED
  1    a failure that none of the others names
  2    wrong usage, or input that the server refuses
  3    the execution FAILED
  4    the execution was ABORTED
  5    the execution TIMED_OUT
  6    no such execution, handler or pool
  7    the server cannot be reached, does not answer in time, or takes no more at the moment
  8    serve: the data directory does not serve; it was left as it is
  9    serve, sandbox: the port cannot be listened on
  10   conflict: it exists with another body, has already ended, is in use, or was changed meanwhile
  11   the time to wait was over before the execution ended
  12   not allowed
  130  stopped by Ctrl-C"""


class _Commands(LazyGroup):
    table: ClassVar[Mapping[str, LazyCommand]] = {
        name: LazyCommand(f"propwash.cli.commands.{module}:command", text)
        for name, module, text in (
            ("serve", "serve", "Run the server."),
            ("sandbox", "sandbox", "Run local stand-ins for the remote systems."),
            ("demo", "demo", "Run thousands of jobs through a server that is killed, and check for leaks."),
            ("submit", "submit", "Create one execution, or many from a file."),
            ("get", "get", "Show executions."),
            ("list", "listing", "List executions."),
            ("watch", "watch", "Follow changes as they happen."),
            ("wait", "wait", "Wait until executions have ended."),
            ("abort", "abort", "End executions."),
            ("hint", "hint", "Say that jobs may be over, so that they are asked for at once."),
            ("logs", "logs", "Show a remote job's log."),
            ("results", "results", "Show the rows of a succeeded execution."),
            ("handlers", "handlers", "Show which task types the server has, and their specs."),
            ("pools", "pools", "Show and change pools: who holds them, who waits, and why."),
            ("throttles", "throttles", "Show how fast connections are called, and what waits for that."),
            ("connections", "connections", "Show and check connections, and how they stand in the server."),
            ("new-plugin", "new_plugin", "Write a new plugin that passes the conformance battery."),
            ("config", "config", "Check or show the server's configuration."),
        )
    }


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(package_name="propwash")
def cli() -> None:
    """Propwash runs jobs on remote systems: it submits, watches, retries and cleans up after them.

    \b
    Try it on this machine, in three terminals:
      propwash sandbox --port 9050
      propwash serve --set connections.bigquery.plugin=bigquery \\
        --set connections.bigquery.endpoint=http://127.0.0.1:9050 \\
        --set 'connections.bigquery.settings={project: demo, credentials: none}'
      propwash submit --task-type bigquery_query_job_task --query 'SELECT 1 AS one' --wait

    Every command has --help with examples. Commands that speak to a server take --server
    (PROPWASH_SERVER), --project (PROPWASH_PROJECT) and --domain (PROPWASH_DOMAIN).
    """


def main() -> None:
    """Run the command line and exit."""
    # Read when gRPC is first imported: the demo forks, but only to exec, and needs no notice of it.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        cli()
    except BrokenPipeError:
        # The reader of our output has left, as head does; the interpreter must not complain at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
