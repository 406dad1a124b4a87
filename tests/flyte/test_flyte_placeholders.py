"""Placeholders of statements become bind variables and parameters, and never text."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from propwash.sdk import FlyteDialect, FlyteInput, FlyteKind, FlyteTask, TemplateError
from propwash_bigquery.flyte import QueryTasks
from propwash_snowflake.flyte import StatementTasks

TASKS: dict[str, FlyteDialect] = {"bigquery": QueryTasks(), "snowflake": StatementTasks()}


JOINED = 'CONCAT("it\'s ", CAST(@a AS STRING))'
THREE = "'" * 3
QUOTED = "SELECT TO_VARCHAR(?), '', ('it''s ' || TO_VARCHAR(?) || '%!')"


@pytest.mark.parametrize(
    ("statement", "inputs", "expected", "names"),
    [
        ("SELECT 1", {}, "SELECT 1", ()),
        ("SELECT '100%%', %(a)s", {}, "SELECT '100%%', %(a)s", ()),
        ("SELECT %(a)s, %(b)s, %(a)s, '5%%'", {"a": 1, "b": 2}, "SELECT ?, ?, ?, '5%'", ("a", "b", "a")),
        ("SELECT {{ .inputs.a }} + {{.inputs.b}}", {"a": 1, "b": 2}, "SELECT ? + ?", ("a", "b")),
        ("SELECT 5 % 2", {"a": 1}, "SELECT 5 % 2", ()),
        ("SELECT '%(a)s', '', 'it''s %(b)s%%!'", {"a": 1, "b": 2}, QUOTED, ("a", "b")),
        ("SELECT '%%(a)s', \"c%%\"", {"a": 1}, "SELECT '%(a)s', \"c%%\"", ()),
        ("SELECT X'CA' OR'%(a)s'", {"a": 1}, "SELECT X'CA' OR TO_VARCHAR(?)", ("a",)),
        ("SELECT %(a)s, 'it %(z)s", {"a": 1}, "SELECT ?, 'it %(z)s", ("a",)),
        ("SELECT 1 -- %(a)s, %(z)s", {"a": 1}, "SELECT 1 -- %(a)s, %(z)s", ()),
        (
            "SELECT /* {{ .inputs.z }} */ %(a)s // it's",
            {"a": 1},
            "SELECT /* {{ .inputs.z }} */ ? // it's",
            ("a",),
        ),
    ],
)
def test_placeholders_of_a_statement_become_bind_variables(
    statement: str, inputs: dict[str, Any], expected: str, names: tuple[str, ...]
) -> None:
    asked = StatementTasks().request(FlyteTask(task_type="snowflake", statement=statement, inputs=inputs))
    assert (asked.spec["statement"], asked.spec.get("bindings", ())) == (expected, names)
    assert set(asked.inputs) == set(names)


def test_a_list_stands_for_its_elements_and_a_null_has_the_declared_type() -> None:
    whole = FlyteInput(kind=FlyteKind.INTEGER)
    asked = StatementTasks().request(
        FlyteTask(
            task_type="snowflake",
            statement="SELECT %(n)s WHERE a IN (%(ns)s)",
            inputs={"n": None, "ns": (1, None), "unused": 1},
            input_types={"n": whole, "ns": FlyteInput(kind=FlyteKind.LIST, element=whole)},
        )
    )
    assert asked.spec["statement"] == "SELECT ? WHERE a IN (?, ?)"
    assert asked.spec["bindings"] == (
        {"input": "n", "type": "FIXED"},
        {"input": "ns", "element": 0},
        {"input": "ns", "element": 1, "type": "FIXED"},
    )
    assert asked.inputs == {"n": None, "ns": (1, None)}


def batch(statement: str, **inputs: Any) -> FlyteTask:
    return FlyteTask(task_type="snowflake", statement=statement, custom={"batch": True}, inputs=inputs)


def test_a_batch_repeats_its_row_of_values_for_each_element() -> None:
    statement = (
        "MERGE INTO t USING (SELECT * FROM VALUES (UPPER(%(a)s), ')', %(b)s)) AS s ON t.a = s.a -- VALUES ("
    )
    asked = StatementTasks().request(batch(statement, a=("x", "y"), b=(1, 2)))
    row = "(UPPER(?), ')', ?)"
    expected = f"MERGE INTO t USING (SELECT * FROM VALUES {row}, {row}) AS s ON t.a = s.a -- VALUES ("
    assert asked.spec["statement"] == expected
    bound = [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert asked.spec["bindings"] == tuple({"input": name, "element": number} for name, number in bound)
    assert StatementTasks().request(batch("SELECT '5%%'")).spec["statement"] == "SELECT '5%%'"


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (batch("INSERT INTO t SELECT %(a)s", a=(1,)), "sql.statement: has 0 of VALUES (...)"),
        (batch("VALUES (%(a)s) UNION VALUES (%(a)s)", a=(1,)), "sql.statement: has 2 of VALUES (...)"),
        (batch("INSERT INTO %(a)s VALUES (%(a)s)", a=(1,)), "sql.statement: %(a)s stands outside of VALUES"),
        (batch("VALUES (%(b)s)", a=(1,)), "sql.statement: %(b)s names no input"),
        (batch("VALUES (%(a)s)", a=()), "custom.batch: wants at least one row"),
        (batch("VALUES (%(a)s)", a="abc"), "custom.batch: wants lists, and inputs.a is none"),
        (
            batch("VALUES (%(a)s)", a=(1,), b=(1, 2)),
            "custom.batch: wants lists of one length: a has 1, b has 2",
        ),
    ],
)
def test_a_batch_that_cannot_be_expanded_says_why(task: FlyteTask, said: str) -> None:
    with pytest.raises(TemplateError) as raised:
        StatementTasks().request(task)
    assert str(raised.value).startswith(said)


def test_tags_and_counts_among_the_session_parameters_have_fields_of_their_own() -> None:
    given: Any = {
        "session_parameters": {"query_tag": "t", "MULTI_STATEMENT_COUNT": 2, "x": 1},
        "timezone": "UTC",
    }
    task = FlyteTask(task_type="snowflake", statement="SELECT 1", custom={"connection_kwargs": given})
    asked = StatementTasks().request(task)
    assert (asked.spec["query_tag"], asked.spec["statement_count"]) == ("t", 2)
    assert asked.spec["session_parameters"] == {"X": 1, "TIMEZONE": "UTC"}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT {{.inputs.a}} + {{ .Inputs.a }}", "SELECT @a + @a"),
        ("SELECT '{{ .inputs.a }}', \"it's {{ .inputs.a }}\"", "SELECT CAST(@a AS STRING), " + JOINED),
        ("SELECT r'\\{{ .inputs.a }}'", "SELECT CONCAT(r'\\', CAST(@a AS STRING))"),
        (f"SELECT {THREE}a'{{{{.inputs.a}}}}{THREE}", f"SELECT CONCAT({THREE}a'{THREE}, CAST(@a AS STRING))"),
        (
            "SELECT 1 # {{ .inputs.z }}\n, 2 -- {{ .inputs.z }}",
            "SELECT 1 # {{ .inputs.z }}\n, 2 -- {{ .inputs.z }}",
        ),
        ("SELECT x OR'{{ .inputs.a }}'", "SELECT x OR CAST(@a AS STRING)"),
        ("SELECT {{ .inputs.a }}, 'it {{ .inputs.z }}", "SELECT @a, 'it {{ .inputs.z }}"),
        ("SELECT /* {{ .inputs.z }} */ 'it\\'s', %(a)s", "SELECT /* {{ .inputs.z }} */ 'it\\'s', %(a)s"),
    ],
)
def test_placeholders_of_a_query_become_parameters(statement: str, expected: str) -> None:
    asked = QueryTasks().request(FlyteTask(task_type="b", statement=statement, inputs={"a": 1}))
    assert asked.spec["query"] == expected


@pytest.mark.parametrize("unit", ["'\\'", "''", '"', "$$", "/*", "{{ ", "%(a", "VALUES ", "r'", "`", "\\"])
@pytest.mark.parametrize("start", ["", "'"])
@pytest.mark.parametrize("system", ["bigquery", "snowflake"])
def test_a_statement_of_fragments_is_read_in_no_time(system: str, start: str, unit: str) -> None:
    began_at = time.perf_counter()
    task = FlyteTask(task_type=system, statement=start + unit * 20_000, inputs={"a": (1,)})
    with contextlib.suppress(TemplateError):
        TASKS[system].request(task)
    assert time.perf_counter() - began_at < 1.0
