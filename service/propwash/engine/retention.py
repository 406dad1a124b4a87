"""Forgets finished executions and old changes when their time is over."""

from __future__ import annotations

from propwash.engine.options import EngineOptions
from propwash.ports import Clock, Instrument, Store, StoreError

PORTION = 500
"""Executions forgotten in one transaction, so that commits never wait long."""


async def purge_for_ever(
    *, clock: Clock, store: Store, instrument: Instrument, options: EngineOptions
) -> None:
    """Purge at every interval; trouble is reported and the next interval tries again."""
    while True:
        await clock.sleep_until(clock.now() + options.purge_every_s)
        now = clock.now()
        try:
            while (
                await store.purge(
                    ended_before=now - options.keep_ended_s,
                    changes_before=now - options.keep_changes_s,
                    limit=PORTION,
                )
                >= PORTION
            ):
                pass
        except StoreError as error:
            instrument.trouble("retention", str(error))
