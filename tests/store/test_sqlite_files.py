"""Bad data directories: one clear line each, and not a byte is changed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from propwash.core.pool import PoolSpec
from propwash.ports import (
    Insert,
    PutPool,
    StoreCorrupt,
    StoredPool,
    StoreError,
    StoreNotWritable,
    StoreTooNew,
    StoreUnavailable,
)
from propwash.store.files import FILE, LOCK
from propwash.store.schema import MIGRATIONS, Migration
from propwash.store.sqlite import SqliteStore
from tests.conformance.store.store_records import AT, RUNNING, commit, listed, put, record, update


def digests(path: Path) -> dict[str, str]:
    """Every file of the data directory but the lock."""
    return {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in path.iterdir()
        if each.name != LOCK
    }


async def filled(path: Path, *, count: int = 200) -> None:
    store = SqliteStore(path)
    await store.open()
    await put(store, *(record(number, labels={"n": str(number)}) for number in range(count)))
    await store.close()


def write_over(offset: int, content: bytes) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        with file.open("r+b") as opened:
            opened.seek(offset)
            opened.write(content)

    return damage


def execute(statement: str) -> Callable[[Path], None]:
    def run(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(statement)
            connection.commit()

    return run


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda file: file.write_bytes(b"not a database at all, only some words " * 200), StoreCorrupt),
        (lambda file: file.write_bytes(os.urandom(8192)), StoreCorrupt),
        (lambda file: file.write_bytes(b"SQLite format 3\0"), StoreCorrupt),
        (write_over(0, b"\0" * 64), StoreCorrupt),
        (write_over(4096 * 3, b"\xff" * 4096 * 6), StoreCorrupt),
        (cut, StoreCorrupt),
        (execute("DROP TABLE changes"), StoreCorrupt),
        (execute("DROP TABLE pools"), StoreCorrupt),
        (execute("DELETE FROM meta WHERE key = 'owner'"), StoreCorrupt),
        (execute("PRAGMA application_id = 7"), StoreCorrupt),
        (execute("PRAGMA user_version = 99"), StoreTooNew),
    ],
)
async def test_a_bad_file_is_refused_and_left_as_it_is(
    tmp_path: Path, damage: Callable[[Path], None], error: type[StoreError]
) -> None:
    await filled(tmp_path)
    damage(tmp_path / FILE)
    before = digests(tmp_path)
    store = SqliteStore(tmp_path)
    with pytest.raises(error) as raised:
        await store.open()
    assert "\n" not in str(raised.value)
    assert str(tmp_path) in str(raised.value) or error is StoreTooNew
    assert digests(tmp_path) == before


async def test_a_newer_schema_that_is_still_in_the_log_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    await filled(tmp_path)
    copy = tmp_path / "copy"
    copy.mkdir()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("PRAGMA user_version = 99")
        for name in (FILE, FILE + "-wal"):
            (copy / name).write_bytes((tmp_path / name).read_bytes())
    before = digests(copy)
    assert before[FILE + "-wal"]
    with pytest.raises(StoreTooNew):
        await SqliteStore(copy).open()
    after = digests(copy)
    assert {name: after[name] for name in before} == before


async def test_a_foreign_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    execute("CREATE TABLE theirs (a)")(tmp_path / FILE)
    before = digests(tmp_path)
    with pytest.raises(StoreCorrupt, match="not a Propwash store"):
        await SqliteStore(tmp_path).open()
    assert digests(tmp_path) == before


async def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/propwash")):
        with pytest.raises(StoreNotWritable) as raised:
            await SqliteStore(path).open()
        assert str(path) in str(raised.value)
    assert (tmp_path / "file").read_text() == "in the way"


async def test_a_refused_open_gives_the_lock_back(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"words")
    store = SqliteStore(tmp_path)
    with pytest.raises(StoreCorrupt):
        await store.open()
    (tmp_path / FILE).unlink()
    await store.open()
    await store.close()


async def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    await filled(tmp_path)


async def test_a_full_disk_fails_the_commit_wholly_and_may_pass(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.open()
    await put(store, record(1))
    await store._threads.write(_limit(0))
    with pytest.raises(StoreUnavailable, match="full"):
        await put(store, *(record(number, request_id=f"r{number}") for number in range(2, 300)))
    assert [int(each.execution.uid) for each in await listed(store)] == [1]
    assert await store.last_seq() == 1
    await store._threads.write(_limit(1_000_000))
    assert await put(store, *(record(number, request_id=f"r{number}") for number in range(2, 300))) == list(
        range(2, 300)
    )
    await commit(store, (update(record(1), RUNNING),))
    await store.close()


def _limit(pages: int) -> Callable[[sqlite3.Connection], None]:
    def limit(writer: sqlite3.Connection) -> None:
        (count,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count = {count + pages}").fetchone()

    return limit


async def test_a_writer_that_is_broken_is_replaced(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.open()

    def broken(writer: sqlite3.Connection) -> None:
        writer.execute("BEGIN")
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(StoreUnavailable, match="I/O"):
        await store._threads.write(broken)
    await put(store, record(1))
    await store.close()


async def test_a_value_that_cannot_be_stored_stores_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.open()
    bad = record(2)
    bad = replace(bad, request=replace(bad.request, spec={"big": 2**70}))
    with pytest.raises(ValueError, match="range"):
        await put(store, record(1), bad)
    assert await listed(store) == []
    assert await put(store, record(1)) == [1]
    await store.close()


async def test_a_pool_whose_text_is_no_unicode_stores_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.open()
    good = StoredPool(spec=PoolSpec(name="p", capacity=1), version=1)
    bad = StoredPool(spec=PoolSpec(name="q", capacity=1, description="\ud800"), version=1)
    with pytest.raises(ValueError, match="surrogate"):
        await commit(store, (PutPool(pool=good),), (PutPool(pool=bad),))
    assert list(await store.load_pools()) == []
    await store.close()


def _add_note(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE executions ADD COLUMN note TEXT")
    connection.execute("UPDATE executions SET note = execution || '!'")


def _fail(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE labels")
    raise sqlite3.OperationalError("a bad migration")


async def test_an_older_schema_is_migrated_with_its_data(tmp_path: Path) -> None:
    await filled(tmp_path, count=3)
    newer: list[Migration] = [*MIGRATIONS, _add_note]
    store = SqliteStore(tmp_path, migrations=newer)
    await store.open()
    assert len(await listed(store)) == 3
    await put(store, record(9), at=AT)
    await store.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(newer),)
        assert connection.execute("SELECT note FROM executions ORDER BY id").fetchall() == [
            ("e0!",),
            ("e1!",),
            ("e2!",),
            (None,),
        ]
    before = digests(tmp_path)
    with pytest.raises(
        StoreTooNew, match=f"version {len(newer)} and this program knows up to {len(MIGRATIONS)}"
    ):
        await SqliteStore(tmp_path).open()
    assert digests(tmp_path) == before


async def test_a_store_from_before_pools_opens_and_goes_on(tmp_path: Path) -> None:
    older = SqliteStore(tmp_path, migrations=MIGRATIONS[:1])
    await older.open()
    owner = older.owner
    await put(older, record(1), record(2))
    await older.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'pools'").fetchall()
    assert tables == []
    store = SqliteStore(tmp_path)
    await store.open()
    assert (store.owner, list(await store.load_pools()), len(await listed(store))) == (owner, [], 2)
    pool = StoredPool(spec=PoolSpec(name="p", capacity=3), version=1)
    await commit(store, (update(record(1), RUNNING), Insert(record=record(3)), PutPool(pool=pool)))
    await store.close()
    await store.open()
    assert (list(await store.load_pools()), len(await listed(store))) == ([pool], 3)
    await store.close()
    before = digests(tmp_path)
    with pytest.raises(StoreTooNew, match="version 2 and this program knows up to 1"):
        await SqliteStore(tmp_path, migrations=MIGRATIONS[:1]).open()
    assert digests(tmp_path) == before


async def test_a_migration_that_fails_leaves_the_data_as_it_was(tmp_path: Path) -> None:
    await filled(tmp_path, count=3)
    with pytest.raises(StoreUnavailable, match="a bad migration"):
        await SqliteStore(tmp_path, migrations=[*MIGRATIONS, _add_note, _fail]).open()
    store = SqliteStore(tmp_path)
    await store.open()
    assert [each.request.labels for each in await listed(store)] == [{"n": "2"}, {"n": "1"}, {"n": "0"}]
    await store.close()
