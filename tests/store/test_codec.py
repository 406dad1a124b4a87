"""Records come back exactly as they went in, and what a newer program wrote is read or refused, never guessed."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from propwash.core import model as m
from propwash.core.pool import PoolSpec, ProjectShare
from propwash.pb.internal.v1 import record_pb2 as pb
from propwash.pb.v1 import value_pb2
from propwash.ports import StoreCorrupt, StoredPool, StoreTooNew, TaskRequest
from propwash.sdk.handler import Value
from propwash.store.codec import decode_execution, decode_request, encode_request, encode_state
from propwash.store.pools import decode_pool, encode_pool
from propwash.store.values import MAX_DEPTH, outputs_from_map, outputs_to_map, values_from_map, values_to_map
from tests.store.store_strategies import EXECUTIONS, PLANS, POOLS, REQUESTS

FAST = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
SAMPLE = m.Execution(
    uid=m.ExecutionUid("u" * 26),
    plan=m.Plan(task_type="t"),
    state=m.Waiting(since=1.0),
    attempt=1,
    created_at=1.0,
    updated_at=1.0,
)


def decoded(body: bytes) -> m.Execution:
    return decode_execution(body, uid=SAMPLE.uid, plan=SAMPLE.plan, created_at=SAMPLE.created_at)


def outcome(**fields: object) -> m.Outcome:
    return replace(m.Outcome(kind=m.OutcomeKind.FAILED), **fields)  # type: ignore[arg-type]


@FAST
@given(EXECUTIONS)
def test_an_execution_comes_back_exactly(execution: m.Execution) -> None:
    found = decode_execution(
        encode_state(execution), uid=execution.uid, plan=execution.plan, created_at=execution.created_at
    )
    assert found == execution
    assert _sorted(found) == _sorted(execution)


@FAST
@given(REQUESTS, PLANS)
def test_a_request_comes_back_exactly(request: TaskRequest, plan: m.Plan) -> None:
    found = decode_request(encode_request(request, plan))
    assert found == (request, plan)
    assert _sorted(found[0].spec) == _sorted(request.spec)


@FAST
@given(POOLS)
def test_a_pool_comes_back_exactly(pool: StoredPool) -> None:
    found = decode_pool(encode_pool(pool))
    assert found == pool
    assert _sorted(found) == _sorted(pool)


def _sorted(value: object) -> str:
    """Tells 1 from True and 1.0, and a list from a tuple, which compare or look alike."""
    if dataclasses.is_dataclass(value):
        return repr([(each.name, _sorted(getattr(value, each.name))) for each in dataclasses.fields(value)])
    if isinstance(value, dict):
        return repr([(key, _sorted(value[key])) for key in sorted(value)])
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}{[_sorted(each) for each in value]}"
    return repr(value)


def test_an_integer_stays_an_integer_and_a_bool_a_bool() -> None:
    given: dict[str, Value] = {
        "one": 1,
        "true": True,
        "float": 1.0,
        "big": 2**63 - 1,
        "empty": {},
        "none": None,
        "list": [],
    }
    found = values_from_map(values_to_map(given))
    assert {key: (type(value), value) for key, value in found.items()} == {
        key: (type(value), value) for key, value in given.items()
    }


@pytest.mark.parametrize(
    "value",
    [2**63, -(2**63) - 1, dt.datetime(2026, 1, 1), "\ud800", object(), {1: 2}],
)
def test_a_spec_that_could_not_come_back_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        values_to_map({"a": value})  # type: ignore[dict-item]


def nested(depth: int) -> dict[str, m.Json]:
    value: dict[str, m.Json] = {"leaf": 1}
    for level in range(depth - 1):
        value = {"a": value if level % 2 else (value,)} if level < depth - 2 else {"a": value}
    return value


def test_the_deepest_spec_comes_back_and_a_deeper_one_is_refused() -> None:
    deepest: dict[str, object] = {"leaf": 1}
    for _ in range(MAX_DEPTH - 1):
        deepest = {"a": deepest}
    request = TaskRequest(task_type="t", spec=deepest, inputs=deepest)  # type: ignore[arg-type]
    assert decode_request(encode_request(request, SAMPLE.plan))[0].spec == deepest
    with pytest.raises(ValueError, match="deep"):
        values_to_map({"a": deepest})  # type: ignore[dict-item]


@pytest.mark.parametrize("depth", [5, 29, 30, 31, 32, 60, 900])
def test_outputs_of_any_depth_can_be_stored_and_read(depth: int) -> None:
    state = m.Cleaning(
        granted_at=1.0,
        then=outcome(outputs=nested(depth)),
        since=1.0,
        create=m.CreateStatus.CONFIRMED,
        meta=None,
        not_before=1.0,
        settled_at=1.0,
    )
    found = decoded(encode_state(replace(SAMPLE, state=state)))
    assert isinstance(found.state, m.Cleaning)
    if depth < 15:
        assert found.state == state


def test_whatever_a_handler_answers_can_be_stored() -> None:
    given = {"big": 2**70, "half": "a\ud800b", "odd": object(), "list": [1, {2: 3}], "bytes": b"\xff"}
    found = outputs_from_map(outputs_to_map(given))  # type: ignore[arg-type]
    assert (found["big"], found["half"], found["list"]) == (str(2**70), "a?b", (1, {"2": 3}))
    assert found["bytes"] == b"\xff"
    state = m.Done(outcome=outcome(message="\udcff!", reason="\ud800"), ended_at=1.0)
    kept = decoded(encode_state(replace(SAMPLE, state=state))).state
    assert isinstance(kept, m.Done)
    assert (kept.outcome.message, kept.outcome.reason) == ("?!", "?")


def test_unknown_fields_are_passed_over() -> None:
    unknown = b"\xfa\x3f\x03new"
    assert decoded(encode_state(SAMPLE) + unknown) == SAMPLE
    request = TaskRequest(task_type="t", spec={"a": 1})
    assert decode_request(encode_request(request, SAMPLE.plan) + unknown) == (request, SAMPLE.plan)


def test_a_pool_of_a_newer_program_is_read_as_far_as_it_is_known() -> None:
    pool = StoredPool(spec=PoolSpec(name="p", capacity=3, projects={"a": ProjectShare(weight=0)}), version=2)
    assert decode_pool(encode_pool(pool) + b"\xfa\x3f\x03new") == pool


def test_a_plan_of_an_older_program_has_no_priority() -> None:
    request = TaskRequest(task_type="t", spec={"a": 1})
    older = pb.RequestRecord.FromString(encode_request(request, replace(SAMPLE.plan, priority=7)))
    older.plan.ClearField("priority")
    assert decode_request(older.SerializeToString()) == (request, SAMPLE.plan)


@pytest.mark.parametrize(
    "record",
    [
        pb.PoolRecord(name="p", capacity=-1),
        pb.PoolRecord(name="p", share=pb.ShareRecord(weight=float("nan"))),
        pb.PoolRecord(name="p", projects={"a": pb.ShareRecord(limit=-1)}),
    ],
)
def test_a_pool_that_cannot_be_is_corrupt(record: pb.PoolRecord) -> None:
    with pytest.raises(StoreCorrupt, match=r"stored pool 'p' is damaged: (capacity|weight|limit) must be"):
        decode_pool(record.SerializeToString())


def test_a_pool_of_a_newer_format_is_too_new() -> None:
    with pytest.raises(StoreTooNew):
        decode_pool(pb.PoolRecord(format=2, name="p").SerializeToString())


@pytest.mark.parametrize(
    "record",
    [
        pb.StateRecord(format=1, attempt=1),
        pb.StateRecord(format=2, attempt=1, waiting=pb.WaitingRecord(since=1.0)),
        pb.StateRecord(format=1, cleaning=pb.CleaningRecord(granted_at=1.0)),
        pb.StateRecord(format=1, done=pb.DoneRecord(ended_at=1.0)),
        pb.StateRecord(format=1, done=pb.DoneRecord(outcome=pb.OutcomeRecord(kind=99))),  # type: ignore[arg-type]
        pb.StateRecord(
            format=1,
            done=pb.DoneRecord(
                outcome=pb.OutcomeRecord(
                    kind=pb.OUTCOME_KIND_FAILED, outputs=value_pb2.MapValue(entries={"a": value_pb2.Value()})
                )
            ),
        ),
    ],
)
def test_what_has_no_safe_reading_is_too_new(record: pb.StateRecord) -> None:
    with pytest.raises(StoreTooNew):
        decoded(record.SerializeToString())


def test_unknown_enum_values_are_read_as_what_is_safe() -> None:
    record = pb.StateRecord(
        format=1,
        running=pb.RunningRecord(
            observation=pb.ObservationRecord(phase=77),  # type: ignore[arg-type]
            trouble=pb.TroubleRecord(fault=pb.FaultRecord(kind=77)),  # type: ignore[arg-type]
        ),
    )
    state = decoded(record.SerializeToString()).state
    assert isinstance(state, m.Running)
    assert state.observation.phase is m.RemotePhase.RUNNING
    assert state.trouble is not None
    assert state.trouble.fault.kind is m.FaultKind.UNAVAILABLE
    for launching in (pb.LaunchingRecord(create=77), pb.LaunchingRecord()):  # type: ignore[arg-type]
        state = decoded(pb.StateRecord(format=1, launching=launching).SerializeToString()).state
        assert isinstance(state, m.Launching)
        assert state.create is m.CreateStatus.DOUBTFUL


def test_damaged_records_are_corrupt() -> None:
    with pytest.raises(StoreCorrupt):
        decoded(b"\xff\xff\xff")
    with pytest.raises(StoreCorrupt):
        decode_request(b"\xff\xff\xff")
    with pytest.raises(StoreCorrupt):
        decode_pool(b"\xff\xff\xff")
