"""Making a call: repeated with backoff while the server is away, until the time is over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import grpc

from propwash.client.errors import ClientError, from_rpc

RequestT = TypeVar("RequestT", contravariant=True)
AnswerT = TypeVar("AnswerT", covariant=True)
_OneRequest = TypeVar("_OneRequest")
_OneAnswer = TypeVar("_OneAnswer")
Metadata = Sequence[tuple[str, str]]


class UnaryCall(Protocol[RequestT, AnswerT]):
    """A stub's unary method."""

    def __call__(
        self, request: RequestT, /, *, timeout: float | None = None, metadata: Metadata | None = None
    ) -> Awaitable[AnswerT]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits between repetitions, in seconds: doubled each time, half of each drawn by lot."""

    first_s: float = 0.1
    longest_s: float = 3.0

    def delay_s(self, failures: int, *, at_least_s: float = 0.0) -> float:
        """The wait after so many failures in a row, 1-based."""
        full_s = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return max(at_least_s, full_s * random.uniform(0.5, 1.0))


class Patience:
    """How long a server may be away, and the waits in between. A success begins it anew."""

    def __init__(self, backoff: Backoff, limit_s: float) -> None:
        self._backoff = backoff
        self._limit_s = limit_s
        self._failures = 0
        self._until: float | None = None

    def succeeded(self) -> None:
        """The server answered."""
        self._failures, self._until = 0, None

    async def wait(self, error: ClientError) -> None:
        """Wait before the next try; raises the error where it is for good, or the limit would be passed."""
        if not error.is_transient:
            raise error
        now = asyncio.get_running_loop().time()
        if self._until is None:
            self._until = now + self._limit_s
        self._failures += 1
        delay_s = self._backoff.delay_s(self._failures, at_least_s=error.retry_after_s or 0.0)
        if now + delay_s > self._until:
            raise error
        await asyncio.sleep(delay_s)


class Caller:
    """Makes unary calls, all of which may be repeated: a create carries its request id, and what else may be refused
    since it is done already is told by ClientError.is_repeat.
    """

    def __init__(self, *, timeout_s: float, backoff: Backoff, metadata: Metadata) -> None:
        self._timeout_s = timeout_s
        self._backoff = backoff
        self.metadata = metadata

    def patience(self, limit_s: float) -> Patience:
        """A patience of so many seconds."""
        return Patience(self._backoff, limit_s)

    async def call(
        self,
        method: UnaryCall[_OneRequest, _OneAnswer],
        request: _OneRequest,
        *,
        timeout_s: float | None = None,
    ) -> _OneAnswer:
        """The answer; raises ClientError, where it is transient with what was last told."""
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        now: Callable[[], float] = asyncio.get_running_loop().time
        until = now() + limit_s
        patience = self.patience(limit_s)
        last: ClientError | None = None
        while True:
            try:
                return await method(request, timeout=max(0.001, until - now()), metadata=self.metadata)
            except grpc.aio.AioRpcError as error:
                failure = from_rpc(error)
            failure.is_repeat = last is not None
            if failure.code == "DEADLINE_EXCEEDED" and not failure.reason and last is not None:
                raise last  # why the repetitions failed says more than that their time is over
            last = failure
            await patience.wait(failure)
