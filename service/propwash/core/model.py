"""The values that the core steps: executions, their states, observations and outcomes.

Instants are UTC seconds as a float, durations are seconds. Every value is frozen; a change makes a new value.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NewType, TypeAlias

Instant: TypeAlias = float
"""UTC seconds since the epoch, from a clock that never runs backwards."""

ExecutionUid = NewType("ExecutionUid", str)
"""The unique id of an execution: 26 characters of Crockford base 32 in lower case, never used again."""

RemoteName = NewType("RemoteName", str)
"""The deterministic name of an attempt's remote job; see core.names."""

Json: TypeAlias = "None | bool | int | float | str | bytes | tuple[Json, ...] | Mapping[str, Json]"
"""A plain value as handlers report them; integers stay integers."""


class Phase(enum.Enum):
    """The public status, derived from the state; the proto enum Phase says who enters and who leaves."""

    QUEUED = 1
    WAITING_FOR_RESOURCES = 2
    INITIALIZING = 3
    RUNNING = 4
    CLEANING_UP = 5
    SUCCEEDED = 6
    FAILED = 7
    ABORTED = 8
    TIMED_OUT = 9

    @property
    def is_terminal(self) -> bool:
        """Whether nothing changes any more."""
        return self.value >= Phase.SUCCEEDED.value


