"""propwash pools."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

import click

from propwash.cli.exits import ExitCode
from propwash.cli.live import Sheet, live_options, show
from propwash.cli.pool_shares import UNITS, Shares, share_options
from propwash.cli.pool_sheets import holder_sheet, list_sheet, pool_sheet, waiter_sheet
from propwash.cli.printing import Output, print_json
from propwash.cli.session import Session, with_session
from propwash.client import Client, Pool

_T = TypeVar("_T")


def _limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options --limit and --all; the command gets limit, None for all."""

    @functools.wraps(command)
    def wrapped(*arguments: object, limit: int, is_all: bool, **rest: object) -> None:
        command(*arguments, limit=None if is_all else limit, **rest)

    made = click.option("--all", "is_all", is_flag=True, help="All of them, however many.")(wrapped)
    kind = click.IntRange(1, 1000)
    return click.option("-n", "--limit", type=kind, default=100, show_default=True, help="How many at most.")(
        made
    )


@click.group(
    epilog="""\b
Examples:
  propwash pools list --watch
  propwash pools get snowflake:warehouse
  propwash pools waiters snowflake:warehouse
  propwash pools update snowflake:warehouse --capacity 20"""
)
def command() -> None:
    """Show and change pools: the units that executions share, who holds them, who waits, and why.

    A change is durable when it is answered, and holds from then on. What runs is never ended by it.
    """


@command.command(
    name="list",
    epilog="""\b
Examples:
  propwash pools list
  propwash pools list --watch --every 5
  propwash pools list -o json | jq '.[] | select(.waiting > 0) | .name'""",
)
@live_options
@with_session
def list_(session: Session, every_s: float | None) -> None:
    """List the pools and templates: units held, lent and free, how many wait and for how long the oldest does."""

    async def work(client: Client) -> int:
        async def read() -> Sheet:
            return list_sheet(await client.pools())

        await show(read, session.output, every_s=every_s)
        return ExitCode.OK

    session.run(work)


@command.command(
    epilog="""\b
Examples:
  propwash pools get snowflake:warehouse
  propwash pools get snowflake:warehouse --watch
  propwash pools get 'snowflake:*' -o json | jq .default_share"""
)
@click.argument("pool")
@live_options
@with_session
def get(session: Session, pool: str, every_s: float | None) -> None:
    """Show one pool, and what each project has of it."""

    async def work(client: Client) -> int:
        async def read() -> Sheet:
            return pool_sheet(await client.pool(pool))

        await show(read, session.output, every_s=every_s)
        return ExitCode.OK

    session.run(work)


@command.command(
    epilog="""\b
Examples:
  propwash pools create nightly --capacity 10
  propwash pools create nightly --capacity 10 --weight 1 --limit 4 \\
      --share 'team-a:weight=3,limit=8' --share 'team-b:namespace_limit=2'
  propwash pools create 'snowflake:*' --capacity 8 --description 'each warehouse'"""
)
@click.argument("pool")
@click.option("--capacity", type=UNITS, required=True, help="Units in all.")
@share_options
@click.option("--description", default="", help="For people.")
@with_session
def create(session: Session, pool: str, capacity: int, shares: Shares, description: str) -> None:
    """Make a pool; one whose name ends with * is a template for all whose names begin like it."""

    async def work(client: Client) -> int:
        made = await client.create_pool(
            pool,
            capacity=capacity,
            default_share=shares.default,
            projects=shares.projects,
            description=description,
        )
        return await _show(made, session)

    session.run(work)


