"""The data directory between processes: one at a time, and nothing acknowledged is lost to a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from propwash.ports import StoreLocked
from propwash.store.sqlite import SqliteStore
from tests.conformance.store.store_records import changes, listed, put, record

CHILD = Path(__file__).with_name("store_child.py")


@contextmanager
def child(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_second_process_is_refused_and_told_the_pid(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.open()
    await put(store, record(1))
    with child(tmp_path) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
    assert line.startswith("StoreLocked ")
    assert f"(pid {os.getpid()})" in line
    assert len(await listed(store)) == 1
    await put(store, record(2))
    await store.close()


async def test_a_second_store_in_this_process_is_refused(tmp_path: Path) -> None:
    store, second = SqliteStore(tmp_path), SqliteStore(tmp_path)
    await store.open()
    with pytest.raises(StoreLocked):
        await second.open()
    await store.close()
    await second.open()
    await second.close()


async def test_nothing_acknowledged_is_lost_to_a_kill(tmp_path: Path) -> None:
    with child(tmp_path) as process:
        assert process.stdout is not None
        opened = process.stdout.readline().split()
        assert opened[0] == "open"
        store = SqliteStore(tmp_path)
        with pytest.raises(StoreLocked, match=rf"\(pid {opened[1]}\)"):
            await store.open()
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
    acknowledged = int(rest[-1]) if rest else 40
    await store.open()
    found = {int(each.execution.uid) for each in await listed(store)}
    assert set(range(acknowledged)) <= found
    assert found <= set(range(acknowledged + 2))
    # Each pool went with an execution, in one group.
    (pool,) = await store.load_pools()
    assert (pool.version, pool.spec.capacity) == (len(found) // 2, len(found) - 2)
    assert [each.seq for each in await changes(store)] == list(range(1, len(found) + 1))
    await put(store, record(10_000))
    await store.close()
