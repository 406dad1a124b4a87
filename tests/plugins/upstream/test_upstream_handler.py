"""The handler against a fake server: creating, looking, deleting, synchronous tasks and logs."""

from __future__ import annotations

from typing import Any

import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import literals_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from grpc import StatusCode

from propwash.sdk import Deletion, Job, NotOffered, Permanent, RemotePhase, Throttled, Traits, Unavailable
from propwash_upstream.keys import META_LIMIT, read_meta
from propwash_upstream.observing import LITERALS
from tests.plugins.upstream.connector_fake import agent
from tests.plugins.upstream.upstream_rig import UpstreamRig, spec, template, upstream_rig

versions = pytest.mark.parametrize("version", ["v1", "v2"])


async def delete(rig: UpstreamRig, job: Job) -> Deletion:
    return await rig.handler.delete(rig.connection, rig.request().name, job.meta, b"")


@versions
async def test_a_job_from_its_create_to_its_end(version: str) -> None:
    async with upstream_rig(version) as rig:
        job = await rig.handler.create(rig.passed_on())
        assert job.observation.phase is RemotePhase.PENDING
        seen = await rig.handler.get_one(rig.connection, job.meta)
        assert (seen.phase, seen.message) == (RemotePhase.RUNNING, "runs")
        asked = rig.connectors.last("get")
        assert (asked.task_category.name, asked.task_category.version) == ("spark", 0)
        assert (asked.resource_meta, asked.output_prefix) == (b'{"job_id": "1"}', "s3://x/n0/0")
        if version == "v1":
            # Servers from before the categories know no other field.
            assert asked.task_type == "spark"
        rig.connectors.jobs[0].finish()
        rig.connectors.jobs[0].resource.outputs.literals["a"].scalar.primitive.integer = 1
        done = await rig.handler.get_one(rig.connection, job.meta)
        assert done.phase is RemotePhase.SUCCEEDED
        told = done.outputs[LITERALS]
        assert isinstance(told, bytes)
        assert literals_pb2.LiteralMap.FromString(told) == rig.connectors.jobs[0].resource.outputs
        assert rig.connectors.count("create") == 1


async def test_the_template_s_version_is_asked_for() -> None:
    async with upstream_rig() as rig:
        await rig.handler.create(rig.request({**spec(), "version": 3}))
        assert rig.connectors.last("create").template.task_type_version == 3


async def test_an_empty_resource_meta_is_one() -> None:
    """A connector in another language may find its job by the output prefix alone."""
    async with upstream_rig() as rig:
        rig.connectors.make_meta = lambda _: b""
        job = await rig.create()
        assert (await rig.handler.get_one(rig.connection, job.meta)).phase is RemotePhase.RUNNING


async def test_a_pickle_is_kept_and_sent_back_and_never_opened() -> None:
    async with upstream_rig() as rig:
        rig.connectors.make_meta = lambda _: b"\x80\x05cos\nsystem\n(S'false'\ntR."
        job = await rig.create()
        await rig.handler.get_one(rig.connection, job.meta)
        assert rig.connectors.last("get").resource_meta == rig.connectors.make_meta(1)


@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_meta_that_is_too_long_to_keep_ends_the_job(is_refused: bool) -> None:
    async with upstream_rig() as rig:
        rig.connectors.make_meta = lambda _: b"x" * META_LIMIT
        if is_refused:
            rig.connectors.plan("delete", StatusCode.INTERNAL, "no")
        with pytest.raises(Permanent, match=f"{META_LIMIT} are kept") as raised:
            await rig.create()
        assert raised.value.reason == "META_TOO_LARGE"
        assert ("it may run on" in raised.value.message) is is_refused
        assert rig.connectors.live() == int(is_refused)


async def test_another_s_meta_is_not_understood() -> None:
    async with upstream_rig() as rig:
        for meta in (b"\xff", b'{"job": 1}'):
            with pytest.raises(Unavailable) as raised:
                await rig.handler.get_one(rig.connection, meta)
            assert raised.value.reason == "META_UNREADABLE"


async def test_a_delete_is_done_when_the_server_says_that_the_job_has_ended() -> None:
    async with upstream_rig() as rig:
        job = await rig.create()
        rig.connectors.jobs[0].is_deaf = True
        assert [await delete(rig, job) for _ in range(5)] == [Deletion.PENDING] * 5
        rig.connectors.jobs[0].is_deaf = False
        assert await delete(rig, job) is Deletion.GONE
        assert rig.connectors.jobs[0].deletes == 6


