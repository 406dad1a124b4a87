"""The hook for completion hints: POST /v1/hints, with names, or with an event in which a remote system tells of a job.

Understood are

- ``{"names": [...], "remote_names": [...]}``, ours;
- a Pub/Sub push, ``{"message": {"data": base64, "attributes": {...}}}``
  (cloud.google.com/pubsub/docs/push, "Receive push messages"), whose data is the id of a BigQuery job, or a log entry
  of BigQuery's audit log, with the job in protoPayload.metadata.jobChange.job.jobName
  (cloud.google.com/bigquery/docs/reference/auditlogs/rest/Shared.Types/BigQueryAuditMetadata) or, in the older form,
  in protoPayload.serviceData.jobCompletedEvent.job.jobName.jobId;
- an EventBridge event, ``{"source": "aws.emr...", "detail-type": ..., "detail": {...}}``
  (docs.aws.amazon.com/emr/latest/ManagementGuide, "When to set up EMR events in CloudWatch", for EMR Step Status
  Change; docs.aws.amazon.com/eventbridge/latest/ref, "Amazon EMR Containers events" and "Amazon EMR Serverless
  events").

A remote job carries its name in one place or another of these, and that name cannot be mistaken for anything else. So
the whole of the event is searched for it: what the systems add or move does no harm, and a hint too many does none.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from propwash.core.model import Instant
from propwash.core.names import remote_names_in
from propwash.core.throttle import Throttle
from propwash.ports import ExecutionName, Executions, Hearing, NotAccepting, StoreError
from propwash.web.bearer import Bearer

PATH = "/v1/hints"
MOST_NAMES = 1000
MOST_BYTES = 512 * 1024
"""A log entry or an event is at most 256 KiB, and base64 makes it a third longer."""
MOST_A_SECOND: Final = 50.0
MOST_AT_ONCE: Final = 200.0
_NAME = re.compile(r"projects/([^/]{1,63})/domains/([^/]{1,63})/executions/([^/]{1,63})")
_FORMS = "names and remote_names, a Pub/Sub push with message, or an EventBridge event with detail"


class _Refused(Exception):
    def __init__(
        self, status: int, reason: str, message: str, *, field: str = "", after_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"reason": reason, "message": message} | ({"field": field} if field else {})
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class _Targets:
    """What a body hints at, by execution and by remote name."""

    names: tuple[ExecutionName, ...] = ()
    remote_names: tuple[str, ...] = ()


class HintHook:
    """Serves the hook. Without a bearer it is off, and says so."""

    def __init__(self, executions: Executions, *, bearer: Bearer | None, now: Callable[[], Instant]) -> None:
        self._executions = executions
        self._bearer = bearer
        self._now = now
        self._throttle = Throttle.full(rate=MOST_A_SECOND, burst=MOST_AT_ONCE, now=now())

    def routes(self) -> Sequence[web.RouteDef]:
        """What the web server adds."""
        return (web.post(PATH, self._hear),)

    async def _hear(self, request: web.Request) -> web.Response:
        try:
            await self._check(request)
            targets = _read(await _body(request))
            hearings = await self._executions.hint((*targets.names, *targets.remote_names))
        except _Refused as refused:
            after = {"Retry-After": str(math.ceil(refused.after_s))} if refused.after_s else {}
            return web.json_response({"error": refused.error}, status=refused.status, headers=after)
        except (NotAccepting, StoreError):
            error = {"reason": "NOT_ACCEPTING", "message": "the server takes no hints at the moment"}
            return web.json_response({"error": error}, status=503, headers={"Retry-After": "1"})
        counts = Counter(hearings)
        return web.json_response({hearing.name.lower(): counts[hearing] for hearing in Hearing})

    async def _check(self, request: web.Request) -> None:
        if self._bearer is None:
            raise _Refused(403, "HINTS_OFF", "hints are off: set hints.token in the server's configuration")
        # A push subscription sends no header of its own choice.
        in_query = request.query.get("token", "")
        is_admitted = await (
            self._bearer.is_token(in_query)
            if in_query
            else self._bearer.admits(request.headers.get("Authorization", ""))
        )
        if not is_admitted:
            raise _Refused(401, "TOKEN_REFUSED", "the request needs the token for hints")
        now = self._now()
        if (wait_s := self._throttle.wait_s(now)) > 0:
            message = f"more than {MOST_A_SECOND:g} requests a second; put up to {MOST_NAMES} names into one"
            raise _Refused(429, "TOO_MANY_REQUESTS", message, after_s=wait_s)
        self._throttle = self._throttle.taken(now)


async def _body(request: web.Request) -> Mapping[str, object]:
    content = await request.content.read(MOST_BYTES + 1)
    while len(content) <= MOST_BYTES and (more := await request.content.read(MOST_BYTES + 1 - len(content))):
        content += more
    if len(content) > MOST_BYTES:
        raise _Refused(413, "BODY_TOO_LARGE", f"the body must be at most {MOST_BYTES} bytes")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise _Refused(400, "BODY_MALFORMED", "the body must be JSON") from None
    if not isinstance(body, dict):
        raise _Refused(400, "BODY_MALFORMED", f"the body must be a JSON object: {_FORMS}")
    return body


def _read(body: Mapping[str, object]) -> _Targets:
    if "message" in body:
        return _pushed(body["message"])
    if "detail" in body:
        return _found(json.dumps(body["detail"]), "detail")
    unknown = sorted(body.keys() - {"names", "remote_names"})
    if unknown or not body:
        field = unknown[0] if unknown else "names"
        raise _Refused(400, "FIELD_UNKNOWN", f"the body must have {_FORMS}", field=field[:100])
    names, remote_names = _texts(body, "names"), _texts(body, "remote_names")
    if len(names) + len(remote_names) > MOST_NAMES:
        raise _too_many("names" if len(names) > len(remote_names) else "remote_names")
    return _Targets(
        names=tuple(_name(text, f"names[{index}]") for index, text in enumerate(names)),
        remote_names=remote_names,
    )


def _pushed(message: object) -> _Targets:
    if not isinstance(message, dict):
        raise _Refused(400, "FIELD_INVALID", "message must be a Pub/Sub message", field="message")
    data = message.get("data", "")
    try:
        content = base64.b64decode(data, validate=True).decode()
    except (TypeError, ValueError, binascii.Error):
        message_text = "message.data must be UTF-8 text in base64"
        raise _Refused(400, "FIELD_INVALID", message_text, field="message.data") from None
    return _found(f"{content}\n{json.dumps(message.get('attributes'))}", "message.data")


def _found(text: str, field: str) -> _Targets:
    """What is not about a job of ours is taken and told nobody: a subscription brings much else."""
    names = tuple(dict.fromkeys(remote_names_in(text)))
    if len(names) > MOST_NAMES:
        raise _too_many(field)
    return _Targets(remote_names=names)


def _texts(body: Mapping[str, object], field: str) -> tuple[str, ...]:
    given = body.get(field, [])
    if not isinstance(given, list):
        raise _Refused(400, "FIELD_INVALID", f"{field} must be a list of names", field=field)
    for index, text in enumerate(given):
        if not isinstance(text, str) or not 0 < len(text) <= 256:
            path = f"{field}[{index}]"
            raise _Refused(400, "FIELD_INVALID", f"{path} must be 1 to 256 characters of text", field=path)
    return tuple(given)


def _name(text: str, path: str) -> ExecutionName:
    match = _NAME.fullmatch(text)
    if match is None:
        form = "projects/{project}/domains/{domain}/executions/{execution}"
        raise _Refused(400, "NAME_MALFORMED", f"{path} must be {form}", field=path)
    return ExecutionName(match[1], match[2], match[3])


def _too_many(field: str) -> _Refused:
    return _Refused(400, "TOO_MANY_NAMES", f"at most {MOST_NAMES} names in one request", field=field)
