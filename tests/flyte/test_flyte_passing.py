"""What a template brings for its handler, and what a handler gives back: outputs of every form, within bounds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import interface_pb2, literals_pb2, types_pb2
from flyteidl.core.execution_pb2 import TaskExecution

from propwash.api.flyte.literals import value_of
from propwash.api.flyte.outputs import fill_outputs, literal_of, memo_of
from propwash.api.flyte.resources import MOST_BYTES, resource
from propwash.core.model import Done, Execution, ExecutionUid, Json, Outcome, OutcomeKind, Plan
from propwash.ports import ExecutionName, Record, TaskRequest
from propwash.sdk import (
    Column,
    FlyteContainer,
    FlyteDataset,
    FlyteOutputs,
    Value,
)
from tests.api.api_world import World
from tests.flyte.fake_tasks import FakeTasks
from tests.flyte.flyte_callers import caller, template

versions = pytest.mark.parametrize("is_v2", [False, True], ids=["v1", "v2"])
GRPC_GO_BYTES = 4 * 1024 * 1024


@versions
async def test_b16_handlers_see_the_container_with_the_arguments_that_propeller_filled_in(
    is_v2: bool,
) -> None:
    kept = FakeTasks()
    async with World(flyte=kept).serving() as world:
        target = f"127.0.0.1:{world.port}"
        there = caller(None, world.channel, target, is_v2=is_v2)  # type: ignore[arg-type]  # no engine is wanted
        task = template("query")
        task.container.image = "ghcr.io/x/y:z"
        task.container.args.extend(["pyflyte-execute", "--inputs", "s3://flyte/x/inputs.pb"])
        task.container.env.add(key="FOO", value="bar")
        surroundings = agent_pb2.TaskExecutionMetadata(environment_variables={"MINE": "1"})
        await there.create(task, attempt=2, task_execution_metadata=surroundings)
    (seen,) = kept.tasks
    assert seen.container == FlyteContainer(
        image="ghcr.io/x/y:z",
        args=("pyflyte-execute", "--inputs", "s3://flyte/x/inputs.pb"),
        env={"FOO": "bar"},
    )
    assert seen.output_prefix.endswith("/2")
    assert seen.environment["FLYTE_INTERNAL_EXECUTION_PROJECT"] == "sales"
    assert (seen.environment["FLYTE_ATTEMPT_NUMBER"], seen.environment["MINE"]) == ("2", "1")
    passed_on = agent_pb2.CreateTaskRequest.FromString(seen.request)
    assert passed_on.template.container.image == "ghcr.io/x/y:z"
    assert b"a-secret-in-clear" not in seen.request


def record(outcome: Outcome, *, memo: bytes = b"") -> Record:
    """An ended execution."""
    return Record(
        name=ExecutionName("p", "d", "e"),
        request=TaskRequest(task_type="query", spec={}, memo=memo),
        execution=Execution(
            uid=ExecutionUid("0" * 26),
            plan=Plan(task_type="query"),
            state=Done(outcome=outcome, ended_at=2.0),
            attempt=1,
            created_at=1.0,
            updated_at=2.0,
        ),
        version=3,
    )


def succeeded(outputs: FlyteOutputs, *, remote: Mapping[str, Json] | None = None) -> agent_pb2.Resource:
    outcome = Outcome(kind=OutcomeKind.SUCCEEDED, outputs=remote or {})
    return resource(record(outcome), links=(), outputs=outputs)


def declared(**kinds: types_pb2.LiteralType) -> bytes:
    """The memo of a template whose interface declares these outputs."""
    task = template("query")
    for name, kind in kinds.items():
        task.interface.outputs.variables[name].CopyFrom(interface_pb2.Variable(type=kind))
    return memo_of(task)


def columns(**names: types_pb2.SimpleType) -> types_pb2.StructuredDatasetType:
    kind = types_pb2.StructuredDatasetType(format="parquet")
    for name, simple in names.items():
        kind.columns.add(name=name, literal_type=types_pb2.LiteralType(simple=simple))
    return kind


def test_a_dataset_has_the_type_that_the_task_declares() -> None:
    kind = columns(n=types_pb2.INTEGER)
    made = agent_pb2.Resource()
    dataset = FlyteDataset(uri="bq://p:d.t", columns=(Column(name="other", type="STRING"),))
    memo = declared(results=types_pb2.LiteralType(structured_dataset_type=kind))
    fill_outputs(made, {"results": dataset}, memo=memo)
    given = made.outputs.literals["results"].scalar.structured_dataset
    assert given.uri == "bq://p:d.t"
    assert given.metadata.structured_dataset_type == kind


def test_where_the_task_declares_no_columns_it_has_those_that_the_remote_system_told_of() -> None:
    made = agent_pb2.Resource()
    told = (
        Column(name="n", type="INT64"),
        Column(name="at", type="timestamp_tz"),
        Column(name="x", type="?"),
    )
    plain = types_pb2.LiteralType(structured_dataset_type=types_pb2.StructuredDatasetType())
    fill_outputs(made, {"results": FlyteDataset(uri="u", columns=told)}, memo=declared(results=plain))
    given = made.outputs.literals["results"].scalar.structured_dataset.metadata.structured_dataset_type
    assert {one.name: one.literal_type.simple for one in given.columns} == {
        "n": types_pb2.INTEGER,
        "at": types_pb2.DATETIME,
        "x": types_pb2.STRUCT,
    }


@pytest.mark.parametrize("memo", [b"", b"\xff\xff of another make"])
def test_without_a_readable_declaration_the_outputs_are_there_all_the_same(memo: bytes) -> None:
    made = agent_pb2.Resource()
    fill_outputs(made, {"results": FlyteDataset(uri="u"), "n": 1}, memo=memo)
    assert made.outputs.literals["results"].scalar.structured_dataset.uri == "u"
    assert made.outputs.literals["n"].scalar.primitive.integer == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        41,
        1.5,
        "text",
        b"bytes",
        dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC),
        dt.timedelta(seconds=90),
        ("a", "b"),
        {"a": 1, "b": {"c": ("d",)}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_from_its_literal(value: Value) -> None:
    assert value_of(literal_of(value), "o0") == value


def test_a_literal_map_is_passed_on_as_it_is() -> None:
    given = literals_pb2.LiteralMap(literals={"o0": literal_of(7)})
    assert succeeded(given.SerializeToString()).outputs == given


def test_outputs_are_unset_only_where_the_job_wrote_a_file_of_them() -> None:
    assert succeeded({}).HasField("outputs")
    assert not succeeded(None).HasField("outputs")


def test_an_answer_fits_into_what_flyte_s_client_takes() -> None:
    twice = {"rows": "x" * (3 * 1024 * 1024)}
    made = succeeded({"rows": twice["rows"]}, remote=twice)
    assert made.phase == TaskExecution.SUCCEEDED
    assert made.outputs.literals["rows"].scalar.primitive.string_value == twice["rows"]
    assert made.ByteSize() < GRPC_GO_BYTES
    assert made.custom_info["phase"] == "SUCCEEDED"


def test_outputs_that_flyte_could_never_read_fail_the_task_and_say_so() -> None:
    made = succeeded({"rows": "x" * GRPC_GO_BYTES})
    assert made.phase == TaskExecution.FAILED
    assert made.message.startswith("OUTPUTS_TOO_LARGE: the outputs are 4")
    assert made.message.endswith(f"bytes, and Flyte takes {MOST_BYTES} in one answer")
    assert made.ByteSize() < 1000


def test_an_older_propeller_is_told_of_a_failure_in_the_phase_that_it_knows() -> None:
    outcome = Outcome(kind=OutcomeKind.FAILED, reason="BACKEND_ERROR", message="no", is_retryable=True)
    old = resource(record(outcome), links=(), outputs={}, tells_retryable=False)
    new = resource(record(outcome), links=(), outputs={})
    assert (old.phase, new.phase) == (TaskExecution.FAILED, TaskExecution.RETRYABLE_FAILED)


@versions
async def test_while_nothing_can_be_stored_gets_go_on_and_what_writes_is_to_be_repeated(is_v2: bool) -> None:
    async with World(flyte=FakeTasks()).serving() as world:
        there = caller(None, world.channel, "", is_v2=is_v2)  # type: ignore[arg-type]  # no engine is wanted
        meta = await there.create(template("query", "SELECT 1"))
        world.executions.run(there.name(meta))
        world.executions.is_accepting = False
        assert (await there.get(meta)).phase == TaskExecution.RUNNING
        assert await there.create(template("query", "SELECT 1")) == meta
        for call in (there.create(template("query", "SELECT 2"), attempt=1), there.delete(meta)):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        world.executions.is_accepting = True
        await there.delete(meta)
        assert (await there.get(meta)).phase == TaskExecution.ABORTED
