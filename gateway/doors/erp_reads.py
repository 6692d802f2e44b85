"""What a consumer reads of how things stand: shipments, orders, stock, documents. As lists with cursors, and one by one.

Thin: reads the query, asks the store within the consumer's filter, answers in the forms that people and events have.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from gateway.clock import Clock, as_text
from gateway.consumers.cursors import Cursors, Place
from gateway.doors import conditional
from gateway.doors.conditional import answer
from gateway.doors.erp_access import consumer_of
from gateway.doors.erp_queries import MOST, PAGING, USUAL, id_of, partners_of, query_of, since_of
from gateway.doors.numbers import whole_number
from gateway.errors import Refused
from gateway.finding import standing_shown, stock_shown
from gateway.store import lists, naming, outgoing
from gateway.store.lists import DOCUMENTS, ORDERS, SHIPMENTS, STOCK, Page, View, Wanted
from gateway.store.store import Store, promised
from gateway.store.told import ToldEvent, told
from gateway.targets.cloudevents import batch, structured
from translators.events.identity import spellings, subject_of

Json = dict[str, Any]
KeysOf = Callable[[Any, list[str], tuple[str, ...] | None], list[str]]
"""Of documents, within these partners: the first columns of the list's keys."""
COMMON = ("partner", "changed_since", *PAGING)
STANDING = ("status", "reference", *COMMON)
INVENTORY = ("item", "location", *COMMON)
OF_DOCUMENTS = ("direction", "set", "status", "reference", *COMMON)
MOST_EVENTS = 50
"""Of one shipment, order or document."""
LARGE = 64 * 1024
"""Bytes of events that are put together and hashed beside the loop."""
AT_ONCE = 2
"""So many answers; the next ones wait."""
COLUMN_OF = {"status": "status", "item": "item", "location": "place", "set": "set_id", "direction": "direction"}
"""Parameter -> the condition of the list that it is."""


class Reads:
    def __init__(self, store: Store, cursors: Cursors, clock: Clock) -> None:
        self._store, self._cursors, self._clock = store, cursors, clock
        self._room = asyncio.Semaphore(AT_ONCE)

    # ---- lists

    async def shipments(self, request: web.Request) -> web.Response:
        return await self._list(request, SHIPMENTS, STANDING, lambda row: standing("shipment", row), naming.subjects_named)

    async def orders(self, request: web.Request) -> web.Response:
        return await self._list(request, ORDERS, STANDING, lambda row: standing("order", row), naming.subjects_named)

    async def inventory(self, request: web.Request) -> web.Response:
        return await self._list(request, STOCK, INVENTORY, stock, None)

    async def documents(self, request: web.Request) -> web.Response:
        return await self._list(request, DOCUMENTS, OF_DOCUMENTS, document, lambda _tx, documents, _partners: documents)

    async def _list(
        self,
        request: web.Request,
        view: View,
        known: Sequence[str],
        shown: Callable[[Mapping[str, Any]], Json],
        keys_of: KeysOf | None,
    ) -> web.Response:
        given, consumer = query_of(request, known), consumer_of(request)
        partners, since = partners_of(given, consumer), since_of(given, "changed_since", self._clock)
        limit, reference = whole_number(given.get("limit"), "limit", USUAL, most=MOST), given.get("reference")
        place = Place(consumer.name, request.path, {name: value for name, value in given.items() if name not in PAGING})
        by_change = since is not None and reference is None
        shape = [*([int] if by_change else []), *([int, str] if reference is not None else []), *[str] * len(view.key)]
        after = self._cursors.read(given["cursor"], place, shape) if "cursor" in given else None
        wanted = Wanted(partners, consumer.stream, limit, after, since, None, {COLUMN_OF[name]: given[name] for name in COLUMN_OF if name in given})

        def query(tx: Any) -> Page:
            if keys_of is None or reference is None:
                return lists.page(tx, view, wanted)
            return _of_reference(tx, view, wanted, spellings(reference), keys_of)

        page = await promised(self._store.read(query))
        value: Json = {"items": [shown(row) for row in page.rows], "next": None}
        headers = {}
        if page.last is not None:
            value["next"] = self._cursors.give(place, page.last)
            headers["Link"] = f'<{request.path}?{urlencode({**place.filters, "limit": limit, "cursor": value["next"]})}>; rel="next"'
        return answer(request, value, headers)

    # ---- one

    async def shipment(self, request: web.Request) -> web.Response:
        return await self._one(request, "shipment")

    async def order(self, request: web.Request) -> web.Response:
        return await self._one(request, "order")

    async def _one(self, request: web.Request, kind: str) -> web.Response:
        """How it stands, by each partner that tells of it, and the events that say so."""
        query_of(request, ())
        wanted, consumer = id_of(request, 300), consumer_of(request)
        subjects = sorted({subject_of(kind, one)[:200] for one in (wanted, wanted.upper())})

        def query(tx: Any) -> tuple[list[Json], list[ToldEvent]]:
            rows = lists.standings_of(tx, subjects, consumer.partners, consumer.stream)
            events = lists.events_telling(tx, subjects, consumer.partners, MOST_EVENTS) if rows else []
            return rows, told(tx, self._store.files, events)[0]

        rows, events = await promised(self._store.read(query))
        if not rows:
            raise Refused(404, "not-found", f"no {kind} is called {wanted[:60]}; GET /v1/{kind}s?reference=… searches by any number of it")
        value = {
            "id": rows[0]["subject"].removeprefix(f"{kind}/"),
            "subject": rows[0]["subject"],
            "standings": [standing(kind, row) for row in rows],
        }
        return await self._with_events(request, value, [one for one in events if consumer.stream in (None, one.attributes["stream"])])

    async def document(self, request: web.Request) -> web.Response:
        """How it stands with a document: of ours, whether it was sent and what the partner said of it; of a partner's, what became of it."""
        query_of(request, ())
        wanted, consumer = id_of(request, 100), consumer_of(request)

        def query(tx: Any) -> tuple[Json, list[ToldEvent] | None] | None:
            row = lists.document(tx, wanted, consumer.partners, consumer.stream)
            if row is None:
                return None
            if row["direction"] == "out":
                sent = outgoing.sent(tx, row["id"])
                return None if sent is None else (sent | {"direction": "out"}, None)
            events = told(tx, self._store.files, lists.events_of(tx, row["id"], MOST_EVENTS))[0]
            return document(row) | {"references": lists.references_of(tx, row["id"])}, events

        found = await promised(self._store.read(query))
        if found is None:
            raise Refused(404, "not-found", f"no document {wanted[:60]} that you may see")
        value, events = found
        return answer(request, value) if events is None else await self._with_events(request, value, events)

    async def _with_events(self, request: web.Request, value: Json, events: list[ToldEvent]) -> web.Response:
        """The value with its events behind it. Megabytes of them hold nobody else up."""
        if sum(len(one.data) for one in events) < LARGE:
            body, tag = put_together(value, events)
        else:
            async with self._room:
                body, tag = await asyncio.to_thread(put_together, value, events)
        return conditional.tagged(request, body, tag)


