"""What each SDK serialises, once a worker; where a machine cannot have an SDK, its tests skip with the reason."""

from __future__ import annotations

from functools import cache

import pytest

from tests.flyte.sdk.sdk_params import SerialisedBy
from tests.flyte.sdk.serialised import Serialised, run_sdk
from tests.witness.environments import FLYTE, FLYTEKIT


@pytest.fixture(scope="session")
def serialised(tmp_path_factory: pytest.TempPathFactory) -> SerialisedBy:
    """Of Flyte 2's SDK where so asked, else of Flyte 1's."""

    @cache
    def made(is_v2: bool) -> Serialised:
        environment = FLYTE if is_v2 else FLYTEKIT
        if environment.missing:
            pytest.skip(environment.missing)
        place = tmp_path_factory.mktemp(environment.name)
        run_sdk("flyte_tasks" if is_v2 else "flytekit_tasks", place, is_v2=is_v2)
        return Serialised(place, is_v2)

    return made
