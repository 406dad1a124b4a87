"""BigQuery's part of a demo: real SQL of many sorts."""

from __future__ import annotations

import random

from propwash.cli.demo.work import DURATION, FAIL_ATTEMPTS, FAIL_REASON, Kind, Work
from propwash.client import Phase, Value

TASK_TYPE = "bigquery_query_job_task"
_RETRYABLE = "jobbackenderror"


def _work(
    sql: str,
    duration_ms: int,
    *,
    inputs: dict[str, Value] | None = None,
    expected: Phase = Phase.SUCCEEDED,
    fails: dict[str, str] | None = None,
    max_attempts: int = 1,
) -> Work:
    # An attempt that is to be repeated lasts half as long, so that both together last as long as one.
    lasting_ms = duration_ms if max_attempts == 1 else duration_ms // 2
    return Work(
        task_type=TASK_TYPE,
        spec={"query": sql},
        inputs=inputs or {},
        labels={DURATION: str(lasting_ms), **(fails or {})},
        expected=expected,
        max_attempts=max_attempts,
    )


def _draw(index: int, dice: random.Random, ms: int) -> Work:
    number = dice.randrange(1_000_000)
    match dice.randrange(100):
        case draw if draw < 60:
            return _work(f"SELECT {number} AS n, 'job {index}' AS who", ms)
        case draw if draw < 76:
            return _work(
                "SELECT @n * 2 AS doubled, CONCAT('job ', @who) AS who, @ratio < 1 AS is_small",
                ms,
                inputs={"n": number, "who": str(index), "ratio": dice.random()},
            )
        case draw if draw < 84:
            numbers: list[Value] = [dice.randrange(1000) for _ in range(dice.randrange(2, 20))]
            return _work(
                "SELECT SUM(x) AS total, COUNT(*) AS items FROM UNNEST(@xs) AS x", ms, inputs={"xs": numbers}
            )
        case draw if draw < 87:
            return _work(
                f"DECLARE total INT64 DEFAULT {number}; SET total = total + 1; SELECT total AS total;", ms
            )
        case draw if draw < 91:
            return _work(
                "INSERT INTO demo.visits (n, who) VALUES (@n, @who)",
                ms,
                inputs={"n": number, "who": f"job {index}"},
            )
        case draw if draw < 93:
            return _work("SELECT COUNT(*) AS visits, MAX(n) AS largest FROM demo.visits", ms)
        case draw if draw < 94:
            return _work("SELEC 1 AS n", ms, expected=Phase.FAILED)
        case draw if draw < 95:
            return _work(f"SELECT n FROM demo.absent_{index}", ms, expected=Phase.FAILED)
        case draw if draw < 96:
            return _work(
                f"SELECT {number} AS n",
                ms,
                fails={FAIL_REASON: _RETRYABLE},
                expected=Phase.FAILED,
                max_attempts=2,
            )
        case draw if draw < 98:
            return _work(
                f"SELECT {number} AS n",
                ms,
                fails={FAIL_REASON: _RETRYABLE, FAIL_ATTEMPTS: "1"},
                max_attempts=3,
            )
        case _:
            return _work(
                "WITH years AS (SELECT y FROM UNNEST(GENERATE_ARRAY(2000, 2025)) AS y) "
                "SELECT MOD(y, @n) AS rest, COUNT(*) AS years FROM years GROUP BY rest ORDER BY rest",
                ms,
                inputs={"n": 2 + number % 7},
            )


QUERIES = Kind(
    name="queries",
    share=40,
    draw=_draw,
    preparation=Work(
        task_type=TASK_TYPE,
        spec={
            "query": "CREATE SCHEMA IF NOT EXISTS demo; "
            "CREATE TABLE IF NOT EXISTS demo.visits (n INT64, who STRING);"
        },
    ),
)
