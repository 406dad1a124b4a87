"""propwash get."""

from __future__ import annotations

import click

from propwash.cli.exits import ExitCode
from propwash.cli.printing import (
    EXECUTION_COLUMNS,
    Output,
    age,
    dump,
    execution_row,
    print_json,
    print_pairs,
    print_table,
    summary,
)
from propwash.cli.session import Session, with_session
from propwash.client import Client, Execution


@click.command(
    epilog="""\b
Examples:
  propwash get 3q1v8
  propwash get projects/demo/domains/dev/executions/3q1v8 -o json | jq .outputs
  propwash get a b c"""
)
@click.argument("executions", nargs=-1, required=True, metavar="EXECUTION...")
@with_session
def command(session: Session, executions: tuple[str, ...]) -> None:
    """Show executions as the server knows them; the remote system is not asked.

    EXECUTION is an id in --project and --domain, or a whole resource name. JSON is one object for one
    execution and an array for several.
    """

    async def work(client: Client) -> int:
        names = [session.name(one) for one in executions]
        found = (await client.get(names[0]),) if len(names) == 1 else await client.get_many(names)
        _show(found, session.output)
        return ExitCode.OK

    session.run(work)


def _show(found: tuple[Execution, ...], output: Output) -> None:
    match output:
        case Output.JSON:
            print_json(found[0] if len(found) == 1 else found)
        case Output.NAME:
            for one in found:
                click.echo(one.name)
        case Output.TABLE if len(found) == 1:
            show_one(found[0])
        case Output.TABLE:
            print_table(EXECUTION_COLUMNS, [execution_row(one, is_full=True) for one in found])


def show_one(one: Execution) -> None:
    """Everything about one execution, for people."""
    print_pairs(
        [
            ("name", one.name),
            ("phase", one.phase.value),
            ("message", summary(one)),
            ("attempt", str(one.attempt)),
            ("task type", one.task_type),
            ("connection", one.connection),
            ("priority", str(one.priority) if one.priority else ""),
            ("remote name", one.remote_name),
            ("labels", ", ".join(f"{key}={value}" for key, value in sorted(one.labels.items()))),
            ("created", f"{one.create_time or ''} ({age(one.create_time)} ago)"),
            ("ended", str(one.end_time or "")),
            ("observed", str(one.observe_time or "")),
            *((link.title, link.uri) for link in one.links),
            *((f"attempt {each.attempt}", f"{each.reason}: {each.message}") for each in one.failures),
            ("spec", dump(one.spec)),
            ("inputs", dump(one.inputs) if one.inputs else ""),
            ("outputs", dump(one.outputs) if one.outputs else ""),
        ]
    )
