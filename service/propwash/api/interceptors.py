"""The gate that every call passes: bounds, deadlines, statuses, and what the instrument is told.

A guarded handler is made once a method and then found by name, so that a call costs one look-up. Health and
reflection pass untouched: they must answer when nothing else does.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message

from propwash.api.errors import ApiError, from_port, to_status
from propwash.api.options import ApiInstrument
from propwash.api.outflow import Outflow
from propwash.api.reasons import Reason

_EXEMPT = "/grpc."
_Context = grpc.aio.ServicerContext[Any, Any]
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]]"
_Call = Callable[[Any, _Context], Awaitable[Message]]
_Stream = Callable[[Any, _Context], AsyncGenerator[Message, None]]
_Duplex = Callable[[AsyncIterator[Any], _Context], AsyncGenerator[Message, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds and counts; methods are full paths, /package.Service/Method."""

    max_concurrent: int
    default_deadline_s: float
    max_deadline_s: float
    stream_stall_s: float
    own_deadline: frozenset[str]
    """Unary methods that bound themselves."""
    streams: Mapping[str, int]
    """How many streams of a method may be open."""
    ends_with_drain: frozenset[str]
    """Methods that are new or long work, refused as soon as the server drains."""


class Gate(grpc.aio.ServerInterceptor):
    """The one interceptor of ours."""

    def __init__(self, limits: Limits, instrument: ApiInstrument) -> None:
        self._limits = limits
        self._instrument = instrument
        self._guarded: dict[str, _Handler] = {}
        self._open: dict[str, int] = dict.fromkeys(limits.streams, 0)
        self._in_flight = 0
        self._is_draining = False
        self._is_stopping = False
        self._idle = asyncio.Event()

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> _Handler:
        """The guarded handler, or one that denies."""
        method = _text(handler_call_details.method)
        guarded = self._guarded.get(method)
        if guarded is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return self._denial("", ApiError(Reason.METHOD_UNKNOWN, f"there is no method {method}"))
            guarded = handler if method.startswith(_EXEMPT) else self._guard(method, handler)
            self._guarded[method] = guarded
        if method.startswith(_EXEMPT):
            return guarded
        denied = self._denied(method)
        return guarded if denied is None else self._denial(method, denied)

    def drain(self) -> None:
        """Refuse new and long work from now on."""
        self._is_draining = True

    async def stop(self) -> None:
        """Refuse everything and return when no call is in flight."""
        self._is_draining = self._is_stopping = True
        if self._in_flight:
            await self._idle.wait()

    def _denied(self, method: str) -> ApiError | None:
        limits = self._limits
        if self._is_draining and (self._is_stopping or method in limits.ends_with_drain):
            return ApiError(Reason.SERVER_DRAINING, "the server is stopping")
        if self._in_flight >= limits.max_concurrent:
            return ApiError(Reason.SERVER_OVERLOADED, f"{limits.max_concurrent} calls are in flight")
        return None

    def _denial(self, method: str, error: ApiError) -> _Handler:
        """Denies a call of any arity: it answers with a status alone and reads no request, however large."""

        async def deny(_: object, context: _Context) -> None:
            self._instrument.served(method=method, code=error.code.name, reason=error.reason, seconds=0.0)
            await _abort(context, error)

        return grpc.stream_stream_rpc_method_handler(deny)

    def _guard(self, method: str, handler: _Handler) -> _Handler:
        parse = handler.request_deserializer
        if handler.unary_unary is not None and parse is not None:
            call = self._unary(method, handler.unary_unary, parse)  # type: ignore[arg-type]  # the stubs know the blocking kind
            return grpc.unary_unary_rpc_method_handler(call, None, handler.response_serializer)
        if handler.unary_stream is not None and parse is not None:
            stream = self._stream(method, handler.unary_stream, parse)  # type: ignore[arg-type]  # the stubs know the blocking kind
            return grpc.unary_stream_rpc_method_handler(stream, None, handler.response_serializer)
        if handler.stream_stream is not None and parse is not None:
            duplex = self._duplex(method, handler.stream_stream, parse)  # type: ignore[arg-type]  # the stubs know the blocking kind
            return grpc.stream_stream_rpc_method_handler(duplex, None, handler.response_serializer)
        return handler

    def _unary(
        self, method: str, call: _Call, parse: Callable[[bytes], Any]
    ) -> Callable[[bytes, _Context], Awaitable[Message]]:
        bounds_itself = method in self._limits.own_deadline
        default_s, longest_s = self._limits.default_deadline_s, self._limits.max_deadline_s

        async def guarded(data: bytes, context: _Context) -> Message:
            with self._watched(method) as ending:
                try:
                    request = parse(data)
                    remaining: float | None = context.time_remaining()
                    # A client's own deadline needs no timer here: gRPC cancels the call.
                    if bounds_itself or (remaining is not None and remaining <= longest_s):
                        return await call(request, context)
                    async with _deadline(default_s if remaining is None else longest_s):
                        return await call(request, context)
                except Exception as error:  # noqa: BLE001  # becomes a status
                    ending.refusal = self._refusal(method, error)
            await _abort(context, ending.refusal)
            raise AssertionError("abort does not return")

        return guarded

    def _stream(
        self, method: str, call: _Stream, parse: Callable[[bytes], Any]
    ) -> Callable[[bytes, _Context], Awaitable[None]]:
        async def guarded(data: bytes, context: _Context) -> None:
            await self._send(method, context, lambda: call(parse(data), context))

        return guarded

    def _duplex(
        self, method: str, call: _Duplex, parse: Callable[[bytes], Any]
    ) -> Callable[[AsyncIterator[bytes], _Context], Awaitable[None]]:
        async def guarded(data: AsyncIterator[bytes], context: _Context) -> None:
            requests = (parse(one) async for one in data)
            await self._send(method, context, lambda: call(requests, context))

        return guarded

    async def _send(
        self, method: str, context: _Context, call: Callable[[], AsyncGenerator[Message, None]]
    ) -> None:
        """Sends a stream's answers while the stream is counted."""
        with self._watched(method) as ending:
            try:
                answers = call()
                release = self._count_stream(method)
                outflow = Outflow(answers, context, stall_s=self._limits.stream_stall_s, release=release)
                await outflow.send_all()
                return
            except Exception as error:  # noqa: BLE001  # becomes a status
                ending.refusal = self._refusal(method, error)
        await _abort(context, ending.refusal)

    @contextlib.contextmanager
    def _watched(self, method: str) -> Iterator[_Ending]:
        """Counts the call while it runs and tells the instrument how it ended."""
        ending, started = _Ending(), time.perf_counter()
        self._in_flight += 1
        code, reason = "OK", ""
        try:
            yield ending
            if ending.refusal is not None:
                code, reason = ending.refusal.code.name, ending.refusal.reason
        except grpc.aio.AbortError:
            code = "ABORTED_BY_SERVICE"
            raise
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED.name
            raise
        finally:
            self._in_flight -= 1
            if self._is_stopping and not self._in_flight:
                self._idle.set()
            self._instrument.served(
                method=method, code=code, reason=reason, seconds=time.perf_counter() - started
            )

    def _count_stream(self, method: str) -> Callable[[], None]:
        """Counts an open stream; returns what uncounts it. Raises ApiError TOO_MANY_STREAMS."""
        limit, count = self._limits.streams.get(method), self._open.get(method, 0)
        if limit is not None and count >= limit:
            name = method.rpartition("/")[2]
            raise ApiError(Reason.TOO_MANY_STREAMS, f"{limit} {name} streams are open, and no more may be")
        self._tell_streams(method, +1)
        return lambda: self._tell_streams(method, -1)

    def _tell_streams(self, method: str, change: int) -> None:
        self._open[method] = self._open.get(method, 0) + change
        self._instrument.streams(method=method, count=self._open[method])

    def _refusal(self, method: str, error: Exception) -> ApiError:
        if isinstance(error, ApiError):
            return error
        if isinstance(error, grpc.aio.AbortError):
            raise error
        if isinstance(error, DecodeError):
            return ApiError(Reason.MESSAGE_MALFORMED, "the request is not the message that the method takes")
        known = from_port(error)
        if known is not None:
            return known
        incident = secrets.token_hex(6)
        self._instrument.incident(incident, method=method, error=error)
        message = f"a defect of the server; incident {incident} is in its log"
        return ApiError(Reason.INTERNAL, message, metadata={"incident": incident})


class _Ending:
    """How a call ended: None, or why it was refused."""

    __slots__ = ("refusal",)

    def __init__(self) -> None:
        self.refusal: ApiError | None = None


@contextlib.asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    timeout = asyncio.timeout(seconds)
    try:
        async with timeout:
            yield
    except TimeoutError:
        if timeout.expired():
            raise ApiError(Reason.DEADLINE_EXCEEDED, f"the call took more than {seconds:g} seconds") from None
        raise


async def _abort(context: _Context, error: ApiError | None) -> None:
    assert error is not None
    status = to_status(error)
    trailers: list[tuple[str, str | bytes]] = list(status.trailing_metadata or ())
    if error.retry_after_s is not None:
        trailers.append(("grpc-retry-pushback-ms", str(int(error.retry_after_s * 1000))))
    await context.abort(error.code, status.details, tuple(trailers))


def _text(method: str | bytes) -> str:
    return method.decode() if isinstance(method, bytes) else method