class RemotePhase(enum.Enum):
    """What the remote system says of a job, in our words."""

    PENDING = 1
    """Accepted there, not yet running. An unknown new state of a remote system counts as this or RUNNING."""
    RUNNING = 2
    """Running there."""
    SUCCEEDED = 3
    """Ended well there; final."""
    FAILED = 4
    """Ended badly there, or was cancelled there; final."""

    @property
    def is_final(self) -> bool:
        """Whether the job is over at the remote side."""
        return self in (RemotePhase.SUCCEEDED, RemotePhase.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link to a remote console or log."""

    title: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a remote system said of one job."""

    phase: RemotePhase
    message: str = ""
    reason: str = ""
    """A stable UPPER_SNAKE_CASE reason; for FAILED it names the failure."""
    is_retryable: bool = False
    """For FAILED: whether another attempt may succeed. It uses up one of the user's attempts."""
    links: tuple[Link, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)
    """For SUCCEEDED: what the job produced."""
    ask_again_s: float | None = field(default=None, compare=False)
    """In how many seconds it is worth asking again, where the system tells: an estimate of its own, its Retry-After.
    The next observation follows it between the traits' floor and ceiling. Not stored, and no change by itself."""


class FaultKind(enum.Enum):
    """Why a call to a handler gave no answer that the machine can use."""

    PERMANENT = 1
    """The remote system refused, and will refuse again: nothing was created by this call."""
    RETRYABLE = 2
    """The remote system refused this try of the job; another attempt may pass. Nothing was created by this call."""
    THROTTLED = 3
    """The remote system asked us to slow down. Nothing was created by this call."""
    UNAVAILABLE = 4
    """No trustworthy answer: the call may or may not have taken effect."""
    INTERNAL = 5
    """Our own error (the handler raised, hung, or answered nonsense): the call may or may not have taken effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failed call to a handler, classified."""

    kind: FaultKind
    reason: str
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Units that one attempt needs of one pool."""

    pool: str
    units: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often and how long; None means no such deadline."""

    max_attempts: int = 1
    wait_deadline_s: float | None = None
    """For one attempt's wait for its pools."""
    run_deadline_s: float | None = None
    """For one attempt, from its grant."""
    total_deadline_s: float | None = None
    """For the whole execution, from its creation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a handler promises of its remote system; the machine relies on it."""

    has_unique_names: bool = True
    """The system refuses a second job of one name for as long as we could send one, so that a repeated create is safe.
    Where False, a create in doubt is looked up only after settle_s, before another is sent."""
    remembers_deleted_names: bool = False
    """A delete of a name that does not exist yet makes a later create of that name fail."""
    can_look_up: bool = True
    """The system tells of a job by its name. Where False, a job is reached by its meta alone, so that nothing is ever
    found or deleted by name: a create in doubt is sent again where has_unique_names, and ends its attempt where not."""
    settle_s: float = 60.0
    """How long after a create was sent the system may still apply it, or still deny knowing it."""
    poll_floor_s: float = 1.0
    """The shortest time between two observations of one job."""
    poll_ceiling_s: float = 30.0
    """The longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What never changes about an execution, as far as the core needs it."""

    task_type: str
    connection: str = ""
    project: str = ""
    domain: str = ""
    hint: bytes = b""
    """What the handler needs besides the name to find or delete the job; made by it at admission, without a secret."""
    claims: tuple[Claim, ...] = ()
    priority: int = 0
    """Who waits for a pool with a higher one is served first."""
    policy: Policy = Policy()
    traits: Traits = Traits()
    is_polled_together: bool = False
    """Whether one call observes many jobs of the handler, so that it pays to observe them at the same instants."""


class OutcomeKind(enum.Enum):
    """How an execution ends."""

    SUCCEEDED = 1
    FAILED = 2
    ABORTED = 3
    TIMED_OUT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of an execution, decided."""

    kind: OutcomeKind
    reason: str = ""
    message: str = ""
    outputs: Mapping[str, Json] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    is_retryable: bool = False
    """Whether another attempt might have succeeded, had one been left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Another attempt, decided; it begins when the present one is cleaned up."""

    reason: str
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What keeps us from the remote system at the moment; shown to the user, ends nothing."""

    fault: Fault
    since: Instant
    count: int
    """Consecutive failed calls."""


class CreateStatus(enum.Enum):
    """What we know of an attempt's create request."""

    UNSENT = 1
    """No create of this attempt can be applied any more or ever was: nothing is at the remote side."""
    SENT = 2
    """The intent is durable and the create is in flight, or about to be."""
    DOUBTFUL = 3
    """A create was sent and its answer is lost: it may be applied at any time within the settle time."""
    CONFIRMED = 4
    """The remote system told us of the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The attempt has not asked for its pools yet."""

    not_before: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The attempt has asked for its pools."""

    since: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Launching:
    """The attempt holds its tokens and wants a remote job.

    UNSENT wants to send at not_before, SENT awaits the answer, DOUBTFUL wants to look the name up at not_before.
    CONFIRMED never occurs here.
    """

    granted_at: Instant
    create: CreateStatus
    not_before: Instant
    settled_at: Instant = 0.0
    """With DOUBTFUL: when a lost create can no longer be applied."""
    has_doubted: bool = False
    """Whether an earlier create of this attempt was ever in doubt, so that a refusal of this one proves nothing."""
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The attempt has a remote job."""

    granted_at: Instant
    meta: bytes
    observation: Observation
    observed_at: Instant
    poll_at: Instant
    settled_at: Instant
    """Until then an answer that the job does not exist proves nothing."""
    has_doubted: bool = False
    missing: int = 0
    """Consecutive answers, after settled_at, that the job does not exist."""
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """What follows is decided; the remote side is not yet confirmed gone."""

    granted_at: Instant
    then: Outcome | Retry
    since: Instant
    create: CreateStatus
    meta: bytes | None
    not_before: Instant
    settled_at: Instant
    has_doubted: bool = False
    deletes: int = 0
    """Answers that were not yet a confirmation."""
    trouble: Trouble | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Terminal: wants nothing, changes no more."""

    outcome: Outcome
    ended_at: Instant
    meta: bytes | None = None
    """Of the last attempt's job, for its logs and results."""


State: TypeAlias = Queued | Waiting | Launching | Running | Cleaning | Done


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailure:
    """How an attempt ended that another followed."""

    attempt: int
    reason: str
    message: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The full durable value that the core steps."""

    uid: ExecutionUid
    plan: Plan
    state: State
    attempt: int
    created_at: Instant
    updated_at: Instant
    failures: tuple[AttemptFailure, ...] = ()
    """The last ten."""
    hinted_at: Instant = 0.0
    """The instant for which a completion hint last made a call due; volatile."""

    @property
    def phase(self) -> Phase:
        """The public phase."""
        match self.state:
            case Queued():
                return Phase.QUEUED
            case Waiting():
                return Phase.WAITING_FOR_RESOURCES
            case Launching():
                return Phase.INITIALIZING
            case Running(observation=observation):
                return Phase.RUNNING if observation.phase is not RemotePhase.PENDING else Phase.INITIALIZING
            case Cleaning():
                return Phase.CLEANING_UP
            case Done(outcome=outcome):
                return Phase[outcome.kind.name]

    @property
    def holds_tokens(self) -> bool:
        """Whether the attempt's claims count against their pools: from the grant until confirmed gone."""
        return isinstance(self.state, Launching | Running | Cleaning)

    @property
    def wants_tokens(self) -> bool:
        """Whether the attempt waits for its claims."""
        return isinstance(self.state, Waiting)

    def with_state(self, state: State) -> Execution:
        """The same execution in another state."""
        return replace(self, state=state)
