"""What the operator has a connection's executions claim: fixed units, or rules that depend on the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import pydantic

from propwash.core.model import Claim
from propwash.core.pool import POOL_NAME_FORM, TEMPLATE_NAME_FORM, is_pool_name, is_template_name
from propwash.handlers.expressions import Expression, ExpressionFailed
from propwash.ports import Refused

CLAIM_EXPRESSION_FAILED = "CLAIM_EXPRESSION_FAILED"
"""The reason of an execution that is refused for what is the operator's to mend."""
MOST_RULES = 32
_MOST_UNITS = 2**53
"""Above it a double is no exact whole number."""


def _units(value: object) -> int | Expression:
    if isinstance(value, Expression) or (
        isinstance(value, int) and not isinstance(value, bool) and value > 0
    ):
        return value
    if isinstance(value, str):
        return Expression(value)
    raise ValueError("must be a whole number greater than 0, or an expression that gives one")


def _expression(value: object) -> Expression:
    if isinstance(value, Expression):
        return value
    if isinstance(value, str):
        return Expression(value)
    raise ValueError("must be an expression")


def _pool(value: object) -> str:
    if isinstance(value, str) and is_pool_name(value):
        return value
    raise ValueError(f"must be a pool's name: {POOL_NAME_FORM}")


def _pool_or_template(value: object) -> str:
    if isinstance(value, str) and (is_pool_name(value) or is_template_name(value)):
        return value
    raise ValueError(f"must be a pool's name: {POOL_NAME_FORM}; or a template's: {TEMPLATE_NAME_FORM}")


def _source(value: object) -> object:
    return value.source if isinstance(value, Expression) else value


_shown = pydantic.PlainSerializer(_source)
PoolName: TypeAlias = Annotated[str, pydantic.PlainValidator(_pool)]
"""A pool's name. For models of the configuration, as are those that follow."""
PoolPattern: TypeAlias = Annotated[str, pydantic.PlainValidator(_pool_or_template)]
"""A pool's name, or the template of all whose name begins alike: * alone, or after a colon."""
Units: TypeAlias = Annotated[int | Expression, pydantic.PlainValidator(_units), _shown]
"""Units of a pool: a number, or an expression that gives it."""
OneExpression: TypeAlias = Annotated[Expression, pydantic.PlainValidator(_expression), _shown]


class ClaimRuleSettings(pydantic.BaseModel):
    """A claim of which the pool depends on the request, too."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    pool: OneExpression
    """Gives the pool's name."""
    units: Units = 1
    """How many units of it; 0 claims nothing."""
    when: OneExpression | None = None
    """Whether it is claimed at all; always, where not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRule:
    """A claim that depends on the request."""

    setting: str
    """Which setting of the connection it is, such as claims.gpu or claim_rules.0."""
    pool: str | Expression
    units: int | Expression
    when: Expression | None = None


def fixed_claims(units: Mapping[str, int | Expression]) -> tuple[Claim, ...]:
    """Of units by pool, the claims that are the same for every execution."""
    return tuple(Claim(pool=pool, units=number) for pool, number in units.items() if isinstance(number, int))


def claim_rules(
    units: Mapping[str, int | Expression], further: Sequence[ClaimRuleSettings]
) -> tuple[ClaimRule, ...]:
    """Of units by pool, those that depend on the request, and the further rules."""
    by_pool = (
        ClaimRule(setting=f"claims.{pool}", pool=pool, units=asked)
        for pool, asked in units.items()
        if isinstance(asked, Expression)
    )
    return (
        *by_pool,
        *(
            ClaimRule(setting=f"claim_rules.{index}", pool=one.pool, units=one.units, when=one.when)
            for index, one in enumerate(further)
        ),
    )


def claimed(rules: Sequence[ClaimRule], facts: Mapping[str, object]) -> tuple[Claim, ...]:
    """What the rules claim for a request, of which facts are the variables of the expressions; a pool may be claimed
    twice. Raises Refused CLAIM_EXPRESSION_FAILED.
    """
    claims = []
    for rule in rules:
        asking = _Asking(facts, rule.setting)
        if rule.when is None or asking.decision(rule.when):
            pool, units = asking.pool(rule.pool), asking.units(rule.units)
            if units:
                claims.append(Claim(pool=pool, units=units))
    return tuple(claims)


@dataclass(frozen=True, slots=True)
class _Asking:
    facts: Mapping[str, object]
    setting: str

    def units(self, asked: int | Expression) -> int:
        if isinstance(asked, int):
            return asked
        value = self._value(asked)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_UNITS:
            raise self._refused(
                asked, f"it gives {_kind(value)}, and no whole number of units from 0 to 2^53"
            )
        return value

    def pool(self, asked: str | Expression) -> str:
        if isinstance(asked, str):
            return asked
        value = self._value(asked)
        if not isinstance(value, str) or not is_pool_name(value):
            said = f"it gives {_kind(value)}, and no pool's name: {POOL_NAME_FORM}"
            raise self._refused(asked, said)
        return value

    def decision(self, asked: Expression) -> bool:
        value = self._value(asked)
        if not isinstance(value, bool):
            raise self._refused(asked, f"it gives {_kind(value)}, and neither true nor false")
        return value

    def _value(self, asked: Expression) -> object:
        try:
            return asked.value(self.facts)
        except ExpressionFailed as failed:
            raise self._refused(asked, str(failed)) from None

    def _refused(self, asked: Expression, said: str) -> Refused:
        where = f"connections.{self.facts['connection']}.{self.setting}"
        return Refused(CLAIM_EXPRESSION_FAILED, f"{where}: {asked.source}: {said}")


def _kind(value: object) -> str:
    """What a value is, without the value, which may be secret."""
    match value:
        case bool():
            return "true or false"
        case int():
            return "a negative number" if value < 0 else "a number"
        case float():
            return "a fraction"
        case str():
            return "a text"
        case None:
            return "null"
        case _:
            return f"a {type(value).__name__}"
