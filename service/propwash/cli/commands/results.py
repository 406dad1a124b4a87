"""propwash results."""

from __future__ import annotations

import click

from propwash.cli.exits import ExitCode
from propwash.cli.printing import Output, dump, print_json, print_table
from propwash.cli.session import Session, with_session
from propwash.client import Client, Column, Value


@click.command(
    epilog="""\b
Examples:
  propwash results 3q1v8
  propwash results 3q1v8 --limit 5000 -o json | jq '.rows[]'"""
)
@click.argument("execution")
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many rows at most."
)
@with_session
def command(session: Session, execution: str, limit: int) -> None:
    """Show the rows of a succeeded execution, where its handler offers them.

    JSON is one document: columns, rows (an object each) and total_rows, which is -1 where the remote system
    does not say. With -o name only the columns' names are shown.
    """

    async def work(client: Client) -> int:
        name, token = session.name(execution), ""
        columns: tuple[Column, ...] = ()
        rows: list[tuple[Value, ...]] = []
        while True:
            page = await client.results(name, page_size=min(limit - len(rows), 1000), page_token=token)
            columns = columns or page.columns
            rows += page.rows
            token = page.next_page_token
            if not token or len(rows) >= limit:
                break
        _show(columns, rows[:limit], page.total_rows, session.output)
        return ExitCode.OK

    session.run(work)


def _show(
    columns: tuple[Column, ...], rows: list[tuple[Value, ...]], total_rows: int, output: Output
) -> None:
    names = [column.name for column in columns]
    match output:
        case Output.JSON:
            items = [dict(zip(names, row, strict=False)) for row in rows]
            print_json({"columns": columns, "rows": items, "total_rows": total_rows})
        case Output.NAME:
            for name in names:
                click.echo(name)
        case Output.TABLE:
            print_table(names, [[_text(value) for value in row] for row in rows])
            if total_rows > len(rows):
                click.echo(f"{len(rows)} of {total_rows} rows; --limit shows more", err=True)


def _text(value: Value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else dump(value).strip('"')
