"""A click group whose commands are imported when they are called, so that --help answers at once."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is, as module:attribute, and its one line of help in the group's list."""

    path: str
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.path.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


class LazyGroup(click.Group):
    """Lists its commands from the table alone, in the table's order."""

    table: ClassVar[Mapping[str, LazyCommand]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the table's order."""
        del ctx
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name."""
        del ctx
        lazy = self.table.get(cmd_name)
        return None if lazy is None else lazy.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self.table.items()])
