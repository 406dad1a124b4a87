"""What an execution claims by the operator's expressions, and what it is refused for."""

from __future__ import annotations

import datetime as dt
import enum
import sys
from collections.abc import Mapping
from typing import ClassVar

import pydantic
import pytest

from propwash.core.model import Claim
from propwash.handlers.claiming import ClaimRule
from propwash.handlers.connections import ConfiguredConnection
from propwash.handlers.expressions import Expression, ExpressionFailed, ExpressionFault
from propwash.handlers.reading import MOST_CHARACTERS, MOST_VALUES
from propwash.ports import Refused, TaskRequest
from propwash.sdk import Connection, Spec, Value
from propwash.sdk.testing import ToyHandler, ToySpec, ToySystem
from tests.handlers.handler_rig import hosting

SECRET = "hunter2-hunter2"


class Size(enum.Enum):
    SMALL = "S"
    LARGE = "XL"


class Machine(Spec):
    kind: str = "m5"
    core_count: int = pydantic.Field(default=4, alias="coreCount")


class BusySpec(ToySpec):
    accelerators: int = 0
    size: Size = Size.SMALL
    warehouse: str | None = None
    machine: Machine = Machine()
    tags: tuple[str, ...] = ()
    memory_gb: float = 0.5
    note: str = ""


class BusyHandler(ToyHandler):
    task_types: ClassVar[tuple[str, ...]] = ("busy",)
    spec_type: ClassVar[type[Spec]] = BusySpec


def rule(
    units: int | str = 1,
    *,
    pool: str = "gpu",
    when: str = "",
    setting: str = "claims.gpu",
    dynamic: bool = False,
) -> ClaimRule:
    return ClaimRule(
        setting=setting,
        pool=Expression(pool) if dynamic else pool,
        units=Expression(units) if isinstance(units, str) else units,
        when=Expression(when) if when else None,
    )


async def claims_of(
    *rules: ClaimRule,
    spec: Mapping[str, Value] | None = None,
    inputs: Mapping[str, Value] | None = None,
    labels: Mapping[str, str] | None = None,
) -> tuple[Claim, ...]:
    connection = ConfiguredConnection(plugin="toys", connection=Connection(name="prod"), claim_rules=rules)
    request = TaskRequest(task_type="busy", spec=spec or {}, inputs=inputs or {}, labels=labels or {})
    async with hosting(BusyHandler(ToySystem()), connections=[connection]) as rig:
        return rig.admit(request, project="sales", domain="dev").claims


async def refusal(*rules: ClaimRule, spec: Mapping[str, Value] | None = None) -> str:
    with pytest.raises(Refused) as refused:
        await claims_of(*rules, spec=spec)
    assert refused.value.reason == "CLAIM_EXPRESSION_FAILED"
    assert SECRET not in refused.value.message
    return refused.value.message


@pytest.mark.parametrize(
    ("expression", "spec", "units"),
    [
        ("spec.accelerators * 2", {"accelerators": 3}, 6),
        ("spec.accelerators * 2", {}, 0),
        ("spec.size == 'XL' ? 4 : 1", {"size": "XL"}, 4),
        ("spec.size == 'XL' ? 4 : 1", {}, 1),
        ("has(spec.warehouse) ? 2 : 3", {"warehouse": "W"}, 2),
        ("has(spec.warehouse) ? 2 : 3", {}, 3),
        ("spec.machine.coreCount + spec.machine.core_count", {"machine": {"coreCount": 8}}, 16),
        ("int(spec.memory_gb * 2.0)", {"memory_gb": 3.4}, 6),
        ("spec.memory_gb * 2.0", {}, 1),
        ("size(spec.tags)", {"tags": ["a", "b"]}, 2),
        ("'b' in spec.tags ? 5 : 0", {"tags": ["a", "b"]}, 5),
        ("spec['accelerators']", {"accelerators": 7}, 7),
        ("spec.note.matches('^a+$') ? 1 : 2", {"note": "aaa"}, 1),
        (
            "connection == 'prod' && project == 'sales' && domain == 'dev' && task_type == 'busy' ? 9 : 0",
            {},
            9,
        ),
    ],
)
async def test_units_by_an_expression(expression: str, spec: dict[str, Value], units: int) -> None:
    expected = (Claim(pool="gpu", units=units),) if units else ()
    assert await claims_of(rule(expression), spec=spec) == expected


