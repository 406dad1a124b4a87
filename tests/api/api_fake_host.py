"""A handler host and an instrument that behave as the ports say, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from propwash.core.events import Deletion
from propwash.core.model import (
    Fault,
    FaultKind,
    Link,
    Observation,
    RemoteName,
    Traits,
)
from propwash.ports import (
    Admission,
    FieldFault,
    HandlerInfo,
    JobRequest,
    Refused,
    TaskRequest,
)
from propwash.sdk.connections import CallLimits
from propwash.sdk.handler import Column, Job, ListedJob, LogLine, LogPage, ResultPage

NOW = 1_700_000_000.0


class FakeHandlers:
    """Serves the task type query, whose spec is {query: text}."""

    def __init__(self) -> None:
        self.log_pages: dict[str, LogPage | Fault] = {}
        self.result_pages: dict[str, ResultPage] = {}
        self.links_asked = 0

    def catalogue(self) -> Sequence[HandlerInfo]:
        """One that serves and one that is broken."""
        return (
            HandlerInfo(
                task_type="query",
                plugin="bigquery",
                distribution="propwash 0.1",
                description="Runs a query.",
                is_serving=True,
                spec_schema={"type": "object"},
                has_logs=True,
                has_results=True,
            ),
            HandlerInfo(
                task_type="",
                plugin="broken",
                distribution="broken 1",
                description="",
                is_serving=False,
                message="cannot be imported",
            ),
        )

    def admit(self, request: TaskRequest, *, project: str, domain: str) -> Admission:
        """Checks the spec."""
        if request.task_type not in ("query", "mute"):
            fault = FieldFault(path="task_type", message="no handler serves it")
            raise Refused("UNKNOWN_TASK_TYPE", f"no handler serves {request.task_type!r}", faults=(fault,))
        if not isinstance(request.spec.get("query"), str):
            fault = FieldFault(path="spec.query", message="must be a text")
            raise Refused("INVALID_SPEC", "the spec is not valid", faults=(fault,))
        return Admission(connection=request.connection or "default", traits=Traits(), claims=())

    def is_batched(self, task_type: str) -> bool:
        """Not for the API."""
        return True

    def limits(self, task_type: str, connection: str) -> CallLimits:
        """Not for the API."""
        return CallLimits()

    def connections(self) -> Sequence[tuple[str, str]]:
        """Not for the API."""
        return ()

    def batch_size(self, task_type: str) -> int:
        """Not for the API."""
        return 1

    def endpoint(self, task_type: str, connection: str) -> str:
        """Not for the API."""
        return ""

    def handler_key(self, task_type: str) -> str:
        """Not for the API."""
        return task_type

    def links(self, request: TaskRequest, *, connection: str, name: RemoteName) -> Sequence[Link]:
        """A console link."""
        self.links_asked += 1
        return (Link(title="console", uri=f"https://console/{connection}/{name}"),)

    async def validate(self, job: JobRequest) -> Fault | None:
        """Not for the API."""
        return None

    async def create(self, job: JobRequest) -> Job | Fault:
        """Not for the API."""
        raise AssertionError("the API creates nothing")

    async def get(
        self, task_type: str, connection: str, metas: Sequence[bytes]
    ) -> Mapping[bytes, Observation | Fault | None]:
        """Not for the API."""
        return {}

    async def find(
        self, task_type: str, connection: str, name: RemoteName, hint: bytes
    ) -> Job | Fault | None:
        """Not for the API."""
        return None

    async def delete(
        self, task_type: str, connection: str, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> Deletion | Fault:
        """Not for the API."""
        return Deletion.GONE

    async def list(self, task_type: str, connection: str, owner: str) -> Sequence[ListedJob] | Fault:
        """Not for the API."""
        return ()

    async def logs(self, task_type: str, connection: str, meta: bytes, cursor: str) -> LogPage | Fault | None:
        """The page under the cursor, or an empty one."""
        if task_type == "mute":
            return None
        return self.log_pages.get(cursor, LogPage(lines=(), cursor=cursor))

    async def results(
        self, task_type: str, connection: str, meta: bytes, cursor: str, limit: int
    ) -> ResultPage | Fault | None:
        """The page under the cursor."""
        return None if task_type == "mute" else self.result_pages[cursor]


def log_page(*texts: str, cursor: str) -> LogPage:
    """A page of lines."""
    return LogPage(lines=tuple(LogLine(text=text, at=NOW) for text in texts), cursor=cursor)


def result_page(*values: int, next_cursor: str = "") -> ResultPage:
    """A page of one column."""
    rows = tuple((value,) for value in values)
    return ResultPage(
        columns=(Column(name="n", type="INT64"),), rows=rows, next_cursor=next_cursor, total_rows=4
    )


UNAVAILABLE = Fault(kind=FaultKind.UNAVAILABLE, reason="REMOTE_5XX", message="502", retry_after_s=2.0)


class Heard:
    """An instrument that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.open_streams: dict[str, int] = {}
        self.troubles: list[str] = []
        self.incidents: list[tuple[str, BaseException]] = []
        self.flyte_calls: list[tuple[str, str, str]] = []
        self.flyte_sizes: list[tuple[str, int]] = []
        self.told = asyncio.Event()

    def served(self, *, method: str, code: str, reason: str, seconds: float) -> None:
        """Remember."""
        assert seconds >= 0
        self.calls.append((method.rpartition("/")[2], code, reason))
        self.told.set()

    def streams(self, *, method: str, count: int) -> None:
        """Remember."""
        self.open_streams[method.rpartition("/")[2]] = count
        self.told.set()

    def flyte_served(self, *, task_type: str, operation: str, error_code: str, seconds: float) -> None:
        """Remember."""
        assert seconds >= 0
        self.flyte_calls.append((task_type, operation, error_code))

    def flyte_inputs(self, *, task_type: str, size: int) -> None:
        """Remember."""
        self.flyte_sizes.append((task_type, size))

    def trouble(self, component: str, message: str, **fields: str) -> None:
        """Remember."""
        self.troubles.append(f"{component}: {message}")
        self.told.set()

    def incident(self, incident: str, *, method: str, error: BaseException) -> None:
        """Remember."""
        self.incidents.append((incident, error))
