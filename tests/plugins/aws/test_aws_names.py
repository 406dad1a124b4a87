"""Tags and names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propwash.core.names import remote_name
from propwash.engine.ids import new_uid
from propwash.sdk import RemoteName
from propwash_aws.names import MOST_KEY, MOST_TAGS, MOST_VALUE, checked_tags, created_at, job_tags, mark

OWN = mark(owner="us", uid="u" * 26, attempt=2)


def test_our_mark_wins_over_everything() -> None:
    made = job_tags(
        OWN, of_spec={"team": "a"}, of_execution={"team": "b", "propwash-owner": "them", "x": "y"}
    )
    assert made == {"team": "a", "x": "y", **OWN}


@given(
    st.dictionaries(st.text(max_size=200), st.text(max_size=400), max_size=80),
    st.none() | st.text(min_size=1, max_size=300),
)
def test_labels_are_made_to_fit_what_aws_takes(labels: dict[str, str], name: str | None) -> None:
    made = job_tags(OWN, of_spec={}, of_execution=labels, user_name=name)
    assert len(made) <= MOST_TAGS
    assert OWN.items() <= made.items()
    for key, value in made.items():
        assert 1 <= len(key) <= MOST_KEY
        assert len(value) <= MOST_VALUE
    checked_tags({key: value for key, value in made.items() if not key.startswith("propwash-")})


@pytest.mark.parametrize(
    "tags",
    [{"": "x"}, {"aws:x": "y"}, {"Propwash-Owner": "y"}, {"k" * 129: ""}, {"k": "v" * 257}, {"k": "a|b"}],
)
def test_tags_that_aws_refuses_are_refused(tags: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="the"):
        checked_tags(tags)


def test_a_name_says_when_its_execution_began() -> None:
    name = remote_name(owner="us", uid=new_uid(1_800_000_000.123), attempt=1)
    assert created_at(name) == pytest.approx(1_800_000_000.123)
    assert created_at(RemoteName("someone-else")) is None
