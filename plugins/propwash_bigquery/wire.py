"""The calls of BigQuery's REST API v2 that jobs need, each one HTTP request.

Source: BigQuery REST v2 reference, jobs.insert, get, list, cancel and getQueryResults.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol
from urllib.parse import quote

import aiohttp

from propwash.sdk import Unavailable
from propwash_bigquery.connection import BigQuerySettings
from propwash_bigquery.errors import ApiError, retry_after, verdict
from propwash_bigquery.keys import JobKey
from propwash_bigquery.resources import EMPTY, JsonMap, items, mapping, text

LIST_PAGE = 1000
_AGENT = "propwash (gzip)"
_CONNECT_TIMEOUT_S = 10.0


class NameTaken(Exception):
    """jobs.insert says that there is a job of this id."""


class HeaderSource(Protocol):
    """What signs requests."""

    async def headers(self) -> dict[str, str]:
        """The headers; raises Unavailable."""

    def distrust(self, headers: Mapping[str, str]) -> None:
        """These headers were refused."""

    async def close(self) -> None:
        """Release what is held."""


class Client:
    """One connection's HTTP client. Every method raises a verdict; an answer that cannot be read is Unavailable.

    fields is the mask of what is asked for.
    """

    def __init__(self, base: str, *, settings: BigQuerySettings, credentials: HeaderSource) -> None:
        self._base = base
        self._settings = settings
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None

    async def insert(self, project: str, job: JsonMap, *, fields: str) -> JsonMap:
        """jobs.insert; raises NameTaken for 409 duplicate."""
        try:
            return await self._call("POST", self._jobs(project), query=[("fields", fields)], body=job)
        except ApiError as error:
            if error.is_taken:
                raise NameTaken from error
            raise verdict(error, is_submitting=True) from error

    async def get(self, key: JobKey, *, fields: str) -> JsonMap:
        """jobs.get; raises NotFound."""
        url = f"{self._jobs(key.project)}/{_part(key.job_id)}"
        return await self._look("GET", url, [*_located(key), ("fields", fields)])

    async def cancel(self, key: JobKey, *, fields: str) -> JsonMap:
        """jobs.cancel: the job as it is now; it ends later. Empty where BigQuery refuses. Raises NotFound."""
        url = f"{self._jobs(key.project)}/{_part(key.job_id)}/cancel"
        try:
            answer = await self._call("POST", url, query=[*_located(key), ("fields", f"job({fields})")])
        except ApiError as error:
            if error.status == 400:
                return EMPTY
            raise verdict(error, is_submitting=False) from error
        return mapping(answer, "job")

    @property
    def base(self) -> str:
        """Where the API's methods are."""
        return self._base

    async def signed(self) -> None:
        """Get what requests are signed with, and send none; raises Unavailable."""
        await self._credentials.headers()

    async def list_page(
        self, project: str, query: Iterable[tuple[str, str]], *, token: str = "", size: int = LIST_PAGE
    ) -> JsonMap:
        """jobs.list: one page of the account's top-level jobs, newest first, or of one parent's children."""
        given = [*query, ("maxResults", str(size)), *([("pageToken", token)] if token else [])]
        return await self._look("GET", self._jobs(project), given)

    async def results(self, key: JobKey, *, token: str, limit: int) -> JsonMap:
        """jobs.getQueryResults, without waiting; instants as int64 microseconds."""
        query = [
            *_located(key),
            ("maxResults", str(limit)),
            ("timeoutMs", "0"),
            ("formatOptions.useInt64Timestamp", "true"),
            *([("pageToken", token)] if token else []),
        ]
        path = f"{self._base}/projects/{_part(key.project)}/queries/{_part(key.job_id)}"
        try:
            return await self._call("GET", path, query=query)
        except ApiError as error:
            raise verdict(error, is_submitting=True) from error

    async def close(self) -> None:
        """Close the session and the credentials."""
        if self._session is not None:
            await self._session.close()
        await self._credentials.close()

    def _jobs(self, project: str) -> str:
        return f"{self._base}/projects/{_part(project)}/jobs"

    async def _look(self, method: str, url: str, query: Sequence[tuple[str, str]]) -> JsonMap:
        try:
            return await self._call(method, url, query=query)
        except ApiError as error:
            raise verdict(error, is_submitting=False) from error

    async def _call(
        self,
        method: str,
        url: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: JsonMap | None = None,
    ) -> JsonMap:
        signed = await self._credentials.headers()
        status, found, content = await self._exchange(method, url, query, body, signed)
        if status == 401:
            self._credentials.distrust(signed)
            another = await self._credentials.headers()
            if another != signed:
                # Who is not let in has done nothing, so that a token that took the refused one's place may be tried.
                status, found, content = await self._exchange(method, url, query, body, another)
        value = _object_of(content)
        if not 200 <= status < 300:
            raise _error_of(status, value, found)
        if value is None:
            raise Unavailable("UNEXPECTED_ANSWER", "BigQuery's answer is no JSON object")
        return value

    async def _exchange(
        self,
        method: str,
        url: str,
        query: Iterable[tuple[str, str]],
        body: JsonMap | None,
        headers: Mapping[str, str],
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            async with self._opened().request(
                method, url, params=list(query), json=body, headers=headers, allow_redirects=False
            ) as answer:
                return answer.status, answer.headers, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # The request may have been applied. The error's own text may quote it, and is not passed on.
            raise Unavailable(
                "CONNECTION_LOST", f"no answer from BigQuery: {type(error).__name__}"
            ) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            settings = self._settings
            quota = {"x-goog-user-project": settings.quota_project} if settings.quota_project else {}
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=settings.connections, ttl_dns_cache=60),
                timeout=aiohttp.ClientTimeout(
                    total=settings.request_timeout_s, sock_connect=_CONNECT_TIMEOUT_S
                ),
                headers={"User-Agent": _AGENT, **quota},
                trust_env=settings.uses_environment_proxy,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _part(text_: str) -> str:
    return quote(text_, safe="")


def _located(key: JobKey) -> list[tuple[str, str]]:
    return [("location", key.location)] if key.location else []


def _object_of(content: bytes) -> JsonMap | None:
    try:
        value: object = json.loads(content)
    except ValueError:
        return None
    return value if isinstance(value, Mapping) else None


def _error_of(status: int, value: JsonMap | None, headers: Mapping[str, str]) -> ApiError:
    error = mapping(value, "error")
    first = next(iter(items(error, "errors")), {})
    return ApiError(
        status=status,
        reason=text(first, "reason"),
        message=text(error, "message") or text(first, "message"),
        retry_after_s=retry_after(headers.get("Retry-After"), now=dt.datetime.now(dt.UTC)),
    )
