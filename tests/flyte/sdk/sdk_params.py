"""The parameters of tests that run for the SDKs: one worker has all tests of one SDK, and imports it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from tests.flyte.sdk.serialised import Serialised

_FLYTEKIT = pytest.param(False, id="flytekit", marks=pytest.mark.xdist_group("flytekit"))
_FLYTE_SDK = pytest.param(True, id="flyte-sdk", marks=pytest.mark.xdist_group("flyte-sdk"))
of_both = pytest.mark.parametrize("is_v2", [_FLYTEKIT, _FLYTE_SDK])
of_flytekit = pytest.mark.parametrize("is_v2", [_FLYTEKIT])
of_flyte_sdk = pytest.mark.parametrize("is_v2", [_FLYTE_SDK])

SerialisedBy: TypeAlias = Callable[[bool], Serialised]
"""What the fixture gives: of Flyte 2's SDK where so asked, else of Flyte 1's."""
