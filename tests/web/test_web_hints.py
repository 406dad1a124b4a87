"""The hook for hints over real HTTP: its forms, its bounds and its token."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from propwash.ports import ExecutionName, Hearing, NotAccepting
from propwash.sdk import LocalSecrets
from propwash.web.bearer import Bearer
from propwash.web.hints import MOST_AT_ONCE, MOST_BYTES, MOST_NAMES, HintHook
from propwash.web.server import WebOptions, WebServer
from tests.api.api_hints import FakeHints

TOKEN = "s3cret-token"
ONE, TWO = "pw-us-01hzy3m8p0q4r5s6t7v8w9x0y1-1", "pw-us-01hzy3m8p0q4r5s6t7v8w9x0y2-12"
A = ExecutionName("p", "d", "a")
JOB_CHANGE = {
    "insertId": "x",
    "logName": "projects/acme/logs/cloudaudit.googleapis.com%2Fdata_access",
    "protoPayload": {
        "serviceName": "bigquery.googleapis.com",
        "metadata": {
            "@type": "type.googleapis.com/google.cloud.audit.BigQueryAuditMetadata",
            "jobChange": {
                "before": "RUNNING",
                "after": "DONE",
                "job": {"jobName": f"projects/acme/jobs/{ONE}", "jobStatus": {"jobState": "DONE"}},
            },
        },
    },
}
JOB_COMPLETED = {
    "protoPayload": {
        "serviceData": {
            "jobCompletedEvent": {
                "eventName": "query_job_completed",
                "job": {"jobName": {"projectId": "acme", "jobId": ONE, "location": "EU"}},
            }
        }
    }
}
STEP = {
    "version": "0",
    "detail-type": "EMR Step Status Change",
    "source": "aws.emr",
    "detail": {
        "stepId": "s-1",
        "name": TWO,
        "clusterId": "j-1",
        "state": "COMPLETED",
        "message": f"Step ({TWO})",
    },
}
CONTAINER = {
    "detail-type": "EMR Job Run State Change",
    "source": "aws.emr-containers",
    "detail": {"id": "0000", "name": ONE, "virtualClusterId": "vc", "state": "COMPLETED"},
}
SERVERLESS = {
    "detail-type": "EMR Serverless Job Run State Change",
    "source": "aws.emr-serverless",
    "detail": {"jobRunId": "00f", "jobRunName": ONE, "applicationId": "00a", "state": "SUCCESS"},
}


class HintEngine(FakeHints):
    """Only hint is called."""


@dataclass
class HookRig:
    session: aiohttp.ClientSession
    url: str
    engine: HintEngine
    file: Path
    now: list[float]
    troubles: list[str] = field(default_factory=list)

    async def post(
        self, body: object, *, token: str | None = TOKEN, query: str = ""
    ) -> tuple[int, dict[str, object], str]:
        """Status, JSON and Retry-After."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(f"{self.url}/v1/hints{query}", data=data, headers=headers) as answer:
            return answer.status, await answer.json(), answer.headers.get("Retry-After", "")


@contextlib.asynccontextmanager
async def hook(path: Path, *, is_on: bool = True) -> AsyncIterator[HookRig]:
    """A web server with the hook on a real port."""
    file = path / "token"
    file.write_text(f"{TOKEN}\n")
    now, troubles, engine = [1000.0], list[str](), HintEngine()
    bearer = Bearer(f"file:{file}", secrets=LocalSecrets(), now=lambda: now[0], trouble=troubles.append)
    routes = HintHook(engine, bearer=bearer if is_on else None, now=lambda: now[0]).routes()  # type: ignore[arg-type]  # only hint is called
    server = WebServer(WebOptions(port=0), expose=lambda _: ("text/plain", b""), checks={}, routes=routes)
    port = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield HookRig(session, f"http://127.0.0.1:{port}", engine, file, now, troubles)
    finally:
        await server.stop()


def pushed(data: object, **attributes: str) -> dict[str, object]:
    """A Pub/Sub push."""
    text = data if isinstance(data, str) else json.dumps(data)
    message = {"data": base64.b64encode(text.encode()).decode(), "messageId": "1", "attributes": attributes}
    return {"message": message, "subscription": "projects/acme/subscriptions/s"}


async def test_names_are_passed_on_and_counted(tmp_path: Path) -> None:
    async with hook(tmp_path) as rig:
        rig.engine.hearings = {A: Hearing.HEARD, ONE: Hearing.ENDED}
        body = {"names": [str(A)], "remote_names": [ONE, TWO]}
        assert await rig.post(body) == (200, {"heard": 1, "ended": 1, "unknown": 1}, "")
        assert rig.engine.hinted == [A, ONE, TWO]


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (pushed(JOB_CHANGE), ONE),
        (pushed(JOB_COMPLETED), ONE),
        (pushed(ONE), ONE),
        (pushed("", job_id=TWO), TWO),
        (STEP, TWO),
        (CONTAINER, ONE),
        (SERVERLESS, ONE),
    ],
    ids=["job-change", "job-completed", "job-id", "attribute", "step", "container", "serverless"],
)
async def test_the_systems_own_events_are_understood(tmp_path: Path, event: object, name: str) -> None:
    async with hook(tmp_path) as rig:
        rig.engine.hearings[name] = Hearing.HEARD
        assert await rig.post(event) == (200, {"heard": 1, "ended": 0, "unknown": 0}, "")
        assert rig.engine.hinted == [name]


