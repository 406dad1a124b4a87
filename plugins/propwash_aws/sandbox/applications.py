"""EMR Serverless' applications: made, started, stopped and deleted.

Source: EMR Serverless API Reference, "Application" and "AutoStartConfig"; "Application states" of the User Guide.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from propwash.sandbox import World
from propwash_aws.sandbox.errors import AwsError, invalid, missing

ACCOUNT = "123456789012"
REGION = "us-east-1"
PREMADE = "00sandboxapp"
_PASSED = frozenset({"CREATING", "STARTING", "STOPPING"})
_SIZE = re.compile(r"([0-9]+)\s*(vCPU|GB)?", re.IGNORECASE)
_UNITS = {"cpu": "vCPU", "memory": "GB", "disk": "GB"}


@dataclass(slots=True, kw_only=True, eq=False)
class Application:
    """One application; instants are seconds since the epoch."""

    id: str
    asked: Mapping[str, Any]
    """As it was made, with its changes since."""
    first_asked: Mapping[str, Any]
    state: str
    created_at: float
    updated_at: float

    @property
    def arn(self) -> str:
        """Its resource name."""
        return f"arn:aws:emr-serverless:{REGION}:{ACCOUNT}:/applications/{self.id}"

    @property
    def image(self) -> Mapping[str, Any] | None:
        """The image of its workers, where it has one of its own."""
        found: Mapping[str, Any] | None = self.asked.get("imageConfiguration")
        return found if found and found.get("imageUri") else None

    def shown(self) -> dict[str, Any]:
        """All that describes it, sizes in the service's own way of writing."""
        kept = {name: one for name, one in self.asked.items() if name != "clientToken" and one is not None}
        if self.image is None:
            kept.pop("imageConfiguration", None)
        defaults = {
            "architecture": "X86_64",
            "autoStartConfiguration": {"enabled": True},
            "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15},
        }
        written: dict[str, Any] = _written({**defaults, **kept})
        return written

    @property
    def starts_itself(self) -> bool:
        """Whether a run starts it."""
        return (self.asked.get("autoStartConfiguration") or {}).get("enabled", True) is not False


class Applications:
    """All applications. takes_s is how long it takes to make, start or stop one."""

    def __init__(self, world: World) -> None:
        self.takes_s = 0.05
        self._world = world
        self._numbers = itertools.count(1)
        self._of: dict[str, Application] = {}
        self._tokens: dict[str, Application] = {}
        self._updates: dict[str, Mapping[str, Any]] = {}
        self.clear()

    def __iter__(self) -> Iterator[Application]:
        return iter(self._of.values())

    def clear(self) -> None:
        """Only the one that is there from the start."""
        self._of.clear()
        self._tokens.clear()
        self._updates.clear()
        now = self._world.clock.now()
        asked = {"name": "sandbox", "releaseLabel": "emr-7.5.0", "type": "SPARK"}
        self._of[PREMADE] = Application(
            id=PREMADE, asked=asked, first_asked=asked, state="STARTED", created_at=now, updated_at=now
        )

    def create(self, asked: Mapping[str, Any]) -> Application:
        """Make one, or answer with the one of the same client token. Raises AwsError if the content differs."""
        token = str(asked["clientToken"])
        if known := self._tokens.get(token):
            if known.first_asked != asked:
                raise AwsError("ConflictException", f"The client token {token} is in use", status=409)
            return known
        now = self._world.clock.now()
        made = Application(
            id=f"00{next(self._numbers):014x}",
            asked=asked,
            first_asked=asked,
            state="CREATING",
            created_at=now,
            updated_at=now,
        )
        self._of[made.id] = self._tokens[token] = made
        self._pass(made, "CREATING", "CREATED")
        return made

    def update(self, application: Application, asked: Mapping[str, Any]) -> None:
        """Change what is given; raises AwsError where its state forbids that, and for a token that is known."""
        self._needs(application, "CREATED", "STOPPED")
        changes = {name: one for name, one in asked.items() if name not in ("applicationId", "clientToken")}
        token = f"{application.id}/{asked['clientToken']}"
        if token in self._updates:
            if self._updates[token] != changes:
                raise AwsError("ValidationException", "The client token was used for another change")
            return
        self._updates[token] = changes
        application.asked = {**application.asked, **changes}
        self._become(application, application.state)

    def get(self, name: str) -> Application:
        """The application with this id; raises AwsError."""
        found = self._of.get(name)
        if found is None:
            raise missing("Application", name)
        return found

    def start(self, application: Application) -> None:
        """Start it; raises AwsError where its state forbids that."""
        if application.state in ("STARTED", "STARTING"):
            return
        self._needs(application, "CREATED", "STOPPED")
        self._pass(application, "STARTING", "STARTED")

    def stop(self, application: Application) -> None:
        """Stop it; raises AwsError where its state forbids that."""
        self._needs(application, "STARTED", "CREATED", "STOPPED")
        self._pass(application, "STOPPING", "STOPPED")

    def delete(self, application: Application) -> None:
        """End it for good; raises AwsError where its state forbids that."""
        self._needs(application, "CREATED", "STOPPED")
        self._become(application, "TERMINATED")

    def take_run(self, application: Application) -> None:
        """Have it started where a run may start it; raises AwsError where it takes no run."""
        if application.state in ("CREATED", "STOPPED") and application.starts_itself:
            self.start(application)
        if application.state not in ("STARTED", "STARTING"):
            raise invalid(
                f"Application {application.id} is in state {application.state}, in which it runs no jobs"
            )

    def _needs(self, application: Application, *states: str) -> None:
        if application.state not in states:
            said = f"Application {application.id} is {application.state}; it must be {' or '.join(states)}"
            raise AwsError("ValidationException", said)

    def _pass(self, application: Application, through: str, to: str) -> None:
        self._become(application, through)

        def arrive(becomes: str) -> None:
            if application.state in _PASSED:
                self._become(application, becomes)

        self._world.schedule.at(self._world.clock.now() + self.takes_s, partial(arrive, to))

    def _become(self, application: Application, state: str) -> None:
        application.state, application.updated_at = state, self._world.clock.now()


def _written(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _written(one, key) for key, one in value.items()}
    if name in _UNITS and isinstance(value, str) and (size := _SIZE.fullmatch(value)):
        return f"{size[1]} {_UNITS[name]}"
    return value
