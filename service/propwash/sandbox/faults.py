"""Faults on command: which kinds there are, how likely each is for which calls, and the seeded draw for one request."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml


class MethodClass(StrEnum):
    """What a call does, as far as faults care."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    DELETE = "delete"
    OTHER = "other"


class FaultKind(StrEnum):
    """What may go wrong."""

    THROTTLE = "throttle"  # refused for its rate, with a Retry-After where the rule gives one
    QUOTA = "quota"  # refused for a long-term quota
    SERVER_ERROR = "server_error"  # 500, 502 or 503; the request is not applied
    LOST_ANSWER = "lost_answer"  # the request is applied, then the connection closes without an answer
    DROPPED_REQUEST = "dropped_request"  # the connection closes; the request is not applied
    LATE_CREATE = "late_create"  # the connection closes at once; the create is applied after duration_s
    SLOW = "slow"  # applied and answered after duration_s
    GARBAGE = "garbage"  # applied; the body is cut in the middle
    STUCK = "stuck"  # the created job runs until it is cancelled
    VANISHING = "vanishing"  # the created job is not found by get, list and delete for duration_s
    UNKNOWN_STATE = "unknown_state"  # the job shows a state name that nobody knows for duration_s
    LIST_MISSES_NEWEST = "list_misses_newest"  # a list leaves out what is younger than duration_s
    CANCEL_IGNORED = "cancel_ignored"  # a job's first cancel is accepted and has no effect


_ANY = frozenset(MethodClass)
_APPLIES: dict[FaultKind, frozenset[MethodClass]] = {
    FaultKind.THROTTLE: _ANY,
    FaultKind.QUOTA: frozenset({MethodClass.CREATE}),
    FaultKind.SERVER_ERROR: _ANY,
    FaultKind.LOST_ANSWER: _ANY,
    FaultKind.DROPPED_REQUEST: _ANY,
    FaultKind.LATE_CREATE: frozenset({MethodClass.CREATE}),
    FaultKind.SLOW: _ANY,
    FaultKind.GARBAGE: _ANY,
    FaultKind.STUCK: frozenset({MethodClass.CREATE}),
    FaultKind.VANISHING: frozenset({MethodClass.CREATE}),
    FaultKind.UNKNOWN_STATE: frozenset({MethodClass.GET, MethodClass.LIST}),
    FaultKind.LIST_MISSES_NEWEST: frozenset({MethodClass.LIST}),
    FaultKind.CANCEL_IGNORED: frozenset({MethodClass.DELETE}),
}
_DURATION_S: dict[FaultKind, float] = {
    FaultKind.LATE_CREATE: 2.0,
    FaultKind.SLOW: 1.0,
    FaultKind.VANISHING: 2.0,
    FaultKind.UNKNOWN_STATE: 1.0,
    FaultKind.LIST_MISSES_NEWEST: 5.0,
}
_FIELDS = frozenset(
    {"kind", "probability", "methods", "system", "limit", "status", "retry_after_s", "duration_s"}
)


