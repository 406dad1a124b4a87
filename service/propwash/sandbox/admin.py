"""The admin endpoints under /_sandbox/: ledger, faults, speed, limits, identities, reset and health, all JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from propwash.sandbox.exchange import Exchange
from propwash.sandbox.faults import FaultPlanError, parse_plan
from propwash.sandbox.identities import IdentitiesError, parse_identities
from propwash.sandbox.ledger import LedgerState
from propwash.sandbox.limits import LimitsError, parse_limits
from propwash.sandbox.speed import Speed, SpeedError, parse_speed
from propwash.sandbox.stand_in import StandIn, World

_MOST_JOBS = 10_000
_FILTERS = ("system", "account", "name", "state", "execution", "attempt", "owner", "parent")


class AdminError(ValueError):
    """An admin request that cannot be understood."""


class Admin:
    """Answers the admin endpoints of one sandbox."""

    def __init__(
        self, world: World, stand_ins: Mapping[str, StandIn], exchanges: Mapping[str, Exchange]
    ) -> None:
        self._world = world
        self._stand_ins = stand_ins
        self._exchanges = exchanges

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Mount every endpoint."""
        for verb, path, answer in (
            ("GET", "health", self._health),
            ("GET", "ledger", self._summary),
            ("GET", "ledger/jobs", self._jobs),
            ("GET", "faults", self._faults),
            ("PUT", "faults", self._put_faults),
            ("DELETE", "faults", self._delete_faults),
            ("GET", "speed", self._speed),
            ("PUT", "speed", self._put_speed),
            ("GET", "limits", self._limits),
            ("PUT", "limits", self._put_limits),
            ("GET", "identities", self._identities),
            ("PUT", "identities", self._put_identities),
            ("POST", "reset", self._reset),
        ):
            router.add_route(verb, f"/_sandbox/{path}", _endpoint(answer))

    def _health(self, _request: web.Request, _body: object) -> dict[str, Any]:
        summary = self._world.ledger.summary()
        return {"status": "serving", "stand_ins": sorted(self._stand_ins), "live": summary["live"]}

    def _summary(self, _request: web.Request, _body: object) -> dict[str, Any]:
        return self._world.ledger.summary()

    def _jobs(self, request: web.Request, _body: object) -> dict[str, Any]:
        query = request.query
        if unknown := sorted(set(query) - {*_FILTERS, "page_size", "page_token"}):
            raise AdminError(
                f"unknown parameter {unknown[0]!r}; known: {', '.join(_FILTERS)}, page_size, page_token"
            )
        if query.get("state", LedgerState.LIVE) not in set(LedgerState):
            raise AdminError(f"state: none of {', '.join(LedgerState)}")
        size = _natural(query.get("page_size", "1000"), "page_size")
        jobs, go_on = self._world.ledger.page(
            after=_natural(query.get("page_token") or "0", "page_token"),
            size=max(1, min(size, _MOST_JOBS)),
            wanted={name: query[name] for name in _FILTERS if name in query},
        )
        return {
            "jobs": [job.as_json() for job in jobs],
            "next_page_token": "" if go_on is None else str(go_on),
        }

    def _faults(self, _request: web.Request, _body: object) -> dict[str, Any]:
        return {**self._world.faults.as_json(), "injected": self._world.ledger.summary()["faults"]}

    def _put_faults(self, request: web.Request, body: object) -> dict[str, Any]:
        rules, seed = parse_plan(body)
        self._world.faults.set(rules, seed=seed)
        return self._faults(request, None)

    def _delete_faults(self, request: web.Request, _body: object) -> dict[str, Any]:
        self._world.faults.set((), seed=0)
        return self._faults(request, None)

    def _speed(self, _request: web.Request, _body: object) -> dict[str, Any]:
        return self._world.speed.speed.as_json()

    def _put_speed(self, _request: web.Request, body: object) -> dict[str, Any]:
        speed: Speed = parse_speed(body)
        self._world.speed.speed = speed
        return speed.as_json()

    def _limits(self, _request: web.Request, _body: object) -> dict[str, Any]:
        return {
            name: {**exchange.gate.limits.as_json(), "refused": dict(exchange.gate.refused)}
            for name, exchange in self._exchanges.items()
        }

    def _put_limits(self, request: web.Request, body: object) -> dict[str, Any]:
        limits = parse_limits(body)
        for exchange in self._exchanges.values():
            exchange.gate.set(limits)
        return self._limits(request, None)

    def _identities(self, _request: web.Request, _body: object) -> dict[str, Any]:
        return self._world.identities.as_json()

    def _put_identities(self, request: web.Request, body: object) -> dict[str, Any]:
        wanted = parse_identities(body)
        if unknown := sorted(set(wanted) - set(self._stand_ins)):
            raise AdminError(f"no stand-in {unknown[0]!r}; there are: {', '.join(sorted(self._stand_ins))}")
        for system, standings in wanted.items():
            self._world.identities.set(system, standings)
        return self._identities(request, None)

    def _reset(self, _request: web.Request, _body: object) -> dict[str, Any]:
        for exchange in self._exchanges.values():
            exchange.reset()
            exchange.gate.refused.clear()
        for stand_in in self._stand_ins.values():
            stand_in.reset()
        self._world.ledger.clear()
        self._world.identities.clear()
        return {}


def _natural(text: str, name: str) -> int:
    if not text.isdecimal():
        raise AdminError(f"{name}: a whole number of at least 0, not {text!r}")
    return int(text)


def _endpoint(answer: Callable[[web.Request, object], dict[str, Any]]) -> Any:
    async def handle(request: web.Request) -> web.Response:
        try:
            body = await request.json() if request.can_read_body else None
            return web.json_response(answer(request, body))
        except (AdminError, FaultPlanError, SpeedError, LimitsError, IdentitiesError) as error:
            return web.json_response({"error": str(error)}, status=400)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            return web.json_response({"error": f"the body is no JSON: {error}"}, status=400)

    return handle
