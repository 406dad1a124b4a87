"""Secrets of tasks are in memory alone, each set for itself, and shown nowhere."""

from __future__ import annotations

import copy
import logging

import pydantic
import pytest

from propwash.config import ConfigError, load
from propwash.handlers.vault import Drawer, Vault
from propwash.sdk import CREDENTIALS_UNAVAILABLE, LocalSecrets, Secret, SecretRef, SentSecret, Unavailable

TEXT = "hunter2-hunter2"
OTHER = "correct-horse-battery"
HERE = ("bigquery#0", "warehouse", "sales", "prod")


class Rig:
    """A vault in time that the test moves, and what it said of changes."""

    def __init__(self, *, most_sets: int = 100) -> None:
        self.time = 1000.0
        self.changed: list[str] = []
        self.vault = Vault(
            now=lambda: self.time, changed=self.changed.append, most_sets=most_sets, age_s=60.0
        )

    def keep(self, text: str = TEXT, *, about: tuple[str, ...] = HERE) -> str:
        return self.vault.keep(about, given(text))

    def read(self, vault_id: str, name: str = "key") -> str:
        return self.vault.read(vault_id, SentSecret.named(name)).reveal()


def given(text: str = TEXT, name: str = "key") -> dict[str, Secret]:
    return {name: Secret(text)}


def complaint(rig: Rig, vault_id: str, name: str = "key") -> str:
    with pytest.raises(Unavailable) as raised:
        rig.read(vault_id, name)
    assert raised.value.reason == CREDENTIALS_UNAVAILABLE
    assert TEXT not in repr(raised.value) + str(raised.value)
    return raised.value.message


def test_equal_secrets_share_an_id_and_others_do_not() -> None:
    rig = Rig()
    first = rig.keep()
    assert rig.keep() == first
    assert rig.read(first) == TEXT
    others = {
        rig.keep(OTHER),
        rig.keep(about=(*HERE[:-1], "dev")),
        rig.vault.keep(HERE, given(name="other")),
        rig.vault.keep(HERE, given() | given(OTHER, "passphrase")),
        rig.vault.keep((*HERE, "key"), given(name="")),
    }
    assert len(others | {first}) == 6


def test_an_id_tells_nothing_of_the_secrets() -> None:
    assert Rig().keep() != Rig().keep()


def test_who_brings_the_former_secrets_does_not_get_those_that_took_their_place() -> None:
    rig = Rig()
    renewed = rig.keep()
    rig.vault.fill(renewed, given(OTHER))
    assert rig.read(renewed) == OTHER
    late = rig.keep()
    assert late != renewed
    assert (rig.read(late), rig.read(renewed)) == (TEXT, OTHER)
    assert rig.keep() == late
    # Nor does who brings the new ones meet those that keep the former.
    assert rig.read(rig.keep(OTHER)) == OTHER


def test_a_change_is_told_once() -> None:
    rig = Rig()
    kept = rig.keep()
    rig.vault.fill(kept, given())
    assert rig.changed == []
    rig.vault.fill(kept, given(OTHER))
    assert rig.changed == [kept]


def test_an_id_of_before_a_restart_is_filled_again() -> None:
    kept = Rig().keep()
    rig = Rig()
    assert rig.vault.names(kept) is None
    assert "Flyte sends them again with its next poll" in complaint(rig, kept)
    rig.vault.fill(kept, given())
    assert rig.vault.names(kept) == frozenset({"key"})
    assert rig.read(kept) == TEXT


def test_what_nobody_uses_goes_after_a_while() -> None:
    rig = Rig()
    used, unused, named = rig.keep(), rig.keep(OTHER), rig.keep("third-third")
    for _ in range(3):
        rig.time += 50.0
        assert rig.read(used) == TEXT
        assert rig.vault.names(named) == frozenset({"key"})
    assert rig.changed == [unused]
    assert rig.vault.names(unused) is None
    assert repr(rig.vault) == "Vault(2 sets)"


