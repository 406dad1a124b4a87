"""For plugin authors' tests: the conformance battery, and a toy system to learn from and to test with. Needs
pytest.
"""

import pytest

pytest.register_assert_rewrite(
    "propwash.sdk.testing.spec_checks",
    "propwash.sdk.testing.connection_checks",
    "propwash.sdk.testing.job_checks",
    "propwash.sdk.testing.fault_checks",
)

from propwash.sdk.testing.asking import ask, observe  # noqa: E402  after the registration, which must come first
from propwash.sdk.testing.battery import HandlerBattery  # noqa: E402
from propwash.sdk.testing.harness import Backend, HandlerHarness  # noqa: E402
from propwash.sdk.testing.toy_backend import ToyBackend, toy_harness  # noqa: E402
from propwash.sdk.testing.toy_handler import PlainToyHandler, ToyHandler, ToySpec  # noqa: E402
from propwash.sdk.testing.toy_system import ToyFault, ToyGate, ToyJob, ToyState, ToySystem  # noqa: E402

__all__ = [
    "Backend",
    "HandlerBattery",
    "HandlerHarness",
    "PlainToyHandler",
    "ToyBackend",
    "ToyFault",
    "ToyGate",
    "ToyHandler",
    "ToyJob",
    "ToySpec",
    "ToyState",
    "ToySystem",
    "ask",
    "observe",
    "toy_harness",
]
