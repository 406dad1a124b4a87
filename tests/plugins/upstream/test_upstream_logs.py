"""Logs of servers that page, stream, answer all at once, or have none."""

from __future__ import annotations

import pytest
from flyteidl.admin import agent_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from propwash.sdk import NotOffered, Unavailable
from tests.plugins.upstream.upstream_rig import upstream_rig

versions = pytest.mark.parametrize("version", ["v1", "v2"])


def body(*lines: str, at: float | None = None) -> agent_pb2.GetTaskLogsResponse:
    structured = [
        agent_pb2.LogLine(message=line, timestamp=None if at is None else Timestamp(seconds=int(at)))
        for line in lines
    ]
    return agent_pb2.GetTaskLogsResponse(
        body=agent_pb2.GetTaskLogsResponseBody(results=lines, structured_lines=structured if at else [])
    )


def header(token: str) -> agent_pb2.GetTaskLogsResponse:
    return agent_pb2.GetTaskLogsResponse(header=agent_pb2.GetTaskLogsResponseHeader(token=token))


@versions
async def test_logs_are_paged_by_the_server_s_token(version: str) -> None:
    async with upstream_rig(version) as rig:
        job = await rig.create()
        rig.connectors.logs = [body("a", "b", at=7.0), header("t1"), body("c"), header("t2")]
        page = await rig.handler.logs(rig.connection, job.meta, "")
        assert [(line.text, line.at) for line in page.lines] == [("a", 7.0), ("b", 7.0), ("c", None)]
        asked = rig.connectors.last("logs")
        assert (asked.token, asked.lines, asked.resource_meta) == ("", 500, b'{"job_id": "1"}')
        rig.connectors.logs = []
        again = await rig.handler.logs(rig.connection, job.meta, page.cursor)
        assert rig.connectors.last("logs").token == "t2"
        assert (again.lines, again.cursor) == ((), page.cursor)


async def test_a_server_that_answers_all_of_its_log_each_time_is_told_once() -> None:
    async with upstream_rig() as rig:
        job = await rig.create()
        rig.connectors.logs = [body("a", "b")]
        page = await rig.handler.logs(rig.connection, job.meta, "")
        rig.connectors.logs = [body("a", "b", "c")]
        again = await rig.handler.logs(rig.connection, job.meta, page.cursor)
        last = await rig.handler.logs(rig.connection, job.meta, again.cursor)
        assert [line.text for one in (page, again, last) for line in one.lines] == ["a", "b", "c"]


async def test_a_long_log_comes_in_pages() -> None:
    async with upstream_rig() as rig:
        job = await rig.create()
        rig.connectors.logs = [
            body(*(f"{number}" for number in range(start, start + 100))) for start in range(0, 1200, 100)
        ]
        texts: list[str] = []
        cursor = ""
        for size in (500, 500, 200, 0):
            page = await rig.handler.logs(rig.connection, job.meta, cursor)
            assert len(page.lines) == size
            texts += [line.text for line in page.lines]
            cursor = page.cursor
        assert texts == [str(number) for number in range(1200)]


async def test_a_stock_server_s_empty_stream_is_an_empty_page() -> None:
    """flytekit's server implements the stream as one answer, of which nothing arrives."""
    async with upstream_rig() as rig:
        job = await rig.create()
        assert (await rig.handler.logs(rig.connection, job.meta, "")).lines == ()


@pytest.mark.parametrize(
    ("code", "details"),
    [
        (StatusCode.UNIMPLEMENTED, "Method not implemented!"),
        (StatusCode.UNKNOWN, "Unexpected <class 'NotImplementedError'>: "),
    ],
)
async def test_a_connector_without_logs_offers_none(code: StatusCode, details: str) -> None:
    async with upstream_rig() as rig:
        job = await rig.create()
        rig.connectors.plan("logs", code, details)
        with pytest.raises(NotOffered):
            await rig.handler.logs(rig.connection, job.meta, "")
        rig.connectors.plan("logs", StatusCode.INTERNAL, "trouble")
        with pytest.raises(Unavailable):
            await rig.handler.logs(rig.connection, job.meta, "")
