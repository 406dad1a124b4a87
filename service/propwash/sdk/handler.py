"""What a plugin author writes: a Handler, its Spec, and the values that they exchange with the engine."""

from __future__ import annotations

import abc
import datetime as dt
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeAlias, TypeVar

import pydantic

from propwash.core.events import Deletion
from propwash.core.model import Claim, ExecutionUid, Json, Link, Observation, RemoteName, Traits
from propwash.sdk.connections import CallLimits, Checked, Connection
from propwash.sdk.shaping import shape
from propwash.sdk.verdicts import Verdict

if TYPE_CHECKING:
    # That module needs Value, which is defined here.
    from propwash.sdk.flyte import FlyteDialect, FlyteType


class Spec(pydantic.BaseModel):
    """The base of every spec: unknown fields are refused, values are frozen, integers are not made of
    strings.

    A list of the wire fits list, tuple, set and frozenset fields alike, and an enum's value stands for its
    member.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _shaped(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        annotations = _annotations(cls)
        return {
            key: shape(annotations[key], value) if key in annotations else value
            for key, value in data.items()
        }


@functools.cache
def _annotations(spec_type: type[Spec]) -> Mapping[str, object]:
    """By every name under which a field may be given."""
    return {
        key: info.annotation
        for name, info in spec_type.model_fields.items()
        for key in (name, info.alias)
        if key is not None
    }


SpecT = TypeVar("SpecT", bound=Spec)
T = TypeVar("T")
Value: TypeAlias = (
    "bool | int | float | str | bytes | dt.datetime | dt.timedelta "
    "| Sequence[Value] | Mapping[str, Value] | None"
)
"""A typed input value."""
MaybeAsync: TypeAlias = "T | Awaitable[T]"
"""A method may be async def (run on the loop) or plain def (run in a thread)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest(Generic[SpecT]):
    """One attempt's job, to be submitted under its name."""

    name: RemoteName
    owner: str
    """Who owns the job, for the owner label that the sweep looks for."""
    uid: ExecutionUid
    attempt: int
    spec: SpecT
    inputs: Mapping[str, Value]
    """Typed: integers are int, doubles float, instants aware datetime, durations timedelta, blobs bytes."""
    labels: Mapping[str, str]
    connection: Connection
    run_deadline_s: float | None = None
    """Set as the system's own kill switch where it has one. A little after the execution's own deadline, which the
    engine keeps.
    """
    hint: bytes = b""
    """What hint() answered when the execution was admitted: the job goes where find and delete will look for it. Empty
    where the connection's settings did not hold then.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A remote job, as a create or a look-up found it."""

    meta: bytes
    """By which the handler finds its job again: at most its meta_limit, without a secret."""
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """A live job that carries our owner label."""

    name: RemoteName
    meta: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a job's log; at is UTC seconds where the system says so."""

    text: str
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Lines, and the cursor to go on from."""

    lines: tuple[LogLine, ...]
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a result; type is the remote system's own name."""

    name: str
    type: str
    is_nullable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage:
    """Rows of a succeeded job's result. An empty next_cursor means the last page; total_rows is -1 where
    unknown.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Json, ...], ...]
    next_cursor: str = ""
    total_rows: int = -1


class Handler(abc.ABC, Generic[SpecT]):
    """Serves task types on one remote system.

    Every method may be async def, run on the loop under a deadline, or plain def, run in a thread. A method
    raises a verdict (Permanent, Retryable, Throttled, Unavailable, NotFound) for what the remote system
    answers; the engine owns retries, deadlines, throttling, batching, durability and cleanup. A handler holds
    no state about jobs.
    """

    task_types: ClassVar[tuple[str, ...]]
    spec_type: ClassVar[type[Spec]]
    traits: ClassVar[Traits] = Traits()
    description: ClassVar[str] = ""
    batch_size: ClassVar[int] = 1000
    """The most metas that one get is given."""
    meta_limit: ClassVar[int] = 1024
    """The most bytes of a meta, at most 65,536. Every live job's is kept in memory: small is better."""
    limits: ClassVar[CallLimits] = CallLimits()
    """How fast one connection may be called, as the remote system documents it."""
    settings_type: ClassVar[type[pydantic.BaseModel] | None] = None
    """The model of Connection.settings: checked when the server starts, and shown in the documentation."""

    flyte: ClassVar[FlyteDialect | None] = None
    """How templates of Flyte's SDKs are understood; without it the handler is not offered to Flyte."""
    answers_within_s: ClassVar[float | None] = None
    """Set where jobs are over so soon that a caller may wait for the end in one call; an execution that is not over
    by then is aborted for such a caller.
    """

    @abc.abstractmethod
    def create(self, request: CreateRequest[SpecT]) -> MaybeAsync[Job]:
        """Submit under request.name, marked with request.owner. A job of that name that is already there is
        adopted.
        """

    def get(
        self, connection: Connection, metas: Sequence[bytes]
    ) -> MaybeAsync[Mapping[bytes, Observation | Verdict]]:
        """Observe many jobs in as few calls as the system allows; each meta is a key of the answer.

        A verdict as a value speaks of that job alone; a raised one of the whole call. The default makes the engine call
        get_one for each, a bounded number at a time. A job is asked for again after a tenth of its age, or after the
        observation's ask_again_s where the system itself says when that is worth it, within the traits' poll bounds.
        """
        raise NotBatched

    def get_one(self, connection: Connection, meta: bytes) -> MaybeAsync[Observation]:
        """Observe one job; raises NotFound where the system knows none. Needed only where get is not
        overridden.
        """
        raise NotBatched

    @abc.abstractmethod
    def find(self, connection: Connection, name: RemoteName, hint: bytes) -> MaybeAsync[Job | None]:
        """Look a job up by name after doubt. Where several carry the name, keep the oldest and cancel the
        others.
        """

    @abc.abstractmethod
    def delete(
        self, connection: Connection, name: RemoteName, meta: bytes | None, hint: bytes
    ) -> MaybeAsync[Deletion]:
        """End the job and say what is known of its end; safe to repeat. GONE only where the system confirmed
        by state.

        hint is empty where the sweep deletes an orphan; its meta is then known.
        """

    @abc.abstractmethod
    def list(self, connection: Connection, owner: str) -> MaybeAsync[Sequence[ListedJob]]:
        """The live jobs that carry our owner label, for the sweep."""

    def validate(self, request: CreateRequest[SpecT]) -> MaybeAsync[None]:
        """Ask the remote system for a dry run, where it has one; raises Permanent for what it would
        refuse.
        """
        return None

    def logs(self, connection: Connection, meta: bytes, cursor: str) -> MaybeAsync[LogPage]:
        """Read log lines from a cursor on; optional."""
        raise NotOffered

    def results(self, connection: Connection, meta: bytes, cursor: str, limit: int) -> MaybeAsync[ResultPage]:
        """Read rows of a succeeded job's result; optional."""
        raise NotOffered

    def hint(self, connection: Connection, spec: SpecT) -> bytes:
        """What find and delete need besides the name, such as a project; at most 256 bytes, no secret, no
        input or output. Raise Unavailable where the connection does not serve: the execution is accepted
        without a hint, and waits.
        """
        return b""

    def claims(self, connection: Connection, spec: SpecT) -> Sequence[Claim]:
        """Units of pools (see pool_name) that such a job takes, where there is such a pool. No input or output."""
        return ()

    def links(self, connection: Connection, name: RemoteName, spec: SpecT) -> Sequence[Link]:
        """Console and log links, known from the start. No input or output."""
        return ()

    def traits_of(self, connection: Connection) -> Traits:
        """The traits of what the connection leads to, where they differ from one to another. No input or output; not
        asked where the connection's settings do not hold.
        """
        return self.traits

    def flyte_types(self, connection: Connection) -> MaybeAsync[Sequence[FlyteType]]:
        """The task types that the connection offers to Flyte, asked every so often. Optional: by default those of
        task_types, on every connection. A handler that overrides it runs them all as the first of its task_types.
        """
        raise NotOffered

    def stated_flyte_types(self, connection: Connection) -> Sequence[FlyteType]:
        """Those of flyte_types that are offered whether the remote side has answered yet or not, such as an operator
        states them. No input or output.
        """
        return ()

    def check(self, connection: Connection) -> MaybeAsync[Sequence[Checked]]:
        """Verify a connection end to end, step by step, without making a job: reach the system, get in, and have each
        permission that the handler needs. Optional; the steps after one that fails may be left out.
        """
        raise NotOffered

    async def forget(self, connection: Connection) -> None:
        """Release what is held for this connection alone, such as its session and its token: its secrets are gone, or
        others have taken their place. Where it is used again, begin anew. Only connections that were made for secrets
        of tasks are forgotten.
        """

    async def close(self) -> None:
        """Release sessions and files; called once, at the end."""


class NotBatched(Exception):
    """The handler does not override get, or not get_one."""


class NotOffered(Exception):
    """The handler does not offer this optional method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What an entry point of the group propwash.handlers names: the handlers that one distribution offers.

    make is called once, in the server's loop, when the plugin is loaded; an import or a make that raises is
    reported under the plugin's name and hurts no other.
    """

    name: str
    make: Callable[[], Sequence[object]]
    """Makes the handlers; the host checks that each is one."""
