"""What an author gives the conformance battery: the handler, a backend that works, specs, and hooks where
there are any.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from propwash.core.model import ExecutionUid, Observation, RemoteName, Traits
from propwash.core.names import remote_name
from propwash.sdk.connections import Connection
from propwash.sdk.handler import CreateRequest, Handler, Job, NotOffered, SpecT, Value
from propwash.sdk.testing.asking import ask, observe
from propwash.sdk.verdicts import Verdict

T = TypeVar("T")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class Backend:
    """Hooks into the remote system or its stand-in. Each is optional; a check that needs a missing one is
    skipped.
    """

    async def live_count(self, name: RemoteName) -> int:
        """How many jobs of this name are live, as the system itself knows it."""
        raise NotOffered

    async def lose_next_create_answer(self) -> None:
        """Make the next create take effect while its answer is lost."""
        raise NotOffered

    async def throttle_next(self) -> None:
        """Make the system answer the next call, whatever it is, with its throttling answer."""
        raise NotOffered

    async def finish(self, name: RemoteName) -> None:
        """End a long job now, in success."""
        raise NotOffered

    async def pause(self) -> None:
        """Let some time pass between two looks; a stand-in with a clock of its own moves that on instead."""
        await asyncio.sleep(0.05)


@dataclass(frozen=True, kw_only=True)
class HandlerHarness(Generic[SpecT]):
    """One handler with one backend, made afresh for each check."""

    handler: Handler[SpecT]
    connection: Connection
    quick: Mapping[str, Value]
    """A valid spec of a job that soon succeeds."""
    long: Mapping[str, Value]
    """A valid spec of a job that outlasts every check."""
    failing: Mapping[str, Value]
    """A valid spec of a job that soon fails for its own fault: another attempt would fail too."""
    invalid: Mapping[str, object]
    """A spec that must be refused."""
    unknown_meta: bytes
    """A well-formed meta of a job that never was."""
    failing_retryable: Mapping[str, Value] | None = None
    """A valid spec of a job that soon fails for the system's fault, where there is such a thing."""
    inputs: Mapping[str, Value] = field(default_factory=dict)
    """Inputs that the specs need."""
    secrets: Sequence[str] = ()
    """Strings, such as a key or a password, that must appear nowhere."""
    backend: Backend = field(default_factory=Backend)
    patience: int = 200
    """How many looks, with a pause between any two, a job is given to get where it should."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _seen: list[str] = field(default_factory=list)

    @property
    def traits(self) -> Traits:
        """What the handler promises of the backend."""
        return self.handler.traits_of(self.connection)

    def new_request(self, spec: Mapping[str, Value], *, owner: str = "battery") -> CreateRequest[SpecT]:
        """A create request under a name that was never used."""
        uid = ExecutionUid("".join(_ALPHABET[byte % 32] for byte in (uuid.uuid4().bytes * 2)[:26]))
        return CreateRequest(
            name=remote_name(owner=owner, uid=uid, attempt=1),
            owner=owner,
            uid=uid,
            attempt=1,
            spec=self.parse(spec),
            inputs=self.inputs,
            labels={"battery": str(next(self._numbers))},
            connection=self.connection,
            run_deadline_s=3600.0,
        )

    def parse(self, spec: Mapping[str, object]) -> SpecT:
        """The spec as the service parses it; raises pydantic.ValidationError."""
        # spec_type is a class variable, which cannot name the type parameter; the host relies on the same.
        return self.handler.spec_type.model_validate(dict(spec))  # type: ignore[return-value]  # its type is SpecT's

    def hint_of(self, request: CreateRequest[SpecT]) -> bytes:
        """What the handler wants to be given back with the name."""
        return self.handler.hint(self.connection, request.spec)

    async def create(self, request: CreateRequest[SpecT]) -> Job:
        """Create, and remember what was said for the search for secrets."""
        return self._noted(await self.verdict_noted(ask(self.handler.create, request)))

    async def find(self, request: CreateRequest[SpecT]) -> Job | None:
        """Look up by the request's name."""
        found = ask(self.handler.find, self.connection, request.name, self.hint_of(request))
        return self._noted(await self.verdict_noted(found))

    async def look(self, meta: bytes) -> Observation | Verdict:
        """Observe one job."""
        answer = (await self.verdict_noted(observe(self.handler, self.connection, [meta])))[meta]
        return self._noted(answer)

    async def look_until(
        self, meta: bytes, is_enough: Callable[[Observation | Verdict], bool], *, wanted: str
    ) -> Observation:
        """Observe until it is enough; raises AssertionError when patience is out, or for a verdict."""
        answer: Observation | Verdict | None = None
        for _ in range(self.patience):
            answer = await self.look(meta)
            if is_enough(answer):
                assert isinstance(answer, Observation), (
                    f"get answered {answer!r} for a job that was to be {wanted}"
                )
                return answer
            await self.backend.pause()
        raise AssertionError(
            f"the job was to be {wanted}; after {self.patience} looks get still answers {answer!r}"
        )

    async def look_until_final(self, meta: bytes) -> Observation:
        """Observe until the job is over."""
        return await self.look_until(
            meta, lambda answer: isinstance(answer, Observation) and answer.phase.is_final, wanted="final"
        )

    async def verdict_noted(self, answer: Awaitable[T]) -> T:
        """Await; what a verdict says is remembered for the search for secrets."""
        try:
            return await answer
        except Verdict as verdict:
            self._seen.append(f"{verdict.reason} {verdict.message} {verdict!r}")
            raise

    @property
    def sayings(self) -> Sequence[str]:
        """All that the handler said in this check."""
        return tuple(self._seen)

    def _noted(self, said: T) -> T:
        self._seen.append(repr(said))
        return said
