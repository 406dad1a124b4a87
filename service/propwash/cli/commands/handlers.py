"""propwash handlers."""

from __future__ import annotations

import json

import click

from propwash.cli.exits import ExitCode
from propwash.cli.printing import Output, print_json, print_pairs, print_table
from propwash.cli.session import Session, with_session
from propwash.client import Client, Handler


@click.command(
    epilog="""\b
Examples:
  propwash handlers
  propwash handlers bigquery_query_job_task
  propwash handlers bigquery_query_job_task -o json | jq .spec_schema.properties"""
)
@click.argument("task_type", required=False)
@with_session
def command(session: Session, task_type: str | None) -> None:
    """Show which task types the server has, or one of them with the schema of its spec.

    Broken plugins are listed too, with what is wrong with them.
    """

    async def work(client: Client) -> int:
        if task_type is None:
            _show_all(await client.handlers(), session.output)
        else:
            _show_one(await client.handler(task_type), session.output)
        return ExitCode.OK

    session.run(work)


def _show_all(handlers: tuple[Handler, ...], output: Output) -> None:
    match output:
        case Output.JSON:
            print_json([_document(one) for one in handlers])
        case Output.NAME:
            for one in handlers:
                click.echo(one.task_type)
        case Output.TABLE:
            print_table(
                ("TASK TYPE", "STATE", "PLUGIN", "DISTRIBUTION", "DESCRIPTION"),
                [
                    (one.task_type, one.state, one.plugin, one.distribution, one.message or one.description)
                    for one in handlers
                ],
            )


def _show_one(one: Handler, output: Output) -> None:
    match output:
        case Output.JSON:
            print_json(_document(one))
        case Output.NAME:
            click.echo(one.task_type)
        case Output.TABLE:
            print_pairs(
                [
                    ("task type", one.task_type),
                    ("state", one.state),
                    ("message", one.message),
                    ("plugin", one.plugin),
                    ("distribution", one.distribution),
                    ("description", one.description),
                    ("logs", "yes" if one.has_logs else "no"),
                    ("results", "yes" if one.has_results else "no"),
                ]
            )
            click.echo("spec:")
            click.echo(json.dumps(_schema(one), indent=2, ensure_ascii=False))


def _document(one: Handler) -> dict[str, object]:
    made: dict[str, object] = {
        "name": one.name,
        "task_type": one.task_type,
        "plugin": one.plugin,
        "distribution": one.distribution,
        "description": one.description,
        "state": one.state,
        "message": one.message,
        "has_logs": one.has_logs,
        "has_results": one.has_results,
    }
    if one.spec_schema:
        made["spec_schema"] = _schema(one)
    return made


def _schema(one: Handler) -> object:
    return json.loads(one.spec_schema) if one.spec_schema else {}
