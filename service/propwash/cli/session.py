"""What every command that speaks to a server has: its options, its client, and how its errors end."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec

import click

from propwash.cli.exits import ExitCode, of_error
from propwash.cli.printing import Output, one_line
from propwash.client import Client, ClientError, Tls, execution_name

_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Where the server is, whose executions are meant, and how to print."""

    server: str
    project: str
    domain: str
    output: Output
    timeout_s: float
    tls: Tls | None
    token: str | None

    def name(self, execution: str) -> str:
        """The resource name for an argument: a whole name, or the last part of one."""
        if execution.startswith("projects/"):
            return execution
        return execution_name(self.project, self.domain, execution)

    def run(self, work: Callable[[Client], Awaitable[int]]) -> None:
        """Do the work with a client and exit with what it answers, or with the code of its error."""
        try:
            code = asyncio.run(self._work(work))
        except ClientError as error:
            report(error, self.output)
            code = of_error(error)
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
        except (TypeError, OverflowError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            click.echo(f"propwash: {error}", err=True)
            code = ExitCode.USAGE
        sys.exit(code)

    async def _work(self, work: Callable[[Client], Awaitable[int]]) -> int:
        async with Client(self.server, tls=self.tls, token=self.token, timeout_s=self.timeout_s) as client:
            return await work(client)


def report(error: ClientError, output: Output) -> None:
    """Print a refusal on standard error: one line, or one JSON document."""
    if output is Output.JSON:
        document = {
            "code": error.code,
            "reason": error.reason,
            "message": error.message,
            "fields": [{"field": one.field, "description": one.description} for one in error.violations],
            "metadata": error.metadata,
            "retry_after_s": error.retry_after_s,
        }
        click.echo(json.dumps({"error": document}, ensure_ascii=False), err=True)
        return
    fields = [f"{one.field}: {one.description}" for one in error.violations]
    more = "; ".join(field for field in fields if field not in error.message)
    line = f"propwash: {error}" + (f" ({more})" if more else "")
    if error.retry_after_s is not None:
        line += f"; try again in {error.retry_after_s:.3g} s"
    click.echo(one_line(line), err=True)


def output_option(command: Callable[..., None]) -> Callable[..., None]:
    """The option --output."""
    option = click.option(
        "-o",
        "--output",
        type=click.Choice([each.value for each in Output]),
        default=Output.TABLE.value,
        show_default=True,
        help="json prints one document, or one line an item for streams; name prints names alone.",
    )
    return option(command)


def with_session(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a session and give the command a Session as its first argument."""

    @functools.wraps(command)
    def wrapped(
        *,
        server: str,
        project: str,
        domain: str,
        output: str,
        timeout: float,
        tls: bool,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        token_file: Path | None,
        token: str | None,
        **rest: object,
    ) -> None:
        try:
            files = Tls(ca_file=tls_ca, certificate_file=tls_cert, key_file=tls_key)
        except ValueError:
            raise click.UsageError("--tls-cert and --tls-key go together") from None
        if token_file is not None:
            token = token_file.read_text(encoding="utf-8").strip()
        is_tls = tls or files != Tls()
        if token and not is_tls:
            _check_token(server, token)
        session = Session(
            server=server,
            project=project,
            domain=domain,
            output=Output(output),
            timeout_s=timeout,
            tls=files if is_tls else None,
            token=token or None,
        )
        command(session, **rest)

    return functools.reduce(lambda made, option: option(made), reversed(_OPTIONS), output_option(wrapped))


def _check_token(server: str, token: str) -> None:
    try:
        Client(server, token=token)
    except ValueError as error:
        raise click.UsageError(f"{error}; add --tls or --tls-ca") from None


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option(
        "-s",
        "--server",
        envvar="PROPWASH_SERVER",
        default="localhost:8080",
        show_default=True,
        show_envvar=True,
        help="host:port of the server.",
    ),
    click.option(
        "-p",
        "--project",
        envvar="PROPWASH_PROJECT",
        default="default",
        show_default=True,
        show_envvar=True,
        help="Project of the executions.",
    ),
    click.option(
        "-d",
        "--domain",
        envvar="PROPWASH_DOMAIN",
        default="default",
        show_default=True,
        show_envvar=True,
        help="Domain of the executions.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=15.0,
        show_default=True,
        metavar="SECONDS",
        help="How long one call may take, repetitions while the server is away included.",
    ),
    click.option(
        "--tls", is_flag=True, envvar="PROPWASH_TLS", help="Use TLS, trusting the system's authorities."
    ),
    click.option(
        "--tls-ca",
        type=_FILE,
        envvar="PROPWASH_TLS_CA",
        help="Use TLS, trusting these authorities (PEM).",
    ),
    click.option(
        "--tls-cert", type=_FILE, envvar="PROPWASH_TLS_CERT", help="Our certificate, for mutual TLS (PEM)."
    ),
    click.option("--tls-key", type=_FILE, envvar="PROPWASH_TLS_KEY", help="Its private key (PEM)."),
    click.option(
        "--token-file",
        type=_FILE,
        envvar="PROPWASH_TOKEN_FILE",
        help="File with a bearer token; or the token itself in PROPWASH_TOKEN.",
    ),
    # A token on the command line would stand in every list of processes.
    click.option("--token", envvar="PROPWASH_TOKEN", hidden=True),
)
