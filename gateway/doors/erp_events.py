"""The event stream by pull: a consumer reads on behind its cursor, waits for what comes, says up to where it is done, and sets its cursor back.

At least once: what is not committed comes again. In the feed's order, which no late commit can slip behind (`gateway.store.feed`).
"""

import asyncio
import json
from collections import Counter
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from gateway.clock import Clock, as_text, instant_of
from gateway.consumers.cursors import Cursors, Place
from gateway.consumers.placing import Placer
from gateway.consumers.records import Commit, Consumer, Rewind, Standing
from gateway.doors.erp_access import CALL, consumer_of
from gateway.doors.erp_queries import query_of
from gateway.doors.numbers import whole_number
from gateway.errors import Refused
from gateway.store import feed
from gateway.store.store import Store, landed, promised
from gateway.store.told import EventDamaged, ToldEvent, told
from gateway.targets.cloudevents import BATCH, batch, structured
from gateway.texts import check_json

ADDRESS = "/v1/events"
USUAL, MOST = 100, 500
LONGEST_WAIT = 30
MOST_WAITING = 4
"""Requests of one consumer that may wait at the same time; one more is answered at once."""
LOOK_EVERY = 1.0
"""Seconds between looks while somebody waits: what another node places wakes nobody here."""
MOST_BODY = 10_000


class Events:
    def __init__(self, store: Store, cursors: Cursors, placer: Placer, clock: Clock) -> None:
        self._store, self._cursors, self._placer, self._clock = store, cursors, placer, clock
        self._waiting: Counter[str] = Counter()
        self._closing = False

    async def close(self, _: web.Application) -> None:
        """Nobody waits any more: those who do are answered with what there is."""
        self._closing = True
        self._placer.rouse()

    async def events(self, request: web.Request) -> web.Response:
        """A batch of events behind the cursor; with `wait`, as soon as there is one. `Crossdock-Cursor` goes on behind it."""
        given, consumer = query_of(request, ("after", "limit", "wait")), consumer_of(request)
        limit = whole_number(given.get("limit"), "limit", USUAL, most=MOST)
        wait = whole_number(given.get("wait"), "wait", 0, most=LONGEST_WAIT, least=0)
        standing = await self._standing(consumer)
        after = self._position(given["after"], consumer, standing) if "after" in given else standing.position
        if wait and self._waiting[consumer.name] < MOST_WAITING:
            self._waiting[consumer.name] += 1
            try:
                found, last = await self._awaited(consumer, standing, after, limit, wait)
            finally:
                self._waiting[consumer.name] -= 1
        else:
            found, last, _ = await self._page(consumer, standing, after, limit)
        cursor = self._cursor(consumer, standing.epoch, last)
        onward = urlencode({name: given[name] for name in ("limit", "wait") if name in given} | {"after": cursor})
        headers = {"Crossdock-Cursor": cursor, "Link": f'<{ADDRESS}?{onward}>; rel="next"', "Cache-Control": "no-store"}
        body = batch(structured(one.attributes, one.data) for one in found)
        return web.Response(body=body, headers=headers | {"Content-Type": BATCH})

    async def _awaited(self, consumer: Consumer, standing: Standing, after: int, limit: int, wait: int) -> tuple[list[ToldEvent], int]:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            moved = self._placer.moved
            found, last, head = await self._page(consumer, standing, after, limit)
            left = until - loop.time()
            if found or left <= 0 or self._closing:
                return found, last
            after = last
            if last >= head:
                try:
                    async with asyncio.timeout(min(left, LOOK_EVERY)):
                        await moved.wait()
                except TimeoutError:
                    pass

    async def _page(self, consumer: Consumer, standing: Standing, after: int, limit: int) -> tuple[list[ToldEvent], int, int]:
        """(events, behind which position it goes on, the feed's head)."""

        def query(tx: Any) -> tuple[feed.FeedPage, list[ToldEvent], int]:
            page = feed.page(tx, consumer, after, limit)
            try:
                return page, *told(tx, self._store.files, [event for _, event in page.events])
            except EventDamaged as error:
                error.more = {"event": error.event, "next": self._cursor(consumer, standing.epoch, page.events[error.number][0])}
                raise

        try:
            page, found, looked = await promised(self._store.read(query))
        except EventDamaged as error:
            await landed(self._store.raise_alarm("payload.damaged", error.partner, str(error), self._clock(), error.event))
            raise
        return found, page.last if looked == len(page.events) else page.events[looked - 1][0], page.head

    # ---- cursors

    async def cursor(self, request: web.Request) -> web.Response:
        """Up to where the consumer has said that it is done."""
        query_of(request, ())
        consumer = consumer_of(request)
        return self._told(consumer, await self._standing(consumer))

    async def commit(self, request: web.Request) -> web.Response:
        """The consumer is done with everything up to a cursor. Saying so twice, or late, moves nothing back."""
        query_of(request, ())
        consumer, call = consumer_of(request), request[CALL]
        value = await _body(request, ("cursor",))
        if not isinstance(value.get("cursor"), str):
            raise Refused(400, "bad-request", 'the body must be {"cursor": "…"} with what Crossdock-Cursor gave')
        position = self._position(value["cursor"], consumer, await self._standing(consumer))
        epoch = self._read(value["cursor"], consumer)[0]
        done = await promised(self._store.consumers.commit(Commit(consumer.name, position, epoch, consumer.name, self._clock(), call.id)))
        if done is None or done.epoch != epoch:
            raise _set_anew()
        return self._told(consumer, done)

    async def replay(self, request: web.Request) -> web.Response:
        """Sets the consumer's own cursor: to a time, the start, now, or to a cursor that it once had. Nobody else is touched."""
        query_of(request, ())
        consumer, call, now = consumer_of(request), request[CALL], self._clock()
        value = await _body(request, ("from", "cursor", "reason"))
        reason = value.get("reason")
        if not isinstance(reason, str) or not 1 <= len(reason) <= 500:
            raise Refused(400, "bad-request", "reason says in 1 to 500 characters why; it stays in the audit log")
        if (since := value.get("from")) is not None and value.get("cursor") is None and isinstance(since, str):
            position = await self._start(since)
        elif isinstance(value.get("cursor"), str) and since is None:
            position = self._read(value["cursor"], consumer)[1]
        else:
            raise Refused(400, "bad-request", 'say where: {"from": "2026-11-01T08:00:00Z"}, {"from": "start"}, or {"cursor": "…"}')
        item = Rewind(consumer.name, position, consumer.name, reason, now, call.id)
        done = await promised(self._store.consumers.rewind(item))
        if done is None:
            raise _set_anew()
        return self._told(consumer, done)

    async def _start(self, since: str) -> int:
        if since in ("start", "now"):
            return 0 if since == "start" else await promised(self._store.read(feed.head))
        try:
            instant = instant_of(since, self._clock())
        except (ValueError, OverflowError) as error:
            raise Refused(400, "bad-request", f"from: {error}; or start, or now") from None
        return await promised(self._store.read(lambda tx: feed.before(tx, instant)))

    async def _standing(self, consumer: Consumer) -> Standing:
        found = await promised(self._store.read(lambda tx: feed.standing(tx, consumer.name)))
        if found is None:
            raise Refused(401, "not-authenticated", "this consumer was retired")
        return found

    def _cursor(self, consumer: Consumer, epoch: int, position: int) -> str:
        return self._cursors.give(_place(consumer), (epoch, position))

    def _read(self, text: str, consumer: Consumer) -> tuple[int, int]:
        epoch, position = self._cursors.read(text, _place(consumer), (int, int))
        return epoch, position

    def _position(self, text: str, consumer: Consumer, standing: Standing) -> int:
        """Raises Refused (409) for a cursor of before the last replay, or beyond all there is: that of a database which was restored since."""
        epoch, position = self._read(text, consumer)
        if epoch != standing.epoch or position > standing.head:
            raise _set_anew()
        return position

    def _told(self, consumer: Consumer, standing: Standing) -> web.Response:
        value = {
            "cursor": self._cursor(consumer, standing.epoch, standing.position), "behind": max(0, standing.head - standing.position),
            "committed_at": as_text(standing.committed_at) if standing.committed_at is not None else None,
        }  # fmt: skip
        return web.json_response(value, headers={"Cache-Control": "no-store"})


