"""The public surface is exactly this: what is not listed may change without a word."""

from __future__ import annotations

import propwash.sdk
import propwash.sdk.testing

SDK = """
CREDENTIALS_UNAVAILABLE CallLimits Checked Claim Column Connection CreateRequest Deletion
FlyteContainer FlyteCredentials FlyteDataset FlyteDialect FlyteDone FlyteInput FlyteJob FlyteKind FlyteOutputs
FlyteRelay FlyteRequest FlyteTask FlyteType Handler Job Json
Link ListedJob LocalSecrets LogLine LogPage NotFound NotOffered Observation ParsedName Permanent Plugin Rate
RemoteName RemotePhase ResultPage Retryable Secret SecretReader SecretRef SentSecret Spec TemplateError Throttled
Traits Unavailable
Value Verdict parse_remote_name pool_name
"""
TESTING = """
Backend HandlerBattery HandlerHarness PlainToyHandler ToyBackend ToyFault ToyGate ToyHandler ToyJob ToySpec
ToyState ToySystem ask observe toy_harness
"""


def test_sdk_is_exactly_this() -> None:
    assert propwash.sdk.__all__ == SDK.split()
    assert all(hasattr(propwash.sdk, name) for name in propwash.sdk.__all__)


def test_testing_is_exactly_this() -> None:
    assert propwash.sdk.testing.__all__ == TESTING.split()
    assert all(hasattr(propwash.sdk.testing, name) for name in propwash.sdk.testing.__all__)
