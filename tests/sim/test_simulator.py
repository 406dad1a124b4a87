"""20,000 seeds hold; in portions, so that they share the cores."""

from __future__ import annotations

import pytest

from tests.sim import pools
from tests.sim.shrink import search

PORTION = 1_000


@pytest.mark.timeout(120)
@pytest.mark.parametrize("first", range(0, 20_000, PORTION))
def test_every_promise_holds(first: int) -> None:
    failure = search(range(first, first + PORTION))
    assert failure is None, str(failure)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, 20_000, PORTION))
def test_every_promise_of_pools_holds(first: int) -> None:
    found = pools.search(range(first, first + PORTION))
    assert found is None, found