async def test_a_job_that_has_ended_is_gone_though_the_server_refuses_to_delete_it() -> None:
    async with upstream_rig() as rig:
        job = await rig.create()
        rig.connectors.jobs[0].finish()
        rig.connectors.plan("delete", StatusCode.INTERNAL, "it has ended already")
        assert await delete(rig, job) is Deletion.GONE


async def test_a_refused_delete_is_told_and_repeated() -> None:
    async with upstream_rig() as rig:
        job = await rig.create()
        rig.connectors.plan("delete", StatusCode.INTERNAL, "no rights")
        with pytest.raises(Unavailable, match="no rights"):
            await delete(rig, job)
        rig.connectors.plan("delete", StatusCode.INTERNAL, "no rights")
        rig.connectors.plan("get", StatusCode.INTERNAL, "no rights to look")
        with pytest.raises(Unavailable, match=r"no rights$"):
            await delete(rig, job)


@pytest.mark.parametrize("code", [StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.NOT_FOUND])
async def test_of_a_deleted_job_that_the_server_cannot_look_at_the_third_refusal_counts(
    code: StatusCode,
) -> None:
    """Stock connectors raise for a job that is no more, as they do for any trouble."""
    async with upstream_rig() as rig:
        job = await rig.create()
        for _ in range(2):
            rig.connectors.plan("get", code, "KeyError: 'job'")
            with pytest.raises(Unavailable):
                await delete(rig, job)
        rig.connectors.jobs[0].is_deaf = True
        rig.connectors.jobs[0].finish(TaskExecution.RUNNING)
        assert await delete(rig, job) is Deletion.PENDING
        # An answer in between begins the count anew.
        for expected in (False, False, True):
            rig.connectors.plan("get", code, "KeyError: 'job'")
            if expected:
                assert await delete(rig, job) is Deletion.GONE
            else:
                with pytest.raises(Unavailable):
                    await delete(rig, job)


@pytest.mark.parametrize(
    "code", [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED]
)
async def test_trouble_on_the_way_is_no_refusal(code: StatusCode) -> None:
    async with upstream_rig() as rig:
        job = await rig.create()
        rig.connectors.jobs[0].is_deaf = True
        for _ in range(6):
            rig.connectors.plan("get", code, "trouble")
            with pytest.raises((Unavailable, Throttled)):
                await delete(rig, job)
        assert await delete(rig, job) is Deletion.PENDING


async def test_a_missing_connector_confirms_nothing() -> None:
    """A deployment that is being rolled out: neither call reaches a connector."""
    async with upstream_rig() as rig:
        job = await rig.create()
        for _ in range(5):
            for operation in ("delete", "get"):
                rig.connectors.plan(
                    operation, StatusCode.NOT_FOUND, "Cannot find connector for task type: spark."
                )
            with pytest.raises(Unavailable) as raised:
                await delete(rig, job)
            assert raised.value.reason == "CONNECTOR_NOT_FOUND"


async def test_without_a_meta_there_is_nothing_to_delete() -> None:
    async with upstream_rig() as rig:
        name = rig.request().name
        assert await rig.handler.delete(rig.connection, name, None, b"") is Deletion.ABSENT
        assert await rig.handler.find(rig.connection, name, b"") is None
        assert await rig.handler.list(rig.connection, "us") == ()
        assert rig.connectors.calls == []


async def test_a_synchronous_task_has_ended_when_it_is_created() -> None:
    async with upstream_rig() as rig:
        rig.connectors.sync = agent_pb2.Resource(phase=TaskExecution.SUCCEEDED, message="said")
        rig.connectors.sync.outputs.literals["o0"].scalar.primitive.string_value = "hello"
        request = rig.request({**spec("chatgpt"), "is_sync": True}, inputs={"message": "hi"})
        job = await rig.handler.create(request)
        assert (job.observation.phase, job.observation.message) == (RemotePhase.SUCCEEDED, "said")
        assert b"hello" in str(job.observation.outputs[LITERALS]).encode()
        parts = [message for operation, message in rig.connectors.calls if operation == "sync"]
        header, inputs = parts[0].header, parts[1].inputs  # type: ignore[attr-defined]  # ExecuteTaskSyncRequest
        assert (header.template.type, header.output_prefix) == ("chatgpt", rig.request().name[:-2])
        assert inputs.literals["message"].scalar.primitive.string_value == "hi"
        assert rig.connectors.count("create") == 0
        assert await delete(rig, job) is Deletion.GONE
        with pytest.raises(NotOffered):
            await rig.handler.logs(rig.connection, job.meta, "")


