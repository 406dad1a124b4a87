"""Every command against the fake server: what it prints, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from propwash.cli.main import cli
from propwash.pb.v1 import execution_pb2 as e
from tests.client.fake_server import FakeServer, World

PARENT = "projects/default/domains/default/executions"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer(World())
    made.start()
    yield made
    made.stop()


def run(server: FakeServer, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(
        cli, list(arguments), input=stdin, env={"PROPWASH_SERVER": server.target}, catch_exceptions=False
    )


def submit(server: FakeServer, execution_id: str, query: str = "SELECT 1", *more: str) -> Result:
    return run(server, "submit", "-t", "query", "--query", query, "--id", execution_id, *more)


def test_submit_prints_the_name(server: FakeServer) -> None:
    result = submit(server, "a")
    assert (result.exit_code, result.stdout) == (0, f"{PARENT}/a\n")
    assert result.stderr == ""


def test_submit_takes_typed_values(server: FakeServer) -> None:
    result = submit(
        server,
        "a",
        "SELECT @n",
        *("--set", "default_dataset.dataset=d", "--set", "dry:=true", "--input", "n:=41", "--input", "s=41"),
        *(
            "--input",
            "xs:=[1, 2.5, null]",
            "--label",
            "team=a",
            "--max-attempts",
            "3",
            "--run-timeout",
            "1h30m",
            "--priority",
            "-5",
        ),
    )
    assert result.exit_code == 0, result.stderr
    made = server.world.executions[f"{PARENT}/a"]
    assert made.inputs.entries["n"].integer == 41
    assert made.inputs.entries["s"].text == "41"
    kinds = [item.WhichOneof("kind") for item in made.inputs.entries["xs"].list.items]
    assert kinds == ["integer", "number", "null"]
    assert made.spec.entries["default_dataset"].map.entries["dataset"].text == "d"
    assert made.spec.entries["dry"].boolean
    assert made.labels == {"team": "a"}
    assert made.policy.max_attempts == 3
    assert made.priority == -5
    assert "priority:" in run(server, "get", "a").stdout
    assert made.policy.run_timeout.seconds == 5400


def test_submit_reads_a_spec_from_a_file_and_from_standard_input(server: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("query: SELECT 1\nlocation: EU\n")
    assert run(server, "submit", "-t", "query", "-f", str(file), "--set", "location=US").exit_code == 0
    assert run(server, "submit", "-t", "query", "-f", "-", stdin='{"query": "SELECT 2"}').exit_code == 0
    specs = [one.spec.entries for one in server.world.executions.values()]
    assert [spec["query"].text for spec in specs] == ["SELECT 1", "SELECT 2"]
    assert specs[0]["location"].text == "US"


@pytest.mark.parametrize(("query", "code"), [("succeed", 0), ("fail", 3), ("abort", 4), ("time out", 5)])
def test_the_exit_code_says_how_it_ended(server: FakeServer, query: str, code: int) -> None:
    assert submit(server, "a", query, "--wait").exit_code == code
    assert run(server, "wait", "a").exit_code == code
    assert run(server, "watch", "a").exit_code == code


def test_waiting_may_end_before_the_execution(server: FakeServer) -> None:
    submit(server, "a")
    result = run(server, "wait", "a", "--for", "0.01s")
    assert result.exit_code == 11
    assert "QUEUED" in result.stdout


def test_the_worst_end_counts(server: FakeServer) -> None:
    submit(server, "a", "succeed")
    submit(server, "b", "fail")
    assert run(server, "wait", "a", "b").exit_code == 3


@pytest.mark.parametrize("is_file", [False, True])
def test_a_full_queue_is_told_with_the_time_to_try_again(
    server: FakeServer, tmp_path: Path, is_file: bool
) -> None:
    server.world.full_for_s = 42
    (tmp_path / "jobs.jsonl").write_text('{"task_type": "query", "spec": {"query": "SELECT 1"}}\n')
    of_file = ("submit", "--from-file", str(tmp_path / "jobs.jsonl"))
    result = run(server, *of_file) if is_file else submit(server, "a")
    assert result.exit_code == 7
    assert result.stderr.startswith(
        "propwash: PROJECT_QUEUE_FULL: project 'default' has 5 executions in its queue, 5 are allowed; "
        "try again in 42 s"
    )
    result = submit(server, "a", "SELECT 1", "-o", "json")
    assert json.loads(result.stderr)["error"]["retry_after_s"] == 42


def test_submit_many_from_a_file_may_be_run_again(server: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "jobs.jsonl"
    lines = [
        {"task_type": "query", "spec": {"query": f"SELECT {n}"}, "inputs": {"n": n}, "priority": n}
        for n in range(3)
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    for _ in range(2):
        result = run(server, "submit", "--from-file", str(file), "--request-id", "import")
        assert result.exit_code == 0, result.stderr
        assert len(result.stdout.splitlines()) == 3
    assert [one.priority for one in server.world.executions.values()] == [0, 1, 2]


@pytest.mark.parametrize("priority", ["1.5", '"high"', "true", "null"])
def test_a_priority_in_a_file_is_an_integer(server: FakeServer, tmp_path: Path, priority: str) -> None:
    file = tmp_path / "jobs.jsonl"
    file.write_text(f'{{"task_type": "query", "spec": {{}}, "priority": {priority}}}\n')
    result = run(server, "submit", "--from-file", str(file))
    assert (result.exit_code, server.world.executions) == (2, {})
    assert "jobs.jsonl:1: priority is an integer, not" in result.stderr


def test_a_bad_line_is_named(server: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "jobs.jsonl"
    file.write_text('{"task_type": "query", "spec": {}}\n{"task_type": "query", "spec": {}, "max": 1}\n')
    result = run(server, "submit", "--from-file", str(file))
    assert result.exit_code == 2
    assert "jobs.jsonl:2: unknown field 'max'" in result.stderr
    assert server.world.executions == {}


def test_validate_only_creates_nothing(server: FakeServer) -> None:
    result = submit(server, "a", "SELECT 1", "--validate-only")
    assert (result.exit_code, result.stdout) == (0, "valid\n")
    assert server.world.executions == {}


def test_get_list_and_names(server: FakeServer) -> None:
    for one in "abc":
        submit(server, one)
    listed = run(server, "list", "-o", "name")
    assert listed.stdout.split() == [f"{PARENT}/c", f"{PARENT}/b", f"{PARENT}/a"]
    table = run(server, "list", "--limit", "2").stdout.splitlines()
    assert table[0].split() == ["EXECUTION", "PHASE", "ATTEMPT", "TASK", "TYPE", "AGE", "MESSAGE"]
    assert [line.split()[0] for line in table[1:]] == ["c", "b"]
    documents = json.loads(run(server, "list", "-o", "json").stdout)
    assert [one["phase"] for one in documents] == ["QUEUED"] * 3
    one = json.loads(run(server, "get", "a", "-o", "json").stdout)
    assert one["name"] == f"{PARENT}/a"
    assert one["spec"] == {"query": "SELECT 1"}
    assert len(json.loads(run(server, "get", "a", "b", "-o", "json").stdout)) == 2
    assert "phase:" in run(server, "get", f"{PARENT}/a").stdout


def test_watch_prints_a_line_a_change(server: FakeServer) -> None:
    submit(server, "a", "succeed")
    plain = run(server, "watch", "a").stdout
    assert "  a  SUCCEEDED  attempt=1" in plain
    item = json.loads(run(server, "watch", "a", "-o", "json").stdout.splitlines()[0])
    assert (item["kind"], item["execution"]["phase"]) == ("SNAPSHOT", "SUCCEEDED")


def test_abort_goes_on_after_a_refusal(server: FakeServer) -> None:
    submit(server, "a", "succeed")
    submit(server, "b")
    result = run(server, "abort", "a", "b")
    assert result.exit_code == 10
    assert "EXECUTION_ENDED" in result.stderr
    assert server.world.executions[f"{PARENT}/b"].phase == e.PHASE_ABORTED


def test_hint_says_what_became_of_it_and_goes_on_after_a_refusal(server: FakeServer) -> None:
    submit(server, "a", "succeed")
    submit(server, "b")
    remote = "pw-us-01hzy3m8p0q4r5s6t7v8w9x0y1-1"
    result = run(server, "hint", "none", "a", "b", remote)
    assert result.exit_code == 6
    assert result.stdout.splitlines() == [
        f"{PARENT}/a  is over already",
        f"{PARENT}/b  is asked for",
        f"{remote}  is over already",
    ]
    assert json.loads(run(server, "hint", "b", "-o", "json").stdout) == {"name": f"{PARENT}/b", "heard": True}


def test_logs_results_and_handlers(server: FakeServer) -> None:
    submit(server, "a", "succeed")
    assert run(server, "logs", "a").stdout.splitlines()[-1] == "line 3"
    assert run(server, "results", "a").stdout.splitlines()[:2] == ["n  who", "0  row 0"]
    document = json.loads(run(server, "results", "a", "--limit", "2", "-o", "json").stdout)
    assert document["rows"] == [{"n": 0, "who": "row 0"}, {"n": 1, "who": "row 1"}]
    assert run(server, "handlers", "-o", "name").stdout == "query\n"
    assert json.loads(run(server, "handlers", "query", "-o", "json").stdout)["spec_schema"] == {
        "type": "object"
    }


def test_errors_are_one_line_with_reason_and_field(server: FakeServer) -> None:
    result = run(server, "submit", "-t", "other", "--query", "x")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "propwash: UNKNOWN_TASK_TYPE: no handler serves other (execution.task_type: no handler serves other)\n"
    )
    missing = run(server, "get", "x", "-o", "json")
    assert missing.exit_code == 6
    error = json.loads(missing.stderr)["error"]
    assert (error["code"], error["reason"]) == ("NOT_FOUND", "EXECUTION_NOT_FOUND")
    assert run(server, "handlers", "x").exit_code == 6


def test_a_server_that_is_not_there(server: FakeServer) -> None:
    server.stop()
    result = run(server, "get", "a", "--timeout", "0.05")
    server.start()
    assert result.exit_code == 7
    assert result.stderr.startswith("propwash: UNAVAILABLE")


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit", "--query", "x"],
        ["submit", "-t", "query", "--input", "n"],
        ["submit", "-t", "query", "--input", "n:={"],
        ["submit", "-t", "query", "--label", "team"],
        ["submit", "-t", "query", "--priority", "1001"],
        ["submit", "-t", "query", "--run-timeout", "soon"],
        ["submit", "-t", "query", "--spec", "absent.yaml"],
        ["get"],
        ["nonsense"],
        ["get", "a", "--tls-cert", __file__],
        ["serve", "--set", "engine.concurrency=none"],
        ["serve", "--config", "absent.yaml"],
        ["new-plugin", "Not A Name"],
        ["sandbox", "--only", "absent"],
    ],
)
def test_wrong_usage_exits_with_2(server: FakeServer, arguments: list[str]) -> None:
    result = run(server, *arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr
    assert server.world.calls == []


def test_config_show_and_check(server: FakeServer) -> None:
    shown = json.loads(run(server, "config", "show", "--set", "log.level=debug", "-o", "json").stdout)
    assert shown["log"]["level"] == "debug"
    assert run(server, "config", "check").exit_code == 0
    bad = run(server, "config", "check", "--set", "log.level=loud", "--set", "drain_s=-1", "-o", "json")
    assert bad.exit_code == 2
    assert len(json.loads(bad.stderr)["error"]["faults"]) == 2
