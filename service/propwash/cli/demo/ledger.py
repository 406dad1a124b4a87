"""What the sandbox's ledger says, over its admin endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp

_PAGE_SIZE = 5000
_USELESS = frozenset(
    {"throttle", "quota", "garbage", "late", "requests_per_s", "concurrent_requests", "concurrent_jobs"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFigures:
    """The ledger's summary. overlapping are executions that had two live jobs at one instant."""

    total: int
    live: int
    peak_live: int
    created_twice: int
    overlapping: int
    duplicate_requests: int
    faults: int
    calls: Mapping[str, int]
    """Requests by method, answered or not."""
    useful_calls: int = 0
    """Those that were answered with something that the caller can use, be it a refusal of the request."""
    systems: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By system: total, live, created_twice and the ways to end."""


def is_useful(code: str) -> bool:
    """Whether an answer can be used, by how the ledger counts it: an HTTP status, a word where something went wrong, or
    both.
    """
    status, _, word = code.partition(" ")
    return status.isdecimal() and int(status) < 500 and word not in _USELESS


class SandboxAdmin:
    """Speaks to a sandbox's admin endpoints; use as an asynchronous context manager."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_sandbox"
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30.0), raise_for_status=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def is_serving(self) -> bool:
        """Whether it answers."""
        try:
            await self._get("health")
        except (aiohttp.ClientError, TimeoutError):
            return False
        return True

    async def set_faults(self, percent: float, *, seed: int) -> None:
        """Let so many of all requests go wrong from now on."""
        await self._put_faults({"percent": percent, "seed": seed})

    async def set_fault_rules(self, rules: Sequence[Mapping[str, object]], *, seed: int) -> None:
        """Let requests go wrong by these rules from now on, in the form that the admin endpoint reads."""
        await self._put_faults({"rules": [dict(rule) for rule in rules], "seed": seed})

    async def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        async with self._http.delete(f"{self._url}/faults"):
            pass

    async def set_limits(self, limits: Mapping[str, object]) -> None:
        """Let every stand-in bear so much from now on, in the form that the admin endpoint reads."""
        async with self._http.put(f"{self._url}/limits", json=limits):
            pass

    async def answers(self, system: str, method: str) -> dict[str, int]:
        """How often a method was answered in which way: "200", or "403 requests_per_s" for what a limit refused."""
        summary = await self._get("ledger")
        found: dict[str, int] = summary["requests"].get(system, {}).get(method, {})
        return found

    async def figures(self) -> LedgerFigures:
        """The summary."""
        summary = await self._get("ledger")
        calls: dict[str, int] = {}
        useful = 0
        for methods in summary["requests"].values():
            for method, codes in methods.items():
                calls[method] = calls.get(method, 0) + sum(codes.values())
                useful += sum(count for code, count in codes.items() if is_useful(code))
        return LedgerFigures(
            total=summary["total"],
            live=summary["live"],
            peak_live=summary["peak_live"],
            created_twice=summary["created_twice"],
            overlapping=summary["overlapping"],
            duplicate_requests=summary["duplicate_requests"],
            faults=sum(summary["faults"].values()),
            calls=calls,
            useful_calls=useful,
            systems=summary["systems"],
        )

    async def endings(self) -> dict[str, float]:
        """By execution uid, when its last job ended at the remote side, in seconds since the epoch."""
        found: dict[str, float] = {}
        token = ""
        while True:
            page = await self._get("ledger/jobs", page_size=str(_PAGE_SIZE), page_token=token)
            for job in page["jobs"]:
                uid, ended_at = job["execution"], job["ended_at"]
                if uid is not None and ended_at is not None and job["parent"] is None:
                    found[uid] = max(ended_at, found.get(uid, 0.0))
            token = page["next_page_token"]
            if not token:
                return found

    async def live_jobs(self, *, at_most: int) -> list[str]:
        """The names of jobs that are live now."""
        page = await self._get("ledger/jobs", page_size=str(at_most), state="live")
        return [job["name"] for job in page["jobs"]]

    async def _put_faults(self, plan: Mapping[str, object]) -> None:
        async with self._http.put(f"{self._url}/faults", json=plan):
            pass

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        async with self._http.get(f"{self._url}/{path}", params=query) as answer:
            found: dict[str, Any] = await answer.json()
            return found
