"""Snowflake's part of a demo: real SQL of several sorts."""

from __future__ import annotations

import random

from propwash.cli.demo.work import DURATION, FAIL_ATTEMPTS, FAIL_REASON, Kind, Work
from propwash.client import Phase, Value

TASK_TYPE = "snowflake"
_RETRYABLE = "000603"
"""Snowflake's code for an incident of its own, which another attempt may survive."""


def _work(
    sql: str,
    duration_ms: int,
    *,
    spec: dict[str, Value] | None = None,
    inputs: dict[str, Value] | None = None,
    expected: Phase = Phase.SUCCEEDED,
    fails: dict[str, str] | None = None,
    max_attempts: int = 1,
) -> Work:
    lasting_ms = duration_ms if max_attempts == 1 else duration_ms // 2
    return Work(
        task_type=TASK_TYPE,
        spec={"statement": sql, **(spec or {})},
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
        case draw if draw < 78:
            return _work(
                "SELECT ? * 2 AS doubled, CONCAT('job ', ?) AS who",
                ms,
                spec={"bindings": ["n", "who"]},
                inputs={"n": number, "who": str(index)},
            )
        case draw if draw < 84:
            return _work(
                f"INSERT INTO visits (n, who) VALUES ({number}, 'job {index}'); SELECT COUNT(*) FROM visits;",
                ms,
                spec={"statement_count": 2},
            )
        case draw if draw < 90:
            return _work(
                "INSERT INTO visits (n, who) VALUES (?, ?)",
                ms,
                spec={"bindings": ["n", "who"]},
                inputs={"n": number, "who": f"job {index}"},
            )
        case draw if draw < 93:
            return _work("SELECT COUNT(*) AS visits, MAX(n) AS largest FROM visits", ms)
        case draw if draw < 94:
            return _work("SELEC 1 AS n", ms, expected=Phase.FAILED)
        case draw if draw < 95:
            return _work(f"SELECT n FROM absent_{index}", ms, expected=Phase.FAILED)
        case draw if draw < 97:
            return _work(
                f"SELECT {number} AS n",
                ms,
                fails={FAIL_REASON: _RETRYABLE},
                expected=Phase.FAILED,
                max_attempts=2,
            )
        case _:
            return _work(
                f"SELECT {number} AS n",
                ms,
                fails={FAIL_REASON: _RETRYABLE, FAIL_ATTEMPTS: "1"},
                max_attempts=3,
            )


STATEMENTS = Kind(
    name="statements",
    share=30,
    draw=_draw,
    preparation=Work(
        task_type=TASK_TYPE, spec={"statement": "CREATE TABLE IF NOT EXISTS visits (n INT, who STRING)"}
    ),
)
