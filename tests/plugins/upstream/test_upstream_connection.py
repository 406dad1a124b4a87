"""Which server a connection leads to, in which version, and what it offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pydantic
import pytest
from flyteidl.admin import agent_pb2
from grpc import StatusCode

from propwash.sdk import Connection, FlyteDone, FlyteTask, FlyteType, RemotePhase, Throttled, Unavailable
from propwash_upstream import UpstreamHandler
from propwash_upstream.connection import UpstreamSettings
from propwash_upstream.flyte import PassedOn
from propwash_upstream.keys import META_LIMIT, read_meta
from tests.api.api_certificates import Authority
from tests.plugins.upstream.connector_fake import agent, serving
from tests.plugins.upstream.upstream_rig import UpstreamRig, upstream_rig

STOCK = [agent("sensor"), agent("spark", "databricks"), agent("chatgpt", "webhook", is_sync=True)]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"protocol": "v3"}, ("protocol",)),
        ({"tls_ca": "/ca.pem"}, ()),
        ({"task_types": ["a", {"name": "a"}]}, ()),
        ({"secrets": {"key": "the-secret-itself"}}, ("secrets", "key")),
        ({"when_create_raises": "panic"}, ("when_create_raises",)),
        ({"endpiont": "x"}, ("endpiont",)),
    ],
)
def test_a_setting_that_cannot_be_is_named(settings: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(pydantic.ValidationError) as raised:
        UpstreamSettings.model_validate(settings)
    assert raised.value.errors(include_url=False)[0]["loc"] == path


async def types(rig: UpstreamRig) -> list[tuple[str, int, bool]]:
    return [(one.name, one.version, one.is_sync) for one in await rig.handler.flyte_types(rig.connection)]


async def test_what_a_stock_server_lists_but_what_it_always_lists() -> None:
    async with upstream_rig() as rig:
        rig.connectors.agents = [*STOCK, agent("slurm", version=2)]
        found = [("spark", 0, False), ("databricks", 0, False), ("chatgpt", 0, True), ("slurm", 2, False)]
        assert await types(rig) == found
    async with upstream_rig(hidden_task_types=["spark"]) as rig:
        rig.connectors.agents = STOCK
        assert ("webhook", 0, True) in await types(rig)
        assert "spark" not in {name for name, *_ in await types(rig)}


async def test_a_server_from_before_the_categories_is_understood() -> None:
    async with upstream_rig() as rig:
        rig.connectors.agents = [agent_pb2.Agent(name="x", supported_task_types=["spark", "sensor"])]
        assert await types(rig) == [("spark", 0, False)]


async def test_what_the_operator_states_is_known_without_a_call() -> None:
    stated = ["spark", {"name": "chatgpt", "is_sync": True}, {"name": "slurm", "version": 2}]
    async with upstream_rig(task_types=stated) as rig:
        assert rig.handler.stated_flyte_types(rig.connection) == (
            FlyteType(name="spark"),
            FlyteType(name="chatgpt", is_sync=True),
            FlyteType(name="slurm", version=2),
        )
        assert rig.connectors.calls == []


@pytest.mark.parametrize(
    ("served", "protocol", "spoken"),
    [
        (["v1"], "auto", "V1"),
        (["v2"], "auto", "V2"),
        (["v1", "v2"], "auto", "V1"),
        (["v1", "v2"], "v2", "V2"),
        (["v1", "v2"], "v1", "V1"),
    ],
)
async def test_the_version_is_the_one_whose_metadata_answers(
    served: list[str], protocol: str, spoken: str
) -> None:
    async with upstream_rig(*served, protocol=protocol) as rig:
        job = await rig.create()
        package = type(rig.connectors.last("create")).DESCRIPTOR.file.package
        assert package == ("flyteidl.admin" if spoken == "V1" else "flyteidl2.connector")
        assert (await rig.handler.get_one(rig.connection, job.meta)).phase is RemotePhase.RUNNING


async def test_a_server_that_lists_nothing_needs_the_version_stated() -> None:
    async with serving("v1", has_metadata=False) as server:
        handler = UpstreamHandler()
        rig = UpstreamRig(handler, server, Connection(name="old", endpoint=server.endpoint))
        with pytest.raises(Throttled, match="state protocol and task_types") as raised:
            await rig.create()
        assert raised.value.reason == "PROTOCOL_UNKNOWN"
        with pytest.raises(Unavailable):
            await handler.flyte_types(rig.connection)
        rig.connection = Connection(name="old", endpoint=server.endpoint, settings={"protocol": "v1"})
        assert (await rig.create()).meta
        await handler.close()


async def test_a_server_of_another_version_in_its_place_is_found_out() -> None:
    async with upstream_rig("v1") as rig:
        job = await rig.create()
        await rig.server.stop()
        rig.server.versions = ["v2"]
        await rig.server.start()
        await rig.reconnected()
        with pytest.raises(Unavailable) as raised:
            await rig.handler.get_one(rig.connection, job.meta)
        assert raised.value.reason == "UPSTREAM_UNIMPLEMENTED"
        assert (await rig.handler.get_one(rig.connection, job.meta)).phase is RemotePhase.RUNNING


async def test_a_plugin_without_a_connection_offers_nothing_and_complains_of_nothing() -> None:
    handler = UpstreamHandler()
    assert await handler.flyte_types(Connection(name="upstream")) == ()
    with pytest.raises(Unavailable, match="has no endpoint"):
        await handler.flyte_types(Connection(name="upstream", settings={"protocol": "v1"}))


async def test_a_server_with_tls_is_called_with_its_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    chain, key = authority.issue("server")
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), chain.read_bytes())])
    async with serving("v1", credentials=credentials) as server:
        handler = UpstreamHandler()
        trusting: dict[str, Any] = {"tls": True, "tls_ca": str(authority.ca_file)}
        rig = UpstreamRig(
            handler, server, Connection(name="s", endpoint=f"localhost:{server.port}", settings=trusting)
        )
        assert (await rig.create()).meta
        distrusting: list[dict[str, Any]] = [{"protocol": "v1"}, {"protocol": "v1", "tls": True}]
        for settings in distrusting:
            rig.connection = Connection(name="s", endpoint=f"localhost:{server.port}", settings=settings)
            with pytest.raises(Throttled) as raised:
                await rig.create()
            assert raised.value.reason == "UPSTREAM_UNREACHABLE"
        await handler.close()


async def test_the_check_goes_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    async with upstream_rig(secrets={"key": "env:UPSTREAM_KEY"}) as rig:
        rig.connectors.agents = STOCK

        async def steps() -> list[tuple[str, bool, str]]:
            return [(one.what, one.is_ok, one.message) for one in await rig.handler.check(rig.connection)]

        assert [what for what, *_ in await steps()] == ["settings", "server", "task types", "secret key"]
        assert not (await steps())[-1][1]
        monkeypatch.setenv("UPSTREAM_KEY", "x")
        assert await steps() == [
            ("settings", True, f"endpoint {rig.server.endpoint}"),
            ("server", True, "speaks version 1"),
            ("task types", True, "spark, databricks, chatgpt; hidden: sensor, webhook"),
        ]
        rig.connectors.plan("list", StatusCode.PERMISSION_DENIED, "not you")
        assert (await steps())[-1] == (
            "server",
            False,
            "UPSTREAM_PERMISSION_DENIED: PERMISSION_DENIED: not you",
        )
        await rig.server.stop()
        what, is_ok, message = (await steps())[-1]
        assert (what, is_ok, message.partition(":")[0]) == ("server", False, "UPSTREAM_UNREACHABLE")
        rig.connection = Connection(name="x", settings={"protocol": "v9"}, endpoint="x:1")
        assert [(one.what, one.is_ok) for one in await rig.handler.check(rig.connection)] == [
            ("settings", False)
        ]


def test_a_task_of_flyte_s_is_passed_on_with_its_type_s_way() -> None:
    task = FlyteTask(task_type="chatgpt", version=1, request=b"\x0a\x00", is_sync=True, inputs={"a": 1})
    asked = PassedOn().request(task)
    assert asked.spec == {"task_type": "chatgpt", "version": 1, "is_sync": True, "request": b"\x0a\x00"}
    assert (asked.inputs, asked.account) == ({}, {})


@pytest.mark.parametrize(
    ("outputs", "told"), [({"literals": b"x"}, b"x"), ({"literals": b""}, b""), ({}, None)]
)
def test_outputs_are_told_as_they_came(outputs: dict[str, Any], told: bytes | None) -> None:
    done = FlyteDone(outputs=outputs, spec={}, settings={}, is_v2=False)
    assert PassedOn().outputs(done) == told


def test_a_job_of_the_server_s_own_is_adopted_by_its_meta() -> None:
    pickle = b"\x80\x05cos\nsystem\n."
    job = PassedOn().adopted_as_it_is(FlyteType(name="airflow", version=1), pickle)
    assert job is not None
    assert job.meta is not None
    asked = read_meta(job.meta)
    assert (asked.task_category.name, asked.task_category.version, asked.resource_meta) == (
        "airflow",
        1,
        pickle,
    )
    UpstreamHandler.spec_type.model_validate(dict(job.request.spec))
    assert PassedOn().adopted({"job_id": "1"}) is None
    assert PassedOn().adopted_as_it_is(FlyteType(name="airflow"), b"x" * META_LIMIT) is None
    assert PassedOn().adopted_as_it_is(FlyteType(name="chatgpt", is_sync=True), b"x") is None
