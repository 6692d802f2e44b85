"""A pretend ERP: takes CloudEvents over HTTP, keeps a ledger of effects, and misbehaves when told to.

Its ledger is the judge of the tests: it counts every effect, also those that should not have happened.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from gateway.simulators.chaos import Chaos, Kind
from gateway.simulators.staged import Staging
from gateway.targets.cloudevents import BATCH, STRUCTURED

REFUSED = 422
IN_A_BATCH: dict[Kind, int] = {"too many": 429, "unavailable": 503, "failed": 500, "failed after commit": 500}
"""The faults that one event of a batch can meet by itself, and the status that says so."""
HELD_BACK = 0.5
A_BYTE = 0.02
ENDLESS = 4 * 2**20
"""Bytes: four times what is read of an answer by default."""


@dataclass
class Behaviour:
    """How it treats the next requests. Counts run down to zero; `ignore_keys` stays until changed."""

    fail: int = 0
    """Requests to answer with `status` before any effect."""
    status: int = 503
    retry_after: int | None = None
    stall: int = 0
    """Requests to let wait for `stall_seconds` before they are worked on."""
    stall_seconds: float = 5.0
    cut_after_commit: int = 0
    """Requests whose effect happens and whose connection is then cut without an answer."""
    fail_after_commit: int = 0
    """Requests whose effect happens and which are answered 500."""
    refuse_types: list[str] = field(default_factory=list)
    """Event types answered 422."""
    refuse_items: list[str] = field(default_factory=list)
    """Items that it does not have: an event with a line of one is answered 422, in words."""
    ignore_keys: bool = False
    """Like a real ERP that was measured: every request is a new effect, and a doubled notice empties the first shipment."""
    refuse_batches: int = 0
    """The status that every batch is refused with, whole."""
    dead: bool = False
    """Every request is cut off at once."""


@dataclass
class Effect:
    """What one event did here."""

    event: str
    type: str
    subject: str
    count: int
    confirmation: str
    data: dict[str, Any]
    attributes: dict[str, str]


class PretendErp:
    def __init__(self, chaos: Chaos | None = None, staging: Staging | None = None) -> None:
        """With `staging` an event that comes alone is only taken in at first."""
        self.behaviour = Behaviour()
        self.chaos, self.staging = chaos, staging
        self.batches: Counter[str] = Counter()
        """How often each batch was sent."""
        self.met: Counter[str] = Counter()
        """Faults of the chaos by kind."""
        self.effects: dict[str, Effect] = {}
        self.shipments: dict[str, dict[str, Any]] = {}
        """What the warehouse believes: shipment by confirmation; a doubled notice moves the goods to the second one."""
        self.order: list[str] = []
        self.requests = 0
        self.asked: Counter[str] = Counter()
        """Requests by key, repeats with them."""
        self.damage: list[str] = []
        self._serial = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=256 * 2**20)
        app.router.add_post("/events", self.take)
        app.router.add_get("/events/{id}", self.look_up)
        app.router.add_get("/ledger", self.ledger)
        app.router.add_get("/jobs/{number}", self._job)
        app.router.add_post("/behave", self.behave)
        return app

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests += 1
        behaviour = self.behaviour
        if behaviour.dead:
            return _cut(request)
        if behaviour.stall > 0:
            behaviour.stall -= 1
            await asyncio.sleep(behaviour.stall_seconds)
        if behaviour.fail > 0:
            behaviour.fail -= 1
            headers = {"Retry-After": str(behaviour.retry_after)} if behaviour.retry_after is not None else {}
            return web.json_response({"error": "told to fail"}, status=behaviour.status, headers=headers)
        key = request.headers.get("Idempotency-Key", "").strip('"')
        try:
            value = json.loads(body)
        except ValueError:
            return web.json_response({"error": "the body is no JSON"}, status=400)
        told: Any
        if request.content_type == BATCH:
            if behaviour.refuse_batches:
                return web.json_response({"error": "one at a time, please"}, status=behaviour.refuse_batches)
            self.batches[key] += 1
            if self.chaos is not None and (fault := self.chaos.fault(key, self.batches[key])):
                self.met[fault] += 1
                return await self._misbehave(fault, request, lambda: web.json_response(self._batch(value), status=207))
            status, told = 207, self._batch(value)
        else:
            binary = {name[3:].lower(): unquote(text) for name, text in request.headers.items() if name.lower().startswith("ce-")}
            attributes, data = _event(value) if request.content_type == STRUCTURED else (binary, value)
            if "traceparent" in request.headers:  # as a server with traces goes on below the request, not below the event
                attributes["traceparent"] = request.headers["traceparent"]
            wrong = self._wrong(key, attributes, data)
            answer = self._answering(key, attributes, data, wrong)
            if wrong is None and self.chaos is not None and (fault := self.chaos.fault(key, self.asked[key])):
                self.met[fault] += 1
                return await self._misbehave(fault, request, answer)
            if self.staging is not None and (wrong is None or wrong[0] == REFUSED):
                staged = answer()
                return _cut(request) if self._loses_the_answer() else staged
            if wrong:
                return web.json_response(wrong[1], status=wrong[0])
            status, told = 200, {"confirmation": self._apply(key, attributes, data)}
        if self._loses_the_answer():
            return _cut(request)
        if behaviour.fail_after_commit > 0:
            behaviour.fail_after_commit -= 1
            return web.json_response({"error": "failed after the effect"}, status=500)
        return web.json_response(told, status=status)

    async def _job(self, request: web.Request) -> web.StreamResponse:
        return await self.staging.status(request) if self.staging is not None else web.json_response({"error": "no such job"}, status=404)

    def _loses_the_answer(self) -> bool:
        if self.behaviour.cut_after_commit <= 0:
            return False
        self.behaviour.cut_after_commit -= 1
        return True

    def _answering(self, key: str, attributes: dict[str, str], data: dict[str, Any], wrong: tuple[int, Any] | None) -> Callable[[], web.Response]:
        """What takes an event in that comes alone, at once or staged, and answers that it has."""
        if self.staging is not None:
            staging, error = self.staging, wrong[1]["error"] if wrong else None
            return lambda: staging.take(key, lambda: self._apply(key, attributes, data), error=error)
        return lambda: web.json_response({"confirmation": self._apply(key, attributes, data)})

    def _batch(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The result of each."""
        said = [(str(one.get("id")), *self._one(str(one.get("id")), *_event(one))) for one in events]
        return [{"id": name, "status": status, "body": one} for name, status, one in said]

    def _one(self, key: str, attributes: dict[str, str], data: dict[str, Any]) -> tuple[int, Any]:
        """Status and answer for one event of a batch; of chaos it meets what a status can say."""
        wrong = self._wrong(key, attributes, data)
        if wrong is not None:
            return wrong
        fault = self.chaos.fault(key, self.asked[key]) if self.chaos is not None else None
        if fault is not None and fault in IN_A_BATCH:
            self.met[fault] += 1
            if fault == "failed after commit":
                self._apply(key, attributes, data)
            return IN_A_BATCH[fault], {"error": f"{fault}, as chaos wants it"}
        return 200, {"confirmation": self._apply(key, attributes, data)}

    def _wrong(self, key: str, attributes: dict[str, str], data: dict[str, Any]) -> tuple[int, Any] | None:
        """Status and answer where it is not taken; that it was asked for is counted."""
        self.asked[key] += 1
        if not key or attributes.get("id") != key:
            return 400, {"error": "Idempotency-Key and ce-id must be there and be the same"}
        if attributes.get("type", "") in self.behaviour.refuse_types:
            return REFUSED, {"error": f"we do not take {attributes.get('type')}", "field": "type"}
        if self.behaviour.refuse_items and (found := _line_with(data, self.behaviour.refuse_items)):
            number, item = found
            return REFUSED, {"error": f"we have no item {item}, which line {number} asks for", "field": f"lines[{number - 1}].item"}
        return None

    async def _misbehave(self, fault: Kind, request: web.Request, answer: Callable[[], web.Response]) -> web.StreamResponse:
        """`answer` has the effect, and is what would be answered."""
        if fault == "too many":
            return web.json_response({"error": "too many requests"}, status=429, headers={"Retry-After": "1"})
        if fault in ("unavailable", "failed"):
            return web.json_response({"error": f"{fault}, as chaos wants it"}, status=503 if fault == "unavailable" else 500)
        if fault == "cut before":
            return _cut(request)
        if fault == "held back":
            await asyncio.sleep(HELD_BACK)  # requests that come meanwhile are answered first
        said = answer()
        if fault == "failed after commit":
            return web.json_response({"error": "failed after the effect"}, status=500)
        if fault == "cut after commit":
            return _cut(request)
        if fault == "garbage":
            return web.Response(status=said.status, body=b"\x00<html>fine?", content_type="text/html")
        if fault == "endless":
            return web.Response(status=said.status, body=b"x" * ENDLESS, content_type="text/plain")
        return await _a_byte_at_a_time(request, said) if fault == "slow" else said

    def _apply(self, key: str, attributes: dict[str, str], data: dict[str, Any]) -> str:
        known = self.effects.get(key)
        if known and not self.behaviour.ignore_keys:
            return known.confirmation
        self._serial += 1
        confirmation = f"ERP-{self._serial:06d}"
        self.order.append(key)
        if known:
            known.count += 1
            earlier = self.shipments.get(known.confirmation)
            if earlier and earlier.get("lines"):
                earlier["lines"] = []
                self.damage.append(f"{attributes.get('subject')}: {known.confirmation} was emptied by {confirmation}")
            known.confirmation = confirmation
        else:
            self.effects[key] = Effect(key, attributes.get("type", ""), attributes.get("subject", ""), 1, confirmation, data, attributes)
        self.shipments[confirmation] = {"subject": attributes.get("subject"), "lines": list(data.get("lines") or [])}
        return confirmation

    async def look_up(self, request: web.Request) -> web.StreamResponse:
        if self.behaviour.dead:
            return _cut(request)
        effect = self.effects.get(request.match_info["id"])
        if effect is None:
            return web.json_response({"error": "not here"}, status=404)
        return web.json_response({"confirmation": effect.confirmation})

    async def ledger(self, request: web.Request) -> web.Response:
        effects = [
            {
                "event": one.event,
                "type": one.type,
                "subject": one.subject,
                "count": one.count,
                "confirmation": one.confirmation,
                "attributes": one.attributes,
            }
            | ({"data": one.data} if request.query.get("data") else {})
            for one in self.effects.values()
        ]
        doubled = [one.event for one in self.effects.values() if one.count > 1]
        return web.json_response(
            {"requests": self.requests, "effects": effects, "order": self.order, "doubled": doubled, "damage": self.damage, "chaos": self.met}
        )

    async def behave(self, request: web.Request) -> web.Response:
        changes = await request.json()
        for key, value in changes.items():
            if not hasattr(self.behaviour, key):
                return web.json_response({"error": f"no behaviour is called {key}"}, status=422)
            setattr(self.behaviour, key, value)
        return web.json_response(vars(self.behaviour))


async def _a_byte_at_a_time(request: web.Request, said: web.Response) -> web.StreamResponse:
    assert isinstance(said.body, bytes), "it is JSON"
    body, more = said.body, {"Location": said.headers["Location"]} if "Location" in said.headers else {}
    answer = web.StreamResponse(status=said.status, headers={"Content-Type": "application/json", "Content-Length": str(len(body))} | more)
    await answer.prepare(request)
    with contextlib.suppress(OSError):  # whoever asked may not wait for it
        for number in range(len(body)):
            await answer.write(body[number : number + 1])
            await asyncio.sleep(A_BYTE)
    return answer


def _event(value: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """A structured CloudEvent as (attributes, data)."""
    return {key: one for key, one in value.items() if key not in ("data", "specversion", "datacontenttype")}, value.get("data") or {}


def _line_with(data: dict[str, Any], items: list[str]) -> tuple[int, str] | None:
    """(number, item) of the first line that asks for one of these items."""
    for number, line in enumerate(data.get("lines") or [], start=1):
        for one in (line.get("item") or {}).get("ids") or []:
            if one.get("value") in items:
                return number, str(one["value"])
    return None


def _cut(request: web.Request) -> web.StreamResponse:
    """Closes the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)
