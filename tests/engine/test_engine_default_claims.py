"""What a handler claims by default holds where there is such a pool; what the operator claims, always."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from propwash.core.model import Claim
from propwash.handlers.connections import ConfiguredConnection
from propwash.ports import Refused
from propwash.sdk import Connection, Spec
from propwash.sdk.testing import ToyHandler, ToySpec
from tests.engine.engine_rig import ENDLESS, engine_rig
from tests.engine.virtual_time import run


class SizedSpec(ToySpec):
    units: int = 1


class SizedHandler(ToyHandler):
    spec_type: ClassVar[type[Spec]] = SizedSpec

    def claims(self, connection: Connection, spec: ToySpec) -> Sequence[Claim]:
        assert isinstance(spec, SizedSpec)
        return (Claim(pool=spec.pool, units=spec.units),) if spec.pool else ()


def busy(**claims: int) -> ConfiguredConnection:
    return ConfiguredConnection(
        plugin="toys",
        connection=Connection(name="toys"),
        claims=tuple(Claim(pool=pool, units=units) for pool, units in claims.items()),
    )


def test_a_default_claim_holds_where_there_is_such_a_pool() -> None:
    async def scenario() -> None:
        async with engine_rig(handler=SizedHandler, p=3) as rig:
            one = await rig.create("one", pool="p", units=2, duration_s=ENDLESS)
            assert one.execution.plan.claims == (Claim(pool="p", units=2),)
            assert rig.log.units("p") == (3, 2, 0)

    run(scenario())


def test_a_default_claim_of_a_pool_that_is_not_there_is_dropped() -> None:
    async def scenario() -> None:
        async with engine_rig(handler=SizedHandler, p=3) as rig:
            one = await rig.create("one", pool="q", units=1000, duration_s=ENDLESS)
            assert one.execution.plan.claims == ()

    run(scenario())


def test_a_default_claim_larger_than_its_pool_is_refused_with_both_figures() -> None:
    async def scenario() -> None:
        async with engine_rig(handler=SizedHandler, p=3) as rig:
            with pytest.raises(Refused) as refused:
                await rig.create("one", pool="p", units=4)
            assert refused.value.reason == "CLAIM_TOO_LARGE"
            assert refused.value.message == "pool 'p' has 3 units, 4 are claimed"

    run(scenario())


def test_what_the_operator_claims_is_added_and_must_be_there() -> None:
    async def scenario() -> None:
        async with engine_rig(handler=SizedHandler, connections=[busy(p=1)], p=3) as rig:
            one = await rig.create("one", pool="p", units=2)
            assert one.execution.plan.claims == (Claim(pool="p", units=3),)
            with pytest.raises(Refused, match="pool 'p' has 3 units, 4 are claimed"):
                await rig.create("two", pool="p", units=3)
        async with engine_rig(handler=SizedHandler, connections=[busy(q=1)], p=3) as rig:
            with pytest.raises(Refused) as refused:
                await rig.create("one")
            assert refused.value.reason == "CLAIM_TOO_LARGE"
            assert refused.value.message == "there is no pool 'q'"

    run(scenario())
