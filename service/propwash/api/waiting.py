"""Wait: until an execution is terminal, or the time is over, with one reader of changes for all who wait."""

from __future__ import annotations

import asyncio

from propwash.api.errors import not_found
from propwash.api.feed import Feed
from propwash.ports import ExecutionName, Record, Store


async def wait_for_end(store: Store, feed: Feed, name: ExecutionName, *, timeout_s: float) -> Record:
    """The record when it is terminal, or as it is when the time is over.

    Raises ApiError EXECUTION_NOT_FOUND, also where it is purged meanwhile, and SERVER_DRAINING.
    """
    until = asyncio.get_running_loop().time() + timeout_s
    with feed.interest():
        while True:
            feed.check_open()
            with feed.waiting_for(name) as ended:
                (record,) = await store.get((name,))
                if record is None:
                    raise not_found(str(name))
                if record.execution.phase.is_terminal:
                    return record
                try:
                    async with asyncio.timeout_at(until):
                        final = await ended
                except TimeoutError:
                    (latest,) = await store.get((name,))
                    return latest or record
            if final is not None:
                return final
