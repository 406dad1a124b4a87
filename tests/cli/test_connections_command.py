"""propwash connections and propwash config check, with a plugin as a third party installs it and its stand-in as the
remote system.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from propwash.cli.main import cli
from propwash.sdk.scaffold import write_plugin

TOKEN = "hunter2-hunter2"
PLUGIN = "look-out"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin's folder, with the record that an installation leaves."""
    target = write_plugin(PLUGIN, tmp_path_factory.mktemp("plugins"))
    record = target / "propwash_look_out-0.1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: propwash-look-out\nVersion: 0.1.0\n")
    (record / "entry_points.txt").write_text(f"[propwash.handlers]\n{PLUGIN} = propwash_look_out:plugin\n")
    return target


@pytest.fixture
def installed(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(written))
    monkeypatch.setenv("LOOK_OUT_TOKEN", TOKEN)


@pytest.fixture
def endpoint(installed: None) -> Iterator[str]:
    """The stand-in, served from a loop of its own."""
    stand_in = importlib.import_module("propwash_look_out.stand_in").StandIn(token=TOKEN)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stand-in")
    thread.start()
    server = TestServer(stand_in.application())

    async def start() -> str:
        await server.start_server()
        return str(server.make_url("")).rstrip("/")

    yield asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


class Shell:
    """Runs commands with one configuration file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def configure(self, **connections: dict[str, object]) -> None:
        self.path.write_text(yaml.safe_dump({"connections": connections}))

    def run(self, *arguments: str) -> Result:
        done = CliRunner().invoke(
            cli, [*arguments], env={"PROPWASH_CONFIG": str(self.path)}, catch_exceptions=False
        )
        assert TOKEN not in done.output
        return done

    def step(self, *arguments: str) -> tuple[int, dict[str, object]]:
        """The exit code of a check, and its only step."""
        done = self.run("connections", "check", *arguments, "-o", "json")
        ((step,),) = [one["steps"] for one in json.loads(done.stdout)]
        return done.exit_code, step


@pytest.fixture
def shell(tmp_path: Path, installed: None) -> Shell:
    return Shell(tmp_path / "propwash.yaml")


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
        ),
        day=look_out(""),
    )
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
        "claims": {},
        "settings": {"token": "env:LOOK_OUT_TOKEN"},
    }
    table = shell.run("connections", "list").stdout.splitlines()
    row = next(line for line in table if line.startswith("night "))
    assert "all, sales, labs/prod" in row
    assert "sales, labs  " in row
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


@pytest.mark.parametrize(
    ("connections", "said"),
    [
        (
            {"a": {"is_default": True}, "b": {"is_default": True}},
            f"connections: plugin {PLUGIN} has two default connections: a, b",
        ),
        (
            {"a": {"defaults_for": [{"project": "p"}]}, "b": {"defaults_for": [{"project": "p"}]}},
            f"connections: plugin {PLUGIN} has two default connections for project p: a, b",
        ),
        (
            {"a": {"only_for": [{"project": "p"}], "defaults_for": [{"project": "q"}]}},
            "connections: connection a is the default for project q, which may not use it",
        ),
        ({"a": {"only_for": [{"domain": "d"}]}}, "connections.a.only_for.0.project: Field required"),
        (
            {"a": {"limits": {"reads": {"rate": 0, "burst": 1}}}},
            "connections.a.limits.reads.rate: Input should",
        ),
        (
            {"a": {"limits": {"read": {"rate": 1, "burst": 1}}}},
            "connections.a.limits.read: Extra inputs are not",
        ),
        (
            {"a": {"claims": {"slots": 2}}},
            "connections: connection a claims 2 of pool slots, of which engine.pools has 0",
        ),
        ({"a": {"claims": {"slots": 0}}}, "connections.a.claims.slots: Input should be greater than 0"),
        ({"a": {"plugin": ""}}, "connections.a.plugin: String should have at least 1 character"),
        ({"a": {"password": TOKEN}}, "connections.a.password: Extra inputs are not permitted"),
    ],
)
def test_faults_of_the_file_are_one_line_each(
    connections: dict[str, dict[str, object]], said: str, shell: Shell
) -> None:
    shell.configure(**{name: {"plugin": PLUGIN, **more} for name, more in connections.items()})
    for command in (("config", "check"), ("connections", "list"), ("connections", "check"), ("serve",)):
        done = shell.run(*command)
        assert done.exit_code == 2
        assert done.stderr.startswith(f"propwash: {said}")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", [f'password: "{TOKEN}', f"a: [{TOKEN}", f"? {TOKEN}\n: {{", f"\t{TOKEN}"])
def test_a_file_that_is_no_yaml_is_not_quoted(text: str, shell: Shell) -> None:
    shell.path.write_text(text)
    done = shell.run("config", "check")
    assert done.exit_code == 2
    assert ": not YAML: " in done.stderr
    assert " in line " in done.stderr