class FaultPlanError(ValueError):
    """A fault plan that cannot be followed; the message names the rule and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request. status and retry_after_s speak to refusals, duration_s to what lasts."""

    kind: FaultKind
    status: int | None = None
    retry_after_s: float | None = None
    duration_s: float = 0.0
    is_for_jobs: bool = False
    """Whether a refusal is for the jobs that are live, and not for the requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One kind and its probability for each request of the method classes; limit ends it after so many."""

    kind: FaultKind
    probability: float
    methods: frozenset[MethodClass]
    system: str | None = None
    limit: int | None = None
    status: int | None = None
    retry_after_s: float | None = None
    duration_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The rule in the form that parse_rule reads."""
        return {
            "kind": self.kind.value,
            "probability": self.probability,
            "methods": sorted(self.methods),
            "system": self.system,
            "limit": self.limit,
            "status": self.status,
            "retry_after_s": self.retry_after_s,
            "duration_s": self.duration_s,
        }


def parse_rule(value: object, *, where: str) -> FaultRule:
    """Read a rule from JSON: kind and probability are required. Raises FaultPlanError."""
    if not isinstance(value, Mapping):
        raise FaultPlanError(f"{where}: a rule is an object")
    if unknown := sorted(set(value) - _FIELDS):
        raise FaultPlanError(f"{where}: unknown field {unknown[0]!r}; known: {', '.join(sorted(_FIELDS))}")
    try:
        kind = FaultKind(str(value.get("kind")))
    except ValueError:
        known = ", ".join(FaultKind)
        raise FaultPlanError(f"{where}.kind: {value.get('kind')!r} is none of: {known}") from None
    try:
        methods = frozenset(MethodClass(str(name)) for name in value.get("methods") or _APPLIES[kind])
    except (ValueError, TypeError) as error:
        raise FaultPlanError(f"{where}.methods: {error}") from None
    if not methods <= _APPLIES[kind]:
        raise FaultPlanError(f"{where}.methods: {kind} applies to {', '.join(sorted(_APPLIES[kind]))} only")
    probability = _number(value, "probability", where, highest=1.0)
    if probability is None:
        raise FaultPlanError(f"{where}.probability: required, 0 to 1")
    limit, status = _number(value, "limit", where), _number(value, "status", where, highest=599)
    duration_s = _number(value, "duration_s", where)
    return FaultRule(
        kind=kind,
        probability=probability,
        methods=methods,
        system=value.get("system"),
        limit=None if limit is None else int(limit),
        status=None if status is None else int(status),
        retry_after_s=_number(value, "retry_after_s", where),
        duration_s=_DURATION_S.get(kind, 0.0) if duration_s is None else duration_s,
    )


def _number(value: Mapping[str, Any], field: str, where: str, *, highest: float = 1e12) -> float | None:
    given = value.get(field)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= highest:
        raise FaultPlanError(f"{where}.{field}: a number from 0 to {highest:g}, not {given!r}")
    return float(given)


def percent_rules(percent: float) -> list[FaultRule]:
    """Every kind except stuck, so that each request meets some fault with the given probability in percent.

    A stuck job never ends by itself, so it is only had by asking for it.
    """
    if not 0 <= percent <= 100:
        raise FaultPlanError(f"percent: a number from 0 to 100, not {percent!r}")
    rules: list[FaultRule] = []
    for method in (MethodClass.CREATE, MethodClass.GET, MethodClass.LIST, MethodClass.DELETE):
        kinds = [kind for kind in FaultKind if method in _APPLIES[kind] and kind is not FaultKind.STUCK]
        each = percent / 100 / len(kinds)
        for kind in kinds:
            lasting_s = _DURATION_S.get(kind, 0.0)
            # Throttling comes in both of its forms: with a Retry-After and without.
            forms = (None, 1.0) if kind is FaultKind.THROTTLE else (None,)
            rules += [
                FaultRule(
                    kind=kind,
                    probability=each / len(forms),
                    methods=frozenset({method}),
                    retry_after_s=retry_after_s,
                    status=None if retry_after_s is None else 429,
                    duration_s=lasting_s,
                )
                for retry_after_s in forms
            ]
    return rules


class FaultPlan:
    """The rules in force, and a seeded random number generator: one seed and one order of requests give one outcome."""

    def __init__(self, rules: Iterable[FaultRule] = (), *, seed: int = 0) -> None:
        self.set(rules, seed=seed)

    def set(self, rules: Iterable[FaultRule], *, seed: int) -> None:
        """Replace the rules and start the generator anew. Raises FaultPlanError where a class sums above 1."""
        rules = list(rules)
        for method in MethodClass:
            total = sum(rule.probability for rule in rules if method in rule.methods)
            if total > 1 + 1e-9:
                raise FaultPlanError(f"the probabilities for {method} add up to {total:g}; at most 1")
        self._rules = rules
        self._left = [rule.limit for rule in rules]
        self._seed = seed
        self._random = random.Random(seed)

    def draw(self, *, system: str, method: MethodClass) -> Fault | None:
        """At most one fault for one request."""
        if not self._rules:
            return None
        point = self._random.random()
        for index, rule in enumerate(self._rules):
            if method not in rule.methods or (rule.system is not None and rule.system != system):
                continue
            point -= rule.probability
            if point >= 0:
                continue
            left = self._left[index]
            if left == 0:
                return None
            if left is not None:
                self._left[index] = left - 1
            status = rule.status
            if status is None and rule.kind is FaultKind.SERVER_ERROR:
                status = self._random.choice((500, 502, 503))
            return Fault(
                kind=rule.kind, status=status, retry_after_s=rule.retry_after_s, duration_s=rule.duration_s
            )
        return None

    def as_json(self) -> dict[str, Any]:
        """The plan in the form that parse_plan reads; left is what each limited rule may still do."""
        rules = [{**rule.as_json(), "left": left} for rule, left in zip(self._rules, self._left, strict=True)]
        return {"seed": self._seed, "rules": rules}


def parse_plan(value: object) -> tuple[list[FaultRule], int]:
    """Read {"seed"?, "percent"?, "rules"?} into rules and seed. Raises FaultPlanError."""
    if not isinstance(value, Mapping):
        raise FaultPlanError("a fault plan is an object with seed, percent and rules")
    if unknown := sorted(set(value) - {"seed", "percent", "rules"}):
        raise FaultPlanError(f"unknown field {unknown[0]!r}; known: percent, rules, seed")
    given = value.get("rules") or []
    if not isinstance(given, list):
        raise FaultPlanError("rules: a list of rules")
    rules = [parse_rule(rule, where=f"rules[{index}]") for index, rule in enumerate(given)]
    percent = _number(value, "percent", "plan", highest=100)
    if percent is not None:
        rules += percent_rules(percent)
    seed = value.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise FaultPlanError(f"seed: an integer, not {seed!r}")
    return rules, seed


def read_plan(path: Path) -> tuple[list[FaultRule], int]:
    """Read a plan from a file, JSON where it ends in .json and YAML otherwise. Raises FaultPlanError, OSError."""
    text = path.read_text(encoding="utf-8")
    try:
        return parse_plan(json.loads(text) if path.suffix == ".json" else yaml.safe_load(text))
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise FaultPlanError(f"{path.name}: {error}") from None
