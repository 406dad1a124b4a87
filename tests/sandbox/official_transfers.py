"""A client of a sandbox with a dataset, and its objects, for load, extract and copy jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
from google.cloud import bigquery

from propwash.sandbox import Sandbox, SandboxOptions, running_sandbox
from tests.sandbox.official_bigquery import in_thread, official_client

PROJECT = "acme-data"


class Bench:
    """A client of a sandbox that has a dataset d, and its objects."""

    def __init__(self, client: bigquery.Client, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.client = client
        self.sandbox = sandbox
        self.http = http

    async def put(self, name: str, content: bytes) -> None:
        url = f"{self.sandbox.url}/upload/storage/v1/b/files/o?uploadType=media&name={quote(name, safe='')}"
        async with self.http.post(url, data=content) as answer:
            assert answer.status == 200
            assert (await answer.json())["size"] == str(len(content))

    async def fetch(self, name: str) -> bytes:
        url = f"{self.sandbox.url}/storage/v1/b/files/o/{quote(name, safe='')}?alt=media"
        async with self.http.get(url) as answer:
            assert answer.status == 200
            return await answer.read()

    async def names(self, prefix: str = "") -> list[str]:
        async with self.http.get(f"{self.sandbox.url}/storage/v1/b/files/o?prefix={prefix}") as answer:
            return [one["name"] for one in (await answer.json())["items"]]

    async def load(self, uri: str | list[str], table: str = "d.t", **options: Any) -> bigquery.LoadJob:
        def run() -> bigquery.LoadJob:
            config = bigquery.LoadJobConfig(**options)
            job = self.client.load_table_from_uri(uri, table, job_config=config)
            job.result()
            return job

        return await in_thread(run)

    async def extract(
        self, uri: str | list[str], table: str = "acme-data.d.t", **options: Any
    ) -> bigquery.ExtractJob:
        def run() -> bigquery.ExtractJob:
            config = bigquery.ExtractJobConfig(**options)  # type: ignore[no-untyped-call]
            job = self.client.extract_table(table, uri, job_config=config)
            job.result()
            return job

        return await in_thread(run)

    async def copy(
        self, source: str | list[str], target: str = "acme-data.d.u", **options: Any
    ) -> bigquery.CopyJob:
        def run() -> bigquery.CopyJob:
            job = self.client.copy_table(source, target, job_config=bigquery.CopyJobConfig(**options))
            job.result()
            return job

        return await in_thread(run)

    async def query(self, sql: str) -> list[tuple[Any, ...]]:
        return await in_thread(lambda: [row.values() for row in self.client.query(sql).result()])


@asynccontextmanager
async def transfer_bench() -> AsyncIterator[Bench]:
    """A bench on a sandbox of its own."""
    async with running_sandbox(SandboxOptions(stand_ins=["bigquery"])) as sandbox:
        with official_client(sandbox.url, project=PROJECT) as client:
            await in_thread(lambda: client.create_dataset("d"))
            async with aiohttp.ClientSession() as http:
                yield Bench(client, sandbox, http)
