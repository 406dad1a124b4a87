"""The simulator catches every planted bug: a net that catches nothing proves nothing."""

from __future__ import annotations

import pytest

from tests.sim.mutants import MUTANTS
from tests.sim.planting import Mutant, planted
from tests.sim.pool_mutants import POOL_MUTANTS
from tests.sim.pools import breach
from tests.sim.shrink import attempt

SEEDS = 3_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_planted_bug_is_caught(mutant: Mutant) -> None:
    with planted(mutant):
        caught = next((failure for failure in map(attempt, range(SEEDS)) if failure is not None), None)
    assert caught is not None, f"{SEEDS} seeds do not catch: {mutant.name}"
    print(f"seed {caught.seed}: {caught.message}")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mutant", POOL_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_bug_that_is_planted_in_the_ledger_is_caught(mutant: Mutant) -> None:
    with planted(mutant):
        caught = next(((seed, found) for seed in range(SEEDS) if (found := breach(seed)) is not None), None)
    assert caught is not None, f"{SEEDS} seeds do not catch: {mutant.name}"
    print(f"seed {caught[0]}: {caught[1][0]}")


def test_there_are_enough_of_them() -> None:
    every = (*MUTANTS, *POOL_MUTANTS)
    assert len(every) >= 20
    assert len({mutant.name for mutant in every}) == len(every)
