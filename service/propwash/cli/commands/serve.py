"""propwash serve."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from propwash import app, config
from propwash.cli.configuring import load_settings, with_configuration


@click.command(
    epilog="""\b
Examples:
  propwash serve
  propwash serve --config propwash.yaml
  propwash serve --data-dir /var/lib/propwash --listen 0.0.0.0:8080 --http 0.0.0.0:8081
  propwash serve --set engine.concurrency=128 --set log.level=debug

\b
SIGTERM and Ctrl-C drain: calls in flight finish, remote jobs go on, and the next start takes
them up again. A second signal stops at once. Exit codes: 0 drained, 1 failed, 2 configuration,
8 data directory, 9 port, 130 stopped by the second signal."""
)
@with_configuration
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where the embedded store keeps its file.")
@click.option("--listen", metavar="HOST:PORT", help="Address of the gRPC port.")
@click.option("--http", metavar="HOST:PORT", help="Address of /metrics, /livez and /readyz.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", type=click.Choice(["text", "json"]))
def command(
    path: Path | None,
    overrides: dict[str, object],
    data_dir: Path | None,
    listen: str | None,
    http: str | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Run the server.

    The configuration is one YAML file; every value has a default that works. --set and the options above win
    over the file.
    """
    named = {
        "data_dir": data_dir,
        "listen.grpc": listen,
        "listen.http": http,
        "log.level": log_level,
        "log.format": log_format,
    }
    given = {key: value for key, value in named.items() if value is not None}
    settings: config.Settings = load_settings(path, {**overrides, **given})
    sys.exit(app.run(settings))
