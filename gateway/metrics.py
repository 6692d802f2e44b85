"""Counts and gauges for OpenMetrics, on the admin listener. Base units, no ids as labels."""

import asyncio
import time
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from gateway.clock import SECOND
from gateway.doors.guard import Guards
from gateway.records.deliveries import Settled
from gateway.store import destinations, search
from gateway.store.store import Store, landed

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400)
"""Seconds: from a quick translation to a delivery that waited for a day."""
MOST_PARTNERS = 100
OTHER = "other"
REMEMBERED = 60.0
"""Seconds for which totals of whole tables are remembered."""
SHARE = 30
"""And so many times as long as it took to count them, so that counting never is more than this part of a node's time."""


class Metrics:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._registry = CollectorRegistry()
        self.connections: Guards | None = None
        self._requests = Counter("crossdock_http_requests", "requests on the partner listener", ["method", "status"], registry=self._registry)
        self._request_seconds = Histogram("crossdock_http_request_seconds", "time to answer a partner's request", registry=self._registry)
        self._attempts = Counter("crossdock_attempts", "attempts of deliveries", ["destination", "outcome"], registry=self._registry)
        self._attempt_seconds = Histogram("crossdock_attempt_seconds", "time of one attempt", ["destination"], registry=self._registry)
        self._documents = Counter("crossdock_documents", "documents decided, by partner and state", ["partner", "state"], registry=self._registry)
        self._stage_seconds = Histogram(
            "crossdock_stage_seconds", "from a stage's beginning to its commit", ["stage", "partner"], buckets=BUCKETS, registry=self._registry
        )
        self._named: set[str] = set()
        self._totals: dict[str, Any] = {}
        self._count_at, self._counting = 0.0, asyncio.Lock()
        self._commits = Gauge("crossdock_store_commits", "group commits since the start", registry=self._registry)
        self._members = Gauge("crossdock_store_members", "members of those commits", registry=self._registry)
        self._waiting = Gauge("crossdock_store_waiting", "members waiting for the writer", registry=self._registry)
        self._open = Gauge("crossdock_http_connections", "open connections of partners", registry=self._registry)
        self._messages = Gauge("crossdock_messages", "messages received, by state", ["state"], registry=self._registry)
        self._deliveries = Gauge("crossdock_deliveries", "deliveries, by destination and state", ["destination", "state"], registry=self._registry)
        self._blocked = Gauge("crossdock_lanes_blocked", "lanes that wait for a person", registry=self._registry)
        self._destinations = Gauge(
            "crossdock_destination_state", "1 for the state that a destination's breaker is in", ["destination", "state"], registry=self._registry
        )
        self._exchanges = Gauge("crossdock_as2_messages", "AS2 messages, by direction and state", ["direction", "state"], registry=self._registry)
        self._replays = Gauge("crossdock_replays", "replays of many, by state", ["state"], registry=self._registry)
        self._alarms = Gauge("crossdock_alarms", "alarms, by kind", ["kind"], registry=self._registry)

    def translated(self, partner: str, states: dict[str, int], seconds: float | None) -> None:
        """A chunk is committed; `seconds` from COMMIT 1 on, where it was the last one of its message."""
        named = self._partner(partner)
        for state, number in states.items():
            self._documents.labels(named, state).inc(number)
        if seconds is not None:
            self._stage_seconds.labels("translate", named).observe(max(0.0, seconds))

    def attempted(self, settled: Settled) -> None:
        destination = self._destination(settled.destination)
        self._attempts.labels(destination, settled.outcome).inc()
        self._attempt_seconds.labels(destination).observe(settled.duration / SECOND)
        if settled.outcome == "delivered" and settled.owed_since:
            self._stage_seconds.labels("deliver", self._partner(settled.partner)).observe(max(0, settled.at - settled.owed_since) / SECOND)

    def _partner(self, partner: str) -> str:
        """Its name, for so many partners; those beyond them share one, for each label value costs whoever stores the metrics a series."""
        if len(self._named) < MOST_PARTNERS:
            self._named.add(partner)
        return partner if partner in self._named else OTHER

    def _destination(self, destination: str) -> str:
        """A partner's has its name only if the partner has one here; targets are few, and in the settings."""
        kind, _, whose = destination.partition(":")
        return destination if kind == "target" else f"{kind}:{self._partner(whose)}"

    async def _counts(self) -> dict[str, Any]:
        async with self._counting:
            if time.monotonic() >= self._count_at:
                begun = time.monotonic()
                self._totals = await landed(self._store.read(search.totals))
                self._count_at = time.monotonic() + max(REMEMBERED, SHARE * (time.monotonic() - begun))
        return await landed(self._store.read(lambda tx: search.counts(tx, self._totals)))

    @web.middleware
    async def middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        begun = time.perf_counter()
        answer: web.StreamResponse = await handler(request)
        self._requests.labels(request.method, str(answer.status)).inc()
        self._request_seconds.observe(time.perf_counter() - begun)
        return answer

    async def page(self, request: web.Request) -> web.Response:
        counts = await self._counts()
        for gauge in (self._messages, self._deliveries, self._destinations, self._exchanges, self._alarms, self._replays):
            gauge.clear()
        for state, number in counts["messages"].items():
            self._messages.labels(state).set(number)
        for (destination, state), number in counts["deliveries"].items():
            self._deliveries.labels(self._destination(destination), state).inc(number)
        for destination, state in (await landed(self._store.read(destinations.states))).items():
            self._destinations.labels(self._destination(destination), state).set(1)
        for (direction, state), number in counts["exchanges"].items():
            self._exchanges.labels(direction, state).set(number)
        for kind, number in counts["alarms"].items():
            self._alarms.labels(kind).set(number)
        for state, number in counts["replays"].items():
            self._replays.labels(state).set(number)
        self._blocked.set(counts["blocked"])
        self._commits.set(self._store.writer.commits)
        self._members.set(self._store.writer.members)
        self._waiting.set(self._store.writer.waiting)
        self._open.set(self.connections.open if self.connections else 0)
        page: bytes = generate_latest(self._registry)  # type: ignore[no-untyped-call]
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})
