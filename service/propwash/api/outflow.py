"""Sends a stream's answers, and ends their source where the client takes none for too long.

A write that waits is never cancelled: gRPC's C core still reads the message then, and the process can crash.
So a stall closes the source of the answers at once (with its snapshot and its place among the watchers), and
the call itself ends when the client takes the message, cancels, or is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from propwash.api.errors import ApiError
from propwash.api.reasons import Reason


class Outflow:
    """One stream. release is called once, when the source is closed, however that comes."""

    def __init__(
        self,
        answers: AsyncGenerator[Message, None],
        context: grpc.aio.ServicerContext[Any, Any],
        *,
        stall_s: float,
        release: Callable[[], None],
    ) -> None:
        self._answers = answers
        self._context = context
        self._stall_s = stall_s
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._writing_since: float | None = None
        self._closing: asyncio.Task[None] | None = None

    async def send_all(self) -> None:
        """Return when the last answer is sent; raises ApiError STREAM_STALLED, and what the source raises."""
        self._timer = self._loop.call_later(self._stall_s, self._look)
        try:
            async for answer in self._answers:
                self._writing_since = self._loop.time()
                await self._context.write(answer)
                self._writing_since = None
                if self._closing is not None:
                    await self._closing
                    break
        finally:
            self._timer.cancel()
            if self._closing is None:
                await self._close()
        if self._closing is not None:
            raise ApiError(Reason.STREAM_STALLED, f"no message was taken for {self._stall_s:g} seconds")

    def _look(self) -> None:
        now, since = self._loop.time(), self._writing_since
        if since is not None and now - since >= self._stall_s:
            self._closing = self._loop.create_task(self._close(), name="api-close-stalled-stream")
            return
        self._timer = self._loop.call_at((now if since is None else since) + self._stall_s, self._look)

    async def _close(self) -> None:
        try:
            await self._answers.aclose()
        finally:
            self._release()
