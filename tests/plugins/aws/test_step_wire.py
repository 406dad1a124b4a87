"""Steps and clusters over a real port: through the account, botocore's serialisers and parsers, and back."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from aiohttp import web

from propwash.sdk import (
    Connection,
    Deletion,
    NotFound,
    Observation,
    Permanent,
    RemotePhase,
    Throttled,
    Unavailable,
)
from propwash_aws.accounts import Accounts
from propwash_aws.clusters.handler import ClusterHandler
from propwash_aws.errors import RemoteError
from propwash_aws.steps.handler import StepHandler
from propwash_aws.steps.keys import StepKey
from tests.plugins.aws.aws_wire import Asked, Wire, answer, aws_wire, failure
from tests.plugins.aws.emr_fake import FakeEmr, refused
from tests.plugins.aws.emr_requests import cluster_request, new_name, step_request


@dataclass
class Desk:
    """The EMR in memory, the wire before it, and the handlers at its other end."""

    emr: FakeEmr
    wire: Wire
    steps: StepHandler
    clusters: ClusterHandler
    connection: Connection
    lost: int = 0
    """So many answers to creates are lost after success."""

    def calls(self, operation: str) -> int:
        return sum(one.target.endswith(f".{operation}") for one in self.wire.asked)


def plain(value: object) -> object:
    """As the wire has it: instants are seconds."""
    if isinstance(value, dt.datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def given(operation: str, asked: Asked) -> dict[str, object]:
    params = json.loads(asked.body or b"{}")
    if "CreatedAfter" in params:
        params["CreatedAfter"] = dt.datetime.fromtimestamp(params["CreatedAfter"], dt.UTC)
    return dict(params)


@asynccontextmanager
async def opened() -> AsyncIterator[Desk]:
    emr, accounts = FakeEmr(), Accounts()

    async def respond(asked: Asked) -> web.StreamResponse:
        operation = asked.target.partition(".")[2]
        try:
            made = await emr.call("emr", operation, **given(operation, asked))
        except RemoteError as error:
            return failure(error.code, error.message, status=error.status)
        if operation in ("AddJobFlowSteps", "RunJobFlow") and made_desk.lost:
            made_desk.lost -= 1
            return web.Response(status=502, text="<html>Bad gateway</html>")
        body = plain(dict(made))
        assert isinstance(body, dict)
        return answer(body)

    async with aws_wire(respond) as wire:
        connection = wire.connection()
        made_desk = Desk(
            emr, wire, StepHandler(accounts=accounts), ClusterHandler(accounts=accounts), connection
        )
        try:
            yield made_desk
        finally:
            await made_desk.steps.close()
            await made_desk.clusters.close()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as made:
        yield made


async def test_life_of_a_step(desk: Desk) -> None:
    cluster = desk.emr.add_cluster()
    jar = {"jar": "a.jar", "args": ["ü"], "properties": {"k": "v"}}
    request = replace(
        step_request(desk.emr, cluster_id=cluster, hadoop_jar_step=jar), connection=desk.connection
    )
    job = await desk.steps.create(request)
    hint = desk.steps.hint(desk.connection, request.spec)
    found = await desk.steps.find(desk.connection, request.name, hint)
    assert found is not None
    assert found.meta == job.meta
    desk.emr.set_step(str(desk.emr.steps[cluster][0]["Id"]), "RUNNING")
    seen = (await desk.steps.get(desk.connection, [job.meta]))[job.meta]
    assert isinstance(seen, Observation)
    assert seen.phase is RemotePhase.RUNNING
    assert await desk.steps.delete(desk.connection, request.name, job.meta, hint) is Deletion.PENDING
    assert await desk.steps.delete(desk.connection, request.name, job.meta, hint) is Deletion.GONE
    seen = (await desk.steps.get(desk.connection, [job.meta]))[job.meta]
    assert isinstance(seen, Observation)
    assert (seen.phase, seen.reason) == (RemotePhase.FAILED, "STEP_CANCELLED")


async def test_life_of_a_cluster(desk: Desk) -> None:
    request = replace(cluster_request(desk.emr), connection=desk.connection)
    job = await desk.clusters.create(request)
    number = next(iter(desk.emr.clusters))
    desk.emr.set_step(str(desk.emr.steps[number][0]["Id"]), "COMPLETED")
    desk.emr.set_cluster(number, "TERMINATED", "ALL_STEPS_COMPLETED")
    found = await desk.clusters.find(desk.connection, request.name, b"")
    assert found is not None
    assert found.meta == job.meta
    assert found.observation.phase is RemotePhase.SUCCEEDED
    assert found.observation.outputs["created_ms"] == round(desk.emr.now_s * 1000)
    assert await desk.clusters.delete(desk.connection, request.name, job.meta, b"") is Deletion.GONE


async def test_200_lost_answers_leave_200_steps(desk: Desk) -> None:
    clusters = [desk.emr.add_cluster(f"c{number}") for number in range(4)]
    desk.lost = 1000
    requests = [
        replace(step_request(desk.emr, cluster_id=clusters[number % 4]), connection=desk.connection)
        for number in range(200)
    ]
    answers = await asyncio.gather(*(desk.steps.create(one) for one in requests), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in answers)
    found = await asyncio.gather(
        *(
            desk.steps.find(desk.connection, one.name, desk.steps.hint(desk.connection, one.spec))
            for one in requests
        )
    )
    assert all(found)
    assert [desk.emr.live(one.name) for one in requests] == [1] * 200
    assert (desk.calls("AddJobFlowSteps"), desk.calls("ListSteps")) == (4, 4)
    for wanted in (Deletion.PENDING, Deletion.GONE):
        said = await asyncio.gather(
            *(
                desk.steps.delete(desk.connection, one.name, None, desk.steps.hint(desk.connection, one.spec))
                for one in requests
            )
        )
        assert set(said) == {wanted}
    # Four clusters: one call to send, look, look again, cancel, and confirm, for fifty steps each.
    assert len(desk.wire.asked) == 4 * 5


async def test_refusals_come_through_the_wire_with_their_texts(desk: Desk) -> None:
    closed = desk.emr.add_cluster(state="TERMINATED")
    with pytest.raises(Permanent) as raised:
        await desk.steps.create(
            replace(step_request(desk.emr, cluster_id=closed), connection=desk.connection)
        )
    assert raised.value.reason == "CLUSTER_GONE"
    meta = StepKey("j-NEVER", "s-NEVER", new_name(desk.emr)).meta()
    assert isinstance((await desk.steps.get(desk.connection, [meta]))[meta], NotFound)


async def test_credentials_that_do_not_serve_end_nothing(desk: Desk) -> None:
    cluster = desk.emr.add_cluster()
    request = replace(step_request(desk.emr, cluster_id=cluster), connection=desk.connection)
    job = await desk.steps.create(request)
    hint = desk.steps.hint(desk.connection, request.spec)
    for error in ("ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"):
        for operation in ("AddJobFlowSteps", "ListSteps", "CancelSteps"):
            desk.emr.before[operation] = [refused("no", error)] * 2
        with pytest.raises(Unavailable) as raised:
            await desk.steps.create(request)
        assert raised.value.reason == "CREDENTIALS_UNAVAILABLE"
        answered = (await desk.steps.get(desk.connection, [job.meta]))[job.meta]
        assert isinstance(answered, Unavailable)
        with pytest.raises(Unavailable):
            await desk.steps.delete(desk.connection, request.name, job.meta, hint)
        desk.emr.before.clear()
    assert desk.emr.live(request.name) == 1


async def test_throttling_comes_through_the_wire(desk: Desk) -> None:
    desk.emr.before["RunJobFlow"] = [refused("Rate exceeded", "ThrottlingException")]
    with pytest.raises(Throttled):
        await desk.clusters.create(replace(cluster_request(desk.emr), connection=desk.connection))
    assert desk.emr.clusters == {}
