"""The official google-cloud-bigquery client, pointed at a sandbox. It blocks, so its calls run in a thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

Result = TypeVar("Result")


@contextlib.contextmanager
def official_client(url: str, *, project: str) -> Iterator[bigquery.Client]:
    """A client of this project with no credentials, closed at the end."""
    client = bigquery.Client(
        project=project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": url},
    )
    try:
        yield client
    finally:
        client.close()  # type: ignore[no-untyped-call]


async def in_thread(call: Callable[[], Result]) -> Result:
    """What the blocking call gives, while the sandbox serves on this loop."""
    return await asyncio.wait_for(asyncio.to_thread(call), timeout=30)