@pytest.mark.parametrize("resource", [None, agent_pb2.Resource(phase=TaskExecution.RUNNING)])
async def test_a_synchronous_task_without_an_end_is_in_doubt(resource: agent_pb2.Resource | None) -> None:
    async with upstream_rig() as rig:
        rig.connectors.sync = resource
        with pytest.raises(Unavailable):
            await rig.handler.create(rig.request({**spec("chatgpt"), "is_sync": True}))


async def test_the_server_s_own_end_of_a_synchronous_task_is_an_end() -> None:
    async with upstream_rig() as rig:
        rig.connectors.sync = agent_pb2.Resource(phase=TaskExecution.RETRYABLE_FAILED, message="overloaded")
        job = await rig.handler.create(rig.request({**spec("chatgpt"), "is_sync": True}))
        assert (job.observation.phase, job.observation.is_retryable) == (RemotePhase.FAILED, True)


async def test_secrets_go_to_version_two_with_each_call_and_stay_out_of_the_meta(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A_KEY", "s3cr3t")
    monkeypatch.setenv("ANOTHER", "not-asked-for")
    secrets = {"google_application_credentials": "env:A_KEY", "snowflake_private_key": "env:ANOTHER"}
    custom: dict[str, Any] = {
        "secrets": {"google_application_credentials": "BQ_KEY"},
        "configs": {"region": "eu"},
        "taskType": "spark",
    }
    async with upstream_rig("v2", secrets=secrets) as rig:
        job = await rig.create(**custom)
        assert b"s3cr3t" not in job.meta
        rig.connectors.jobs[0].is_deaf = True
        await rig.handler.get_one(rig.connection, job.meta)
        await delete(rig, job)
        for operation in ("create", "get", "delete"):
            sent = rig.connectors.last(operation).connection
            assert dict(sent.secrets) == {"google_application_credentials": "s3cr3t"}
            assert (dict(sent.configs), sent.task_type) == ({"region": "eu"}, "spark")
        # A rotated secret holds at once.
        monkeypatch.setenv("A_KEY", "newer")
        await rig.handler.get_one(rig.connection, job.meta)
        assert rig.connectors.last("get").connection.secrets["google_application_credentials"] == "newer"


async def test_version_one_is_sent_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "s3cr3t")
    async with upstream_rig("v1", secrets={"a_key": "env:A_KEY"}) as rig:
        job = await rig.create(secrets={"a_key": "x"})
        await rig.handler.get_one(rig.connection, job.meta)
        assert not any(b"s3cr3t" in message.SerializeToString() for _, message in rig.connectors.calls)
        assert not read_meta(job.meta).HasField("connection")


@pytest.mark.parametrize(
    ("secrets", "said"),
    [({}, "has no secret 'a_key'"), ({"a_key": "env:NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE")],
)
async def test_a_secret_that_is_missing_is_waited_for(secrets: dict[str, str], said: str) -> None:
    async with upstream_rig("v2", secrets=secrets) as rig:
        with pytest.raises(Throttled, match=said) as raised:
            await rig.create(secrets={"a_key": "x"})
        assert raised.value.reason == "CREDENTIALS_UNAVAILABLE"
        assert rig.connectors.count("create") == 0


async def test_traits_are_those_that_the_operator_vouches_for() -> None:
    async with upstream_rig() as rig:
        traits = rig.handler.traits_of(rig.connection)
        assert (traits.has_unique_names, traits.can_look_up) == (False, False)
    async with upstream_rig(repeats_lost_creates=True) as rig:
        traits = rig.handler.traits_of(rig.connection)
        assert (traits.has_unique_names, traits.can_look_up) == (True, False)
        assert isinstance(traits, Traits)


async def test_a_template_of_another_type_than_the_spec_s_is_sent_as_the_spec_s() -> None:
    async with upstream_rig() as rig:
        rig.connectors.agents = [agent("spark")]
        await rig.handler.create(
            rig.request({**spec("spark"), "template": template("other").SerializeToString()})
        )
        assert rig.connectors.last("create").template.type == "spark"
