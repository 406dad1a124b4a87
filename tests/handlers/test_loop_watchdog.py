"""The watchdog names the handler and the line that holds up the loop, while it still does, and measures
lag.
"""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Sequence

import pytest

from propwash.handlers.options import HostOptions
from propwash.handlers.watchdog import Call, Watchdog
from propwash.sdk import Connection, Job, RemoteName
from propwash.sdk.testing import ToyHandler, ToySpec, ToySystem
from tests.handlers.handler_rig import NAME, Recorder, hosting, task


async def test_a_blocking_coroutine_is_named_with_its_line_while_it_blocks() -> None:
    class Blocking(ToyHandler):
        async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            assert rig.recorder.has_trouble.wait(5)  # the line that blocks
            return None

    options = HostOptions(blocked_s=0.01, beat_s=0.005)
    async with hosting(Blocking(ToySystem()), options=options) as rig:
        assert await rig.host.find("toy", "toys", NAME, b"") is None
        ((message, fields),) = rig.recorder.troubles
        assert fields["plugin"] == "toys"
        assert fields["task_type"] == "toy"
        assert fields["method"] == "find"
        number = fields["line"].partition(":")[2].partition(" ")[0]
        assert "the line that blocks" in linecache.getline(__file__, int(number))
        assert message.startswith(
            "plugin toys blocks the event loop in toy find at handlers/test_loop_watchdog.py"
        )


async def test_a_handlers_own_task_and_its_claims_are_named_too() -> None:
    class Spawning(ToyHandler):
        async def find(self, connection: Connection, name: RemoteName, hint: bytes) -> Job | None:
            await asyncio.create_task(self._block())
            return None

        async def _block(self) -> None:
            assert rig.recorder.has_trouble.wait(5)

        def claims(  # type: ignore[override]
            self, connection: Connection, spec: ToySpec
        ) -> Sequence[object]:
            assert rig.recorder.has_trouble.wait(5)
            return ()

    options = HostOptions(blocked_s=0.01, beat_s=0.005)
    async with hosting(Spawning(ToySystem()), options=options) as rig:
        await rig.host.find("toy", "toys", NAME, b"")
        assert "in a task of its own at" in rig.recorder.troubles[0][0]
        rig.recorder.has_trouble.clear()
        rig.admit(task("toy"))
        assert "in toy claims at" in rig.recorder.troubles[1][0]


async def test_the_watchdog_reports_once_a_block_and_measures_lag() -> None:
    recorder, now = Recorder(), 100.0
    watchdog = Watchdog(instrument=recorder, blocked_s=0.2, beat_s=60.0, monotonic=lambda: now)
    watchdog.start()
    call = Call(plugin="toys", task_type="toy", method="find", root=None)
    current = asyncio.current_task()
    assert current is not None
    watchdog.follow(current, call)
    now += 60.1
    watchdog.check()
    assert not recorder.troubles
    now += 0.2
    watchdog.check()
    watchdog.check()
    assert len(recorder.troubles) == 1
    watchdog._beat()
    assert recorder.lags == [pytest.approx(0.3)]
    now += 60.3
    watchdog.check()
    assert len(recorder.troubles) == 2
    watchdog.stop()
    watchdog.stop()


async def test_a_loop_that_is_free_is_not_reported() -> None:
    async with hosting(ToyHandler(ToySystem()), options=HostOptions(beat_s=0.001)) as rig:
        while len(rig.recorder.lags) < 5:
            assert await rig.host.find("toy", "toys", NAME, b"") is None
            await asyncio.sleep(0.001)
        assert not rig.recorder.troubles
