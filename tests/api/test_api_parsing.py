"""Filters, values, names, tokens, digests and the table of errors, without a server."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propwash.api.digests import digest_of
from propwash.api.drafts import Drafter
from propwash.api.errors import ApiError, Violation, from_refused, to_status
from propwash.api.filters import MAX_TERMS, parse_filter
from propwash.api.names import make_id, parse_name, parse_scope
from propwash.api.paging import Sealer, TokenMismatch, decode_position, encode_position
from propwash.api.reasons import REFUSAL_ROWS, Reason, as_markdown
from propwash.api.values import entries_to_python, fill_map
from propwash.core.model import ExecutionUid, Phase, Policy
from propwash.pb.v1.value_pb2 import MapValue
from propwash.ports import (
    AllOf,
    AnyOf,
    Comparator,
    Comparison,
    ExecutionName,
    Filter,
    Not,
    Position,
    Refused,
    Scope,
)
from propwash.sdk.handler import Value
from tests.api.api_world import create

ROOT = Path(__file__).resolve().parents[2]


def same(field: str, value: str | float | Phase) -> Comparison:
    """field = value."""
    return Comparison(field=field, comparator=Comparator.EQUAL, value=value)


A, B, C = same("attempt", 1), same("attempt", 2), same("attempt", 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("  ", None),
        ("phase = RUNNING", same("phase", Phase.RUNNING)),
        ("phase=PHASE_TIMED_OUT", same("phase", Phase.TIMED_OUT)),
        ('labels.team = "a \\"b\\""', same("labels.team", 'a "b"')),
        ("labels.'my key'=x", same("labels.my key", "x")),
        ("labels.a.b = c", same("labels.a.b", "c")),
        ("attempt=1 AND attempt=2 OR attempt=3", AllOf((A, AnyOf((B, C))))),
        ("attempt=1 OR attempt=2 AND attempt=3", AllOf((AnyOf((A, B)), C))),
        ("(attempt=1 AND attempt=2) OR attempt=3", AnyOf((AllOf((A, B)), C))),
        ("NOT attempt=1", Not(A)),
        ("-attempt=1", Not(A)),
        ("NOT (attempt=1 OR -(attempt=2))", Not(AnyOf((A, Not(B))))),
        (
            "create_time > 1970-01-01T00:00:10Z",
            Comparison(field="create_time", comparator=Comparator.GREATER, value=10.0),
        ),
        (
            'end_time<="1970-01-01T01:00:10+01:00"',
            Comparison(field="end_time", comparator=Comparator.LESS_OR_EQUAL, value=10.0),
        ),
        ("task_type != 'AND'", Comparison(field="task_type", comparator=Comparator.NOT_EQUAL, value="AND")),
    ],
)
def test_filters(text: str, expected: Filter | None) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "reason", "position"),
    [
        ("phase", "FILTER_SYNTAX", 5),
        ("phase = ", "FILTER_SYNTAX", 8),
        ("phase = RUNNING attempt = 1", "FILTER_SYNTAX", 16),
        ("phase : RUNNING", "FILTER_SYNTAX", 6),
        ("(attempt = 1", "FILTER_SYNTAX", 12),
        ("attempt = 1)", "FILTER_SYNTAX", 11),
        ("AND", "FILTER_SYNTAX", 0),
        ("NOT NOT attempt = 1", "FILTER_SYNTAX", 4),
        ('reason = "x', "FILTER_SYNTAX", 9),
        ("reason = \\", "FILTER_SYNTAX", 9),
        ("name = x", "FILTER_FIELD_UNKNOWN", 0),
        ("labels. = x", "FILTER_SYNTAX", 8),
        ("phase = SLEEPING", "FILTER_VALUE_INVALID", 8),
        ("phase > RUNNING", "FILTER_VALUE_INVALID", 6),
        ("labels.a < b", "FILTER_VALUE_INVALID", 9),
        ('attempt = "1"', "FILTER_VALUE_INVALID", 10),
        ("attempt = 1.5", "FILTER_VALUE_INVALID", 10),
        ("create_time > yesterday", "FILTER_VALUE_INVALID", 14),
        ("create_time > 2026-01-01T00:00:00", "FILTER_VALUE_INVALID", 14),
        ("(" * 17 + "attempt=1", "FILTER_TOO_LARGE", 16),
        ("a" * 5000, "FILTER_TOO_LARGE", 4096),
        (" AND ".join(["attempt=1"] * (MAX_TERMS + 1)), "FILTER_TOO_LARGE", MAX_TERMS * 14),
    ],
)
def test_bad_filters(text: str, reason: str, position: int) -> None:
    with pytest.raises(ApiError) as caught:
        parse_filter(text)
    assert (caught.value.reason, caught.value.metadata["position"]) == (reason, str(position))
    assert caught.value.violations[0].path == "filter"


_LEAVES = st.one_of(
    st.builds(same, st.just("attempt"), st.integers(-99, 99)),
    st.builds(same, st.just("phase"), st.sampled_from(Phase)),
    st.builds(same, st.sampled_from(["reason", "labels.a", "labels.b c"]), st.text()),
)


def shown(tree: Filter) -> str:
    """A filter as text."""
    match tree:
        case Comparison(field=field, value=value):
            name = f'labels."{field[7:]}"' if field.startswith("labels.") else field
            if isinstance(value, str):
                escaped = value.replace("\\", "\\\\").replace('"', '\\"')
                return f'{name} = "{escaped}"'
            return f"{name}={value.name if isinstance(value, Phase) else value}"
        case AllOf(parts):
            return "(" + " AND ".join(map(shown, parts)) + ")"
        case AnyOf(parts):
            return "(" + " OR ".join(map(shown, parts)) + ")"
        case Not(part):
            return f"(NOT {shown(part)})"


def _grown(children: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    pairs = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(AllOf, pairs), st.builds(AnyOf, pairs), st.builds(Not, children))


@settings(max_examples=60, deadline=None)
@given(st.recursive(_LEAVES, _grown, max_leaves=6))
def test_a_filter_comes_back(tree: Filter) -> None:
    assert parse_filter(shown(tree)) == tree


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(max_size=40), st.text(alphabet="()-=<>:\"' \\ANDORTattempt1.", max_size=40)))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        parse_filter(text)
    except ApiError as error:
        refusal = error.reason
    else:
        refusal = "FILTER_"
    assert refusal.startswith("FILTER_")


_PLAIN: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.datetimes(timezones=st.just(dt.UTC)),
    st.timedeltas(dt.timedelta(days=-3_000_000), dt.timedelta(days=3_000_000)),
)
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), _VALUES, max_size=4))
def test_values_come_back_with_their_types(entries: dict[str, Value]) -> None:
    message = MapValue()
    fill_map(message, entries)
    back = entries_to_python(MapValue.FromString(message.SerializeToString()), "spec")
    assert back == entries
    assert digest_of(back) == digest_of(entries)


def test_an_integer_too_large_keeps_its_digits() -> None:
    message = MapValue()
    fill_map(message, {"n": 2**70})
    assert message.entries["n"].text == str(2**70)


def test_what_is_no_value() -> None:
    with pytest.raises(TypeError, match="object is no value"):
        fill_map(MapValue(), {"x": object()})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (1, True),
        ("1", 1),
        (b"a", "a"),
        (["a", "b"], ["ab"]),
        ({"a": 1}, {"a": 2}),
        (None, ""),
        ([[]], [[], []]),
    ],
)
def test_digests_tell_kinds_apart(left: Value, right: Value) -> None:
    assert digest_of(left) != digest_of(right)


def test_the_digest_never_changes() -> None:
    value: Value = {
        "b": [1, 2.5, None, True],
        "a": {"t": dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "d": dt.timedelta(1)},
        "x": b"\0",
    }
    assert digest_of(value).hex() == "5fed3adb4bf4cedb231dab66a28082f2f28c0ccfe8ad83030e6baa74db5ee14d"


def test_a_request_without_priority_has_the_digest_of_before_there_were_any() -> None:
    drafter, request = Drafter(Policy()), create("a")
    before = "2c8660c07320c5e15dc87674c4fa41e8f4e1dc3f3c7722339610105fa7432c62"
    assert drafter.one(request).request.digest.hex() == before
    digests = set()
    for priority in (0, 1, -1, 2):
        request.execution.priority = priority
        digests.add(drafter.one(request).request.digest)
    assert len(digests) == 4


def test_names() -> None:
    text = "projects/p/domains/d/executions/e-1"
    assert parse_name(text) == ExecutionName("p", "d", "e-1")
    assert str(parse_name(text)) == text
    assert parse_scope("projects/-/domains/d") == Scope(project=None, domain="d")


def test_a_made_id_follows_the_request_id() -> None:
    assert make_id(("p", "d"), "r") == make_id(("p", "d"), "r") != make_id(("p", "e"), "r")
    assert make_id(("p", "d"), "") != make_id(("p", "d"), "")
    for request_id in ("", *map(str, range(50))):
        parse_name(f"projects/p/domains/d/executions/{make_id(('p', 'd'), request_id)}")


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=40), st.text(max_size=20), st.integers(0), st.integers(0, 255))
def test_a_token_opens_only_what_it_was_made_for(
    payload: bytes, bound_to: str, place: int, change: int
) -> None:
    sealer = Sealer("owner123", "page")
    token = sealer.seal(payload, bound_to)
    assert sealer.open(token, bound_to) == payload
    for other in (Sealer("owner456", "page"), Sealer("owner123", "watch")):
        with pytest.raises(TokenMismatch):
            other.open(token, bound_to)
    forged = list(token)
    forged[place % len(forged)] = chr(change)
    if "".join(forged) != token:
        with contextlib.suppress(TokenMismatch):
            assert sealer.open("".join(forged), bound_to) == payload


def test_positions_are_exact() -> None:
    position = Position(created_at=1_700_000_000.123456789, uid=ExecutionUid("0" * 26))
    assert decode_position(encode_position(position)) == position


def test_details_fit_into_the_trailers_of_every_client() -> None:
    violations = [Violation(f"f{number}" * 100, "m" * 2000) for number in range(100)]
    status = to_status(
        ApiError(Reason.FIELD_INVALID, "x" * 5000, violations=violations, metadata={"k": "v" * 5000})
    )
    assert sum(len(key) + len(value) for key, value in status.trailing_metadata or ()) < 6000


def test_the_documented_table_is_the_codes() -> None:
    assert as_markdown() in (ROOT / "docs" / "errors.md").read_text()


@pytest.mark.parametrize(("reason", "code"), [(row[0], row[1]) for row in REFUSAL_ROWS])
def test_a_refusal_has_the_code_that_its_row_says(reason: str, code: str) -> None:
    assert from_refused(Refused(reason, "no")).code.name == code


def test_every_reason_is_given_somewhere() -> None:
    source = "".join(
        path.read_text() for path in (ROOT / "service/propwash/api").glob("*.py") if path.stem != "reasons"
    )
    assert [reason.name for reason in Reason if f"Reason.{reason.name}" not in source] == []
