"""The toy system as the battery's backend, and a harness for any handler of it."""

from __future__ import annotations

from propwash.core.model import RemoteName
from propwash.sdk.connections import Connection
from propwash.sdk.handler import Handler
from propwash.sdk.testing.harness import Backend, HandlerHarness
from propwash.sdk.testing.toy_handler import ToySpec
from propwash.sdk.testing.toy_system import Operation, ToyFault, ToySystem

_OPERATIONS: tuple[Operation, ...] = ("submit", "describe", "lookup", "cancel", "list")


class ToyBackend(Backend):
    """All hooks; time passes by the toy system's own clock."""

    def __init__(self, system: ToySystem) -> None:
        self.system = system

    async def live_count(self, name: RemoteName) -> int:
        """As the ledger says."""
        return len(self.system.live_jobs(name))

    async def lose_next_create_answer(self) -> None:
        """By a planned fault."""
        self.system.plan("submit", ToyFault.LOSE_ANSWER)

    async def throttle_next(self) -> None:
        """By a fault that takes whichever operation comes first."""
        self.system.plan_any(_OPERATIONS, ToyFault.THROTTLE, retry_after_s=3.0)

    async def finish(self, name: RemoteName) -> None:
        """End it."""
        self.system.finish(name)

    async def pause(self) -> None:
        """Move the system's clock on by half a second."""
        self.system.advance(0.5)


def toy_harness(system: ToySystem, handler: Handler[ToySpec]) -> HandlerHarness[ToySpec]:
    """A harness for a handler of the toy system."""
    return HandlerHarness(
        handler=handler,
        connection=Connection(name="toy"),
        quick={"duration_s": 1.0},
        long={"duration_s": 1e9},
        failing={"duration_s": 1.0, "ending": "fail"},
        failing_retryable={"duration_s": 1.0, "ending": "fail_retryable"},
        invalid={"duration_s": "soon"},
        unknown_meta=b"987654321",
        secrets=(system.key,),
        backend=ToyBackend(system),
    )
