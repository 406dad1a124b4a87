"""propwash connections and propwash config check, with a plugin as a third party installs it and its stand-in as the
remote system.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.connections_shell import PLUGIN, TOKEN, Shell


def look_out(endpoint: str = "http://127.0.0.1:1", **more: object) -> dict[str, object]:
    return {"plugin": PLUGIN, "endpoint": endpoint, "settings": {"token": "env:LOOK_OUT_TOKEN"}, **more}


def test_what_works_is_ok(shell: Shell, endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    by_file = {"token": f"file:{tmp_path}/token"}
    shell.configure(night=look_out(endpoint, is_default=True), day=look_out(endpoint, settings=by_file))
    done = shell.run("connections", "check")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["CONNECTION", "STEP", "RESULT", "MESSAGE", "REMEDY"]
    assert ["night", "list", "jobs", "ok", "the", "service", "answers"] in lines
    assert ["day", "list", "jobs", "ok", "the", "service", "answers"] in lines
    assert shell.step("day") == (
        0,
        {
            "what": "list jobs",
            "is_ok": True,
            "message": "the service answers",
            "remedy": "",
            "task_types": ["look_out"],
        },
    )
    assert shell.run("connections", "check", "day", "-o", "name").stdout == ""


def test_where_nothing_is_configured_plugins_have_one_each(shell: Shell) -> None:
    shell.configure()
    assert PLUGIN in shell.run("connections", "list", "-o", "name").stdout.split()
    shell.configure(night=look_out())
    assert shell.run("connections", "list", "-o", "name").stdout.split() == ["night"]


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("another", "CREDENTIALS_UNAVAILABLE: the service does not accept the token"),
        ("", "CREDENTIALS_UNAVAILABLE: the secret env:LOOK_OUT_TOKEN is not set or empty"),
    ],
)
def test_wrong_and_missing_credentials(
    token: str, said: str, shell: Shell, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOK_OUT_TOKEN", token)
    shell.configure(night=look_out(endpoint))
    code, step = shell.step("night")
    assert (code, step["is_ok"], step["message"]) == (1, False, said)
    assert step["remedy"] == "put a valid token where settings.token says"
    table = shell.run("connections", "check", "night")
    assert table.exit_code == 1
    assert "FAILED" in table.stdout
    assert said in table.stdout


def test_an_endpoint_where_nobody_is(shell: Shell) -> None:
    shell.configure(night=look_out())
    code, step = shell.step("night")
    assert code == 1
    assert str(step["message"]).startswith("CONNECTION_LOST: GET /jobs: ClientConnectorError")
    assert step["remedy"] == "look at the endpoint, and whether the service is up"


def test_bad_settings_fail_the_check_and_the_configuration(shell: Shell) -> None:
    shell.configure(
        night=look_out(settings={"token": TOKEN, "tokn": "env:X"}),
        ghost={"plugin": "ghosts", "settings": {"password": TOKEN}},
        fine=look_out(),
    )
    checked = shell.run("connections", "check", "night", "ghost", "-o", "json")
    assert checked.exit_code == 1
    night, ghost = json.loads(checked.stdout)
    assert {step["what"] for step in night["steps"]} == {"settings.token", "settings.tokn"}
    assert not any(step["is_ok"] for step in (*night["steps"], *ghost["steps"]))
    held = shell.run("config", "check")
    assert (held.exit_code, held.stdout) == (2, "")
    lines = held.stderr.splitlines()
    assert sorted(line.rpartition(": ")[0] for line in lines)[1:] == [
        "propwash: connections.night.settings.token",
        "propwash: connections.night.settings.tokn",
    ]
    assert any(line.startswith("propwash: connections.ghost.plugin: plugin ghosts is not") for line in lines)
    document = json.loads(shell.run("config", "check", "-o", "json").stderr)
    assert document["error"]["reason"] == "CONFIG_INVALID"
    assert len(document["error"]["faults"]) == 3
    listed = json.loads(shell.run("connections", "list", "-o", "json").stdout)
    shown = {one["name"]: one["settings"] for one in listed}
    assert shown["night"] == {"token": "[not shown]", "tokn": "[not shown]"}
    assert shown["ghost"] == {"password": "[not shown]"}
    assert shown["fine"] == {"token": "env:LOOK_OUT_TOKEN"}


def test_a_configuration_that_holds(shell: Shell) -> None:
    shell.configure(night=look_out())
    done = shell.run("config", "check")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "the configuration holds\n", "")
    assert json.loads(shell.run("config", "check", "-o", "json").stdout) == {"valid": True}


def test_the_list_tells_how_each_is_used(shell: Shell) -> None:
    shell.configure(
        night=look_out(
            is_default=True,
            defaults_for=[{"project": "sales"}, {"project": "labs", "domain": "prod"}],
            only_for=[{"project": "sales"}, {"project": "labs"}],
            limits={"reads": {"rate": 5, "burst": 10}},
            settle_s=7.5,
            takes_flyte_secrets=False,
            default_claims=False,
            claims={"gpu": "spec.seconds * 2"},
            claim_rules=[{"pool": "pool_name('night', project)", "when": "has(spec.seconds)"}],
        ),
        day=look_out(""),
    )
    shell.add_pools(gpu=4)
    listed = json.loads(shell.run("connections", "list", "-o", "json").stdout)
    night = next(one for one in listed if one["name"] == "night")
    assert night == {
        "name": "night",
        "plugin": PLUGIN,
        "endpoint": "http://127.0.0.1:1",
        "is_default": True,
        "default_for": [{"project": "sales"}, {"project": "labs", "domain": "prod"}],
        "only_for": [{"project": "sales"}, {"project": "labs"}],
        "limits": {"reads": {"rate": 5.0, "burst": 10.0}},
        "settle_s": 7.5,
        "default_claims": False,
        "claims": {"gpu": "spec.seconds * 2"},
        "claim_rules": [{"pool": "pool_name('night', project)", "units": 1, "when": "has(spec.seconds)"}],
        "takes_flyte_secrets": False,
        "settings": {"token": "env:LOOK_OUT_TOKEN"},
    }
    table = shell.run("connections", "list").stdout.splitlines()
    row = next(line for line in table if line.startswith("night "))
    assert "all, sales, labs/prod" in row
    assert "sales, labs  " in row
    assert '{"gpu": "spec.seconds * 2"}, [{"pool": "pool_name(\'night\', project)"' in row
    assert "}], not the handler's  " in row
    assert '{"token": "env:LOOK_OUT_TOKEN"}' in row
    assert shell.run("connections", "list", "-o", "name").stdout.split() == ["day", "night"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("connections", "check", "absent"),
        ("connections", "check", "night", "--deadline", "0"),
        ("connections", "check", "night", "--config", "absent.yaml"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], shell: Shell) -> None:
    shell.configure(night=look_out())
    done = shell.run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""


def test_an_unknown_name_is_told_which_there_are(shell: Shell) -> None:
    shell.configure(night=look_out())
    assert (
        "no connection 'absent' is configured; there are: "
        in shell.run("connections", "check", "absent").stderr
    )