@command.command(
    epilog="""\b
Examples:
  propwash pools update nightly --capacity 20
  propwash pools update nightly --limit none --share team-a:weight=2 --no-share team-b
  etag=$(propwash pools get nightly -o json | jq -r .etag)
  propwash pools update nightly --capacity 5 --etag "$etag"    # exit code 10 where somebody was faster"""
)
@click.argument("pool")
@click.option("--capacity", type=UNITS, help="Units in all.")
@share_options
@click.option(
    "--no-share",
    "without",
    multiple=True,
    metavar="PROJECT",
    help="A project that is to have no share of its own.",
)
@click.option("--description", help="For people.")
@click.option("--etag", default="", help="Change the definition of this etag, and no later one.")
@with_session
def update(
    session: Session,
    pool: str,
    capacity: int | None,
    shares: Shares,
    without: tuple[str, ...],
    description: str | None,
    etag: str,
) -> None:
    """Change what is given, and leave the rest as it is.

    Below what is held nothing is granted until enough is free again. A change of one of the configuration's pools
    holds until the configuration itself changes that pool.
    """
    given = {"capacity": capacity, "description": description}
    mask = (
        *(field for field, value in given.items() if value is not None),
        *shares.mask,
        *(f"projects.{project}" for project in without),
    )
    if not mask:
        raise click.UsageError(
            "nothing is to be changed; give --capacity, --limit, --share or another option"
        )

    async def work(client: Client) -> int:
        changed = await client.update_pool(
            pool,
            capacity=capacity,
            default_share=shares.default,
            projects=shares.projects,
            description=description,
            mask=mask,
            etag=etag,
        )
        return await _show(changed, session)

    session.run(work)


@command.command(
    epilog="""\b
Examples:
  propwash pools delete nightly
  propwash pools delete nightly --force    # also while executions hold it or wait for it"""
)
@click.argument("pool")
@click.option("--force", is_flag=True, help="Also where executions hold it or wait for it.")
@click.option("--etag", default="", help="Remove the definition of this etag, and no later one.")
@with_session
def delete(session: Session, pool: str, force: bool, etag: str) -> None:
    """Remove a pool.

    With --force, who holds it goes on to the end, and who waits for it goes on waiting until it is created anew, a
    deadline has come or the execution is aborted.
    """

    async def work(client: Client) -> int:
        left = await client.delete_pool(pool, force=force, etag=etag)
        match session.output:
            case Output.JSON:
                print_json(left)
            case Output.NAME:
                click.echo(left.id)
            case Output.TABLE:
                users = f"; held by {left.holders} and waited for by {left.waiting} executions"
                click.echo(f"{left.id} is removed{users if left.holders or left.waiting else ''}")
        return ExitCode.OK

    session.run(work)


@command.command(
    epilog="""\b
Examples:
  propwash pools holders snowflake:warehouse
  propwash pools holders snowflake:warehouse -o name | xargs propwash get"""
)
@click.argument("pool")
@_limit_options
@live_options
@with_session
def holders(session: Session, pool: str, limit: int | None, every_s: float | None) -> None:
    """List the executions that hold units of a pool, longest first."""

    async def work(client: Client) -> int:
        async def read() -> Sheet:
            return holder_sheet(await _first(client.pool_holders(pool, page_size=limit or 0), limit))

        await show(read, session.output, every_s=every_s)
        return ExitCode.OK

    session.run(work)


@command.command(
    epilog="""\b
Examples:
  propwash pools waiters snowflake:warehouse --limit 10
  propwash pools waiters snowflake:warehouse --watch
  propwash pools waiters snowflake:warehouse --all -o json | jq -r '.[].block' | sort | uniq -c"""
)
@click.argument("pool")
@_limit_options
@live_options
@with_session
def waiters(session: Session, pool: str, limit: int | None, every_s: float | None) -> None:
    """List the executions that wait for units of a pool, next first, and why each of them waits."""

    async def work(client: Client) -> int:
        async def read() -> Sheet:
            return waiter_sheet(await _first(client.pool_waiters(pool, page_size=limit or 0), limit))

        await show(read, session.output, every_s=every_s)
        return ExitCode.OK

    session.run(work)


async def _first(found: AsyncGenerator[_T, None], limit: int | None) -> list[_T]:
    first: list[_T] = []
    async with aclosing(found):
        async for one in found:
            first.append(one)
            if limit is not None and len(first) >= limit:
                break
    return first


async def _show(pool: Pool, session: Session) -> int:
    async def read() -> Sheet:
        return pool_sheet(pool)

    await show(read, session.output, every_s=None)
    return ExitCode.OK
