"""propwash submit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import cast

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from propwash.cli.commands.wait import show_ended, wait_for_all
from propwash.cli.exits import ExitCode, of_phases
from propwash.cli.parsing import (
    Defaults,
    Span,
    merged,
    nested,
    parse_labels,
    parse_pairs,
    read_jobs,
    read_spec,
)
from propwash.cli.printing import Output, error_console, print_json, print_json_line
from propwash.cli.session import Session, with_session
from propwash.client import Client, Execution, NewExecution, Policy, Value, new_request_id

_NO_TIME = dt.timedelta()


@click.command(
    epilog="""\b
Examples:
  propwash submit -t bigquery_query_job_task --query 'SELECT @n + 1 AS m' --input n:=41 --wait
  propwash submit -t bigquery_query_job_task --spec nightly.yaml --set location=EU --label team=a
  propwash submit -t bigquery_query_job_task --query 'SELECT 1' --id nightly-2026-01-31 \\
      --request-id nightly-2026-01-31 --max-attempts 3 --run-timeout 30m
  propwash submit --from-file jobs.jsonl --request-id import-7    # safe to run again: nothing twice

\b
A line of jobs.jsonl; only task_type and spec are needed:
  {"task_type": "bigquery_query_job_task", "spec": {"query": "SELECT @n"}, "inputs": {"n": 1},
   "id": "a", "labels": {"team": "a"}, "priority": 5, "policy": {"max_attempts": 3, "run_timeout": "30m"}}

\b
Values of other types:
  --input n:=5   --input x:=1.5   --input flags:='[true, null]'
  --input at:='{"@timestamp": "2026-01-31T00:00:00Z"}'
  --input raw:='{"@bytes": "aGk="}'   --input span:='{"@duration": "1h30m"}'"""
)
@click.option("-t", "--task-type", default="", help="What chooses the handler; see propwash handlers.")
@click.option("-f", "--spec", "spec_file", help="The spec as YAML or JSON; - reads standard input.")
@click.option("--set", "settings", multiple=True, metavar="KEY=TEXT", help="A spec field; KEY:=JSON, a.b=1.")
@click.option("--query", default="", help="The same as --set query=SQL.")
@click.option("-i", "--input", "inputs", multiple=True, metavar="NAME=TEXT", help="An input; NAME:=JSON.")
@click.option("--connection", default="", help="The named connection; else the handler's default.")
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label.")
@click.option("--id", "execution_id", default="", help="Last part of the name; else the server makes one.")
@click.option(
    "--request-id", default="", help="Idempotency key; with --from-file a prefix, and the line follows it."
)
@click.option("--max-attempts", type=click.IntRange(1, 100), default=None, help="Attempts in all.")
@click.option("--wait-timeout", type=Span(), help="How long an attempt may wait for its pools, such as 10m.")
@click.option("--run-timeout", type=Span(), help="How long one attempt may run, such as 30m.")
@click.option("--total-timeout", type=Span(), help="How long it may take in all, such as 2h.")
@click.option(
    "--priority",
    type=click.IntRange(-1000, 1000),
    default=0,
    help="Who waits for a pool with a higher one is served first; -1000 to 1000.",
)
@click.option("--validate-only", is_flag=True, help="Check everything, with a dry run; create nothing.")
@click.option("--from-file", help="Many executions, one JSON object a line; - reads standard input.")
@click.option("--wait", "is_wait", is_flag=True, help="Wait for the end; the exit code says how it ended.")
@click.option("--for", "span", type=Span(), help="With --wait: give up waiting after so long; exit code 11.")
@with_session
def command(
    session: Session,
    task_type: str,
    spec_file: str | None,
    settings: tuple[str, ...],
    query: str,
    inputs: tuple[str, ...],
    connection: str,
    labels: tuple[str, ...],
    execution_id: str,
    request_id: str,
    max_attempts: int | None,
    wait_timeout: dt.timedelta | None,
    run_timeout: dt.timedelta | None,
    total_timeout: dt.timedelta | None,
    priority: int,
    validate_only: bool,
    from_file: str | None,
    is_wait: bool,
    span: dt.timedelta | None,
) -> None:
    """Create one execution, or many from a file. It is durable when this returns.

    The spec is --spec, with --set and --query laid over it. A request id makes a repetition safe: the same id
    with the same body answers the execution that the first one made.
    """
    if span is not None and not is_wait:
        raise click.UsageError("--for needs --wait")
    below: Mapping[str, Value] = read_spec(spec_file) if spec_file else {}
    above = nested(parse_pairs((*settings, *((f"query={query}",) if query else ())), "--set"))
    defaults = Defaults(
        task_type=task_type,
        spec=cast("dict[str, Value]", merged(below, above)),
        inputs=parse_pairs(inputs, "--input"),
        connection=connection,
        labels=parse_labels(labels),
        policy=Policy(
            max_attempts=max_attempts or 0,
            wait_timeout=wait_timeout or _NO_TIME,
            run_timeout=run_timeout or _NO_TIME,
            total_timeout=total_timeout or _NO_TIME,
        ),
        priority=priority,
        request_id=request_id,
    )
    if from_file is not None:
        if execution_id or validate_only:
            raise click.UsageError("--id and --validate-only are for one execution, not for --from-file")
        jobs = list(read_jobs(from_file, defaults))
        session.run(lambda client: _submit_many(client, session, jobs, is_wait=is_wait, span=span))
    if not task_type:
        raise click.UsageError("--task-type is needed; propwash handlers lists them")
    new = NewExecution(
        task_type=task_type,
        spec=defaults.spec,
        inputs=defaults.inputs,
        execution_id=execution_id,
        connection=connection,
        labels=defaults.labels,
        policy=defaults.policy,
        priority=priority,
        request_id=request_id or new_request_id(),
    )

    async def work(client: Client) -> int:
        made = await client.create_new(
            new, project=session.project, domain=session.domain, validate_only=validate_only
        )
        if validate_only:
            if session.output is Output.JSON:
                print_json(made)
            else:
                click.echo("valid")
            return ExitCode.OK
        if not is_wait:
            _show(made, session.output)
            return ExitCode.OK
        if session.output is Output.TABLE:
            click.echo(made.name, err=True)
        return await _wait(client, session, [made.name], span)

    session.run(work)


async def _submit_many(
    client: Client,
    session: Session,
    jobs: list[NewExecution],
    *,
    is_wait: bool,
    span: dt.timedelta | None,
) -> int:
    console = error_console()
    bar = Progress(
        TextColumn("submitting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    names: list[str] = []
    with bar:
        row = bar.add_task("", total=len(jobs))
        async for made in client.create_many(jobs, project=session.project, domain=session.domain):
            bar.advance(row)
            names.append(made.name)
            if is_wait:
                continue
            if session.output is Output.JSON:
                print_json_line(made)
            else:
                click.echo(made.name)
    if session.output is Output.TABLE:
        click.echo(f"{len(names)} submitted", err=True)
    return await _wait(client, session, names, span) if is_wait else ExitCode.OK


async def _wait(client: Client, session: Session, names: list[str], span: dt.timedelta | None) -> int:
    ended = await wait_for_all(client, names, span)
    show_ended(ended, session.output)
    return of_phases(one.phase for one in ended)


def _show(made: Execution, output: Output) -> None:
    match output:
        case Output.JSON:
            print_json(made)
        case Output.NAME | Output.TABLE:
            click.echo(made.name)
