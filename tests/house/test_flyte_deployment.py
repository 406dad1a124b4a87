"""The configuration that a Flyte operator pastes: it parses, fits Propeller's own bounds and polls what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from propwash_aws.serverless import ServerlessHandler
from propwash_bigquery import BigQueryHandler
from propwash_snowflake import SnowflakeHandler

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "flyte"
PAGE = DEPLOY.parents[1] / "docs" / "flyte-deploy.md"
OFFERED = {
    task_type
    for handler in (ServerlessHandler, BigQueryHandler, SnowflakeHandler)
    if handler.flyte is not None
    for task_type in handler.task_types
}
NAMES = sorted(path.name for path in DEPLOY.glob("*.yaml"))


def section(name: str) -> dict[str, Any]:
    """What reaches Flyte's own configuration."""
    values: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    for outer, inner in (("configuration", "inline"), ("configmap", "enabled_plugins")):
        if outer in values:
            inside: dict[str, Any] = values[outer][inner]
            return inside
    return values


def leaves(values: object) -> set[str]:
    """The names of all settings, however deep, but for those under task types."""
    if not isinstance(values, dict):
        return set()
    named = {str(name) for name, value in values.items() if not isinstance(value, dict)}
    return named.union(*(leaves(value) for value in values.values()))


def test_both_versions_and_both_charts_are_there() -> None:
    assert NAMES == ["v1-flyte-binary.yaml", "v1-flyte-core.yaml", "v2.yaml"]


@pytest.mark.parametrize("name", NAMES)
def test_ten_thousand_tasks_are_polled_every_half_minute_within_propeller_s_bounds(name: str) -> None:
    web = section(name)["plugins"]["connector-service"]["webApi"]
    limiter, caching = web["readRateLimiter"], web["caching"]
    assert caching["resyncInterval"] == "30s"
    assert 10_000 / 30 <= limiter["qps"] <= 100_000
    assert 5 <= limiter["burst"] <= 10_000
    assert 10_000 <= caching["size"] <= 500_000
    assert 1 <= caching["workers"] <= 10_000


@pytest.mark.parametrize("name", NAMES)
def test_the_task_types_are_those_that_are_served(name: str) -> None:
    values = section(name)
    service = values["plugins"]["connector-service"]
    assert set(service["supportedTaskTypes"]) == OFFERED
    assert service["defaultConnector"]["endpoint"].startswith("dns:///")
    if "tasks" in values:
        plugins = values["tasks"]["task-plugins"]
        assert "connector-service" in plugins["enabled-plugins"]
        routed = {kind for kind, to in plugins["default-for-task-types"].items() if to == "connector-service"}
        assert routed == OFFERED


@pytest.mark.parametrize("name", NAMES)
def test_the_page_explains_every_setting(name: str) -> None:
    page = PAGE.read_text()
    kinds = {*OFFERED, "container", "sidecar", "container_array"}
    assert [one for one in sorted(leaves(section(name)) - kinds) if one not in page] == []
