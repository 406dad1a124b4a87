"""The battery's checks of what a handler says of a connection: its settings' model and its check."""

from __future__ import annotations

import pydantic
import pytest

from propwash.sdk.connections import Checked
from propwash.sdk.handler import NotOffered, Spec
from propwash.sdk.testing.asking import ask
from propwash.sdk.testing.harness import HandlerHarness


class ConnectionChecks:
    """Checks of settings_type and check."""

    async def test_settings_are_modelled(self, harness: HandlerHarness[Spec]) -> None:
        """The model takes the harness's settings, and refuses one that it does not know: a misspelt setting would
        otherwise do nothing, unseen.
        """
        model = harness.handler.settings_type
        if model is None:
            pytest.skip("the handler has no settings_type")
        settings = dict(harness.connection.settings)
        model.model_validate(settings)
        with pytest.raises(pydantic.ValidationError) as raised:
            model.model_validate({**settings, "no_such_setting": "x"})
        wrong = {one["loc"] for one in raised.value.errors(include_input=False)}
        assert ("no_such_setting",) in wrong, "settings_type must refuse unknown settings (extra='forbid')"

    async def test_check_finds_a_working_connection_in_order(self, harness: HandlerHarness[Spec]) -> None:
        """Every step is named and good, holds no secret, and the check makes no job."""
        handler = harness.handler
        before = len(await ask(handler.list, harness.connection, "battery"))
        try:
            steps = await ask(handler.check, harness.connection)
        except NotOffered:
            pytest.skip("the handler offers no check")
        assert steps, "check answered no step"
        for step in steps:
            assert isinstance(step, Checked), f"check answered {step!r}, which is no Checked"
            assert step.what, "a step of the check has no name"
            assert step.is_ok, f"the step {step.what} failed at a backend that works: {step.message}"
            assert not any(secret in repr(step) for secret in harness.secrets), "a step holds a secret"
        after = len(await ask(handler.list, harness.connection, "battery"))
        assert after == before, "the check made a job"
