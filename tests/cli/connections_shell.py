"""Commands about connections, run with one configuration file; none may show the plugin's token."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from click.testing import CliRunner, Result

from propwash.cli.main import cli

TOKEN = "hunter2-hunter2"
PLUGIN = "look-out"


class Shell:
    """Runs commands with one configuration file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def configure(self, **connections: dict[str, object]) -> None:
        self.path.write_text(yaml.safe_dump({"connections": connections}))

    def add_pools(self, **pools: int) -> None:
        """To what is configured."""
        configured = yaml.safe_load(self.path.read_text())
        self.path.write_text(yaml.safe_dump({**configured, "engine": {"pools": pools}}))

    def run(self, *arguments: str) -> Result:
        done = CliRunner().invoke(
            cli, [*arguments], env={"PROPWASH_CONFIG": str(self.path)}, catch_exceptions=False
        )
        assert TOKEN not in done.output
        return done

    def step(self, *arguments: str) -> tuple[int, dict[str, object]]:
        """The exit code of a check, and its only step."""
        done = self.run("connections", "check", *arguments, "-o", "json")
        ((step,),) = [one["steps"] for one in json.loads(done.stdout)]
        return done.exit_code, step
