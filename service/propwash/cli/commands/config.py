"""propwash config."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import yaml

from propwash import app
from propwash.cli.configuring import ConfigurationError, load_settings, with_configuration
from propwash.cli.printing import Output, print_json
from propwash.cli.session import output_option
from propwash.config import Settings


@click.group(
    epilog="""\b
Examples:
  propwash config check --config propwash.yaml
  propwash config show --config propwash.yaml
  propwash config show > propwash.yaml      # begin with all the defaults"""
)
def command() -> None:
    """Check or show the server's configuration."""


@command.command(
    epilog="""\b
Examples:
  propwash config check --config propwash.yaml && systemctl restart propwash"""
)
@with_configuration
@output_option
def check(path: Path | None, overrides: dict[str, object], output: str) -> None:
    """Check the configuration: one line a fault, exit code 2 where there is one.

    The settings of the connections are checked by their plugins, without a call to any remote system; for that
    there is `propwash connections check`.
    """
    is_json = output == Output.JSON
    settings = load_settings(path, overrides, is_json=is_json)
    if faults := asyncio.run(_faults(settings)):
        raise ConfigurationError(faults, is_json=is_json)
    if is_json:
        print_json({"valid": True})
    else:
        click.echo("the configuration holds")


async def _faults(settings: Settings) -> tuple[str, ...]:
    async with app.inspecting(settings) as inspector:
        return tuple(str(fault) for fault in inspector.faults())


@command.command(
    epilog="""\b
Examples:
  propwash config show --config propwash.yaml
  propwash config show -o json | jq .listen
  propwash config show -o name              # the names of all settings"""
)
@with_configuration
@output_option
def show(path: Path | None, overrides: dict[str, object], output: str) -> None:
    """Show the configuration that is in force, defaults included, as YAML."""
    settings = load_settings(path, overrides, is_json=output == Output.JSON)
    document = settings.model_dump(mode="json")
    match Output(output):
        case Output.JSON:
            print_json(document)
        case Output.NAME:
            for name in _names(document):
                click.echo(name)
        case Output.TABLE:
            click.echo(yaml.safe_dump(document, sort_keys=False).rstrip())


def _names(document: dict[str, object], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in document.items():
        inside = _names(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"]
        names += inside
    return names
