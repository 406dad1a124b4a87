"""propwash connections."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from propwash import app
from propwash.cli.configuring import load_settings, with_configuration
from propwash.cli.connection_sheets import status_sheet
from propwash.cli.exits import ExitCode
from propwash.cli.live import Sheet, live_options, show
from propwash.cli.printing import Output, dump, print_json, print_table
from propwash.cli.session import Session, output_option, with_session
from propwash.client import Client
from propwash.config import Settings
from propwash.handlers.claiming import ClaimRule
from propwash.handlers.connections import ConfiguredConnection, Scope
from propwash.handlers.inspection import CheckedConnection, Inspector
from propwash.sdk import CallLimits, Rate


@click.group(
    epilog="""\b
Examples:
  propwash connections list --config propwash.yaml
  propwash connections check --config propwash.yaml
  propwash connections status --watch
  kubectl exec deploy/propwash -- propwash connections check warehouse"""
)
def command() -> None:
    """Show and check the connections of the server's configuration, and how they stand.

    list and check work in this process, with its environment and its files: run them where the server runs. status asks
    the running server.
    """


@command.command(
    epilog="""\b
Examples:
  propwash connections status
  propwash connections status --watch"""
)
@live_options
@with_session
def status(session: Session, every_s: float | None) -> None:
    """Show how the connections stand in the running server: breaker, rates, what waits, and the last answer.

    Rates are calls a second, as they are now and as configured.
    """

    async def work(client: Client) -> int:
        async def read() -> Sheet:
            return status_sheet(await client.connections())

        await show(read, session.output, every_s=every_s)
        return ExitCode.OK

    session.run(work)


@command.command(
    name="list",
    epilog="""\b
Examples:
  propwash connections list --config propwash.yaml
  propwash connections list -o json | jq '.[].settings'""",
)
@with_configuration
@output_option
def list_(path: Path | None, overrides: dict[str, object], output: str) -> None:
    """Show the connections. A secret's reference is shown; a setting that the plugin does not take is not."""
    settings = load_settings(path, overrides, is_json=output == Output.JSON)
    shown = asyncio.run(_shown(settings))
    match Output(output):
        case Output.JSON:
            print_json(shown)
        case Output.NAME:
            for one in shown:
                click.echo(one["name"])
        case Output.TABLE:
            print_table(
                (
                    "CONNECTION",
                    "PLUGIN",
                    "ENDPOINT",
                    "DEFAULT FOR",
                    "ONLY FOR",
                    "LIMITS",
                    "CLAIMS",
                    "SETTINGS",
                ),
                [_row(one) for one in shown],
            )


@command.command(
    epilog="""\b
Examples:
  propwash connections check --config propwash.yaml
  propwash connections check warehouse lake --deadline 20

\b
Exit codes: 0 all is well, 1 something is missing, 2 wrong usage or configuration."""
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@with_configuration
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="For one handler's check of one connection.",
)
@output_option
def check(
    names: tuple[str, ...], path: Path | None, overrides: dict[str, object], deadline_s: float, output: str
) -> None:
    """Check connections from end to end, all or those named: settings, secrets, the way there, permissions.

    No job is made.
    """
    settings = load_settings(path, overrides, is_json=output == Output.JSON)
    found = asyncio.run(_checked(settings, names, deadline_s))
    match Output(output):
        case Output.JSON:
            print_json([_document(one) for one in found])
        case Output.NAME:
            for one in found:
                if not one.is_ok:
                    click.echo(one.configured.connection.name)
        case Output.TABLE:
            rows = [row for one in found for row in _rows(one)]
            print_table(("CONNECTION", "STEP", "RESULT", "MESSAGE", "REMEDY"), rows)
    if not all(one.is_ok for one in found):
        click.get_current_context().exit(ExitCode.FAILURE)


async def _shown(settings: Settings) -> list[dict[str, object]]:
    async with app.inspecting(settings) as inspector:
        return [
            {
                "name": one.connection.name,
                "plugin": one.plugin,
                "endpoint": one.connection.endpoint,
                "is_default": one.is_default,
                "default_for": [_scope(scope) for scope in one.defaults_for],
                "only_for": [_scope(scope) for scope in one.only_for],
                "limits": _limits(one.limits),
                "settle_s": one.settle_s,
                "default_claims": one.has_default_claims,
                "claims": _claims(one),
                "claim_rules": _claim_rules(one),
                "takes_flyte_secrets": one.takes_flyte_secrets,
                "settings": inspector.shown_settings(one),
            }
            for one in inspector.connections()
        ]


