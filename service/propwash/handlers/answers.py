"""Checks what handlers answer, before the engine believes a word of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from propwash.core.events import Deletion
from propwash.core.model import Claim, Fault, FaultKind, Json, Link, Observation, RemoteName, RemotePhase
from propwash.core.pool import POOL_NAME_FORM, is_pool_name
from propwash.handlers.faults import REASON, Nonsense, fault_of, nonsense, short
from propwash.sdk import (
    Checked,
    Column,
    FlyteType,
    Job,
    ListedJob,
    LogLine,
    LogPage,
    NotFound,
    ResultPage,
    Verdict,
)

HINT_LIMIT = 256
_LEFT_OUT = object()
_MESSAGE_LIMIT = 4096
_LINK_LIMIT = 32
_DEPTH_LIMIT = 64
_NAME_LIMIT = 127
_TYPES_LIMIT = 1000


def observation(answer: object) -> Observation:
    """The observation, its message shortened; raises Nonsense."""
    if not isinstance(answer, Observation):
        raise Nonsense(f"an answer of type {_kind(answer)} in place of an Observation")
    if not isinstance(_as_object(answer.phase), RemotePhase):
        raise Nonsense(f"a phase of type {_kind(answer.phase)}")
    if not isinstance(_as_object(answer.message), str) or not isinstance(_as_object(answer.reason), str):
        raise Nonsense("a message or reason that is no string")
    if answer.reason and not REASON.fullmatch(answer.reason):
        raise Nonsense(f"the reason {answer.reason!r:.100}, which is not UPPER_SNAKE_CASE")
    if answer.phase is RemotePhase.FAILED and not answer.reason:
        raise Nonsense("a failed job without a reason")
    if not isinstance(_as_object(answer.is_retryable), bool):
        raise Nonsense("an is_retryable that is no bool")
    if answer.ask_again_s is not None and not _is_finite(answer.ask_again_s):
        raise Nonsense("an ask_again_s that is no finite number of seconds")
    outputs = plain(answer.outputs)
    if not isinstance(outputs, Mapping):
        raise Nonsense("outputs that are no mapping")
    return replace(
        answer,
        message=_short(answer.message),
        links=links(answer.links),
        outputs=outputs,
    )


@functools.lru_cache(maxsize=512)
def _short(message: str) -> str:
    """Of thousands of jobs that are looked at in one turn of the loop nearly all say the same."""
    return short(message, limit=_MESSAGE_LIMIT)


def batch(answer: object, metas: Sequence[bytes]) -> Mapping[bytes, object]:
    """What get answered of each meta, not yet looked at; raises Nonsense for what spoils them all."""
    if not isinstance(answer, Mapping):
        raise Nonsense(f"get answered {_kind(answer)} in place of a mapping")
    foreign = set(answer) - set(metas)
    if foreign:
        raise Nonsense(f"get answered {len(foreign)} metas that it was not asked about")
    return {meta: answer.get(meta, _LEFT_OUT) for meta in metas}


def of_batch(answer: object) -> Observation | Fault | None:
    """One answer of a batch; a bad one is a fault of its meta alone."""
    try:
        return _one(answer)
    except Exception as error:  # noqa: BLE001  an answer's own methods may raise anything
        return nonsense(f"looking at the answer raised {type(error).__name__}")


def _one(answer: object) -> Observation | Fault | None:
    if answer is _LEFT_OUT:
        return nonsense("get left a meta unanswered")
    if isinstance(answer, NotFound):
        return None
    if isinstance(answer, Verdict):
        return fault_of(answer, not_found=FaultKind.UNAVAILABLE)
    try:
        return observation(answer)
    except Nonsense as error:
        return nonsense(str(error))


def job(answer: object, *, meta_limit: int) -> Job:
    """A created or found job; raises Nonsense."""
    if not isinstance(answer, Job):
        raise Nonsense(f"an answer of type {_kind(answer)} in place of a Job")
    return Job(meta=meta(answer.meta, limit=meta_limit), observation=observation(answer.observation))


def found(answer: object, *, meta_limit: int) -> Job | None:
    """What a look-up answered; raises Nonsense."""
    return None if answer is None else job(answer, meta_limit=meta_limit)


def deletion(answer: object) -> Deletion:
    """What a delete answered; raises Nonsense."""
    if not isinstance(answer, Deletion):
        raise Nonsense(f"an answer of type {_kind(answer)} in place of a Deletion")
    return answer


def listed(answer: object, *, meta_limit: int) -> Sequence[ListedJob]:
    """What a list answered; raises Nonsense."""
    jobs = []
    for one in _items(answer, "list"):
        if not isinstance(one, ListedJob) or not isinstance(_as_object(one.name), str) or not one.name:
            raise Nonsense(f"list answered an item of type {_kind(one)}, or one without a name")
        jobs.append(ListedJob(name=RemoteName(str(one.name)), meta=meta(one.meta, limit=meta_limit)))
    return tuple(jobs)


def nothing(answer: object) -> None:
    """What a dry run answered; raises Nonsense."""
    if answer is not None:
        raise Nonsense(f"validate answered {_kind(answer)} in place of None")


def log_page(answer: object) -> LogPage | None:
    """A page of log lines, or None where they are not offered; raises Nonsense."""
    if answer is None:
        return None
    if not isinstance(answer, LogPage) or not isinstance(_as_object(answer.cursor), str):
        raise Nonsense(f"an answer of type {_kind(answer)} in place of a LogPage, or one without a cursor")
    for line in _items(answer.lines, "logs"):
        if not isinstance(line, LogLine) or not isinstance(_as_object(line.text), str):
            raise Nonsense("logs answered a line that is no LogLine")
        at: object = line.at
        if at is not None and not _is_finite(at):
            raise Nonsense("logs answered a line whose time is no finite number")
    return answer


def result_page(answer: object) -> ResultPage | None:
    """A page of rows, or None where they are not offered; raises Nonsense."""
    if answer is None:
        return None
    if not isinstance(answer, ResultPage) or not isinstance(_as_object(answer.next_cursor), str):
        raise Nonsense(f"an answer of type {_kind(answer)} in place of a ResultPage, or one without a cursor")
    columns = _items(answer.columns, "results")
    if not all(isinstance(column, Column) for column in columns):
        raise Nonsense("results answered a column that is no Column")
    if not isinstance(_as_object(answer.total_rows), int):
        raise Nonsense("results answered a total that is no integer")
    rows = []
    for row in _items(answer.rows, "results"):
        cells = _items(row, "results")
        if len(cells) != len(columns):
            raise Nonsense(f"results answered a row of {len(cells)} values under {len(columns)} columns")
        rows.append(tuple(plain(cell) for cell in cells))
    return replace(answer, rows=tuple(rows))


def checked(answer: object) -> Sequence[Checked] | None:
    """The steps of a check, their texts shortened, or None where it is not offered; raises Nonsense."""
    if answer is None:
        return None
    steps = []
    for one in _items(answer, "check"):
        if not isinstance(one, Checked) or not isinstance(_as_object(one.is_ok), bool):
            raise Nonsense(
                f"check answered an item of type {_kind(one)}, or one that says neither yes nor no"
            )
        texts = (_as_object(one.what), _as_object(one.message), _as_object(one.remedy))
        what, message, remedy = (short(text, limit=500) if isinstance(text, str) else "" for text in texts)
        if not what or not all(isinstance(text, str) for text in texts):
            raise Nonsense("check answered a step without a name, or with a text that is no string")
        steps.append(Checked(what=what, is_ok=one.is_ok, message=message, remedy=remedy))
    if not steps:
        raise Nonsense("check answered no step")
    return tuple(steps)


def meta(answer: object, *, limit: int) -> bytes:
    """A resource meta; raises Nonsense."""
    if not isinstance(answer, bytes) or not 0 < len(answer) <= limit:
        size = f" of {len(answer)} bytes" if isinstance(answer, bytes) else ""
        raise Nonsense(f"a meta of type {_kind(answer)}{size}; 1 to {limit} bytes are allowed")
    return answer


def flyte_types(answer: object) -> Sequence[FlyteType]:
    """The task types that a connection offers to Flyte, each once, the first of a name; raises Nonsense."""
    found: dict[str, FlyteType] = {}
    for one in () if answer is None else _items(answer, "flyte_types"):
        if not isinstance(one, FlyteType) or not isinstance(_as_object(one.name), str):
            raise Nonsense(
                f"flyte_types answered an item of type {_kind(one)}, or one whose name is no string"
            )
        version: object = one.version
        is_counted = isinstance(version, int) and not isinstance(version, bool) and version >= 0
        is_named = 0 < len(one.name) <= _NAME_LIMIT
        if not (is_named and is_counted and isinstance(_as_object(one.is_sync), bool)):
            raise Nonsense(f"flyte_types answered {one!r:.200}, which is no task type")
        found.setdefault(one.name, one)
    if len(found) > _TYPES_LIMIT:
        raise Nonsense(f"flyte_types answered {len(found)} task types; {_TYPES_LIMIT} are allowed")
    return tuple(found.values())


def hint(answer: object) -> bytes:
    """A hint; raises Nonsense."""
    if not isinstance(answer, bytes) or len(answer) > HINT_LIMIT:
        raise Nonsense(f"a hint of type {_kind(answer)}, or one of more than {HINT_LIMIT} bytes")
    return answer


def claims(answer: object) -> tuple[Claim, ...]:
    """The claims; raises Nonsense."""
    checked = []
    for one in _items(answer, "claims"):
        if not isinstance(one, Claim) or not isinstance(_as_object(one.pool), str):
            raise Nonsense(f"claims answered an item of type {_kind(one)}, or one without a pool")
        if not is_pool_name(one.pool):
            raise Nonsense(f"{one.pool!r:.100} is no pool's name: {POOL_NAME_FORM}")
        units: object = one.units
        if isinstance(units, bool) or not isinstance(units, int) or units < 1:
            raise Nonsense(f"a claim of {units!r:.50} units")
        checked.append(one)
    if len({one.pool for one in checked}) != len(checked):
        raise Nonsense("claims names a pool twice")
    return tuple(checked)


def links(answer: object) -> tuple[Link, ...]:
    """Links to web pages; raises Nonsense."""
    checked = []
    for one in _items(answer, "links"):
        if not isinstance(one, Link) or not isinstance(_as_object(one.title), str):
            raise Nonsense(f"a link of type {_kind(one)}, or one without a title")
        if not _is_web_address(one.uri):
            raise Nonsense("a link that is no http or https address")
        checked.append(one)
    if len(checked) > _LINK_LIMIT:
        raise Nonsense(f"{len(checked)} links; {_LINK_LIMIT} are allowed")
    return tuple(checked)


def plain(value: object, depth: int = 0) -> Json:
    """A plain value, lists as tuples; raises Nonsense for anything else and for nesting deeper than 64.

    A float may be infinite or not a number here: it is the remote system's data, not ours.
    """
    if depth > _DEPTH_LIMIT:
        raise Nonsense(f"a value nested deeper than {_DEPTH_LIMIT}")
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, list | tuple):
        return tuple(plain(item, depth + 1) for item in value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(item, depth + 1) for key, item in value.items()}
    raise Nonsense(f"a value of type {_kind(value)}")


def _is_web_address(uri: object) -> bool:
    if not isinstance(uri, str) or len(uri) > 2048:
        return False
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not parts.password


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _items(answer: object, method: str) -> Sequence[object]:
    if isinstance(answer, str | bytes) or not isinstance(answer, Sequence):
        raise Nonsense(f"{method} answered {_kind(answer)} in place of a sequence")
    return answer


def _as_object(value: object) -> object:
    """The value without its declared type: an author's code may not have kept to it."""
    return value


def _kind(value: object) -> str:
    return type(value).__qualname__
