"""The conformance battery: the suite that built-in handlers pass, for everyone who writes one."""

from __future__ import annotations

import pytest

from propwash.sdk.testing.connection_checks import ConnectionChecks
from propwash.sdk.testing.fault_checks import FaultChecks
from propwash.sdk.testing.job_checks import JobChecks
from propwash.sdk.testing.spec_checks import SpecChecks


@pytest.mark.asyncio
class HandlerBattery(SpecChecks, ConnectionChecks, JobChecks, FaultChecks):
    """Derive from it in a test module, and give it a fixture that makes a HandlerHarness:

        class TestMyHandler(HandlerBattery):
            @pytest_asyncio.fixture
            async def harness(self) -> AsyncIterator[HandlerHarness[MySpec]]:
                handler = MyHandler()
                yield HandlerHarness(handler=handler, ...)
                await handler.close()

    A check that needs a hook that the backend does not offer is skipped, and says which.
    """
