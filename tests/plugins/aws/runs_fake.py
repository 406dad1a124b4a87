"""EMR Serverless and EMR on EKS in memory, behind a real port: they work, count calls and can be told to misbehave."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from tests.plugins.aws.aws_wire import Asked, answer, caller_answer, failure

NOW_S = 1_800_000_000.0
ROLE = "arn:aws:iam::123456789012:role/runs"
Form = Literal["serverless", "containers"]
FORMS: tuple[Form, ...] = ("serverless", "containers")
_PATHS = re.compile(r"/(applications|virtualclusters)(?:/([^/]+)(?:/(jobruns|start)(?:/([^/]+))?)?)?")
OVER = ("SUCCESS", "COMPLETED", "FAILED", "CANCELLED")


@dataclass(slots=True, eq=False)
class Run:
    """One job run."""

    place: str
    id: str
    name: str
    token: str
    created_s: float
    asked: Mapping[str, Any]
    state: str = "RUNNING"
    details: str = ""
    cancels: int = 0
    shows: str = ""
    """A state that is shown instead."""
    is_hidden: bool = False

    @property
    def is_live(self) -> bool:
        return self.state not in OVER


@dataclass(slots=True)
class FakeRuns:
    """Both services. Each fault is taken by the next call of its operation."""

    form: Form
    runs: list[Run] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[Callable[[Asked, Callable[[], web.Response]], web.Response]]] = field(
        default_factory=dict
    )
    any_fault: Callable[[Asked, Callable[[], web.Response]], web.Response] | None = None
    """Taken by the next call, whatever it is."""
    places: dict[str, dict[str, Any]] = field(default_factory=dict)
    now_s: float = NOW_S
    lists_after_s: float = -1.0
    """Runs that are younger are not listed."""
    most: int = 50
    cancels_needed: int = 1
    forgets_tokens: bool = False
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.add_place("00main", "main")

    def add_place(self, place: str, name: str, **more: object) -> None:
        state = "STARTED" if self.form == "serverless" else "RUNNING"
        self.places[place] = {"id": place, "name": name, "state": state, **more}

    def fault(
        self,
        operation: str,
        kind: Callable[[Asked, Callable[[], web.Response]], web.Response],
        times: int = 1,
    ) -> None:
        self.faults.setdefault(operation, []).extend([kind] * times)

    def live(self, name: str) -> int:
        return sum(run.name == name and run.is_live for run in self.runs)

    def tick(self, seconds: float) -> None:
        """Let time pass: runs end as their tags say."""
        self.now_s += seconds
        for run in self.runs:
            tags = run.asked.get("tags", {})
            lasts_s = int(tags.get("sandbox-duration-ms", "1000000000")) / 1000
            if run.is_live and self.now_s >= run.created_s + lasts_s:
                run.details = tags.get("sandbox-fail-reason", "")
                good = "SUCCESS" if self.form == "serverless" else "COMPLETED"
                run.state = "FAILED" if run.details else good

    def respond(self, asked: Asked) -> web.Response:
        if b"Action=GetCallerIdentity" in asked.body:
            return caller_answer()
        match = _PATHS.fullmatch(asked.path)
        if match is None:
            return failure("UnknownOperationException", asked.path, status=404)
        place, kind, run = match[2] or "", match[3] or "", match[4] or ""
        operation, work = self._work(asked, place, kind, run)
        self.calls[operation] += 1
        if self.any_fault is not None:
            fault, self.any_fault = self.any_fault, None
            return fault(asked, work)
        waiting = self.faults.get(operation)
        return waiting.pop(0)(asked, work) if waiting else work()

    def _work(self, asked: Asked, place: str, kind: str, run: str) -> tuple[str, Callable[[], web.Response]]:
        match (asked.method, kind, bool(place), bool(run)):
            case ("GET", "", False, _):
                return "ListPlaces", lambda: self._list_places(asked)
            case ("GET", "", True, _):
                return "GetPlace", lambda: answer({"application": self._place(place)})
            case ("POST", "start", _, _):
                return "StartPlace", lambda: self._start_place(place)
            case ("POST", "jobruns", _, False):
                return "StartJobRun", lambda: self._start(asked, place)
            case ("GET", "jobruns", _, False):
                return "ListJobRuns", lambda: self._list(asked, place)
            case ("GET", "jobruns", _, True):
                return "GetJobRun", lambda: self._get(place, run)
            case ("DELETE", "jobruns", _, True):
                return "CancelJobRun", lambda: self._cancel(place, run)
        return "Unknown", lambda: failure("UnknownOperationException", asked.path, status=404)

    def _list_places(self, asked: Asked) -> web.Response:
        key = "applications" if self.form == "serverless" else "virtualClusters"
        return answer({key: [self._place(one) for one in self.places]})

    def _place(self, place: str) -> dict[str, Any]:
        at = NOW_S
        filling = {"arn": "arn:aws:emr-serverless:eu-west-1:123456789012:/applications/" + place}
        filling |= {"applicationId": place, "releaseLabel": "emr-7.5.0", "type": "Spark"}
        return {**filling, "createdAt": at, "updatedAt": at, **self.places[place]}

    def _start_place(self, place: str) -> web.Response:
        self.places[place]["state"] = "STARTING"
        return answer({})

    def _start(self, asked: Asked, place: str) -> web.Response:
        if place not in self.places:
            return failure("ResourceNotFoundException", f"no {place}", status=404)
        if self.places[place]["state"] not in ("STARTED", "RUNNING"):
            return failure("ValidationException", f"{place} is {self.places[place]['state']}")
        body: dict[str, Any] = asked.json
        known = [one for one in self.runs if one.token == body["clientToken"] and one.place == place]
        if known and not self.forgets_tokens:
            return self._started(known[0])
        run = Run(place, f"run{next(self.numbers)}", body["name"], body["clientToken"], self.now_s, body)
        self.runs.append(run)
        return self._started(run)

    def _started(self, run: Run) -> web.Response:
        arn = f"arn:aws:emr-serverless:eu-west-1:123456789012:/applications/{run.place}/jobruns/{run.id}"
        if self.form == "serverless":
            return answer({"applicationId": run.place, "jobRunId": run.id, "arn": arn})
        return answer({"id": run.id, "name": run.name, "arn": arn, "virtualClusterId": run.place})

    def _list(self, asked: Asked, place: str) -> web.Response:
        if place not in self.places:
            return failure("ValidationException", f"no {place}")
        after = (asked.query.get("createdAtAfter") or asked.query.get("createdAfter") or [""])[0]
        since_s = dt.datetime.fromisoformat(after).timestamp() if after else 0.0
        states, names = asked.query.get("states"), asked.query.get("name")
        found = [
            run
            for run in reversed(self.runs)
            if run.place == place
            and run.created_s > since_s
            and not run.is_hidden
            and self.now_s - run.created_s > self.lists_after_s
            and (not states or (run.shows or run.state) in states)
            and (not names or run.name in names)
        ]
        at = int((asked.query.get("nextToken") or ["0"])[0])
        size = min(int((asked.query.get("maxResults") or ["20"])[0]), self.most)
        page: dict[str, Any] = {"jobRuns": [self._shown(run, is_full=False) for run in found[at : at + size]]}
        if at + size < len(found):
            page["nextToken"] = str(at + size)
        return answer(page)

    def _get(self, place: str, run_id: str) -> web.Response:
        run = self._run(place, run_id)
        if run is None:
            return failure("ResourceNotFoundException", f"no {run_id}", status=404)
        return answer({"jobRun": self._shown(run, is_full=True)})

    def _cancel(self, place: str, run_id: str) -> web.Response:
        run = self._run(place, run_id)
        if run is None:
            return failure("ResourceNotFoundException", f"no {run_id}", status=404)
        if not run.is_live:
            return failure("ValidationException", f"{run_id} is {run.state}")
        run.cancels += 1
        if run.cancels >= self.cancels_needed:
            run.state = "CANCELLED"
        return answer({"applicationId": place, "jobRunId": run_id, "id": run_id})

    def _run(self, place: str, run_id: str) -> Run | None:
        found = [run for run in self.runs if (run.place, run.id) == (place, run_id) and not run.is_hidden]
        return found[0] if found else None

    def _shown(self, run: Run, *, is_full: bool) -> dict[str, Any]:
        at: Any = run.created_s
        if self.form == "containers":
            at = dt.datetime.fromtimestamp(run.created_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        shown: dict[str, Any] = {
            "id": run.id,
            "name": run.name,
            "applicationId": run.place,
            "arn": f"arn:aws:emr-serverless:eu-west-1:123456789012:/applications/{run.place}/jobruns/{run.id}",
            "createdBy": "arn:aws:iam::123456789012:user/us",
            "createdAt": at,
            "updatedAt": at,
            "executionRole": ROLE,
            "state": run.shows or run.state,
            "stateDetails": run.details,
            "releaseLabel": "emr-7.5.0",
        }
        if self.form == "containers":
            return {**shown, "virtualClusterId": run.place, "failureReason": run.details or "USER_ERROR"}
        if is_full:
            used = {"vCPUHour": 1.0, "memoryGBHour": 2.0, "storageGBHour": 0.0}
            return {
                **shown,
                "jobRunId": run.id,
                "jobDriver": {"hive": {"query": "x"}},
                "totalResourceUtilization": used,
            }
        return shown


def lost(asked: Asked, work: Callable[[], web.Response]) -> web.Response:
    """The request is applied, and the connection closes without an answer."""
    done = work()
    asked.drop()
    return done


def dropped(asked: Asked, work: Callable[[], web.Response]) -> web.Response:
    """The connection closes, and nothing is applied."""
    asked.drop()
    return web.Response()


def throttled(asked: Asked, work: Callable[[], web.Response]) -> web.Response:
    """Refused for its rate."""
    return failure("ThrottlingException", "Rate exceeded", status=429, Retry_After="3")


def garbled(asked: Asked, work: Callable[[], web.Response]) -> web.Response:
    """Applied; the body is cut in the middle."""
    done = work()
    body = done.body
    assert isinstance(body, bytes)
    return web.Response(body=body[: len(body) // 2], content_type="application/json")


def refusing(code: str, message: str = "no", status: int = 400) -> Callable[..., web.Response]:
    """Refused with this error."""
    return lambda asked, work: failure(code, message, status=status)
