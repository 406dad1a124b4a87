"""Waits are capped, jittered and the same for the same key; names say whose they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propwash.core.backoff import backoff_s, fraction
from propwash.core.model import ExecutionUid
from propwash.core.names import parse_remote_name, remote_name

UIDS = st.text(alphabet="0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26).map(ExecutionUid)
OWNERS = st.from_regex(re.compile(r"[a-z0-9]{1,16}"), fullmatch=True)


@given(key=st.text(), tries=st.integers(1, 10_000), first_s=st.floats(0.01, 10), cap_s=st.floats(10, 1000))
def test_a_wait_is_between_half_of_its_step_and_the_step(
    key: str, tries: int, first_s: float, cap_s: float
) -> None:
    step_s = min(cap_s, first_s * 2.0 ** min(tries - 1, 62))
    assert step_s / 2 <= backoff_s(key, tries=tries, first_s=first_s, cap_s=cap_s) <= step_s


def test_a_wait_depends_on_its_key_and_try_alone() -> None:
    waits = {backoff_s("a", number, tries=9, first_s=1.0, cap_s=60.0) for number in range(100)}
    assert len(waits) == 100
    assert backoff_s("a", tries=3, first_s=1.0, cap_s=60.0) == backoff_s(
        "a", tries=3, first_s=1.0, cap_s=60.0
    )
    assert fraction("a", "b") != fraction("ab")


def test_there_is_no_wait_before_the_first_try() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        backoff_s("a", tries=0, first_s=1.0, cap_s=60.0)


@given(owner=OWNERS, uid=UIDS, attempt=st.integers(1, 999))
def test_a_name_says_what_it_was_made_of(owner: str, uid: ExecutionUid, attempt: int) -> None:
    name = remote_name(owner=owner, uid=uid, attempt=attempt)
    parsed = parse_remote_name(name)
    assert parsed is not None
    assert (parsed.owner, parsed.uid, parsed.attempt) == (owner, uid, attempt)
    assert re.fullmatch(r"[a-z0-9-]{1,50}", name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "pw",
        "pw-dev-0123456789abcdefghjkmnpqrs-0",
        "pw-dev-0123456789abcdefghjkmnpqrs-1000",
        "pw-dev-0123456789abcdefghjkmnpqri-1",
        "pw-DEV-0123456789abcdefghjkmnpqrs-1",
        "px-dev-0123456789abcdefghjkmnpqrs-1",
        "pw-dev-0123456789abcdefghjkmnpqrs-1\n",
    ],
)
def test_what_is_not_a_name_of_ours_is_not_taken_for_one(name: str) -> None:
    assert parse_remote_name(name) is None


@pytest.mark.parametrize("owner", ["", "a-b", "A", "a" * 17])
def test_an_owner_that_would_spoil_the_name_is_refused(owner: str) -> None:
    with pytest.raises(ValueError, match="owner"):
        remote_name(owner=owner, uid=ExecutionUid("0" * 26), attempt=1)
