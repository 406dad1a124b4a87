"""What people type and write: key=value pairs, durations, specs and job files, as the client's values."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
import yaml

from propwash.client import NewExecution, Policy, Value, new_request_id

_SPAN = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")
_UNITS_S = (86400.0, 3600.0, 60.0, 1.0)
_JOB_FIELDS = frozenset(
    {"id", "task_type", "spec", "inputs", "connection", "labels", "policy", "priority", "request_id"}
)
_POLICY_FIELDS = frozenset({"max_attempts", "wait_timeout", "run_timeout", "total_timeout"})


class InputError(click.ClickException):
    """What was typed or written cannot be taken; exits with 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """One line on standard error."""
        del file
        click.echo(f"propwash: {self.message}", err=True)


class Span(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases alone
    """A duration: 90, 90s, 30m, 1h30m, 2d."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.timedelta:
        """Parse; fails with a usage error."""
        if isinstance(value, dt.timedelta):
            return value
        try:
            return parse_span(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_span(text: str) -> dt.timedelta:
    """A duration from text. Raises ValueError."""
    match = _SPAN.fullmatch(text.strip())
    if not text.strip() or match is None:
        raise ValueError(f"{text!r} is no duration; write 90s, 30m, 1h30m or 2d")
    amounts = zip(match.groups(), _UNITS_S, strict=True)
    return dt.timedelta(seconds=sum(float(amount) * unit for amount, unit in amounts if amount))


def parse_pairs(pairs: Iterable[str], option: str) -> dict[str, Value]:
    """key=text and key:=JSON. Raises InputError."""
    made: dict[str, Value] = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign or not key.rstrip(":"):
            raise InputError(f"{option} {pair!r}: write name=text, or name:=JSON for other types")
        made[key.removesuffix(":")] = _json(text, f"{option} {pair!r}") if key.endswith(":") else text
    return made


def parse_labels(pairs: Iterable[str]) -> dict[str, str]:
    """key=value. Raises InputError."""
    made: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise InputError(f"--label {pair!r}: write key=value")
        made[key] = value
    return made


def nested(dotted: Mapping[str, object]) -> dict[str, object]:
    """a.b=1 as {"a": {"b": 1}}."""
    made: dict[str, object] = {}
    for path, value in dotted.items():
        inner = made
        *outer, last = path.split(".")
        for key in outer:
            following = inner.setdefault(key, {})
            if not isinstance(following, dict):
                raise InputError(f"{path}: {key} is a value already, so it has no fields")
            inner = following
        inner[last] = value
    return made


def merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Both, with what stands above winning, map by map."""
    made = dict(below)
    for key, value in above.items():
        old = made.get(key)
        made[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return made


def read_spec(path: str) -> dict[str, Value]:
    """A spec from a YAML or JSON file, or standard input for -. Raises InputError."""
    try:
        document = yaml.safe_load(_read(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: neither YAML nor JSON: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: the spec is a mapping, not {type(document).__name__}")
    return cast("dict[str, Value]", to_values(document, path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What the lines of a job file that do not say otherwise have. request_id is then a prefix."""

    task_type: str
    spec: Mapping[str, Value]
    inputs: Mapping[str, Value]
    connection: str
    labels: Mapping[str, str]
    policy: Policy
    priority: int
    request_id: str


def read_jobs(path: str, defaults: Defaults) -> Iterator[NewExecution]:
    """One execution for each line of a JSONL file, - for standard input. Raises InputError with the line."""
    for number, line in enumerate(_read(path).splitlines(), start=1):
        if line.strip():
            where = f"{path}:{number}"
            job = _json(line, where)
            if not isinstance(job, Mapping):
                raise InputError(f"{where}: a job is a mapping, not {type(job).__name__}")
            yield _job(job, defaults, number=number, where=where)


def to_values(value: object, where: str) -> Value:
    """What JSON and YAML give, as values; @bytes, @timestamp and @duration are maps of one text."""
    match value:
        case None | bool() | int() | float() | str() | dt.datetime():
            return value
        case dt.date():
            return value.isoformat()
        case list():
            return [to_values(item, where) for item in value]
        case dict():
            if len(value) == 1 and str(next(iter(value))).startswith("@"):
                return _tagged(*next(iter(value.items())), where)
            return {str(key): to_values(item, where) for key, item in value.items()}
    raise InputError(f"{where}: a {type(value).__name__} is no value")


def _tagged(tag: object, value: object, where: str) -> Value:
    try:
        match tag, value:
            case "@bytes", str():
                return base64.b64decode(value, validate=True)
            case "@timestamp", str():
                return dt.datetime.fromisoformat(value)
            case "@duration", str():
                return parse_span(value)
    except (ValueError, binascii.Error) as error:
        raise InputError(f"{where}: {tag}: {error}") from None
    raise InputError(f"{where}: {tag!r} is none of @bytes, @timestamp, @duration with a text")


def _job(job: Mapping[str, Value], defaults: Defaults, *, number: int, where: str) -> NewExecution:
    if unknown := sorted(set(job) - _JOB_FIELDS):
        raise InputError(f"{where}: unknown field {unknown[0]!r}; known: {', '.join(sorted(_JOB_FIELDS))}")
    maps = {}
    for field in ("spec", "inputs", "labels", "policy"):
        given = job.get(field, {})
        if not isinstance(given, Mapping):
            raise InputError(f"{where}: {field} is a mapping, not {type(given).__name__}")
        maps[field] = given
    texts = {}
    for field in ("id", "task_type", "connection", "request_id"):
        text = job.get(field, "")
        if not isinstance(text, str):
            raise InputError(f"{where}: {field} is a text, not {type(text).__name__}")
        texts[field] = text
    priority = job.get("priority", defaults.priority)
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise InputError(f"{where}: priority is an integer, not {priority!r}")
    prefix = defaults.request_id
    if not (texts["task_type"] or defaults.task_type):
        raise InputError(f"{where}: no task_type; write one, or give --task-type for all")
    return NewExecution(
        task_type=texts["task_type"] or defaults.task_type,
        spec=cast("dict[str, Value]", merged(defaults.spec, maps["spec"])),
        inputs={**defaults.inputs, **maps["inputs"]},
        execution_id=texts["id"],
        connection=texts["connection"] or defaults.connection,
        labels={**defaults.labels, **{key: str(value) for key, value in maps["labels"].items()}},
        policy=_policy(maps["policy"], defaults.policy, where) if maps["policy"] else defaults.policy,
        priority=priority,
        request_id=texts["request_id"] or (f"{prefix}-{number}" if prefix else new_request_id()),
    )


def _policy(given: Mapping[str, Value], defaults: Policy, where: str) -> Policy:
    if unknown := sorted(set(given) - _POLICY_FIELDS):
        raise InputError(f"{where}: policy has no {unknown[0]!r}; known: {', '.join(sorted(_POLICY_FIELDS))}")
    attempts = given.get("max_attempts", defaults.max_attempts)
    if not isinstance(attempts, int):
        raise InputError(f"{where}: policy.max_attempts is an integer, not {attempts!r}")

    def span(name: str) -> dt.timedelta:
        value = given.get(name)
        try:
            return getattr(defaults, name) if value is None else parse_span(str(value))
        except ValueError as error:
            raise InputError(f"{where}: policy.{name}: {error}") from None

    return Policy(
        max_attempts=attempts,
        wait_timeout=span("wait_timeout"),
        run_timeout=span("run_timeout"),
        total_timeout=span("total_timeout"),
    )


def _json(text: str, where: str) -> Value:
    try:
        return to_values(json.loads(text), where)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON: {error}") from None


def _read(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
