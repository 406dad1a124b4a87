"""Tasks that Flyte's own connectors began: taken over at the first call that is about them.

A cluster can so be switched over with jobs in flight. Such a job was not begun under a name of ours: no other than the
meta tells of it, and the first get or delete stores it as an execution that runs, or as one to be created where the
meta holds a request that may not have been sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from propwash.api.digests import digest_of
from propwash.api.flyte.keys import ADOPTED_DOMAIN, ADOPTED_PROJECT, Foreign, unknown_meta
from propwash.core.model import Policy
from propwash.core.names import account_of
from propwash.ports import (
    NO_SECRETS,
    AlreadyExists,
    Draft,
    ExecutionName,
    Executions,
    FlyteTasks,
    HeldBy,
    Store,
)
from propwash.sdk import Secret, Value

_POLICY = Policy(max_attempts=1)


class Adopter:
    """Makes executions of other connectors' jobs."""

    def __init__(self, *, store: Store, executions: Executions, flyte: FlyteTasks) -> None:
        self._store = store
        self._executions = executions
        self._flyte = flyte

    async def adopt(self, foreign: Foreign, secrets: Mapping[str, Secret] = NO_SECRETS) -> ExecutionName:
        """The name of the job's execution, which is stored by then. Raises ApiError for a meta of nobody, Refused for a
        job that cannot be watched, and what the engine raises.
        """
        name = foreign.name()
        (record,) = await self._store.get([name])
        if record is not None:
            return name
        found = self._flyte.adopted(
            foreign.task_type,
            foreign.values,
            foreign.raw,
            project=ADOPTED_PROJECT,
            domain=ADOPTED_DOMAIN,
            secrets=secrets,
        )
        if found is None:
            raise unknown_meta(foreign.task_type)
        request, job = found
        connection = account_of(request.connection)
        said: list[Value] = [str(name), request.task_type, request.spec, connection]
        stored = replace(request, connection=connection, request_id=name.execution, digest=digest_of(said))
        draft = Draft(
            name=name,
            request=stored,
            policy=_POLICY,
            adopts=job,
            connection=request.connection,
            held_by=HeldBy.NOTHING,
        )
        # Two calls about one job may come at once.
        with contextlib.suppress(AlreadyExists):
            await self._executions.create([draft])
        return name