def _place(consumer: Consumer) -> Place:
    return Place(consumer.name, ADDRESS, {})


def _set_anew() -> Refused:
    return Refused(409, "cursor-set", "your cursor was set anew since this one was given out")


async def _body(request: web.Request, known: tuple[str, ...]) -> dict[str, Any]:
    """A small JSON object of these members. Raises Refused (400, 408, 413)."""
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            data = await request.content.read(MOST_BODY + 1)
            while len(data) <= MOST_BODY and (more := await request.content.read(MOST_BODY)):
                data += more
        value = json.loads(data) if len(data) <= MOST_BODY else None
    except TimeoutError:
        raise Refused(408, "too-slow", f"the body was not whole after {LONGEST_WAIT} s") from None
    except (ValueError, RecursionError):
        raise Refused(400, "bad-request", "the body is no JSON") from None
    if len(data) > MOST_BODY:
        raise Refused(413, "too-large", f"a body of this address has at most {MOST_BODY} bytes")
    check_json(value, data)
    if not isinstance(value, dict):
        raise Refused(400, "bad-request", f"the body must be a JSON object of {', '.join(known)}")
    if unknown := sorted(set(value) - set(known)):
        raise Refused(400, "bad-request", f"{unknown[0][:40]} is not known; there are: {', '.join(known)}")
    return value
