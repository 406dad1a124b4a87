"""The battery passes on handlers that keep the contract; test_battery_catches.py shows that it fails on
others.
"""

from __future__ import annotations

import pytest

from propwash.sdk import Traits
from propwash.sdk.testing import (
    HandlerBattery,
    HandlerHarness,
    PlainToyHandler,
    ToyHandler,
    ToySpec,
    ToySystem,
    toy_harness,
)


class DuplicatingToyHandler(ToyHandler):
    """A handler of a system that takes any number of jobs of one name."""

    traits = Traits(has_unique_names=False)


class TestToyHandler(HandlerBattery):
    @pytest.fixture
    def harness(self) -> HandlerHarness[ToySpec]:
        system = ToySystem(start_s=1.0, cancel_s=2.0)
        return toy_harness(system, ToyHandler(system))


class TestPlainToyHandler(HandlerBattery):
    @pytest.fixture
    def harness(self) -> HandlerHarness[ToySpec]:
        system = ToySystem()
        return toy_harness(system, PlainToyHandler(system))


class TestDuplicatingToyHandler(HandlerBattery):
    @pytest.fixture
    def harness(self) -> HandlerHarness[ToySpec]:
        system = ToySystem(has_unique_names=False, cancel_s=1.0)
        return toy_harness(system, DuplicatingToyHandler(system))
