"""Calls a handler's method as the host does: plain def in a thread, async def on the loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import ParamSpec, TypeVar

from propwash.core.model import Observation
from propwash.sdk.connections import Connection
from propwash.sdk.handler import Handler, MaybeAsync, NotBatched, SpecT
from propwash.sdk.verdicts import NotFound, Verdict

P = ParamSpec("P")
T = TypeVar("T")


async def ask(method: Callable[P, MaybeAsync[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """The answer of a method of either kind; raises what it raises."""
    answer: MaybeAsync[T]
    if inspect.iscoroutinefunction(method):
        answer = method(*args, **kwargs)
    else:
        answer = await asyncio.to_thread(method, *args, **kwargs)
    return await answer if isinstance(answer, Awaitable) else answer


async def observe(
    handler: Handler[SpecT], connection: Connection, metas: Sequence[bytes]
) -> dict[bytes, Observation | Verdict]:
    """Observe by get, or by get_one for each where the handler does not batch; verdicts about one job are
    values.
    """
    try:
        return dict(await ask(handler.get, connection, metas))
    except NotBatched:
        return {meta: await _observe_one(handler, connection, meta) for meta in metas}


async def _observe_one(handler: Handler[SpecT], connection: Connection, meta: bytes) -> Observation | Verdict:
    try:
        return await ask(handler.get_one, connection, meta)
    except NotFound as verdict:
        return verdict
