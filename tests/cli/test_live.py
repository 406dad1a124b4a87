"""What is shown again and again: in a pipe, on a terminal, and while the server is away."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from propwash.cli.live import Sheet, drawn, show
from propwash.cli.printing import Output
from propwash.client import ClientError


class Readings:
    """Sheets, errors, and then the end of the test."""

    def __init__(self, *readings: Sheet | Exception) -> None:
        self._left = list(readings)

    async def read(self) -> Sheet:
        if not self._left:
            raise asyncio.CancelledError
        reading = self._left.pop(0)
        if isinstance(reading, Exception):
            raise reading
        return reading


def sheet(value: int) -> Sheet:
    return Sheet(headers=("N",), rows=[(str(value),)], document={"n": value}, names=[f"n{value}"])


AWAY = ClientError("UNAVAILABLE", "nobody\nthere")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (Output.TABLE, "N\n1\n\nN\n2\n"),
        (Output.JSON, '{"n": 1}\n{"n": 2}\n'),
        (Output.NAME, "n1\nn2\n"),
    ],
)
async def test_a_pipe_gets_one_after_the_other_and_is_told_of_a_server_that_is_away(
    capsys: pytest.CaptureFixture[str], output: Output, expected: str
) -> None:
    with pytest.raises(asyncio.CancelledError):
        await show(Readings(sheet(1), AWAY, sheet(2)).read, output, every_s=0.0)
    captured = capsys.readouterr()
    assert captured.out == expected
    assert captured.err == "propwash: UNAVAILABLE: nobody there\n"


async def test_what_is_refused_ends_it() -> None:
    refusal = ClientError("NOT_FOUND", "gone", reason="POOL_NOT_FOUND")
    for readings in (Readings(AWAY), Readings(sheet(1), refusal)):
        with pytest.raises(ClientError):
            await show(readings.read, Output.NAME, every_s=0.0)


def test_a_drawing_fits_the_terminal_and_says_what_it_leaves_out() -> None:
    big = Sheet(
        headers=("NAME",),
        rows=[(f"row {number}",) for number in range(50)],
        document=None,
        names=(),
        pairs=(("pool", "p"), ("nothing", "")),
        caption="50 rows",
    )
    file = io.StringIO()
    Console(file=file, width=80).print(drawn(big, height=10, trouble="UNAVAILABLE: away"))
    lines = file.getvalue().splitlines()
    assert lines[0].split() == ["pool:", "p"]
    assert "row 5" in lines[7]
    assert "row 6" not in file.getvalue()
    assert len(lines) <= 10
    said = " ".join(" ".join(lines[8:]).split())
    assert said == "50 rows, 6 of 50 shown, not read again since, UNAVAILABLE: away"
