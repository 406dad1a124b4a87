"""Secrets are named, read when they are needed, and shown nowhere."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path

import pydantic
import pytest

from propwash.sdk import CREDENTIALS_UNAVAILABLE, Connection, LocalSecrets, Secret, SecretRef, Unavailable

SECRET = "hunter2-hunter2"


class Settings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    password: SecretRef


async def read(reference: str) -> str:
    return (await LocalSecrets().read(reference)).reveal()


async def refused(reference: str) -> str:
    with pytest.raises(Unavailable) as raised:
        await LocalSecrets().read(reference)
    assert raised.value.reason == CREDENTIALS_UNAVAILABLE
    assert SECRET not in f"{raised.value!r} {raised.value} {raised.value.message}"
    # Nor in what led to it, which a log may show.
    assert SECRET not in repr(raised.value.__cause__)
    return raised.value.message


async def test_an_environment_variable_is_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_TOKEN", "old\n")
    assert await read("env:TOY_TOKEN") == "old"
    monkeypatch.setenv("TOY_TOKEN", "  new ")
    assert await read("env:TOY_TOKEN") == "  new"


async def test_a_file_is_read_each_time_also_where_another_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    assert await read(f"file:{file}") == SECRET
    file.write_text("in place")
    assert await read(f"file:{file}") == "in place"
    # As Kubernetes does it: a link is turned to another folder at once.
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        (tmp_path / number / "token").write_text(f"v{number}")
    link = tmp_path / "data"
    link.symlink_to(tmp_path / "1")
    assert await read(f"file:{link}/token") == "v1"
    (tmp_path / "next").symlink_to(tmp_path / "2")
    (tmp_path / "next").rename(link)
    assert await read(f"file:{link}/token") == "v2"


async def test_a_secret_of_several_lines_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "key with a space.pem"
    file.write_text("-----BEGIN KEY-----\nabc\ndef\n-----END KEY-----\n\n")
    assert await read(f"file:{file}") == "-----BEGIN KEY-----\nabc\ndef\n-----END KEY-----"


async def test_what_is_missing_or_empty_is_said_with_its_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOY_TOKEN", raising=False)
    assert await refused("env:TOY_TOKEN") == "the secret env:TOY_TOKEN is not set or empty"
    monkeypatch.setenv("TOY_TOKEN", " \n")
    assert await refused("env:TOY_TOKEN") == "the secret env:TOY_TOKEN is not set or empty"
    empty = tmp_path / "empty"
    empty.touch()
    assert await refused(f"file:{empty}") == f"the secret file:{empty} is not set or empty"
    absent = f"file:{tmp_path}/absent"
    assert await refused(absent) == f"the secret {absent} cannot be read: No such file or directory"
    assert await refused(f"file:{tmp_path}") == f"the secret file:{tmp_path} cannot be read: Is a directory"


async def test_what_is_no_text_or_too_long_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(SECRET.encode() + b"\xff\xfe")
    assert await refused(f"file:{file}") == f"the secret file:{file} is not UTF-8 text"
    file.write_bytes(b"x" * 65_536)
    assert len(await read(f"file:{file}")) == 65_536
    file.write_bytes(SECRET.encode() * 65_536)
    assert await refused(f"file:{file}") == f"the secret file:{file} is longer than 64 KiB"


@pytest.mark.parametrize(
    "reference", [SECRET, "", "env:", "env:1X", "env:A B", "file:relative/path", "file:", f"vault:{SECRET}"]
)
async def test_what_is_no_reference_is_refused_unread_and_unshown(reference: str) -> None:
    assert await refused(reference) == "a secret's reference is env:NAME or file:/absolute/path"
    with pytest.raises(pydantic.ValidationError) as raised:
        Settings.model_validate({"password": reference})
    (fault,) = raised.value.errors(include_input=False)
    assert fault["msg"].endswith("write env:NAME or file:/absolute/path; the secret itself never stands here")
    assert SECRET not in fault["msg"]


def test_references_are_taken() -> None:
    for reference in ("env:TOY_TOKEN", "env:_x", "file:/run/secrets/a b"):
        assert Settings(password=reference).password == reference


def test_a_secret_is_shown_by_nothing_but_reveal(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(SECRET)
    with caplog.at_level(logging.INFO):
        logging.getLogger("toy").info("read %s %r", secret, secret)
    shown = [repr(secret), str(secret), f"{secret}", f"{[secret]}", caplog.text, repr(copy.copy(secret))]
    assert not any(SECRET in one for one in shown)
    assert secret.reveal() == SECRET
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_a_connection_shows_how_it_reads_secrets_to_nobody() -> None:
    connection = Connection(name="a", settings={"password": "env:TOY_TOKEN"})
    assert "secrets" not in repr(connection)
    assert connection == Connection(name="a", settings={"password": "env:TOY_TOKEN"}, secrets=LocalSecrets())
