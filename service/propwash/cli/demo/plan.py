"""What the demo submits: varied SQL, durations, and what each job must come to, all from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from propwash.client import NewExecution, Phase, Policy, Value

TASK_TYPE = "bigquery_query_job_task"
PREPARATION = (
    "CREATE SCHEMA IF NOT EXISTS demo; CREATE TABLE IF NOT EXISTS demo.visits (n INT64, who STRING);"
)
_RETRYABLE = "jobbackenderror"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoJob:
    """One job. abort_after_s is seconds after its create was acknowledged, None where it is left alone."""

    new: NewExecution
    expected: Phase
    duration_s: float
    abort_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The knobs of a plan. Jobs last from shortest_s to longest_s, except for a few that are quick."""

    jobs: int
    aborts: int
    seed: int
    shortest_s: float
    longest_s: float
    prefix: str = "job"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    sql: str
    inputs: dict[str, Value] = field(default_factory=dict)
    expected: Phase = Phase.SUCCEEDED
    labels: dict[str, str] = field(default_factory=dict)
    max_attempts: int = 1


def make_plan(load: Load) -> list[DemoJob]:
    """The jobs in the order of submission; the same load gives the same plan."""
    dice = random.Random(load.seed)
    aborted = set(dice.sample(range(load.jobs), min(load.aborts, load.jobs)))
    return [_job(index, load, dice, is_aborted=index in aborted) for index in range(load.jobs)]


def _job(index: int, load: Load, dice: random.Random, *, is_aborted: bool) -> DemoJob:
    query = _query(index, dice)
    is_quick = dice.random() < 0.01 and not is_aborted
    duration_s = dice.uniform(0.05, 0.8) if is_quick else dice.uniform(load.shortest_s, load.longest_s)
    if query.max_attempts > 1:
        duration_s /= 2  # for each of its two attempts
    abort_after_s: float | None = None
    if is_aborted:
        abort_after_s = 0.0 if dice.random() < 0.25 else dice.uniform(0.0, 0.8 * duration_s)
    name = f"{load.prefix}-{index:05d}"
    new = NewExecution(
        task_type=TASK_TYPE,
        spec={"query": query.sql},
        inputs=query.inputs,
        execution_id=name,
        labels={"sandbox-duration-ms": str(round(duration_s * 1000)), **query.labels},
        policy=Policy(max_attempts=query.max_attempts),
        request_id=f"{load.prefix}-{load.seed}-{index}",
    )
    return DemoJob(new=new, expected=query.expected, duration_s=duration_s, abort_after_s=abort_after_s)


def _query(index: int, dice: random.Random) -> _Query:
    number = dice.randrange(1_000_000)
    match dice.randrange(100):
        case draw if draw < 60:
            return _Query(sql=f"SELECT {number} AS n, 'job {index}' AS who")
        case draw if draw < 76:
            return _Query(
                sql="SELECT @n * 2 AS doubled, CONCAT('job ', @who) AS who, @ratio < 1 AS is_small",
                inputs={"n": number, "who": str(index), "ratio": dice.random()},
            )
        case draw if draw < 84:
            numbers: list[Value] = [dice.randrange(1000) for _ in range(dice.randrange(2, 20))]
            return _Query(
                sql="SELECT SUM(x) AS total, COUNT(*) AS items FROM UNNEST(@xs) AS x", inputs={"xs": numbers}
            )
        case draw if draw < 87:
            return _Query(
                sql=f"DECLARE total INT64 DEFAULT {number}; SET total = total + 1; SELECT total AS total;"
            )
        case draw if draw < 91:
            return _Query(
                sql="INSERT INTO demo.visits (n, who) VALUES (@n, @who)",
                inputs={"n": number, "who": f"job {index}"},
            )
        case draw if draw < 93:
            return _Query(sql="SELECT COUNT(*) AS visits, MAX(n) AS largest FROM demo.visits")
        case draw if draw < 94:
            return _Query(sql="SELEC 1 AS n", expected=Phase.FAILED)
        case draw if draw < 95:
            return _Query(sql=f"SELECT n FROM demo.absent_{index}", expected=Phase.FAILED)
        case draw if draw < 96:
            return _Query(
                sql=f"SELECT {number} AS n",
                labels={"sandbox-fail-reason": _RETRYABLE},
                expected=Phase.FAILED,
                max_attempts=2,
            )
        case draw if draw < 98:
            return _Query(
                sql=f"SELECT {number} AS n",
                labels={"sandbox-fail-reason": _RETRYABLE, "sandbox-fail-attempts": "1"},
                max_attempts=3,
            )
        case _:
            return _Query(
                sql="WITH years AS (SELECT y FROM UNNEST(GENERATE_ARRAY(2000, 2025)) AS y) "
                "SELECT MOD(y, @n) AS rest, COUNT(*) AS years FROM years GROUP BY rest ORDER BY rest",
                inputs={"n": 2 + number % 7},
            )
