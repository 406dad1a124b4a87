"""The battery's checks of what needs no remote system: spec, claims, hint, links, traits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TypeVar

import pydantic
import pytest

from propwash.core.model import Claim, Link, Traits
from propwash.core.pool import POOL_NAME_FORM, is_pool_name
from propwash.sdk.handler import Handler, Spec
from propwash.sdk.testing.harness import HandlerHarness
from propwash.sdk.testing.purity import audited

T = TypeVar("T")


class SpecChecks:
    """Checks of spec, claims, hint, links and traits."""

    async def test_class_attributes_are_well_formed(self, harness: HandlerHarness[Spec]) -> None:
        """The host accepts what the class says of itself."""
        handler = harness.handler
        assert isinstance(handler, Handler), "the handler must derive from propwash.sdk.Handler"
        assert handler.task_types, "task_types is empty"
        assert all(isinstance(one, str) and one for one in handler.task_types), "task_types must be strings"
        traits: object = handler.traits
        assert isinstance(traits, Traits), "traits must be a Traits"
        assert math.isfinite(traits.settle_s), "settle_s must be finite"
        assert traits.settle_s >= 0, "settle_s must not be negative"
        assert 0 < traits.poll_floor_s <= traits.poll_ceiling_s, (
            "0 < poll_floor_s <= poll_ceiling_s must hold"
        )
        assert handler.batch_size >= 1, "batch_size must be at least 1"

    async def test_spec_has_a_json_schema(self, harness: HandlerHarness[Spec]) -> None:
        """Clients are served a JSON Schema of an object that is closed to unknown fields."""
        schema = harness.handler.spec_type.model_json_schema()
        assert json.loads(json.dumps(schema)) == schema, "the schema must be plain JSON"
        assert schema.get("type") == "object", "the schema must describe an object"
        assert schema.get("additionalProperties") is False, (
            "the spec must refuse unknown fields (extra='forbid')"
        )

    @pytest.mark.parametrize("which", ["quick", "long", "failing", "failing_retryable"])
    async def test_spec_accepts_valid(self, harness: HandlerHarness[Spec], which: str) -> None:
        """Each of the harness's specs is valid, and frozen once parsed."""
        given = getattr(harness, which)
        if given is None:
            pytest.skip(f"the harness gives no {which} spec")
        spec = harness.parse(given)
        assert spec == harness.parse(given), "parsing one spec twice must give equal values"
        assert spec.model_config.get("frozen"), "the spec must be frozen"

    async def test_spec_refuses_invalid(self, harness: HandlerHarness[Spec]) -> None:
        """The invalid spec is refused."""
        _must_refuse(harness, dict(harness.invalid), "the invalid spec was accepted")

    async def test_spec_refuses_unknown_field(self, harness: HandlerHarness[Spec]) -> None:
        """A misspelt field is refused, not ignored."""
        _must_refuse(harness, {**harness.quick, "no_such_field_": 1}, "an unknown field was accepted")

    async def test_claims_are_pure(self, harness: HandlerHarness[Spec]) -> None:
        """Claims depend on the spec and connection alone, and are well formed."""
        spec = harness.parse(harness.quick)
        claims = _pure("claims", lambda: tuple(harness.handler.claims(harness.connection, spec)))
        for claim in claims:
            assert isinstance(claim, Claim), f"claims answered {claim!r}, which is no Claim"
            assert is_pool_name(claim.pool), (
                f"{claim.pool!r} is no pool's name, which is {POOL_NAME_FORM}; build it by pool_name"
            )
            assert claim.units >= 1, "a claim must be of at least one unit"
            assert not any(secret in claim.pool for secret in harness.secrets), "a pool's name holds a secret"
        assert len({claim.pool for claim in claims}) == len(claims), "a pool must be claimed once"

    async def test_hint_is_pure(self, harness: HandlerHarness[Spec]) -> None:
        """The hint depends on the spec and connection alone, is small and holds no secret."""
        spec = harness.parse(harness.long)
        hint = _pure("hint", lambda: harness.handler.hint(harness.connection, spec))
        assert isinstance(hint, bytes), f"hint answered {type(hint).__name__}, not bytes"
        assert len(hint) <= 256, f"the hint has {len(hint)} bytes; 256 are the limit"
        assert not any(secret.encode() in hint for secret in harness.secrets), "the hint holds a secret"

    async def test_links_are_pure(self, harness: HandlerHarness[Spec]) -> None:
        """Links are known from the start, without a call, and are web addresses without a secret."""
        request = harness.new_request(harness.quick)
        links = _pure(
            "links", lambda: tuple(harness.handler.links(harness.connection, request.name, request.spec))
        )
        for link in links:
            assert isinstance(link, Link), f"links answered {link!r}, which is no Link"
            assert link.title, "a link needs a title"
            assert link.uri.startswith(("https://", "http://")), f"{link.uri!r} is no web address"
            assert not any(secret in link.uri for secret in harness.secrets), "a link holds a secret"


def _must_refuse(harness: HandlerHarness[Spec], spec: dict[str, object], complaint: str) -> None:
    try:
        harness.parse(spec)
    except pydantic.ValidationError:
        return
    pytest.fail(complaint)


def _pure(what: str, call: Callable[[], T]) -> T:
    # The first call may import; input and output count from the second on.
    first = call()
    with audited() as done:
        second = call()
    assert first == second, f"{what} must give the same answer for the same arguments"
    assert not done, f"{what} must do no input or output, but did {done}"
    return second