def _of_reference(tx: Any, view: View, wanted: Wanted, numbers: list[str], keys_of: KeysOf) -> Page:
    """Rows of the next documents that carry the number: by their key, then those of the documents behind these. The page's key begins with the documents' mark."""
    at, behind, *key = wanted.after or (*naming.START, *[""] * len(view.key))
    named = naming.documents_named(tx, numbers, wanted.partners, (at, behind))
    keys = keys_of(tx, named.documents, wanted.partners)
    page = lists.page(tx, view, replace(wanted, after=key if any(key) else None, named=keys)) if keys else Page([], None)
    if page.last is not None:
        return Page(page.rows, [at, behind, *page.last])
    return Page(page.rows, None if named.last is None else [*named.last, *[""] * len(view.key)])


def standing(kind: str, row: Mapping[str, Any]) -> Json:
    name = row["subject"].removeprefix(f"{kind}/")
    return {"id": name, "url": f"/v1/{kind}s/{quote(name, safe='')}"} | standing_shown(lists.opened(row, "refs"))


def stock(row: Mapping[str, Any]) -> Json:
    told_at = as_text(row["told_at"]) if row["told_at"] is not None else None
    return {"id": row["id"]} | stock_shown(lists.opened(row, "quantities")) | {"told_at": told_at}


def document(row: Mapping[str, Any]) -> Json:
    return {
        "id": row["id"], "url": f"/v1/documents/{row['id']}", "message": row["message"], "direction": row["direction"], "partner": row["partner"],
        "stream": row["stream"], "channel": row["channel"], "set": row["set_id"], "control": row["control"], "state": row.get("sent") or row["state"],
        "reason": row["reason"], "verdict": row["verdict"], "mapping": row["mapping"], "duplicate_of": row["duplicate_of"],
        "file_name": row["file_name"], "arrived_at": as_text(row["arrival"]), "changed_at": as_text(row["at"]),
    }  # fmt: skip


def put_together(value: Json, events: list[ToldEvent]) -> tuple[bytes, str]:
    """(a JSON object with `events` as its last member, its tag). Their data are the bytes that it always has: nothing is read to be written again."""
    told = batch(structured(one.attributes, one.data) for one in events)
    body = conditional.json_bytes(value)[:-1] + b',"events":' + told + b"}"
    return body, conditional.tag_of(body)
