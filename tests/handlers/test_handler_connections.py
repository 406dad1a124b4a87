"""Which connection is meant, who may name it, and that an execution keeps the one that it was admitted with."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from propwash.core.model import Fault, FaultKind
from propwash.handlers.connections import ConfiguredConnection, Connections, Scope, conflicts
from propwash.ports import FieldFault, Refused
from propwash.sdk import CallLimits, Claim, Connection, LocalSecrets, Rate, Secret
from propwash.sdk.testing import PlainToyHandler, ToyHandler, ToySystem
from tests.handlers.handler_rig import NAME, hosting, job, task

PROD = Scope(project="sales", domain="prod")
SALES = Scope(project="sales")
LABS = Scope(project="labs")


def toys(
    name: str,
    *,
    is_default: bool = False,
    defaults_for: tuple[Scope, ...] = (),
    only_for: tuple[Scope, ...] = (),
    limits: CallLimits | None = None,
    settle_s: float | None = None,
    claims: tuple[Claim, ...] = (),
    plugin: str = "toys",
) -> ConfiguredConnection:
    return ConfiguredConnection(
        plugin=plugin,
        connection=Connection(name=name),
        is_default=is_default,
        defaults_for=defaults_for,
        only_for=only_for,
        limits=limits or CallLimits(),
        settle_s=settle_s,
        claims=claims,
    )


ALL = (
    toys("everyone", is_default=True),
    toys("sales", defaults_for=(SALES,)),
    toys("sales-prod", defaults_for=(PROD,), only_for=(PROD,)),
    toys("labs", only_for=(LABS,)),
)


def pick(connections: Connections, name: str, project: str, domain: str) -> str:
    return connections.pick("toys", name, project=project, domain=domain).name


@pytest.mark.parametrize(
    ("name", "project", "domain", "picked"),
    [
        ("", "sales", "prod", "sales-prod"),
        ("", "sales", "dev", "sales"),
        ("", "labs", "prod", "everyone"),
        ("", "", "", "everyone"),
        ("everyone", "sales", "prod", "everyone"),
        ("sales", "labs", "dev", "sales"),
        ("sales-prod", "sales", "prod", "sales-prod"),
        ("labs", "labs", "any", "labs"),
    ],
)
def test_the_nearest_default_is_meant_and_a_name_goes_before_it(
    name: str, project: str, domain: str, picked: str
) -> None:
    assert pick(Connections(ALL), name, project, domain) == picked


@pytest.mark.parametrize(
    ("name", "project", "domain"),
    [
        ("sales-prod", "sales", "dev"),
        ("sales-prod", "labs", "prod"),
        ("labs", "sales", "dev"),
        ("labs", "", ""),
    ],
)
def test_what_is_kept_for_others_is_not_there(name: str, project: str, domain: str) -> None:
    connections = Connections(ALL)
    with pytest.raises(Refused) as hidden:
        pick(connections, name, project, domain)
    with pytest.raises(Refused) as absent:
        pick(connections, "x" * len(name), project, domain)
    assert hidden.value.reason == absent.value.reason == "UNKNOWN_CONNECTION"
    # Not even the words tell the one from the other, but for the name that was asked for.
    assert hidden.value.message.replace(name, "?", 1) == absent.value.message.replace("x" * len(name), "?", 1)
    assert hidden.value.message.count(name) == 1
    assert hidden.value.faults == (FieldFault(path="connection", message=hidden.value.message),)


def test_the_only_one_that_may_be_used_is_meant() -> None:
    connections = Connections([toys("a", only_for=(SALES,)), toys("b", only_for=(LABS,))])
    assert pick(connections, "", "sales", "dev") == "a"
    assert pick(connections, "", "labs", "dev") == "b"
    with pytest.raises(Refused, match="plugin toys has no connection that may be used here"):
        pick(connections, "", "others", "dev")


def test_a_default_that_may_not_be_used_is_no_default() -> None:
    connections = Connections([toys("a", is_default=True, only_for=(SALES,)), toys("b"), toys("c")])
    assert pick(connections, "", "sales", "dev") == "a"
    with pytest.raises(Refused, match="several connections, name one of them: b, c"):
        pick(connections, "", "labs", "dev")


@pytest.mark.parametrize(
    ("configured", "said"),
    [
        ((toys("a", is_default=True), toys("b", is_default=True)), "two default connections: a, b"),
        (
            (toys("a", defaults_for=(SALES,)), toys("b", defaults_for=(LABS, SALES))),
            "plugin toys has two default connections for project sales: a, b",
        ),
        (
            (toys("a", defaults_for=(PROD,)), toys("b", defaults_for=(PROD,))),
            "plugin toys has two default connections for project sales, domain prod: a, b",
        ),
        ((toys("a"), toys("a", plugin="others")), "two connections have the name 'a'"),
        (
            (toys("a", defaults_for=(SALES,), only_for=(PROD,)),),
            "connection a is the default for project sales, which may not use it",
        ),
    ],
)
def test_connections_that_contradict_each_other_are_refused(
    configured: tuple[ConfiguredConnection, ...], said: str
) -> None:
    (line,) = conflicts(configured)
    assert said in line
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        Connections(configured)


def test_what_only_looks_alike_is_no_conflict() -> None:
    assert (
        conflicts(
            [
                toys("a", is_default=True, defaults_for=(SALES, SALES)),
                toys("b", is_default=True, plugin="others", defaults_for=(SALES,)),
                toys("c", defaults_for=(PROD, LABS), only_for=(SALES, LABS)),
            ]
        )
        == []
    )


async def test_an_execution_gets_its_projects_connection_and_keeps_it() -> None:
    async with hosting(ToyHandler(ToySystem()), connections=ALL) as rig:
        assert rig.admit(task(), project="sales", domain="prod").connection == "sales-prod"
        assert rig.admit(task(), project="sales", domain="dev").connection == "sales"
        assert rig.admit(task(connection="labs"), project="labs").connection == "labs"
        with pytest.raises(Refused, match="has no connection 'labs'"):
            rig.admit(task(connection="labs"), project="sales")
        # What was admitted is looked after, whoever may use the connection now.
        assert not isinstance(await rig.host.create(job(task(), connection="labs")), Fault)
        gone = await rig.host.find("toy", "away", NAME, b"")
        assert isinstance(gone, Fault)
        assert (gone.kind, gone.reason) == (FaultKind.INTERNAL, "UNKNOWN_CONNECTION")
        assert {call.connection for call in rig.recorder.calls} == {"labs"}


class Limited(ToyHandler):
    limits: ClassVar[CallLimits] = CallLimits(
        reads=Rate(per_s=1.0, burst=1.0), writes=Rate(per_s=2.0, burst=2.0)
    )


async def test_limits_are_the_connections_then_the_handlers() -> None:
    near = toys("near", limits=CallLimits(writes=Rate(per_s=9.0, burst=9.0)))
    async with hosting(Limited(ToySystem()), PlainToyHandler(ToySystem()), connections=[near]) as rig:
        own = Limited.limits
        assert rig.host.limits("toy", "near") == CallLimits(reads=own.reads, writes=near.limits.writes)
        assert rig.host.limits("toy", "gone") == own
        assert rig.host.limits("plain_toy", "near") == near.limits
        assert rig.host.limits("unheard", "near") == CallLimits()
        assert rig.host.is_batched("toy")
        assert not rig.host.is_batched("plain_toy")
        assert rig.host.is_batched("unheard")


async def test_every_connection_reads_secrets_the_way_that_the_host_says() -> None:
    class Vault:
        async def read(self, reference: str) -> Secret:
            return Secret(reference.upper())

    mine = ConfiguredConnection(
        plugin="toys", connection=Connection(name="near", secrets=LocalSecrets()), is_default=True
    )
    connections = Connections([mine], secrets=Vault())
    for plugin in ("toys", "others"):
        picked = connections.pick(plugin, "", project="p", domain="d")
        assert (await picked.secrets.read("vault:x")).reveal() == "VAULT:X"
    (configured,) = connections.of("toys")
    assert isinstance(configured.connection.secrets, Vault)
    assert isinstance(Connections([mine]).named("toys", "near").connection.secrets, LocalSecrets)


async def test_what_a_connection_claims_goes_beside_what_its_handler_claims() -> None:
    claims = (Claim(pool="heavy", units=2), Claim(pool="slots", units=3))
    connections = [toys("busy", claims=claims), toys("plain")]
    async with hosting(ToyHandler(ToySystem()), connections=connections) as rig:
        busy = rig.admit(task(connection="busy", pool="heavy"))
        assert (busy.claims, busy.default_claims) == (claims, (Claim(pool="heavy"),))
        busy = rig.admit(task(connection="busy"))
        assert (busy.claims, busy.default_claims) == (claims, ())
        assert rig.admit(task(connection="plain")).claims == ()


async def test_what_its_handler_claims_is_left_out_where_the_connection_says_so() -> None:
    plain = toys("plain", claims=(Claim(pool="slots"),))
    connections = [plain, replace(plain, connection=Connection(name="bare"), has_default_claims=False)]
    async with hosting(ToyHandler(ToySystem()), connections=connections) as rig:
        for name, defaults in (("plain", (Claim(pool="heavy"),)), ("bare", ())):
            admitted = rig.admit(task(connection=name, pool="heavy"))
            assert (admitted.claims, admitted.default_claims) == ((Claim(pool="slots"),), defaults)


async def test_the_settle_time_is_the_connections_then_the_handlers() -> None:
    connections = [toys("slow", settle_s=7.5), toys("plain")]
    async with hosting(ToyHandler(ToySystem()), connections=connections) as rig:
        slow, plain = rig.admit(task(connection="slow")), rig.admit(task(connection="plain"))
        assert slow.traits == replace(ToyHandler.traits, settle_s=7.5)
        assert plain.traits == ToyHandler.traits