async def test_inputs_and_labels_are_variables_too() -> None:
    found = await claims_of(
        rule("inputs.rows / 100 + (labels['team'] == 'red' ? 1 : 0)"),
        inputs={"rows": 1000, "other": b"x", "at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
        labels={"team": "red"},
    )
    assert found == (Claim(pool="gpu", units=11),)


async def test_the_pool_depends_on_the_request_where_a_rule_says_so() -> None:
    rules = (
        rule(2, pool="pool_name('snowflake', spec.warehouse, 3)", when="has(spec.warehouse)", dynamic=True),
        rule(1, pool="'plain:' + project", dynamic=True),
    )
    assert await claims_of(*rules, spec={"warehouse": "a b"}) == (
        Claim(pool="snowflake:a%20b:3", units=2),
        Claim(pool="plain:sales"),
    )
    assert await claims_of(*rules) == (Claim(pool="plain:sales"),)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("spec.accelerators - 1", "it gives a negative number, and no whole number of units from 0"),
        ("spec.memory_gb", "it gives a fraction, and no whole number"),
        ("spec.accelerators == 0", "it gives true or false, and no whole number"),
        ("spec.note", "it gives a text, and no whole number"),
        ("spec.tags", "it gives a list, and no whole number"),
        ("double(9223372036854775807)", "it gives a number, and no whole number of units from 0 to 2^53"),
        ("spec.nothing", "a field or key that it names is not there: ask for it with has()"),
        ("spec.warehouse.size()", "a field or key that it names is not there: ask for it with has()"),
        ("1 / spec.accelerators", "it divides by zero"),
        ("spec.accelerators + 9223372036854775807 + 1", "a number is too large"),
        ("spec.note + 1", "its types do not fit together"),
        ("int(spec.note)", "it cannot be evaluated"),
        ("spec.tags[3] == '' ? 1 : 0", "it reads beyond the end of a list"),
    ],
)
async def test_what_gives_no_units_is_refused_without_a_value(expression: str, said: str) -> None:
    message = await refusal(rule(expression), spec={"note": SECRET, "tags": [SECRET]})
    assert message.startswith(f"connections.prod.claims.gpu: {expression}: {said}")


@pytest.mark.parametrize(
    "pool", ["spec.note", "pool_name()", "pool_name(spec.tags)", "pool_name('a', '')", "3"]
)
async def test_what_gives_no_pool_is_refused(pool: str) -> None:
    rules = rule(1, pool=pool, setting="claim_rules.0", dynamic=True)
    message = await refusal(rules, spec={"note": f"{SECRET} "})
    assert message.startswith(f"connections.prod.claim_rules.0: {pool}: it gives a")
    assert "no pool's name: 1 to 200 of letters" in message


async def test_a_condition_is_true_or_false() -> None:
    message = await refusal(rule(1, when="spec.accelerators"))
    assert message.endswith(": spec.accelerators: it gives a number, and neither true nor false")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "column 1: mismatched input '<EOF>'"),
        ("1 +", "column 4: mismatched input '<EOF>'"),
        ("1 +\n  spec.a )", "line 2, column 10: extraneous input ')'"),
        (
            "1 + spek.a",
            "column 5: there is no variable 'spek'; there are: connection, domain, inputs, labels",
        ),
        ("1 + lowest(spec.a)", "column 5: there is no function 'lowest'; there are: bytes, contains"),
        ("spec.tags.exists(tag, tag == 'a')", "column 11: exists() is a loop, and there are none here"),
        ("size(spec.tags.map(spec, 1))", "column 16: map() is a loop"),
        ("spec.a.matches(spec.b)", "column 8: matches() takes a literal pattern"),
        ("spec.a.matches('a' + spec.b)", "column 8: matches() takes a literal pattern"),
        ("1" * 1001, "an expression has at most 1000 characters"),
        ("(" * 500 + "1" + ")" * 400, ""),
    ],
)
def test_what_is_no_expression_is_told_with_its_place(source: str, said: str) -> None:
    with pytest.raises(ExpressionFault) as raised:
        Expression(source)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("source", ["'exists(' == 'a' ? 1 : 2", "1 // map(x)\n", '"spek.a" == r"\\" ? 1 : 2'])
def test_words_in_texts_and_comments_are_not_the_expressions(source: str) -> None:
    assert Expression(source).value({}) in (1, 2)


def test_a_large_spec_cannot_make_an_expression_slow() -> None:
    one = Expression("size(spec.tags)")
    assert one.value({"spec": {"tags": ["a"] * (MOST_VALUES - 2)}}) == MOST_VALUES - 2
    for tags in (["a"] * (MOST_VALUES - 1), ["a" * (MOST_CHARACTERS // 2 + 1)] * 2, _nested(70)):
        with pytest.raises(
            ExpressionFailed, match="it reads more than 1000 values, 65536 characters, or 64 levels"
        ):
            one.value({"spec": {"tags": tags}})


def test_what_an_expression_does_not_name_does_not_count() -> None:
    spec = {"tags": ["a"] * 100_000, "note": object(), "few": [1]}
    assert Expression("size(spec.few) + size(spec['few'])").value({"spec": spec}) == 2
    assert Expression("inputs.spec + size(spec.few)").value({"spec": spec, "inputs": {"spec": 1}}) == 2
    with pytest.raises(ExpressionFailed, match="more than 1000 values"):
        Expression("size(spec)").value({"spec": spec})


def test_without_the_extra_an_expression_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel", None)
    with pytest.raises(ExpressionFault, match=r"^expressions need propwash\[expressions\]$"):
        Expression("1")


def test_a_value_without_a_plain_form_is_told_by_its_type() -> None:
    with pytest.raises(ExpressionFailed, match="a value of type SecretStr, which has no form here"):
        Expression("spec.key == ''").value({"spec": {"key": pydantic.SecretStr(SECRET)}})


def _nested(depth: int) -> list[object]:
    made: list[object] = []
    for _ in range(depth):
        made = [made]
    return made
