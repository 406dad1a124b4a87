"""Any execution, any request and any pool, with every field drawn."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TypeVar

from hypothesis import strategies as st

from propwash.core import model as m
from propwash.core.pool import MOST_UNITS, MOST_WEIGHT, PoolSpec, ProjectShare
from propwash.ports import StoredPool, TaskRequest

T = TypeVar("T")


def every(kind: type[T], /, **fields: st.SearchStrategy[object]) -> st.SearchStrategy[T]:
    """Values of a dataclass, with every field drawn: a field that is added later must be carried too."""
    assert set(fields) == {each.name for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return st.builds(kind, **fields)


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBERS = st.floats(allow_nan=False)
INSTANTS = st.floats(0, 1e11)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBERS | TEXT | st.binary(max_size=20)
)
VALUES = st.dictionaries(
    TEXT,
    st.recursive(
        SCALARS
        | st.datetimes(timezones=st.just(dt.UTC)).map(lambda at: at.replace(fold=0))
        | st.timedeltas(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
OUTPUTS = st.dictionaries(
    TEXT,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
OPTIONAL_S = st.none() | INSTANTS
COUNTS = st.integers(0, 2**31 - 1)
LINKS = st.lists(every(m.Link, title=TEXT, uri=TEXT), max_size=2).map(tuple)
FAULTS = every(
    m.Fault, kind=st.sampled_from(m.FaultKind), reason=TEXT, message=TEXT, retry_after_s=OPTIONAL_S
)
TROUBLES = st.none() | every(m.Trouble, fault=FAULTS, since=INSTANTS, count=COUNTS)
OBSERVATIONS = every(
    m.Observation,
    phase=st.sampled_from(m.RemotePhase),
    message=TEXT,
    reason=TEXT,
    is_retryable=st.booleans(),
    links=LINKS,
    outputs=OUTPUTS,
    # Volatile: where it is lost, the job is asked for by its age.
    ask_again_s=st.none(),
)
OUTCOMES = every(
    m.Outcome,
    kind=st.sampled_from(m.OutcomeKind),
    reason=TEXT,
    message=TEXT,
    outputs=OUTPUTS,
    links=LINKS,
    is_retryable=st.booleans(),
)
RETRIES = every(m.Retry, reason=TEXT, message=TEXT, retry_after_s=OPTIONAL_S)
CREATES = st.sampled_from(m.CreateStatus)
STATES = st.one_of(
    every(m.Queued, not_before=INSTANTS),
    every(m.Waiting, since=INSTANTS),
    every(
        m.Launching,
        granted_at=INSTANTS,
        create=CREATES,
        not_before=INSTANTS,
        settled_at=INSTANTS,
        has_doubted=st.booleans(),
        trouble=TROUBLES,
    ),
    every(
        m.Running,
        granted_at=INSTANTS,
        meta=st.binary(max_size=20),
        observation=OBSERVATIONS,
        observed_at=INSTANTS,
        poll_at=INSTANTS,
        settled_at=INSTANTS,
        has_doubted=st.booleans(),
        missing=COUNTS,
        trouble=TROUBLES,
    ),
    every(
        m.Cleaning,
        granted_at=INSTANTS,
        then=OUTCOMES | RETRIES,
        since=INSTANTS,
        create=CREATES,
        meta=st.none() | st.binary(max_size=20),
        not_before=INSTANTS,
        settled_at=INSTANTS,
        has_doubted=st.booleans(),
        deletes=COUNTS,
        trouble=TROUBLES,
        links=LINKS,
    ),
    every(m.Done, outcome=OUTCOMES, ended_at=INSTANTS, meta=st.none() | st.binary(max_size=8)),
)
PLANS = every(
    m.Plan,
    task_type=TEXT,
    connection=TEXT,
    project=TEXT,
    domain=TEXT,
    hint=st.binary(max_size=20),
    claims=st.lists(every(m.Claim, pool=TEXT, units=COUNTS), max_size=2).map(tuple),
    policy=every(
        m.Policy,
        max_attempts=COUNTS,
        wait_deadline_s=OPTIONAL_S,
        run_deadline_s=OPTIONAL_S,
        total_deadline_s=OPTIONAL_S,
    ),
    is_polled_together=st.booleans(),
    priority=st.integers(-(2**31), 2**31 - 1),
    traits=every(
        m.Traits,
        has_unique_names=st.booleans(),
        remembers_deleted_names=st.booleans(),
        settle_s=INSTANTS,
        poll_floor_s=INSTANTS,
        poll_ceiling_s=INSTANTS,
        can_look_up=st.booleans(),
    ),
)
FAILURES = every(m.AttemptFailure, attempt=COUNTS, reason=TEXT, message=TEXT, at=INSTANTS)
EXECUTIONS = every(
    m.Execution,
    uid=st.just(m.ExecutionUid("u" * 26)),
    plan=st.just(m.Plan(task_type="t")),
    state=STATES,
    attempt=COUNTS,
    created_at=INSTANTS,
    updated_at=INSTANTS,
    failures=st.lists(FAILURES, max_size=3).map(tuple),
    # Volatile: a hint that is lost in a crash is made up for by the first poll.
    hinted_at=st.just(0.0),
)
UNITS = st.integers(0, MOST_UNITS)
SHARES = every(
    ProjectShare,
    weight=st.floats(0, MOST_WEIGHT),
    limit=st.none() | UNITS,
    namespace_limit=st.none() | UNITS,
)
POOLS = every(
    StoredPool,
    spec=every(
        PoolSpec,
        name=TEXT,
        capacity=UNITS,
        share=SHARES,
        projects=st.dictionaries(TEXT, SHARES, max_size=3),
        description=TEXT,
    ),
    version=st.integers(1, 2**63 - 1),
    configured=st.binary(max_size=32),
    created_at=INSTANTS,
    updated_at=INSTANTS,
)
REQUESTS = every(
    TaskRequest,
    task_type=TEXT,
    spec=VALUES,
    inputs=VALUES,
    connection=TEXT,
    labels=st.dictionaries(TEXT, TEXT, max_size=3),
    request_id=TEXT,
    digest=st.binary(max_size=32),
    memo=st.binary(max_size=32),
)
