"""A plugin that is installed for the tests of connections, its stand-in, and a shell with one configuration file."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from propwash.sdk.scaffold import write_plugin
from tests.cli.connections_shell import PLUGIN, TOKEN, Shell


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin's folder, with the record that an installation leaves."""
    target = write_plugin(PLUGIN, tmp_path_factory.mktemp("plugins"))
    record = target / "propwash_look_out-0.1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: propwash-look-out\nVersion: 0.1.0\n")
    (record / "entry_points.txt").write_text(f"[propwash.handlers]\n{PLUGIN} = propwash_look_out:plugin\n")
    return target


@pytest.fixture
def installed(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(written))
    monkeypatch.setenv("LOOK_OUT_TOKEN", TOKEN)


@pytest.fixture
def endpoint(installed: None) -> Iterator[str]:
    """The stand-in, served from a loop of its own."""
    stand_in = importlib.import_module("propwash_look_out.stand_in").StandIn(token=TOKEN)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stand-in")
    thread.start()
    server = TestServer(stand_in.application())

    async def start() -> str:
        await server.start_server()
        return str(server.make_url("")).rstrip("/")

    yield asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def shell(tmp_path: Path, installed: None) -> Shell:
    return Shell(tmp_path / "propwash.yaml")
