"""The calls of Snowflake's SQL API v2, each one HTTP request.

Source: Snowflake documentation, "Snowflake SQL API reference", and its OpenAPI description: POST of statements with
requestId, retry and async, GET of a statement and of a partition of its result, POST of a cancel.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

import aiohttp

from propwash.sdk import Unavailable
from propwash_snowflake.connection import SnowflakeSettings
from propwash_snowflake.errors import UNEXPECTED_ANSWER, RemoteError, retry_after
from propwash_snowflake.resources import JsonMap, items, mapping, text, texts, whole

_PATH = "/api/v2/statements"
_AGENT = "propwash/1"
_CONNECT_TIMEOUT_S = 10.0
_LARGE = 64 * 1024
"""Bytes of an answer from which it is read in a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What an answer says of a statement. code and message are Snowflake's; answer is the whole body."""

    handle: str
    is_running: bool
    code: str
    message: str
    created_ms: int
    answer: JsonMap

    @property
    def row_count(self) -> int | None:
        """Of the whole result."""
        return whole(mapping(self.answer, "resultSetMetaData"), "numRows")

    @property
    def columns(self) -> tuple[JsonMap, ...]:
        """The result's columns, as rowType has them."""
        return tuple(items(mapping(self.answer, "resultSetMetaData"), "rowType"))

    @property
    def partitions(self) -> int:
        """How many partitions the result has."""
        return len(items(mapping(self.answer, "resultSetMetaData"), "partitionInfo"))

    @property
    def children(self) -> tuple[str, ...]:
        """The handles of a multi-statement request's own statements."""
        return texts(self.answer, "statementHandles")

    @property
    def rows(self) -> list[object]:
        """The rows of the first partition."""
        return rows_of(self.answer)


class Signer(Protocol):
    """What signs requests."""

    async def headers(self) -> dict[str, str]:
        """The headers; raises Unavailable."""

    def distrust(self, headers: Mapping[str, str]) -> None:
        """These headers were refused."""

    async def close(self) -> None:
        """Release what is held."""


class Client:
    """One connection's HTTP client. Every method raises RemoteError for an error answer, and Unavailable for no answer
    that can be trusted.
    """

    def __init__(self, base: str, *, settings: SnowflakeSettings, signer: Signer) -> None:
        self.base = base
        self._settings = settings
        self._signer = signer
        self._session: aiohttp.ClientSession | None = None

    async def submit(
        self, body: JsonMap, *, request_id: str, is_async: bool = True, is_nullable: bool = True
    ) -> Statement:
        """Submit a statement. retry says that one of this requestId may be known: then that one is answered."""
        query = {"requestId": request_id, "async": _flag(is_async), "retry": "true"}
        if not is_nullable:
            query["nullable"] = "false"
        status, answer = await self._call("POST", _PATH, query, body)
        return _statement(status, answer)

    async def status(self, handle: str) -> Statement:
        """A statement as it is now, with the first partition of its result. A failed one raises RemoteError of 422."""
        status, answer = await self._call("GET", f"{_PATH}/{quote(handle, safe='')}", _fresh())
        found = _statement(status, answer)
        if found.handle != handle:
            raise Unavailable(UNEXPECTED_ANSWER, "Snowflake's answer is about no statement, or another one")
        return found

    async def partition(self, handle: str, number: int) -> list[object]:
        """The rows of one partition."""
        query = {**_fresh(), "partition": str(number)}
        _, answer = await self._call("GET", f"{_PATH}/{quote(handle, safe='')}", query)
        return rows_of(answer)

    async def cancel(self, handle: str) -> None:
        """Ask a statement to stop; it ends later."""
        await self._call("POST", f"{_PATH}/{quote(handle, safe='')}/cancel", _fresh())

    async def signed(self) -> None:
        """Get what requests are signed with, and send none; raises Unavailable."""
        await self._signer.headers()

    async def close(self) -> None:
        """Close the session and the signer."""
        if self._session is not None:
            await self._session.close()
        await self._signer.close()

    async def _call(
        self, method: str, path: str, query: Mapping[str, str], body: JsonMap | None = None
    ) -> tuple[int, JsonMap]:
        signed = await self._signer.headers()
        status, headers, content = await self._exchange(method, path, query, body, signed)
        if status == 401:
            self._signer.distrust(signed)
            another = await self._signer.headers()
            if another != signed:
                # Who is not let in has done nothing, so that a token that took the refused one's place may be tried.
                status, headers, content = await self._exchange(method, path, query, body, another)
        value = _parsed(content) if len(content) < _LARGE else await asyncio.to_thread(_parsed, content)
        if status not in (200, 202):
            raise RemoteError(
                status=status,
                code="" if value is None else text(value, "code"),
                sql_state="" if value is None else text(value, "sqlState"),
                message="" if value is None else text(value, "message"),
                retry_after_s=retry_after(headers.get("Retry-After"), now=dt.datetime.now(dt.UTC)),
            )
        if value is None:
            raise Unavailable(UNEXPECTED_ANSWER, "Snowflake's answer is no JSON object")
        return status, value

    async def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: JsonMap | None,
        headers: Mapping[str, str],
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            async with self._opened().request(
                method, self.base + path, params=query, json=body, headers=headers, allow_redirects=False
            ) as answer:
                return answer.status, answer.headers, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # The request may have been applied. The error's own text may quote it, and is not passed on.
            raise Unavailable(
                "CONNECTION_LOST", f"no answer from Snowflake: {type(error).__name__}"
            ) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=settings.connections, ttl_dns_cache=60),
                timeout=aiohttp.ClientTimeout(
                    total=settings.request_timeout_s, sock_connect=_CONNECT_TIMEOUT_S
                ),
                headers={
                    "User-Agent": _AGENT,
                    "Accept": "application/json",
                    "Content-Type": "application/json",
                },
                trust_env=settings.uses_environment_proxy,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def rows_of(answer: JsonMap) -> list[object]:
    """The rows that an answer holds."""
    found = answer.get("data")
    return found if isinstance(found, list) else []


def _statement(status: int, answer: JsonMap) -> Statement:
    handle = text(answer, "statementHandle")
    if not handle:
        raise Unavailable(UNEXPECTED_ANSWER, "Snowflake's answer names no statement")
    return Statement(
        handle=handle,
        is_running=status == 202,
        code=text(answer, "code"),
        message=text(answer, "message"),
        created_ms=whole(answer, "createdOn") or 0,
        answer=answer,
    )


def _parsed(content: bytes) -> JsonMap | None:
    try:
        value: object = json.loads(content)
    except ValueError:
        return None
    return value if isinstance(value, Mapping) else None


def _fresh() -> dict[str, str]:
    return {"requestId": str(uuid.uuid4())}


def _flag(value: bool) -> str:
    return "true" if value else "false"
