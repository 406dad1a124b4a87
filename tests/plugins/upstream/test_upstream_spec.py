"""What a native client asks for, and what the connector is sent for it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pydantic
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import literals_pb2
from google.protobuf import json_format

from propwash.sdk import Permanent, Value
from propwash_upstream.requests import create_request
from propwash_upstream.spec import ConnectorSpec
from tests.plugins.upstream.upstream_rig import UID, spec, template, upstream_rig


@pytest.mark.parametrize(
    ("given", "path", "said"),
    [
        ({"task_type": "spark"}, (), "give template or request, and not both"),
        ({**spec(), "request": b"\x0a\x00"}, (), "give template or request, and not both"),
        (
            {"task_type": "spark", "request": b"\x0a\x00", "output_prefix": "s3://x"},
            (),
            "a request has its own",
        ),
        (
            {"task_type": "spark", "template": b"\xff"},
            ("template",),
            "no serialized flyteidl.core.TaskTemplate",
        ),
        ({"task_type": "spark", "request": b"\xff"}, ("request",), "no serialized flyteidl.admin.CreateTask"),
        ({**spec(), "task_type": ""}, ("task_type",), "at least 1 character"),
        ({**spec(), "version": -1}, ("version",), "greater than or equal to 0"),
    ],
)
def test_a_spec_that_cannot_run_is_refused(given: dict[str, Any], path: tuple[str, ...], said: str) -> None:
    with pytest.raises(pydantic.ValidationError) as raised:
        ConnectorSpec.model_validate(given)
    (fault,) = raised.value.errors(include_url=False)
    assert fault["loc"] == path
    assert said in fault["msg"]


async def test_a_template_becomes_a_request_of_its_own() -> None:
    at = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    inputs: dict[str, Value] = {
        "n": 3,
        "f": 0.5,
        "s": "x",
        "b": True,
        "raw": b"\x00",
        "none": None,
        "at": at,
        "for": dt.timedelta(minutes=5),
        "many": [1, 2],
        "map": {"a": [1, {"b": "c"}]},
    }
    async with upstream_rig() as rig:
        sent = create_request(rig.request(inputs=inputs))
    assert sent.template == template()
    assert sent.output_prefix == f"pw-us-{UID}"
    task = sent.task_execution_metadata.task_execution_id
    execution = task.node_execution_id.execution_id
    assert (execution.project, execution.domain, execution.name) == ("sales", "prod", UID)
    assert (task.task_id.name, task.retry_attempt) == ("t", 0)
    assert dict(sent.task_execution_metadata.labels) == {"team": "sales"}
    literals = sent.inputs.literals
    primitive = literals["n"].scalar.primitive
    assert (primitive.WhichOneof("value"), primitive.integer) == ("integer", 3)
    assert literals["f"].scalar.primitive.float_value == 0.5
    assert literals["s"].scalar.primitive.string_value == "x"
    assert literals["b"].scalar.primitive.boolean is True
    assert literals["raw"].scalar.binary.value == b"\x00"
    assert literals["none"].scalar.HasField("none_type")
    assert literals["at"].scalar.primitive.datetime.ToDatetime(tzinfo=dt.UTC) == at
    assert literals["for"].scalar.primitive.duration.ToTimedelta() == dt.timedelta(minutes=5)
    assert [one.scalar.primitive.integer for one in literals["many"].collection.literals] == [1, 2]
    assert json_format.MessageToDict(literals["map"].scalar.generic) == {"a": [1.0, {"b": "c"}]}


async def test_a_later_attempt_has_a_prefix_of_its_own() -> None:
    async with upstream_rig() as rig:
        prefixes = [
            create_request(rig.request({**spec(), "output_prefix": "s3://b/x/"}, attempt=attempt))
            for attempt in (1, 2, 3)
        ]
    assert [one.output_prefix for one in prefixes] == ["s3://b/x/", "s3://b/x/2", "s3://b/x/3"]
    attempts = [one.task_execution_metadata.task_execution_id.retry_attempt for one in prefixes]
    assert attempts == [0, 1, 2]


async def test_a_whole_request_is_sent_as_it_is() -> None:
    whole = agent_pb2.CreateTaskRequest(template=template(a=1), output_prefix="s3://b/n0/3")
    whole.task_execution_metadata.namespace = "sales-prod"
    whole.inputs.literals["kept"].scalar.primitive.integer = 1
    whole.inputs.literals["laid_over"].scalar.primitive.integer = 1
    async with upstream_rig() as rig:
        given: dict[str, Value] = {"task_type": "spark", "request": whole.SerializeToString()}
        assert create_request(rig.request(given)) == whole
        laid = create_request(rig.request(given, inputs={"laid_over": 2}))
    assert laid.inputs.literals["kept"].scalar.primitive.integer == 1
    assert laid.inputs.literals["laid_over"].scalar.primitive.integer == 2


@pytest.mark.parametrize("value", [2**70, {"a": b"x"}, [{"at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}]])
async def test_an_input_without_a_literal_is_named(value: Any) -> None:
    async with upstream_rig() as rig:
        with pytest.raises(Permanent, match=r"inputs\.x: ") as raised:
            create_request(rig.request(inputs={"x": value}))
    assert raised.value.reason == "INVALID_INPUTS"


async def test_what_this_version_of_the_stubs_does_not_know_goes_along() -> None:
    """Field 900, a text, in the template and among the inputs."""
    unknown = b"\xa2\x38\x03new"
    whole = agent_pb2.CreateTaskRequest(template=template(), output_prefix="p")
    whole.template.MergeFromString(unknown)
    whole.inputs.CopyFrom(literals_pb2.LiteralMap.FromString(unknown))
    async with upstream_rig() as rig:
        sent = create_request(rig.request({"task_type": "spark", "request": whole.SerializeToString()}))
    assert sent.SerializeToString().count(b"new") == 2
