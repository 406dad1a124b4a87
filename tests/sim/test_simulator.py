"""20,000 seeds hold; in portions, so that they share the cores."""

from __future__ import annotations

import pytest

from tests.sim.shrink import search

PORTION = 1_000


@pytest.mark.timeout(120)
@pytest.mark.parametrize("first", range(0, 20_000, PORTION))
def test_every_promise_holds(first: int) -> None:
    failure = search(range(first, first + PORTION))
    assert failure is None, str(failure)
