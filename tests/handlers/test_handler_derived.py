"""A task that comes with secrets runs with those, on a connection that is made for them alone."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from propwash.core.events import Deletion
from propwash.core.model import Done, Fault, FaultKind, Outcome, OutcomeKind
from propwash.core.names import account_of
from propwash.handlers.connections import Scope
from propwash.ports import Refused
from propwash.sdk import (
    CREDENTIALS_UNAVAILABLE,
    CallLimits,
    Connection,
    FlyteDialect,
    FlyteTask,
    Rate,
    Secret,
)
from tests.handlers.handler_rig import NAME, hosting, task
from tests.handlers.keyed_rig import MINE, OPEN, OWN, THEIRS, Keyed, Tasks, asked, create, keyed, near, stored


@pytest.fixture(autouse=True)
def own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_KEY", OWN)


async def test_a_task_runs_with_its_own_key_and_without_one_with_the_connection_s() -> None:
    async with keyed() as (rig, handler):
        for name in (asked(rig).connection, asked(rig, "").connection):
            assert not isinstance(await create(rig, name), Fault)
        assert handler.calls_made == [("create", MINE, "u"), ("create", OWN, "u")]
        assert handler.has_other == {False, True}, "what the dialect takes away is not there"
        assert asked(rig, "").connection == "near"


async def test_equal_keys_share_a_connection_in_a_domain_and_others_do_not() -> None:
    async with keyed() as (rig, _):
        first = asked(rig).connection
        assert asked(rig).connection == first
        others = {
            asked(rig, THEIRS).connection,
            asked(rig, domain="dev").connection,
            asked(rig, project="labs").connection,
        }
        assert len(others | {first}) == 4
        assert {account_of(one) for one in others} == {"near"}
        assert MINE not in first


async def test_a_key_that_comes_again_is_used_and_after_a_restart_waited_for() -> None:
    async with keyed() as (rig, _):
        name = asked(rig).connection
    async with keyed() as (rig, handler):
        waits = await create(rig, name)
        assert isinstance(waits, Fault)
        assert (waits.kind, waits.reason) == (FaultKind.UNAVAILABLE, CREDENTIALS_UNAVAILABLE)
        assert "Flyte sends them again with its next poll" in waits.message
        assert isinstance(await rig.host.find("toy", name, NAME, b""), Fault)
        assert isinstance((await rig.host.get("toy", name, [b"1"]))[b"1"], Fault)
        assert handler.calls_made == []
        rig.host.flyte.renew(stored(name), {"toy_key": Secret(MINE)})
        assert not isinstance(await create(rig, name), Fault)
        assert handler.calls_made == [("create", MINE, "u")]


async def test_a_key_in_place_of_another_is_used_from_then_on_and_the_former_forgotten() -> None:
    async with keyed() as (rig, handler):
        name = asked(rig).connection
        await create(rig, name)
        rig.host.flyte.renew(stored(name), {"toy_key": Secret(MINE)})
        rig.host.flyte.renew(stored(name), {"toy_key": Secret(THEIRS)})
        await create(rig, name)
        assert [key for _, key, _ in handler.calls_made] == [MINE, THEIRS]
    assert [one.name for one in handler.forgotten] == [name]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="none"),
        pytest.param({"unheard": "x"}, id="unknown"),
        pytest.param({"toy_key": "x" * 20_000}, id="too long"),
    ],
)
async def test_what_a_poll_brings_that_is_no_use_changes_nothing(given: dict[str, str]) -> None:
    async with keyed() as (rig, handler):
        name = asked(rig).connection
        rig.host.flyte.renew(stored(name), {key: Secret(text) for key, text in given.items()})
        await create(rig, name)
        assert [key for _, key, _ in handler.calls_made] == [MINE]


async def test_nothing_is_kept_for_what_is_over_or_came_without_a_key() -> None:
    async with keyed() as (rig, _):
        given = {"toy_key": Secret(MINE)}
        outcome = Outcome(kind=OutcomeKind.SUCCEEDED, reason="", message="")
        rig.host.flyte.renew(stored("near~0011223344556677", Done(outcome=outcome, ended_at=1)), given)
        assert isinstance(await create(rig, "near~0011223344556677"), Fault)
        rig.host.flyte.renew(stored("near"), given)
        rig.host.flyte.renew(replace(stored("near~1"), request=task("unheard")), given)


async def test_the_template_s_account_is_taken_where_the_connection_leaves_it_open() -> None:
    async with keyed(OPEN) as (rig, handler):
        name = asked(rig, user="a user&=?~").connection
        await create(rig, name)
        assert handler.calls_made == [("create", MINE, "a user&=?~")]
        outcome = Outcome(kind=OutcomeKind.SUCCEEDED, reason="", message="")
        done = stored(name, Done(outcome=outcome, ended_at=1))
        assert rig.host.flyte.outputs(done, is_v2=True) == {"user": "a user&=?~"}
        assert asked(rig, user="another").connection != name
        with pytest.raises(Refused, match="user: is too long"):
            asked(rig, user="x" * 600)
    # After a restart all is known but the key.
    async with keyed(OPEN) as (rig, handler):
        rig.host.flyte.renew(stored(name), {"toy_key": Secret(MINE)})
        await create(rig, name)
        assert handler.calls_made == [("create", MINE, "a user&=?~")]


async def test_secrets_that_are_none_of_the_handler_s_are_refused_by_name() -> None:
    async with keyed() as (rig, _):
        given = {"nobody_s": Secret(MINE)}
        with pytest.raises(Refused) as raised:
            rig.host.flyte.request(FlyteTask(task_type="toy"), project="p", domain="d", secrets=given)
        assert raised.value.reason == "INVALID_TEMPLATE"
        assert str(raised.value) == "custom.secrets.nobody_s: is not toy_key"
        assert raised.value.faults[0].path == "template.custom.secrets.nobody_s"
        with pytest.raises(Refused, match=r"custom.secrets.toy_key: is longer than 16384 characters"):
            asked(rig, "x" * 20_000)
    async with keyed(OPEN) as (rig, _):
        with pytest.raises(Refused, match=r"with these, connection near is none: .*needs its user"):
            asked(rig)


async def test_a_connection_may_take_no_secrets_at_all() -> None:
    async with keyed(near(takes_flyte_secrets=False)) as (rig, _):
        with pytest.raises(Refused) as raised:
            asked(rig)
        assert raised.value.reason == "SECRETS_NOT_TAKEN"
        assert MINE not in str(raised.value)
        assert asked(rig, "").connection == "near"


async def test_a_handler_whose_tasks_have_no_secrets_refuses_them() -> None:
    class Deaf:
        request, outputs, adopted = Tasks.request, Tasks.outputs, Tasks.adopted

    class Plain(Keyed):
        flyte: ClassVar[FlyteDialect | None] = Deaf()

    async with hosting(Plain(), connections=[near()]) as rig:
        with pytest.raises(Refused, match=r"custom\.secrets: tasks of type toy have none"):
            asked(rig)


async def test_only_who_may_use_the_connection_brings_secrets_for_it() -> None:
    mine = near(only_for=(Scope(project="sales"),))
    async with keyed(mine) as (rig, _):
        assert account_of(asked(rig).connection) == "near"
        with pytest.raises(Refused, match="no connections of plugin toys are for this project"):
            asked(rig, project="labs")


async def test_a_native_request_cannot_name_the_connection_of_a_task() -> None:
    async with keyed() as (rig, handler):
        name = asked(rig).connection
        with pytest.raises(Refused) as raised:
            rig.admit(task(connection=name), project="sales", domain="prod")
        with pytest.raises(Refused) as absent:
            rig.admit(task(connection="near~0011223344556677"), project="sales", domain="prod")
        assert raised.value.reason == absent.value.reason == "UNKNOWN_CONNECTION"
        assert handler.calls_made == []


async def test_a_configured_reference_to_a_task_s_secret_is_a_fault() -> None:
    given = near(connection=Connection(name="near", settings={"key": "flyte:toy_key", "user": "u"}))
    async with keyed(given) as (rig, handler):
        (fault,) = rig.host.inspector.faults()
        assert str(fault).startswith("connections.near.settings.key: write env:NAME or file:/absolute/path")
        # What is to be mended is to be mended for all.
        waits = await create(rig, asked(rig).connection)
        assert isinstance(waits, Fault)
        assert waits.reason == "CONNECTION_INVALID"
        assert handler.calls_made == []


async def test_a_connection_of_a_task_has_the_configured_one_s_limits_and_is_none_of_the_sweep_s() -> None:
    limited = near(limits=CallLimits(writes=Rate(per_s=9.0, burst=9.0)), settle_s=7.5)
    async with keyed(limited) as (rig, _):
        name = asked(rig).connection
        await create(rig, name)
        assert rig.host.limits("toy", name) == rig.host.limits("toy", "near")
        assert list(rig.host.connections()) == [("toy", "near")]
        assert [one.connection.name for one in rig.host.inspector.connections()] == ["near"]
        assert {call.connection for call in rig.recorder.calls} == {"near"}, "metrics have one series"
        assert rig.host.links(task(), connection=name, name=NAME)


async def test_what_a_plugin_quotes_of_a_secret_is_not_told() -> None:
    async with keyed() as (rig, _):
        failed = await create(rig, asked(rig, "wrong-wrong").connection)
        assert isinstance(failed, Fault)
        assert failed.message == "ValueError: do not like [not shown]"


async def test_an_adopted_job_is_watched_with_the_secrets_that_come_with_it() -> None:
    async with keyed(OPEN) as (rig, handler):
        given = {"toy_key": Secret(MINE)}
        found = rig.host.flyte.adopted("toy", {}, b"{}", project="flyte", domain="adopted", secrets=given)
        assert found is not None
        await rig.host.find("toy", found[0].connection, NAME, b"")
        handler.deletions[MINE] = Deletion.GONE
        assert await rig.host.delete("toy", found[0].connection, NAME, b"1", b"") is Deletion.GONE
        assert handler.calls_made == [("delete", MINE, "u")]
