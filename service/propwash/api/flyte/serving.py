"""Flyte's room put together. It is imported where the extra `flyte` is installed, and only there."""

from __future__ import annotations

from collections.abc import Coroutine

import grpc

from propwash.api.feed import Feed
from propwash.api.flyte.leases import Leases
from propwash.api.flyte.services import FlyteServices
from propwash.api.flyte.sync import SyncTasks
from propwash.api.flyte.tasks import Tasks
from propwash.api.flyte.telling import Telling
from propwash.api.options import ApiInstrument, ApiOptions
from propwash.api.reading import Reading
from propwash.api.translate import Translator
from propwash.ports import Executions, FlyteTasks, Store


class FlyteServing:
    """What is served, and what runs beside it."""

    def __init__(
        self,
        options: ApiOptions,
        *,
        store: Store,
        executions: Executions,
        flyte: FlyteTasks,
        instrument: ApiInstrument,
        translator: Translator,
        feed: Feed,
        reading: Reading,
    ) -> None:
        self._leases = Leases(
            store=store,
            executions=executions,
            lease_s=options.flyte_lease_s,
            trouble=lambda message: instrument.trouble("flyte-leases", message),
        )
        tasks = Tasks(
            store=store,
            executions=executions,
            flyte=flyte,
            translator=translator,
            leases=self._leases,
            trouble=lambda message: instrument.trouble("flyte", message),
            tells_retryable=options.flyte_tells_retryable,
        )
        self._services = FlyteServices(
            tasks,
            SyncTasks(tasks, store=store, feed=feed, flyte=flyte),
            Telling(tasks, store=store, reading=reading),
            instrument=instrument,
            types=flyte.types,
        )

    def add(self, server: grpc.aio.Server) -> list[str]:
        """Serve both versions; their full names."""
        return self._services.add(server)

    def background(self) -> Coroutine[object, object, None]:
        """What ends forgotten tasks."""
        return self._leases.run()
