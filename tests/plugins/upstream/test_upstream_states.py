"""What a connector says of a job: each phase, what old servers say instead, and what is not to be believed."""

from __future__ import annotations

from typing import Any

import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import literals_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from google.protobuf import json_format

from propwash.sdk import RemotePhase
from propwash_upstream.observing import CUSTOM_INFO, LITERALS, MOST_OUTPUT_BYTES, PHASES, observed

PENDING, RUNNING, SUCCEEDED, FAILED = RemotePhase


def resource(**fields: Any) -> agent_pb2.Resource:
    return agent_pb2.Resource(**fields)


@pytest.mark.parametrize(
    ("phase", "expected", "reason", "is_retryable"),
    [
        (TaskExecution.UNDEFINED, RUNNING, "", False),
        (TaskExecution.QUEUED, PENDING, "", False),
        (TaskExecution.INITIALIZING, PENDING, "", False),
        (TaskExecution.WAITING_FOR_RESOURCES, PENDING, "", False),
        (TaskExecution.RUNNING, RUNNING, "", False),
        (TaskExecution.SUCCEEDED, SUCCEEDED, "", False),
        (TaskExecution.FAILED, FAILED, "TASK_FAILED", False),
        (TaskExecution.RETRYABLE_FAILED, FAILED, "TASK_FAILED", True),
        (TaskExecution.ABORTED, FAILED, "CONNECTOR_ABORTED", False),
        (73, RUNNING, "", False),
    ],
)
def test_a_phase(phase: int, expected: RemotePhase, reason: str, is_retryable: bool) -> None:
    seen = observed(resource(phase=phase, message="so it is"))
    assert (seen.phase, seen.reason, seen.is_retryable) == (expected, reason, is_retryable)
    assert seen.message.endswith("so it is")


def test_no_phase_of_the_stubs_is_left_out() -> None:
    assert set(TaskExecution.Phase.values()) == {*PHASES, TaskExecution.UNDEFINED}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        # What nobody set, and what is the same on the wire: it proves nothing.
        (agent_pb2.RETRYABLE_FAILURE, RUNNING),
        (agent_pb2.PERMANENT_FAILURE, FAILED),
        (agent_pb2.PENDING, PENDING),
        (agent_pb2.RUNNING, RUNNING),
        (agent_pb2.SUCCEEDED, SUCCEEDED),
    ],
)
def test_a_state_counts_where_there_is_no_phase(state: Any, expected: RemotePhase) -> None:
    assert observed(resource(state=state)).phase is expected
    # A server that has phases leaves the state as it is: 0, or what it was when it was last set.
    assert observed(resource(state=state, phase=TaskExecution.RUNNING)).phase is RUNNING


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("QUOTA_EXCEEDED", "QUOTA_EXCEEDED"),
        ("spark: out of memory", "SPARK_OUT_OF_MEMORY"),
        ("404", "TASK_FAILED"),
    ],
)
def test_a_connector_s_own_code_is_the_reason(code: str, reason: str) -> None:
    failed = resource(phase=TaskExecution.FAILED, agent_error=agent_pb2.AgentError(code=code))
    assert observed(failed).reason == reason


def test_outputs_are_untouched_and_unset_ones_stay_unset() -> None:
    literals = literals_pb2.LiteralMap()
    literals.literals["a"].scalar.primitive.integer = 1
    # A field that these stubs do not know.
    literals.MergeFromString(b"\xa2\x38\x03new")
    with_some = observed(resource(phase=TaskExecution.SUCCEEDED, outputs=literals))
    told = with_some.outputs[LITERALS]
    assert isinstance(told, bytes)
    assert literals_pb2.LiteralMap.FromString(told) == literals
    assert b"new" in told
    empty = observed(resource(phase=TaskExecution.SUCCEEDED, outputs=literals_pb2.LiteralMap()))
    assert empty.outputs == {LITERALS: b""}
    assert observed(resource(phase=TaskExecution.SUCCEEDED)).outputs == {}
    assert observed(resource(phase=TaskExecution.RUNNING, outputs=literals)).outputs == {}


def test_outputs_that_flyte_could_never_read_fail_the_task_and_say_so() -> None:
    literals = literals_pb2.LiteralMap()
    literals.literals["a"].scalar.primitive.string_value = "x" * MOST_OUTPUT_BYTES
    seen = observed(resource(phase=TaskExecution.SUCCEEDED, outputs=literals))
    assert (seen.phase, seen.reason, seen.is_retryable) == (FAILED, "OUTPUTS_TOO_LARGE", False)
    assert "has succeeded" in seen.message
    assert seen.outputs == {}


def test_custom_info_goes_along_if_it_is_small() -> None:
    done = resource(phase=TaskExecution.SUCCEEDED)
    json_format.ParseDict({"n": 1.5, "t": "x", "b": True, "l": [1, None], "m": {"k": "v"}}, done.custom_info)
    assert observed(done).outputs == {
        CUSTOM_INFO: {"n": 1.5, "t": "x", "b": True, "l": (1.0, None), "m": {"k": "v"}}
    }
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"deeper": deep}
    json_format.ParseDict(deep, done.custom_info)
    assert "..." in repr(observed(done).outputs)
    done.custom_info["t"] = "x" * 20_000
    assert observed(done).outputs == {}


def test_only_links_that_lead_to_web_pages_are_kept() -> None:
    uris = ["https://a/b", "http://c", "s3://d/e", "/f", "https://u:p@g", "{{ .h }}", "https://" + "i" * 2050]
    seen = observed(
        resource(
            phase=TaskExecution.RUNNING,
            log_links=[{"uri": uri, "name": "console" if uri == "http://c" else ""} for uri in uris],
        )
    )
    assert [(link.title, link.uri) for link in seen.links] == [
        ("log", "https://a/b"),
        ("console", "http://c"),
    ]
    many = resource(log_links=[{"uri": f"https://a/{number}"} for number in range(40)])
    assert len(observed(many).links) == 32
