"""What a demo shows while it runs: bars on a terminal, a line now and then in a pipe; and its summary."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from propwash.cli.demo.verdict import MUST_BE_ZERO, Verdict
from propwash.cli.printing import error_console, is_terminal
from propwash.client import Phase

_LIVE_EVERY_S = 0.2
_LINE_EVERY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How far it is."""

    jobs: int
    submitted: int
    ended: int
    phases: Mapping[Phase, int]

    def line(self) -> str:
        """All on one line."""
        return f"submitted {self.submitted}/{self.jobs}  ended {self.ended}  {self.by_phase()}".rstrip()

    def by_phase(self) -> str:
        """The phases that have any."""
        return "  ".join(
            f"{phase.value.lower()} {self.phases[phase]}" for phase in Phase if self.phases.get(phase)
        )


class Display:
    """Shows counts on standard error where people or logs read it; say prints a line between."""

    def __init__(self) -> None:
        self._console = error_console()
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """One line about something that happened."""
        self._console.print(f"{time.monotonic() - self._started:6.1f}s  {text}", markup=False, soft_wrap=True)

    async def show(self, read: Callable[[], Counts]) -> None:
        """Show for ever."""
        if self._console.is_terminal:
            with self._bars() as bars:
                submitted = bars.add_task("submitted", total=read().jobs, text="")
                ended = bars.add_task("ended", total=read().jobs, text="")
                while True:
                    counts = read()
                    bars.update(submitted, completed=counts.submitted)
                    bars.update(ended, completed=counts.ended, text=counts.by_phase())
                    await asyncio.sleep(_LIVE_EVERY_S)
        while True:
            await asyncio.sleep(_LINE_EVERY_S)
            self.say(read().line())

    @contextlib.contextmanager
    def _bars(self) -> Iterator[Progress]:
        columns = (
            TextColumn("{task.description:>10}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as bars:
            yield bars


def print_summary(verdict: Verdict) -> None:
    """The figures in columns, the faults on standard error."""
    width = max(len(name) for name in verdict.figures) + 2
    console = Console(highlight=False, force_terminal=is_terminal())
    for name, value in verdict.figures.items():
        text = "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,g}"
        is_bad = name in MUST_BE_ZERO and bool(value)
        style = "bold red" if is_bad else "green" if name in MUST_BE_ZERO else ""
        line = f"{name.replace('_', ' '):<{width}}{text:>12}"
        if console.is_terminal:
            console.print(line, style=style, markup=False)
        else:
            click.echo(line)
    print_faults(verdict)


def print_faults(verdict: Verdict) -> None:
    """A line a fault, on standard error."""
    for fault in verdict.faults:
        click.echo(f"propwash: {fault}", err=True)
