"""propwash pools against the fake server: what it prints, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from propwash.cli.main import cli
from propwash.cli.parsing import InputError
from propwash.cli.pool_shares import parse_share
from propwash.client import ProjectShare
from propwash.pb.v1 import execution_pb2
from propwash.pb.v1 import pool_service_pb2 as pb
from tests.client.fake_server import FakeServer, World

LONG_AGO = 1_000_000_000


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer(World())
    made.start()
    yield made
    made.stop()


def pools(server: FakeServer, *arguments: str) -> Result:
    environment = {"PROPWASH_SERVER": server.target}
    return CliRunner().invoke(cli, ["pools", *arguments], env=environment, catch_exceptions=False)


def busy(server: FakeServer) -> pb.Pool:
    pool = pb.Pool(name="pools/wh", capacity=12, occupied=10, lent=4, holders=3, waiting=2, reserved=1)
    pool.default_share.weight = 1.0
    pool.origin, pool.template = pb.POOL_ORIGIN_TEMPLATE, "pools/w*"
    pool.oldest_wait_start_time.seconds = LONG_AGO
    pool.project_usages.add(project="a", share=pb.ProjectShare(limit=8), held=8, nominal=6, borrowed=2)
    pool.project_usages.add(
        project="b", share=pb.ProjectShare(weight=0.5, namespace_limit=2), held=2, nominal=3.25, waiting=2
    )
    return server.pools.put(pool)


def test_the_list_is_a_table_of_units(server: FakeServer) -> None:
    busy(server)
    server.pools.put(pb.Pool(name="pools/w*", capacity=8))
    server.pools.put(pb.Pool(name="pools/quiet", capacity=3)).state = pb.POOL_STATE_REMOVED
    lines = pools(server, "list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "CAPACITY", "HELD", "LENT", "FREE", "WAITING", "OLDEST", "WAIT"]
    assert [line.split()[:-1] for line in lines[1:]] == [
        ["quiet", "(removed)", "3", "0", "0", "3", "0"],
        ["w*", "8", "-", "-", "-", "-"],
        ["wh", "12", "10", "4", "2", "2"],
    ]
    assert [line.split()[-1][-1] for line in lines[1:]] == ["-", "-", "h"]
    assert pools(server, "list", "-o", "name").stdout.split() == ["quiet", "w*", "wh"]
    documents = json.loads(pools(server, "list", "-o", "json").stdout)
    assert [(one["name"], one["capacity"], one["state"]) for one in documents] == [
        ("pools/quiet", 3, "REMOVED"),
        ("pools/w*", 8, "ACTIVE"),
        ("pools/wh", 12, "ACTIVE"),
    ]


def test_one_pool_is_shown_with_its_projects(server: FakeServer) -> None:
    pool = busy(server)
    shown = pools(server, "get", "wh").stdout
    for words in (
        "origin:         TEMPLATE, after pools/w*",
        "held:           10 by 3 executions, of them 4 lent",
        "free:           2, of them 1 reserved",
        "waiting:        2, the oldest for ",
        "default share:  weight 1, limit none, namespace limit none",
        f"etag:           {pool.etag}",
    ):
        assert words in shown
    table = shown.splitlines()[-3:]
    assert table[0].split() == [
        *("PROJECT", "WEIGHT", "LIMIT", "NAMESPACE", "LIMIT", "HELD", "NOMINAL", "BORROWED", "WAITING")
    ]
    assert table[1].split() == ["a", "1", "8", "none", "8", "6.0", "2.0", "0"]
    assert table[2].split() == ["b", "0.5", "none", "2", "2", "3.2", "0.0", "2"]
    assert pools(server, "get", "pools/wh", "-o", "name").stdout == "wh\n"
    document = json.loads(pools(server, "get", "wh", "-o", "json").stdout)
    assert document["project_usages"][1]["share"] == {"weight": 0.5, "limit": None, "namespace_limit": 2}


def test_a_pool_without_projects_has_no_table(server: FakeServer) -> None:
    server.pools.put(pb.Pool(name="pools/p", capacity=3))
    shown = pools(server, "get", "p").stdout
    assert "waiting:        0" in shown
    assert "PROJECT" not in shown


def test_create_sends_all_that_is_given(server: FakeServer) -> None:
    result = pools(
        server,
        *("create", "wh:*", "--capacity", "0", "--weight", "0", "--limit", "4", "--namespace-limit", "none"),
        *("--share", "a:weight=3,limit=8", "--share", "b", "--share", "c:namespace_limit=0"),
        *("--description", "each", "-o", "json"),
    )
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["name"] == "pools/wh:*"
    made = server.pools.pools["pools/wh:*"]
    assert (made.HasField("capacity"), made.capacity, made.description) == (True, 0, "each")
    assert made.default_share == pb.ProjectShare(weight=0.0, limit=4)
    assert dict(made.projects) == {
        "a": pb.ProjectShare(weight=3.0, limit=8),
        "b": pb.ProjectShare(weight=1.0),
        "c": pb.ProjectShare(weight=1.0, namespace_limit=0),
    }


def test_update_changes_what_is_given_and_nothing_else(server: FakeServer) -> None:
    pools(server, "create", "p", "--capacity", "5", "--weight", "2", "--limit", "4", "--share", "a:limit=1")
    assert pools(server, "update", "p", "--capacity", "0").exit_code == 0
    made = server.pools.pools["pools/p"]
    assert (made.capacity, made.default_share) == (0, pb.ProjectShare(weight=2.0, limit=4))
    pools(server, "update", "p", "--limit", "none", "--share", "b:weight=3", "--no-share", "a")
    made = server.pools.pools["pools/p"]
    assert made.default_share == pb.ProjectShare(weight=2.0)
    assert dict(made.projects) == {"b": pb.ProjectShare(weight=3.0)}
    assert pools(server, "update", "p", "--description", "", "-o", "name").stdout == "p\n"
    assert server.pools.pools["pools/p"].capacity == 0


def test_an_etag_that_is_over_is_a_conflict(server: FakeServer) -> None:
    etag = server.pools.put(pb.Pool(name="pools/p", capacity=3)).etag
    assert pools(server, "update", "p", "--capacity", "4", "--etag", etag).exit_code == 0
    for words in (("update", "p", "--capacity", "5"), ("delete", "p")):
        result = pools(server, *words, "--etag", etag)
        assert (result.exit_code, result.stderr) == (10, "propwash: ETAG_MISMATCH: pools/p was changed\n")
    assert server.pools.pools["pools/p"].capacity == 4


def test_delete_says_who_goes_on(server: FakeServer) -> None:
    busy(server)
    server.pools.put(pb.Pool(name="pools/p", capacity=3))
    assert pools(server, "delete", "p").stdout == "p is removed\n"
    result = pools(server, "delete", "wh")
    assert (result.exit_code, result.stdout) == (10, "")
    assert result.stderr.startswith("propwash: POOL_IN_USE: ")
    result = pools(server, "delete", "wh", "--force")
    assert result.stdout == "wh is removed; held by 3 and waited for by 2 executions\n"
    assert json.loads(pools(server, "delete", "wh", "--force", "-o", "json").stdout)["state"] == "REMOVED"


def test_holders_and_waiters(server: FakeServer) -> None:
    server.pools.put(pb.Pool(name="pools/p", capacity=3))
    for number in range(5):
        holder = pb.PoolHolder(
            execution=f"projects/a/domains/d/executions/h{number}",
            attempt=1,
            phase=execution_pb2.PHASE_CLEANING_UP,
            units=2,
            priority=7,
        )
        holder.grant_time.seconds = LONG_AGO
        server.pools.held.setdefault("pools/p", []).append(holder)
        waiter = pb.PoolWaiter(
            execution=f"projects/a/domains/d/executions/w{number}",
            position=number + 1,
            units=4,
            priority=-1,
            block=pb.POOL_BLOCK_TURN,
            message=f"position {number + 1} of 5",
        )
        server.pools.wanted.setdefault("pools/p", []).append(waiter)
    lines = pools(server, "holders", "p").stdout.splitlines()
    assert lines[0].split() == ["EXECUTION", "ATTEMPT", "PHASE", "UNITS", "PRIORITY", "HELD", "FOR"]
    assert len(lines) == 6
    assert lines[1].split()[:-1] == ["projects/a/domains/d/executions/h0", "1", "CLEANING_UP", "2", "7"]
    lines = pools(server, "waiters", "p", "--limit", "3").stdout.splitlines()
    assert lines[0].split() == ["POSITION", "EXECUTION", "UNITS", "PRIORITY", "WAITS", "FOR", "WHY"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    assert lines[1].endswith("TURN: position 1 of 5")
    assert len(pools(server, "waiters", "p", "--all", "-o", "name").stdout.split()) == 5
    (last,) = json.loads(pools(server, "waiters", "p", "--limit", "1", "-o", "json").stdout)
    assert (last["block"], last["limit"], last["position"]) == ("TURN", None, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["get"],
        ["create", "p"],
        ["create", "p", "--capacity", "-1"],
        ["create", "p", "--capacity", "1", "--limit", "-1"],
        ["create", "p", "--capacity", "1", "--limit", "some"],
        ["create", "p", "--capacity", "1", "--share", "a:wait=3"],
        ["update", "p"],
        ["update", "p", "--weight", "-1"],
        ["holders", "p", "--limit", "0"],
        ["list", "--every", "0"],
    ],
)
def test_wrong_usage_exits_with_2(server: FakeServer, arguments: list[str]) -> None:
    result = pools(server, *arguments)
    assert result.exit_code == 2, result.output
    assert server.world.calls == []


def test_a_pool_that_is_not_there(server: FakeServer) -> None:
    for words in (("get", "x"), ("delete", "x"), ("update", "x", "--capacity", "1"), ("waiters", "x")):
        result = pools(server, *words)
        assert (result.exit_code, result.stderr) == (6, "propwash: POOL_NOT_FOUND: pools/x does not exist\n")


@pytest.mark.parametrize("name", ["list", "get", "create", "update", "delete", "holders", "waiters"])
def test_every_command_teaches_by_example(server: FakeServer, name: str) -> None:
    shown = pools(server, name, "--help").stdout
    assert f"propwash pools {name}" in shown.split("Examples:")[1]


def test_shares_as_they_are_typed() -> None:
    assert parse_share("a") == ("a", ProjectShare())
    assert parse_share("a:limit=none,weight=0") == ("a", ProjectShare(weight=0.0))
    for text, said in (
        (":weight=1", "write PROJECT"),
        ("a:weight", "weight is a number, not ''"),
        ("a:limit=1.5", "limit is a number of units, or none, not '1.5'"),
        ("a:x=1", "'x' is none of weight, limit, namespace_limit"),
    ):
        with pytest.raises(InputError, match=said):
            parse_share(text)
