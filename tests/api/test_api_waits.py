"""Reason and message of what waits, in words, and where they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from google.protobuf.duration_pb2 import Duration

from propwash.api.names import parse_name
from propwash.api.reasons import WAIT_ROWS
from propwash.api.translate import standing
from propwash.api.waits import told
from propwash.core.events import Deletion
from propwash.core.model import (
    Claim,
    Cleaning,
    CreateStatus,
    Done,
    Execution,
    ExecutionUid,
    Fault,
    FaultKind,
    Launching,
    Observation,
    Outcome,
    OutcomeKind,
    Plan,
    Queued,
    RemotePhase,
    Retry,
    Running,
    State,
    Trouble,
    Waiting,
)
from propwash.core.pool import Block, Place
from propwash.pb.v1.execution_service_pb2 import (
    BatchGetExecutionsRequest,
    GetExecutionRequest,
    ListExecutionsRequest,
    WaitExecutionRequest,
)
from propwash.ports import Behind, Hold, Paused, Silent, Wait
from tests.api.api_world import PARENT, World, create, full

SLOW_DOWN = Fault(kind=FaultKind.THROTTLED, reason="TOO_MANY_CALLS", message="slow down")
SILENCE = Fault(kind=FaultKind.UNAVAILABLE, reason="NO_ANSWER", message="nothing came")
ABORTED = Outcome(kind=OutcomeKind.ABORTED, reason="ABORTED", message="enough")
SEEN = Observation(phase=RemotePhase.RUNNING, message="3 of 5 stages")
BREAKER = Silent(since=100.0, next_try_at=130.0, fault=SILENCE)


def execution(state: State, *claims: Claim) -> Execution:
    plan = Plan(task_type="query", connection="warehouse", claims=claims)
    return Execution(uid=ExecutionUid("u"), plan=plan, state=state, attempt=1, created_at=0.0, updated_at=0.0)


def trouble(fault: Fault) -> Trouble:
    return Trouble(fault=fault, since=60.0, count=3)


def launching(create: CreateStatus, fault: Fault | None = None) -> Execution:
    state = Launching(
        granted_at=0.0, create=create, not_before=0.0, trouble=None if fault is None else trouble(fault)
    )
    return execution(state)


def running(fault: Fault | None = None) -> Execution:
    return execution(
        Running(
            granted_at=0.0,
            meta=b"m",
            observation=SEEN,
            observed_at=0.0,
            poll_at=0.0,
            settled_at=0.0,
            trouble=None if fault is None else trouble(fault),
        )
    )


def cleaning(fault: Fault | None = None, *, then: Outcome | Retry = ABORTED) -> Execution:
    return execution(
        Cleaning(
            granted_at=0.0,
            then=then,
            since=60.0,
            create=CreateStatus.CONFIRMED,
            meta=b"m",
            not_before=0.0,
            settled_at=90.0,
            trouble=None if fault is None else trouble(fault),
        )
    )


def place(pool: str, block: Block = Block.CAPACITY, **more: int) -> Place:
    numbers = {"units": 1, "position": 1, "waiting": 1, "occupied": 1, "capacity": 1, **more}
    return Place(pool=pool, block=block, **numbers)


CLEANUP = "ends as ABORTED (enough); cleanup pending since 1970-01-01T00:01:00Z: "
HELD_BY_BREAKER = (
    "the breaker of connection warehouse is open since 1970-01-01T00:01:40Z, the next call is made at "
    "1970-01-01T00:02:10Z: NO_ANSWER: nothing came"
)


@pytest.mark.parametrize(
    ("one", "wait", "reason", "message"),
    [
        (
            execution(Waiting(since=0.0)),
            Wait(pools=(place("warehouse", units=2, position=3, waiting=17, occupied=10, capacity=10),)),
            "WAITING_FOR_POOLS",
            "waits for 2 units of pool warehouse: position 3 of 17, 10 of 10 units are held",
        ),
        (
            execution(Waiting(since=0.0)),
            Wait(pools=(place("a"), place("b", capacity=4))),
            "WAITING_FOR_POOLS",
            "waits for 1 unit of pool a: position 1 of 1, 1 of 1 units are held; "
            "1 unit of pool b: position 1 of 1, 1 of 4 units are held",
        ),
        (
            launching(CreateStatus.SENT),
            Wait(hold=Behind(ahead=37, per_s=2.5)),
            "RATE_LIMITED",
            "the remote job waits to be created: 37 calls go first, at most 2.5 a second",
        ),
        (
            launching(CreateStatus.DOUBTFUL),
            Wait(hold=Behind(ahead=1, per_s=200.0)),
            "RATE_LIMITED",
            "it is not known yet whether the remote job was created: 1 call goes first, at most 200 a second",
        ),
        (
            launching(CreateStatus.SENT),
            Wait(hold=Paused(until=90.0)),
            "THROTTLED",
            "the remote job waits to be created: the remote system asked for a pause until 1970-01-01T00:01:30Z",
        ),
        (
            launching(CreateStatus.UNSENT, SLOW_DOWN),
            Wait(hold=Paused(until=90.0), retry_at=80.0),
            "TOO_MANY_CALLS",
            "the remote job waits to be created: the remote system asked for a pause until 1970-01-01T00:01:30Z: "
            "slow down",
        ),
        (
            launching(CreateStatus.UNSENT, SLOW_DOWN),
            Wait(retry_at=80.0),
            "TOO_MANY_CALLS",
            "the remote job waits to be created (since 1970-01-01T00:01:00Z): slow down; "
            "tried again at 1970-01-01T00:01:20Z",
        ),
        (
            launching(CreateStatus.SENT, SILENCE),
            Wait(hold=BREAKER),
            "BREAKER_OPEN",
            f"the remote job waits to be created: {HELD_BY_BREAKER}",
        ),
        (
            running(),
            Wait(hold=Silent(since=100.0, next_try_at=None, fault=SILENCE)),
            "BREAKER_OPEN",
            "the remote job cannot be observed, and counts as running: the breaker of connection warehouse is open "
            "since 1970-01-01T00:01:40Z, it is tried now: NO_ANSWER: nothing came",
        ),
        (running(), Wait(), "", "3 of 5 stages"),
        (
            cleaning(),
            Wait(deletion=Deletion.PENDING, retry_at=80.0),
            "CLEANUP_PENDING",
            CLEANUP + "the remote system has taken the delete, and the job has not ended yet; "
            "tried again at 1970-01-01T00:01:20Z",
        ),
        (
            cleaning(),
            Wait(deletion=Deletion.ABSENT),
            "CLEANUP_PENDING",
            CLEANUP + "the remote system knows no such job, which counts when it is said again after "
            "1970-01-01T00:01:30Z, as a create may still arrive",
        ),
        (
            cleaning(),
            Wait(deletion=Deletion.GONE),
            "CLEANUP_PENDING",
            CLEANUP
            + "the remote job is over, which counts when it is said again after 1970-01-01T00:01:30Z, "
            "as a create may still arrive",
        ),
        (cleaning(), Wait(), "CLEANUP_PENDING", CLEANUP + "the delete is not answered yet"),
        (
            cleaning(SILENCE),
            Wait(deletion=Deletion.PENDING),
            "NO_ANSWER",
            CLEANUP + "nothing came (since 1970-01-01T00:01:00Z)",
        ),
        (
            cleaning(SILENCE),
            Wait(hold=BREAKER),
            "BREAKER_OPEN",
            CLEANUP + f"nothing came (since 1970-01-01T00:01:00Z); {HELD_BY_BREAKER}",
        ),
        (
            cleaning(then=Retry(reason="BROKE", message="")),
            Wait(hold=Behind(ahead=0, per_s=1.0)),
            "RATE_LIMITED",
            "another attempt follows; cleanup pending since 1970-01-01T00:01:00Z: the delete is not answered yet; "
            "it goes next, at most 1 a second",
        ),
    ],
)
def test_what_is_said(one: Execution, wait: Wait, reason: str, message: str) -> None:
    assert told(one, wait) == (reason, message)


@pytest.mark.parametrize(
    "one",
    [
        execution(Queued(not_before=0.0)),
        execution(Waiting(since=0.0), Claim(pool="p")),
        launching(CreateStatus.DOUBTFUL, SILENCE),
        running(SILENCE),
        cleaning(SILENCE),
        execution(Done(outcome=ABORTED, ended_at=9.0)),
    ],
)
def test_without_a_wait_the_execution_tells_what_it_knows(one: Execution) -> None:
    assert told(one, None) == standing(one)


@pytest.mark.parametrize("hold", [BREAKER, Paused(until=1.0), Behind(ahead=1, per_s=1.0)])
def test_every_reason_of_a_wait_is_in_the_table(hold: Hold) -> None:
    known = {reason for reason, _ in WAIT_ROWS}
    for one in (launching(CreateStatus.SENT), running(), cleaning()):
        assert told(one, Wait(hold=hold))[0] in known
    assert told(cleaning(), Wait())[0] in known
    assert told(execution(Waiting(since=0.0)), Wait(pools=(place("p"),)))[0] in known


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World().serving() as made:
        yield made


async def test_get_and_wait_tell_it_and_lists_tell_what_is_stored(world: World) -> None:
    made = await world.stub.CreateExecution(create("a"))
    name = parse_name(full("a"))
    world.executions.move(name, Waiting(since=0.0))
    world.executions.waiting[name] = Wait(pools=(place("p", position=2, waiting=5),))
    said = "waits for 1 unit of pool p: position 2 of 5, 1 of 1 units are held"
    got = await world.stub.GetExecution(GetExecutionRequest(name=made.name))
    batch = await world.stub.BatchGetExecutions(BatchGetExecutionsRequest(parent=PARENT, names=[made.name]))
    waited = await world.stub.WaitExecution(
        WaitExecutionRequest(name=made.name, timeout=Duration(nanos=1_000_000))
    )
    for answer in (got, *batch.executions, waited):
        assert (answer.reason, answer.message) == ("WAITING_FOR_POOLS", said)
    listed = await world.stub.ListExecutions(ListExecutionsRequest(parent=PARENT))
    assert [one.message for one in listed.executions] == ["waits for its turn"]
