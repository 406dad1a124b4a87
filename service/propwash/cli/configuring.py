"""The options that choose a configuration, and its faults as a command ends with them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import click
import yaml

from propwash.config import ConfigError, Settings, load


class ConfigurationError(click.ClickException):
    """The configuration does not hold; shown one line a fault, exits with 2."""

    exit_code = 2

    def __init__(self, faults: tuple[str, ...], *, is_json: bool = False) -> None:
        super().__init__("\n".join(faults))
        self._faults = faults
        self._is_json = is_json

    def show(self, file: IO[Any] | None = None) -> None:
        """On standard error."""
        del file
        if self._is_json:
            click.echo(json.dumps({"error": {"reason": "CONFIG_INVALID", "faults": self._faults}}), err=True)
            return
        for fault in self._faults:
            click.echo(f"propwash: {fault}", err=True)


def load_settings(path: Path | None, overrides: Mapping[str, object], *, is_json: bool = False) -> Settings:
    """The settings; raises ConfigurationError."""
    try:
        return load(path, overrides)
    except ConfigError as error:
        raise ConfigurationError(error.faults, is_json=is_json) from None


def with_configuration(command: Callable[..., None]) -> Callable[..., None]:
    """Add --config and --set, which give the command path and overrides."""

    @functools.wraps(command)
    def wrapped(*, path: Path | None, settings: tuple[str, ...], **rest: object) -> None:
        command(path=path, overrides=_overrides(settings), **rest)

    for option in (
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="KEY=VALUE",
            help="One setting, such as engine.concurrency=128; the value is YAML.",
        ),
        click.option(
            "-c",
            "--config",
            "path",
            type=click.Path(path_type=Path),
            envvar="PROPWASH_CONFIG",
            show_envvar=True,
            help="The configuration, YAML.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


def _overrides(settings: tuple[str, ...]) -> dict[str, object]:
    made: dict[str, object] = {}
    for setting in settings:
        key, sign, text = setting.partition("=")
        if not sign or not key:
            raise click.UsageError(f"--set {setting!r}: write KEY=VALUE")
        try:
            made[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise click.UsageError(f"--set {setting!r}: the value is no YAML") from None
    return made
