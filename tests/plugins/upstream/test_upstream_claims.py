"""What a connector's task claims of pools by default: one unit of its type on its server."""

from __future__ import annotations

from propwash.sdk import Claim, Connection
from propwash_upstream import UpstreamHandler
from propwash_upstream.spec import ConnectorSpec
from tests.plugins.upstream.upstream_rig import spec


def test_a_task_claims_its_type() -> None:
    for task_type, pool in (
        ("spark", "upstream:connectors:spark"),
        ("my/task", "upstream:connectors:my%2Ftask"),
    ):
        parsed = ConnectorSpec.model_validate(spec(task_type))
        assert UpstreamHandler().claims(Connection(name="connectors"), parsed) == (Claim(pool=pool),)
