"""What Flyte sends as a secret is nowhere afterwards: in no file, log, metric, answer or repr, whatever went wrong."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.connector import connector_pb2
from google.protobuf.unknown_fields import UnknownFieldSet

from propwash.api.flyte import secrets as reading
from propwash.api.flyte.leases import Leases
from propwash.api.flyte.tasks import Tasks
from propwash.pb.v1 import execution_service_pb2 as pb
from propwash.pb.v1 import execution_service_pb2_grpc
from propwash.sandbox import Standing
from propwash.telemetry import JsonLines, Telemetry
from tests.flyte.flyte_callers import DOWN, Flyte, connection
from tests.flyte.secret_scenes import (
    ANNA,
    BERT,
    STAGES,
    Stage,
    account,
    begin,
    is_well,
    pem,
    running,
    waits,
)

UNHEARD = "a-databricks-token-that-nobody-may-see"
_SHORTEST = 12


@pytest.fixture
def log() -> Iterator[StringIO]:
    """All that anyone logs, with its fields."""
    text = StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


def needles(texts: list[str]) -> set[bytes]:
    """Every form in which a secret may be somewhere: whole, by lines, quoted, and encoded."""
    found: set[str] = set()
    for text in texts:
        quoted = json.dumps(text)[1:-1]
        encoded = base64.b64encode(text.encode()).decode()
        found |= {text, quoted, encoded[:40], *text.splitlines(), *quoted.split("\\n")}
    words = {one.strip().strip('",') for one in found}
    # The names of a key's members, and the marks around it, are no secrets.
    public = {one for one in words if len(one) < _SHORTEST or "-----" in one or one.startswith('"')}
    return {one.encode() for one in words - public if "@a-project" not in one and "://" not in one}


def searched(stage: Stage) -> set[bytes]:
    """The secrets of this stage, and what the handler makes of them."""
    texts = [UNHEARD, *(text for given in stage.secrets.values() for text in given.values())]
    texts += [pem("nobody"), pem(BERT, "another-passphrase-of-bert")]
    tokens = {one.encode() for one in stage.identities.values() if one.startswith("ya29.")}
    # And any token of the form that a key signs.
    return needles(texts) | tokens | {b"eyJhbGciOi", b"PRIVATE KEY-----\\n"}


def check(where: str, data: bytes, wanted: set[bytes]) -> None:
    for one in wanted:
        assert one not in data, (
            f"{one[:40]!r} is in {where}: ...{data[max(0, data.find(one) - 200) :][:200]!r}"
        )


def test_the_search_finds_what_it_searches_for(tmp_path: Path) -> None:
    wanted = needles([pem(ANNA), account(ANNA, "http://127.0.0.1:1/token"), UNHEARD])
    assert len(wanted) > 25
    for text in (
        pem(ANNA),
        json.dumps({"x": pem(ANNA)}),
        base64.b64encode(pem(ANNA).encode()).decode(),
        f"line: {pem(ANNA).splitlines()[3]}",
        repr(account(ANNA, "http://127.0.0.1:1/token")),
    ):
        with pytest.raises(AssertionError):
            check("text", text.encode(), wanted)
    check("text", b"the secret flyte:snowflake_private_key is no private key in PEM", wanted)


@pytest.mark.parametrize("system", STAGES)
async def test_no_trace_of_a_secret_is_left_by_a_run_with_failures(
    system: str, tmp_path: Path, log: StringIO
) -> None:
    async with STAGES[system](tmp_path) as stage:
        telemetry = Telemetry(now=stage.clock.now, version="0")
        answers: list[bytes] = []
        first = await before_the_restart(stage, telemetry, answers)
        await after_the_restart(stage, telemetry, answers, first)
        wanted = searched(stage)
        check("the answers", b"\n".join(answers), wanted)
        check("the log", log.getvalue().encode(), wanted)
        check("the metrics", telemetry.exposition("text/plain")[1], wanted)
        files = [one for one in (tmp_path / "data").iterdir() if one.is_file()]
        assert {"propwash.db"} <= {one.name for one in files}
        for one in files:
            check(one.name, one.read_bytes(), wanted)
        assert b"CREDENTIALS_UNAVAILABLE" in b"".join(one.read_bytes() for one in files)
        assert b"CREDENTIALS_UNAVAILABLE" in b"".join(answers)


async def before_the_restart(stage: Stage, telemetry: Telemetry, answers: list[bytes]) -> dict[str, bytes]:
    """Tasks whose secrets are good, wrong, of nobody, unheard of, refused, and refused later."""
    stage.stand(**{ANNA: Standing.ACCEPTED, BERT: Standing.ACCEPTED})
    (name, *_) = stage.secrets[ANNA]
    async with stage.served(telemetry=telemetry) as (there, channel):
        metas = {"anna": await begin(there, stage, ANNA), "bert": await begin(there, stage, BERT)}
        for why, given in {
            "no key": {name: UNHEARD},
            "not its key": {name: pem("nobody")},
            "sealed": {name: pem(BERT, "another-passphrase-of-bert")},
            "unheard": {"databricks_token": UNHEARD, **stage.secrets[ANNA]},
        }.items():
            metas[why] = await there.create(stage.task(), secrets=given, node=f"s3://f/{why}/data")
        for why in ("anna", "bert"):
            await running(there, metas[why])
        for why in ("no key", "not its key", "sealed"):
            await waits(there, metas[why])
        files = stage.place / "data"
        # While it is open, what was committed last is in the log of the database alone.
        wal = (files / "propwash.db-wal").read_bytes()
        assert wal
        check("the WAL", wal, searched(stage))
        stage.stand(**{BERT: Standing.ACCEPTED})
        await waits(there, metas["anna"])
        stage.rig.world.faults.set([DOWN], seed=0)
        await there.delete(metas["bert"], secrets=stage.secrets[BERT])
        answers += await told(there, channel, stage, metas)
    return metas


async def after_the_restart(
    stage: Stage, telemetry: Telemetry, answers: list[bytes], metas: dict[str, bytes]
) -> None:
    """Some secrets come again, another in place of a wrong one, and some never."""
    stage.rig.world.faults.set([], seed=0)
    stage.stand(**{ANNA: Standing.ACCEPTED, BERT: Standing.ACCEPTED})
    async with stage.served(telemetry=telemetry) as (there, channel):
        await waits(there, metas["anna"])
        answers += await told(there, channel, stage, metas)
        await there.get(metas["anna"], secrets=stage.secrets[ANNA])
        await there.get(metas["no key"], secrets=stage.secrets[ANNA])
        await there.get(metas["sealed"], secrets={"databricks_token": UNHEARD})
        await is_well(there, metas["anna"])
        await is_well(there, metas["no key"])
        await there.delete(metas["anna"], secrets=stage.secrets[ANNA])
        answers += await told(there, channel, stage, metas)


async def told(there: Flyte, channel: Any, stage: Stage, metas: dict[str, bytes]) -> list[bytes]:
    """All that both APIs say of the tasks."""
    native = execution_service_pb2_grpc.ExecutionServiceStub(channel)
    parent = "projects/sales/domains/prod"
    listed = await native.ListExecutions(pb.ListExecutionsRequest(parent=parent, page_size=50))
    names = [one.name for one in listed.executions]
    assert len(names) == len(metas) - 1, "what is refused for good is not stored"
    assert {one.connection for one in listed.executions} == {stage.connection.name}
    found = [await native.GetExecution(pb.GetExecutionRequest(name=name)) for name in names]
    seen = [await there.get(meta) for meta in metas.values()]
    messages = [listed, *found, *seen]
    return [*metas.values(), *(one.SerializeToString() for one in messages), str(messages).encode()]


def test_a_request_shows_its_secrets_to_nobody() -> None:
    for kind, read in (
        (connector_pb2.CreateTaskRequest, reading.CREATE),
        (connector_pb2.GetTaskRequest, reading.GET),
        (connector_pb2.DeleteTaskRequest, reading.DELETE),
    ):
        sent = kind(connection=connection({"key": UNHEARD}))
        sent.connection.configs["key"] = UNHEARD
        found: Any = read(sent.SerializeToString())
        assert found.secrets["key"].reveal() == UNHEARD
        assert len(UnknownFieldSet(found.request)) == 0
        shown = [repr(found), str(found), f"{found}", repr(found.secrets), str(found.request)]
        assert not any(UNHEARD in one for one in shown)
        assert UNHEARD.encode() not in found.request.SerializeToString()
        assert len(read(kind().SerializeToString()).secrets) == 0


class Recorder:
    """Stands before something, and remembers what went in and out."""

    def __init__(self, behind: Any, seen: list[object]) -> None:
        self._behind = behind
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._behind, name)

        def call(*arguments: Any, **more: Any) -> Any:
            answer = method(*arguments, **more)
            self._seen.extend((arguments, more, answer))
            return answer

        return call


@pytest.mark.parametrize("system", STAGES)
async def test_no_repr_on_the_way_of_a_task_holds_its_secrets(system: str, tmp_path: Path) -> None:
    """FlyteTask, TaskRequest, Draft, and the mapping of secrets itself."""
    async with STAGES[system](tmp_path) as stage, stage.server() as there:
        seen: list[object] = []
        world = there.world
        tasks = Tasks(
            store=Recorder(world.store, seen),
            executions=Recorder(world.engine.executions, seen),
            flyte=Recorder(world.host.flyte, seen),
            translator=None,  # type: ignore[arg-type]  # for a get alone
            leases=Leases(store=world.store, executions=world.engine.executions, lease_s=0.0, trouble=print),
            trouble=print,
        )
        sent = connector_pb2.CreateTaskRequest(
            output_prefix="s3://f/n/data/0", connection=connection(stage.secrets[ANNA])
        )
        sent.template.ParseFromString(stage.task().SerializeToString())
        found = reading.CREATE(sent.SerializeToString())
        await tasks.create(found.request, secrets=found.secrets)
        shown = repr(seen)
        assert all(kind in shown for kind in ("FlyteTask(", "TaskRequest(", "Draft(", "Secret("))
        check("a repr", shown.encode(), needles(list(stage.secrets[ANNA].values())))
