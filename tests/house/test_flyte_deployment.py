"""The configuration that a Flyte operator pastes: it parses, fits Propeller's own bounds and polls what it promises."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from propwash.api.flyte.services import V1_METADATA, V1_TASKS, V2_METADATA, V2_TASKS
from propwash_aws.serverless import ServerlessHandler
from propwash_bigquery import BigQueryHandler
from propwash_snowflake import SnowflakeHandler
from tests.api.api_world import LOCAL
from tests.flyte.flyte_callers import caller, flyte, serving, template

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


def service_config(name: str) -> dict[str, Any]:
    """What Propeller gives its channel."""
    connector = section(name)["plugins"]["connector-service"]["defaultConnector"]
    config: dict[str, Any] = json.loads(connector["defaultServiceConfig"])
    return config


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


@pytest.mark.parametrize("name", NAMES)
def test_the_service_config_repeats_calls_of_every_service_that_is_served(name: str) -> None:
    config = service_config(name)
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    (method,) = config["methodConfig"]
    version = "flyteidl2." if name.startswith("v2") else "flyteidl."
    wanted = {one for one in (V1_TASKS, V1_METADATA, V2_TASKS, V2_METADATA) if one.startswith(version)}
    assert {one["service"] for one in method["name"]} == wanted
    assert method["waitForReady"] is True
    assert 2 <= method["retryPolicy"]["maxAttempts"] <= 5


@pytest.mark.parametrize("is_v2", [False, True], ids=["v1", "v2"])
async def test_with_that_configuration_a_restart_of_the_server_fails_no_call(
    is_v2: bool, tmp_path: Path
) -> None:
    config = json.dumps(service_config("v2.yaml" if is_v2 else "v1-flyte-core.yaml"))
    options = [
        ("grpc.service_config", config),
        # Python's own: how soon it dials again.
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 50),
    ]
    task = template("snowflake", "SELECT 1 AS one", config={"account": "acme-sandbox"})
    async with flyte("snowflake", tmp_path, is_v2=is_v2) as first:
        async with serving(first.world) as (_, port):
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
            there = caller(first.world, channel, "", is_v2=is_v2)
            meta = await there.create(task)
        # The server is gone. What is asked now waits for the next.
        calls = [asyncio.create_task(there.get(meta)), asyncio.create_task(there.create(task, attempt=1))]
        down = asyncio.create_task(there.task_types())
        await unavailable(channel)
        async with serving(first.world, replace(LOCAL, listen=f"127.0.0.1:{port}")):
            assert await down == ["snowflake"]
            await asyncio.gather(*calls)
            await channel.close()


async def unavailable(channel: grpc.aio.Channel) -> None:
    """Returns once the channel has failed to connect."""
    while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.TRANSIENT_FAILURE:
        await channel.wait_for_state_change(state)