async def _checked(
    settings: Settings, names: Sequence[str], deadline_s: float
) -> Sequence[CheckedConnection]:
    async with app.inspecting(settings, deadline_s=deadline_s) as inspector:
        chosen = _chosen(inspector, names)
        return await asyncio.gather(*(inspector.check(one) for one in chosen))


def _chosen(inspector: Inspector, names: Sequence[str]) -> Sequence[ConfiguredConnection]:
    if not names:
        return inspector.connections()
    by_name = {one.connection.name: one for one in (*inspector.implied(), *inspector.connections())}
    for name in names:
        if name not in by_name:
            known = ", ".join(sorted(by_name)) or "none"
            raise click.UsageError(f"no connection {name!r:.100} is configured; there are: {known}")
    return [by_name[name] for name in dict.fromkeys(names)]


def _scope(scope: Scope) -> dict[str, str]:
    return {"project": scope.project} | ({"domain": scope.domain} if scope.domain else {})


def _claims(one: ConfiguredConnection) -> dict[str, object]:
    fixed: dict[str, object] = {claim.pool: claim.units for claim in one.claims}
    return fixed | {rule.pool: _shown_units(rule) for rule in one.claim_rules if isinstance(rule.pool, str)}


def _claim_rules(one: ConfiguredConnection) -> list[dict[str, object]]:
    shown = []
    for rule in one.claim_rules:
        if not isinstance(rule.pool, str):
            told: dict[str, object] = {"pool": rule.pool.source, "units": _shown_units(rule)}
            shown.append(told if rule.when is None else {**told, "when": rule.when.source})
    return shown


def _shown_units(rule: ClaimRule) -> int | str:
    return rule.units if isinstance(rule.units, int) else rule.units.source


def _limits(limits: CallLimits) -> dict[str, object]:
    kinds: Mapping[str, Rate | None] = {
        "reads": limits.reads,
        "writes": limits.writes,
        "deletes": limits.deletes,
    }
    return {
        kind: {"rate": rate.per_s, "burst": rate.burst} for kind, rate in kinds.items() if rate is not None
    }


def _row(one: Mapping[str, object]) -> tuple[str, ...]:
    default_for = (["all"] if one["is_default"] else []) + _places(one["default_for"])
    return (
        str(one["name"]),
        str(one["plugin"]),
        str(one["endpoint"]) or "-",
        ", ".join(default_for) or "-",
        ", ".join(_places(one["only_for"])) or "-",
        dump(one["limits"]) if one["limits"] else "-",
        _told_claims(one),
        dump(one["settings"]) if one["settings"] else "-",
    )


def _told_claims(one: Mapping[str, object]) -> str:
    told = [dump(one[key]) for key in ("claims", "claim_rules") if one[key]]
    return ", ".join(told + ([] if one["default_claims"] else ["not the handler's"])) or "-"


def _places(scopes: object) -> list[str]:
    assert isinstance(scopes, list)
    return ["/".join(scope.values()) for scope in scopes]


def _rows(one: CheckedConnection) -> Sequence[tuple[str, ...]]:
    name = one.configured.connection.name
    everybody = {task_type for step in one.steps for task_type in step.task_types}
    steps = [
        (
            name,
            step.checked.what + _whose(step.task_types, everybody),
            "ok" if step.checked.is_ok else "FAILED",
            step.checked.message,
            step.checked.remedy,
        )
        for step in one.steps
    ]
    no_check = "its handler offers no check"
    return steps + [(name, task_type, "-", no_check, "") for task_type in one.unchecked]


def _whose(task_types: tuple[str, ...], everybody: set[str]) -> str:
    return "" if set(task_types) == everybody else f" [{', '.join(task_types)}]"


def _document(one: CheckedConnection) -> dict[str, object]:
    connection = one.configured.connection
    return {
        "name": connection.name,
        "plugin": one.configured.plugin,
        "endpoint": connection.endpoint,
        "is_ok": one.is_ok,
        "steps": [
            {
                "what": step.checked.what,
                "is_ok": step.checked.is_ok,
                "message": step.checked.message,
                "remedy": step.checked.remedy,
                "task_types": step.task_types,
            }
            for step in one.steps
        ],
        "unchecked": one.unchecked,
    }
