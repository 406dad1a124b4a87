"""The server killed at ten random lines of its log: nothing lost, nothing doubled, nothing left."""

from __future__ import annotations

import pytest

from propwash.cli.chaos import ChaosOptions, run_chaos


@pytest.mark.timeout(180)
async def test_ten_kills_lose_double_and_leave_nothing() -> None:
    said: list[str] = []
    verdict = await run_chaos(ChaosOptions(moments=10, seed=7, open_jobs=20, deadline_s=150), said.append)
    assert verdict.faults == (), said
    assert verdict.figures["crashes"] == 10
    assert (verdict.figures["submitted"] or 0) > 0
