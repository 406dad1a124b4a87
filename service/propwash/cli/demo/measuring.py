"""The server's memory and its loop's lag, sampled while it lives, over all its lives."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

import aiohttp

from propwash.cli.demo.stage import Stage

_EVERY_S = 0.5
_BUCKET = re.compile(r'^propwash_loop_lag_seconds_bucket\{le="([^"]+)"\} ([0-9.e+]+)', re.MULTILINE)
Buckets = dict[float, float]
"""Cumulative counts by upper bound, in seconds."""


@dataclass(slots=True, kw_only=True)
class Gauges:
    """What was sampled. lag_by_pid has the last reading of each life: a kill takes the counters with it."""

    peak_rss_mib: float = 0.0
    lag_by_pid: dict[int, Buckets] = field(default_factory=dict)

    async def sample(self, stage: Stage) -> None:
        """Sample for ever."""
        timeout = aiohttp.ClientTimeout(total=5.0)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                await self.sample_once(stage, http)
                await asyncio.sleep(_EVERY_S)

    async def sample_once(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        """Sample the server of now; one that does not answer is left out."""
        server = stage.server
        if not server.is_alive:
            return
        pid = server.pid
        self.peak_rss_mib = max(self.peak_rss_mib, server.peak_rss_mib())
        try:
            async with http.get(stage.metrics_url) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return
        buckets = parse_lag(text)
        if buckets:
            self.lag_by_pid[pid] = buckets

    def lag_p99_s(self) -> float | None:
        """The 99th percentile over all lives, in seconds; None where nothing was sampled."""
        total: Buckets = {}
        for buckets in self.lag_by_pid.values():
            for bound, count in buckets.items():
                total[bound] = total.get(bound, 0.0) + count
        return quantile(total, 0.99)


def parse_lag(text: str) -> Buckets:
    """The loop lag's buckets in an exposition."""
    return {float(bound): float(count) for bound, count in _BUCKET.findall(text)}


def quantile(buckets: Buckets, share: float) -> float | None:
    """The quantile of a cumulative histogram, linear inside a bucket; None where it is empty."""
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        return None
    rank = share * buckets[bounds[-1]]
    below, counted = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if bound == float("inf"):
                return below
            inside = buckets[bound] - counted
            return below + (bound - below) * ((rank - counted) / inside if inside else 1.0)
        below, counted = bound, buckets[bound]
    return below
