"""Credentials of a connection expire, are revoked and rotated in the middle of a run, and permission is taken and given
back: no execution ends wrongly, what waits says why, and there is one job each. For each of the systems.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from propwash.api.translate import standing
from propwash.core.model import Execution, Phase
from propwash.sandbox import Standing
from tests.e2e.credential_scenes import SCENES, World, is_in, named, waits_with, world

COUNT = 40
UNUSABLE = ("CREDENTIALS_UNAVAILABLE", "CREDENTIALS_REFUSED")
MAY_NOT = ("PERMISSION_DENIED", "ACCESS_DENIED")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("system", SCENES)
@pytest.mark.parametrize("end", [Standing.EXPIRED, Standing.UNKNOWN], ids=["expired", "revoked"])
async def test_credentials_that_end_and_ones_that_may_nothing_end_no_execution(
    system: str, end: Standing, tmp_path: Path
) -> None:
    early = [f"early{number}" for number in range(COUNT)]
    late = [f"late{number}" for number in range(5)]
    aborted, kept = early[:5], early[5:]
    async with world(system, tmp_path) as there:
        first, second = there.scene.first, there.scene.second
        there.stand({first: Standing.ACCEPTED})
        await there.submit(early)
        await there.until(early, is_in(Phase.RUNNING))

        there.stand({first: end})
        await there.submit(late)
        for name in aborted:
            await there.engine.executions.abort(named(name), message="enough", allow_missing=False)
        await there.until([*early, *late], waits_with(*UNUSABLE))
        assert {one.phase for one in await there.read(kept)} == {Phase.RUNNING}
        assert {one.phase for one in await there.read(aborted)} == {Phase.CLEANING_UP}
        assert {one.phase for one in await there.read(late)} == {Phase.INITIALIZING}

        # The new credential is good, but its account may nothing yet.
        there.scene.show(second)
        there.stand({first: end, second: Standing.FORBIDDEN})
        await there.until(kept, waits_with(*MAY_NOT))
        assert not any(one.phase.is_terminal for one in await there.read([*early, *late]))

        there.stand({second: Standing.ACCEPTED})
        await there.until(aborted, lambda one: one.phase.is_terminal or advanced(there))
        assert {one.phase for one in await there.read(aborted)} == {Phase.ABORTED}
        await there.until([*kept, *late], is_in(Phase.RUNNING))
        await there.until([*kept, *late], is_well)
        jobs = there.scene.rig.world.ledger.jobs
        assert len(jobs) == len({job.name for job in jobs}) == COUNT + len(late)
        there.scene.rig.advance(2e4)
        await there.until([*kept, *late], is_in(Phase.SUCCEEDED))
        assert there.scene.rig.world.ledger.summary()["live"] == 0


def is_well(one: Execution) -> bool:
    """Whether nothing keeps us from the remote system."""
    return standing(one)[0] == ""


def advanced(there: World) -> bool:
    """Let the stand-in's time pass, in which its cancels take effect; always False."""
    there.scene.rig.advance(0.1)
    return False