async def test_an_event_about_others_jobs_is_taken_and_does_nothing(tmp_path: Path) -> None:
    async with hook(tmp_path) as rig:
        for event in (pushed("job_abc"), {"detail": {"name": "nightly"}}, {"detail": None}):
            assert await rig.post(event) == (200, {"heard": 0, "ended": 0, "unknown": 0}, "")


@pytest.mark.parametrize(
    ("body", "reason", "path"),
    [
        (b"{", "BODY_MALFORMED", None),
        (b"\xff", "BODY_MALFORMED", None),
        (b"[" * 100_000, "BODY_MALFORMED", None),
        ([1], "BODY_MALFORMED", None),
        ({}, "FIELD_UNKNOWN", "names"),
        ({"name": "a"}, "FIELD_UNKNOWN", "name"),
        ({"names": "a"}, "FIELD_INVALID", "names"),
        ({"names": [str(A), 3]}, "FIELD_INVALID", "names[1]"),
        ({"names": [str(A), "a"]}, "NAME_MALFORMED", "names[1]"),
        ({"remote_names": ["x" * 257]}, "FIELD_INVALID", "remote_names[0]"),
        ({"remote_names": ["x"] * (MOST_NAMES + 1)}, "TOO_MANY_NAMES", "remote_names"),
        ({"message": "a"}, "FIELD_INVALID", "message"),
        ({"message": {"data": "%"}}, "FIELD_INVALID", "message.data"),
        ({"message": {"data": 3}}, "FIELD_INVALID", "message.data"),
        ({"message": {"data": "/w=="}}, "FIELD_INVALID", "message.data"),
    ],
)
async def test_bad_bodies_name_the_field(tmp_path: Path, body: object, reason: str, path: str | None) -> None:
    async with hook(tmp_path) as rig:
        status, answer, _ = await rig.post(body)
        error = answer["error"]
        assert isinstance(error, dict)
        assert (status, error["reason"], error.get("field")) == (400, reason, path)
        assert not rig.engine.hinted


async def test_a_body_is_bounded(tmp_path: Path) -> None:
    async with hook(tmp_path) as rig:
        assert (await rig.post(b" " * (MOST_BYTES + 1)))[0] == 413


async def test_without_the_token_nobody_is_heard_and_nothing_is_told(tmp_path: Path) -> None:
    async with hook(tmp_path) as rig:
        for token, query in ((None, ""), ("wrong", ""), ("", ""), (TOKEN + "x", ""), (TOKEN, "?token=wrong")):
            status, answer, _ = await rig.post({"names": [str(A)]}, token=token, query=query)
            assert status == 401
            assert TOKEN not in json.dumps(answer)
        assert not rig.engine.hinted
        assert (await rig.post({"names": [str(A)]}, token=None, query=f"?token={TOKEN}"))[0] == 200


async def test_a_token_that_changes_holds_without_a_restart(tmp_path: Path) -> None:
    async with hook(tmp_path) as rig:
        assert (await rig.post({"names": []}))[0] == 200
        rig.file.write_text("another")
        rig.now[0] += 2.0
        assert (await rig.post({"names": []}))[0] == 401
        assert (await rig.post({"names": []}, token="another"))[0] == 200
        rig.file.unlink()
        for _ in range(3):
            rig.now[0] += 2.0
            assert (await rig.post({"names": []}, token="another"))[0] == 401
        assert len(rig.troubles) == 1
        assert "another" not in rig.troubles[0]


async def test_without_a_token_configured_the_hook_is_off(tmp_path: Path) -> None:
    async with hook(tmp_path, is_on=False) as rig:
        status, answer, _ = await rig.post({"names": [str(A)]})
        assert status == 403
        assert "hints.token" in json.dumps(answer)


async def test_a_flood_of_requests_is_told_to_wait(tmp_path: Path) -> None:
    async with hook(tmp_path) as rig:
        for _ in range(int(MOST_AT_ONCE)):
            assert (await rig.post({"names": []}))[0] == 200
        status, answer, after = await rig.post({"names": []})
        assert (status, after) == (429, "1")
        assert "TOO_MANY_REQUESTS" in json.dumps(answer)
        rig.now[0] += 0.1
        assert (await rig.post({"names": []}))[0] == 200


async def test_a_server_that_starts_or_drains_asks_to_come_again(tmp_path: Path) -> None:
    async with hook(tmp_path) as rig:
        rig.engine.deaf = NotAccepting("the server is starting")
        status, _, after = await rig.post({"names": [str(A)]})
        assert (status, after) == (503, "1")
