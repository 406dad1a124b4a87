"""A process that opens the store in argv[1]: prints its pid, or the error; then commits until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from propwash.core.pool import PoolSpec
from propwash.ports import Insert, PutPool, StoredPool, StoreError
from propwash.store.sqlite import SqliteStore
from tests.conformance.store.store_records import commit, record


async def main() -> None:
    """Print every committed number, on a line of its own, as soon as its commit is acknowledged."""
    store = SqliteStore(Path(sys.argv[1]))
    try:
        await store.open()
    except StoreError as error:
        print(type(error).__name__, error, flush=True)
        return
    print("open", os.getpid(), flush=True)
    number = 0
    while True:
        grown = StoredPool(spec=PoolSpec(name="p", capacity=number), version=number // 2 + 1)
        await commit(
            store,
            (Insert(record=record(number)), PutPool(pool=grown)),
            (Insert(record=record(number + 1, labels={"n": str(number)})),),
        )
        number += 2
        print(number, flush=True)


asyncio.run(main())