def test_there_are_never_more_than_so_many_and_the_longest_unused_goes_first() -> None:
    rig = Rig(most_sets=3)
    kept = [rig.keep(f"secret-{number}") for number in range(3)]
    rig.read(kept[0])
    more = [rig.keep(f"secret-{number}") for number in (3, 4)]
    assert rig.changed == [kept[1], kept[2]]
    assert [rig.vault.names(one) is None for one in kept] == [False, True, True]
    assert all(rig.vault.names(one) for one in more)
    for number in range(1000):
        rig.keep(f"many-{number}")
    assert repr(rig.vault) == "Vault(3 sets)"


def test_what_is_missing_or_empty_is_said_by_name() -> None:
    rig = Rig()
    kept = rig.vault.keep(HERE, given(" \n") | given(OTHER + "\n", "passphrase"))
    assert complaint(rig, kept) == "the secret flyte:key is empty"
    assert rig.read(kept, "passphrase") == OTHER
    assert complaint(rig, kept, "user") == "the task came without the secret flyte:user"


def test_nothing_shows_a_secret_but_to_reveal_it(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    kept = rig.keep()
    drawer = Drawer(rig.vault, kept, LocalSecrets())
    things = [rig.vault, drawer, given(), copy.copy(drawer), rig.vault._held, SentSecret.named("key")]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("toy").info("%s %r", things, things)
    shown = [repr(things), str(things), f"{things}", "".join(map(str, things)), caplog.text]
    assert not any(TEXT in one for one in shown)


async def test_a_drawer_reads_its_own_secrets_and_those_of_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    mine, theirs = rig.keep(), rig.keep(OTHER)
    drawer = Drawer(rig.vault, mine, LocalSecrets())
    assert (await drawer.read(SentSecret.named("key"))).reveal() == TEXT
    monkeypatch.setenv("TOY_TOKEN", "everyone's")
    assert (await drawer.read("env:TOY_TOKEN")).reveal() == "everyone's"
    for foreign in (f"{theirs}/key", f"../{theirs}/key", theirs):
        with pytest.raises(Unavailable, match="came without the secret"):
            await drawer.read(SentSecret.named(foreign))


def test_a_text_that_quotes_a_secret_loses_it() -> None:
    rig = Rig()
    kept = rig.vault.keep(HERE, given("-----BEGIN KEY-----\nMIIEvQIBADANBg\nabc\n-----END KEY-----"))
    said = "cannot read -----BEGIN KEY----- MIIEvQIBADANBg abc of abc"
    assert rig.vault.without(kept, said) == "cannot read [not shown] [not shown] [not shown] abc of abc"
    assert rig.vault.without("of-nobody", said) == said


class Settings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    password: SecretRef | None = None


def test_a_reference_to_a_task_s_secret_is_none_as_a_text() -> None:
    reference = SentSecret.named("key")
    taken = Settings(password=reference).password
    assert isinstance(taken, SentSecret)
    assert taken == "flyte:key"
    for text in ("flyte:key", str(reference) + "", f"flyte:{TEXT}"):
        with pytest.raises(pydantic.ValidationError, match="write env:NAME or file:/absolute/path"):
            Settings.model_validate({"password": text})
        with pytest.raises(pydantic.ValidationError):
            Settings.model_validate_json(f'{{"password": "{text}"}}')
    assert Settings.model_json_schema()["properties"]["password"]["anyOf"] == [
        {"type": "string"},
        {"type": "null"},
    ]


async def test_without_a_task_such_a_reference_leads_nowhere() -> None:
    with pytest.raises(Unavailable, match="a secret's reference is env:NAME or file:/absolute/path"):
        await LocalSecrets().read("flyte:key")


def test_no_connection_is_configured_under_a_derived_name() -> None:
    overrides = {"connections": {"warehouse~0123456789abcdef": {"plugin": "bigquery"}}}
    with pytest.raises(ConfigError, match="has a ~ in its name"):
        load(None, overrides)
