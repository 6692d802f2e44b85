"""A stream of NATS JetStream that takes each event as one message: CloudEvents in binary mode, the attributes as ce-* headers, the data as the body.

Binary, so that a consumer gets the same headers and bytes as from a REST target, and can choose by header without reading. The event's id is the
Nats-Msg-Id: the stream stores it once, however often it is sent, for as long as it remembers ids (duplicate_window). After that we look before we repeat.
"""

import asyncio
import json
import re
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from gateway.clock import MINUTE, SECOND, Clock, Instant, as_datetime, now, span
from gateway.errors import CrossdockError, DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.records.deliveries import ToDeliver
from gateway.targets.base import Confirmation
from gateway.targets.cloudevents import binary_headers
from gateway.targets.nats_link import Link, Passing, Silent, Unheard, open_link
from gateway.targets.terms import SUBJECT_PARTS, Nats

API = "$JS.API"
OUR_TYPES = "org.crossdock."
PART = re.compile(rf"\{{({'|'.join(SUBJECT_PARTS)})\}}")
MOST_TOKEN = 100
"""Characters of one word of a subject."""
MOST_ANSWER = 64 * 1024
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 1.0
"""Seconds between repeats within one attempt."""
USUAL_WINDOW = timedelta(minutes=2)
SLACK = 5 * SECOND
"""So long before the end of the window we no longer rely on it."""
SKEW = 10 * MINUTE
"""So much the servers' clocks may differ from ours."""
LOOKS_AT_ONCE = 4
MOST_PLACES = 10_000
"""Looks that were not ended, whose places are kept."""
PASSING = frozenset({10008, 10009, 10118, 10158})
"""JetStream's errors that a moment mends: no leader, offline, and the same id is being stored just now."""
TOO_LARGE = frozenset({10054, 10097})
BUSY = frozenset({408, 409, 429})


@dataclass(slots=True)
class Message:
    """An event as it goes out, and how far this attempt has come with it."""

    id: str
    subject: str
    group: str
    """Events of one group go to one stream."""
    headers: dict[str, str]
    data: bytes
    may_be_there: bool = False
    """It was sent in this attempt, and nobody knows what came of it."""
    is_looked_up: bool = False
    trouble: str = "the attempt was over before it was sent"

    @property
    def size(self) -> int:
        """As the server counts it, headers and all (NATS/1.0)."""
        return len(self.data) + 12 + 4 * len(self.headers) + sum(map(len, self.headers)) + sum(map(len, self.headers.values()))


@dataclass(frozen=True, slots=True)
class Stream:
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def window(self) -> Instant:
        """How long it remembers ids."""
        return int(self.config.get("duplicate_window", 0)) // 1000

    def holds_all_since(self, since: Instant) -> bool:
        """Whether a message that it took since then must be there still: it forgets by age, number and size alone, and that has not come so far."""
        if self.config.get("retention") != "limits" or int(self.config.get("max_msgs_per_subject", -1)) > 0 or self.config.get("subject_transform"):
            return False
        if int(self.state.get("first_seq", 0)) <= 1:
            return True
        edge = str(self.state.get("first_ts" if self.state.get("messages") else "last_ts", ""))
        return edge > "1970" and datetime.fromisoformat(f"{edge[:19]}+00:00") <= as_datetime(since)


class NatsTarget:
    def __init__(self, name: str, settings: Nats, clock: Clock = now) -> None:
        self.name = name
        self.settings = settings
        self.concurrency = settings.concurrency
        self.marks_sending = True  # after the window a repeat is only safe if it is known for one
        self._clock = clock
        self._link: Link | None = None
        self._opening: asyncio.Task[Link] | None = None
        self._is_closed = False
        self._read_up_to: dict[tuple[str, str], int] = {}
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._wait = settings.ack_wait.total_seconds()

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        if delivery.kind != "event":
            raise PermanentFailure("a stream takes events alone")
        message = self._message(json.loads(delivery.attributes), data, delivery.trace)
        message.is_looked_up = not (delivery.unknown_outcome or delivery.attempts)
        try:
            async with asyncio.timeout(self.settings.timeout.total_seconds()):
                return await self._sent(message, delivery)
        except TimeoutError:
            kind = UnknownOutcome if message.may_be_there else TemporaryFailure
            raise kind(f"{message.trouble}; it may have taken it" if message.may_be_there else message.trouble) from None
        except (TemporaryFailure, DestinationFault) as error:
            if message.may_be_there and not isinstance(error, UnknownOutcome):
                raise UnknownOutcome(f"{error}; it may have taken it", status=error.status, answer=error.answer) from error
            raise

    async def close(self) -> None:
        self._is_closed = True
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._link is not None:
            await self._link.close()

    def _message(self, attributes: dict[str, str], data: bytes, trace: str | None) -> Message:
        headers = {"Nats-Msg-Id": attributes["id"], "Content-Type": "application/json", "ce-datacontenttype": "application/json"}
        if self.settings.stream is not None:
            headers["Nats-Expected-Stream"] = self.settings.stream
        subject = subject_of(self.settings.subject, attributes)
        group = " ".join(attributes.get(part, "") for part in ("source", "stream", "type"))
        return Message(attributes["id"], subject, group, headers | binary_headers(attributes, trace), data)

    # ---- one attempt

    async def _sent(self, message: Message, delivery: ToDeliver) -> Confirmation:
        """Sends until it is stored, over a leader's death and lost connections: the same id each time, so that it is stored once."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._send(message, delivery)
            except Passing as trouble:
                message.trouble = str(trouble)
            except TemporaryFailure as error:
                if not message.may_be_there or error.status is not None:
                    raise
                message.trouble = str(error)  # the servers are gone since it was sent: one of them may be back before our time is over
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _send(self, message: Message, delivery: ToDeliver) -> Confirmation:
        link = await self._linked()
        if message.size > link.max_payload:
            raise PermanentFailure(
                f"the event has {message.size:,} bytes with its headers, and the server takes {link.max_payload:,}: raise max_payload in the server's"
                " configuration, and max_msg_size of the stream if it has one, then retry this delivery"
            )
        if not message.is_looked_up:
            link.streams.pop(message.group, None)  # a look is worth asking anew which stream it is
        stream = await self._stream_for(link, message)
        if not message.is_looked_up:
            found = await self._look_up(link, message, delivery, stream)
            if found is not None:
                return found
            message.is_looked_up = True
        before, message.may_be_there = message.may_be_there, True
        try:
            answer = await link.ask(message.subject, message.data, message.headers, wait=self._wait)
        except DestinationFault:
            message.may_be_there = before
            raise
        except Unheard:
            message.may_be_there = before
            link.streams.pop(message.group, None)  # its leader is away, or the stream is: the next look tells
            raise
        except Silent as trouble:
            if not trouble.heard:
                await self._drop(link)
            raise
        value = _json(answer)
        if "error" in value:
            message.may_be_there = before
            raise failure_of(value["error"], answer[:MOST_ANSWER])
        confirmation = confirmed(value, answer[:MOST_ANSWER])
        if value["stream"] != stream.name:
            link.streams.pop(message.group, None)  # the subject has moved to another stream since
        return confirmation

    # ---- the connection

    async def _linked(self) -> Link:
        """The connection that all attempts share; one of those that need it opens it for all."""
        if self._link is not None and self._link.is_open:
            return self._link
        if self._is_closed:
            raise TemporaryFailure("this node is going down")
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open(), name=f"open {self.name}")
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._opening)

    async def _open(self) -> Link:
        if self._link is not None:
            await self._link.close()
        self._link = None
        self._link = await open_link(self.settings)
        return self._link

    async def _drop(self, link: Link) -> None:
        """A server that says nothing at all may be frozen; another one may not be."""
        if self._link is link:
            self._link = None
        await link.close()

    async def _api(self, link: Link, what: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
        """An answer of JetStream's own."""
        try:
            answer = await link.ask(f"{API}.{what}", json.dumps(given).encode() if given else b"", wait=self._wait)
        except Unheard as error:
            raise DestinationFault("JetStream is not enabled there; enable it in the server's configuration") from error
        except Silent as trouble:
            if not trouble.heard:
                await self._drop(link)
            raise
        value = _json(answer)
        if "error" in value:
            raise failure_of(value["error"], answer[:MOST_ANSWER])
        return value

    # ---- the stream

    async def _stream_for(self, link: Link, message: Message) -> Stream:
        """The stream that takes it, as it was when this connection first needed it. Raises DestinationFault for none, or one that cannot be relied upon."""
        known = link.streams.get(message.group)
        if isinstance(known, Stream):
            return known
        names = (await self._api(link, "STREAM.NAMES", {"subject": message.subject})).get("streams") or []
        if not names:
            names = [await self._create(link, message.subject)]
        wanted = self.settings.stream
        if wanted is not None and wanted not in names:
            raise DestinationFault(
                f"stream {names[0]} takes {message.subject}, not {wanted}: change the subjects of the streams, or stream in our settings"
            )
        stream = await self._stream(link, wanted or names[0])
        self._check(stream)
        link.streams[message.group] = stream
        return stream

    async def _stream(self, link: Link, name: str) -> Stream:
        value = await self._api(link, f"STREAM.INFO.{name}")
        return Stream(name, value.get("config") or {}, value.get("state") or {})

    def _check(self, stream: Stream) -> None:
        """Within one attempt nothing is looked up: so long, at least, the stream must remember."""
        least = 2 * self.settings.timeout
        if stream.window < span(least):
            raise DestinationFault(
                f"stream {stream.name} remembers ids for {stream.window / SECOND:g} s, and one attempt may last {self.settings.timeout.total_seconds():g} s:"
                f" set its duplicate_window to {least.total_seconds():g} s at least (nats stream edit {stream.name} --dupe-window), or lower timeout"
            )
        if stream.config.get("no_ack"):
            raise DestinationFault(f"stream {stream.name} acknowledges nothing (no_ack); without that nobody knows what it has")

    async def _create(self, link: Link, subject: str) -> str:
        """A stream of ours, if the settings say so: its name."""
        name = self.settings.stream
        if not self.settings.create_stream or name is None:
            mend = f"nats stream add {name or 'NAME'} --subjects '{pattern_of(self.settings.subject)}'"
            raise DestinationFault(f"no stream takes {subject}: make one ({mend}), or set create_stream")
        window = max(USUAL_WINDOW, 2 * self.settings.timeout)
        config = {
            "name": name, "subjects": [pattern_of(self.settings.subject)], "storage": "file", "retention": "limits",
            "num_replicas": self.settings.replicas, "duplicate_window": span(window) * 1000,
        }  # fmt: skip
        await self._api(link, f"STREAM.CREATE.{name}", config)
        return name

    async def _look_up(self, link: Link, message: Message, delivery: ToDeliver, stream: Stream) -> Confirmation | None:
        """What an earlier attempt has stored, where the stream may have forgotten its id. Raises PermanentFailure where it can no longer be told."""
        if self._clock() + span(self.settings.timeout) + SLACK < delivery.created_at + stream.window:
            return None
        since = delivery.created_at - SKEW
        async with self._looks:
            today = await self._stream(link, stream.name)
            if not today.holds_all_since(since):
                if not delivery.unknown_outcome:
                    return None
                raise PermanentFailure(
                    f"an earlier attempt may have been taken, and stream {stream.name} no longer holds everything since then: look whether {message.id}"
                    " came through, then retry or skip this delivery by hand"
                )
            return await self._search(link, message, today.name, as_datetime(since))

    async def _search(self, link: Link, message: Message, stream: str, since: datetime) -> Confirmation | None:
        """Reads on where an earlier attempt's time was over: a long look ends, too. What comes later has a higher sequence."""
        place = (stream, message.id)
        after = self._read_up_to.pop(place, 0)
        try:
            async with aclosing(link.ids_since(stream, message.subject, since, after=after, wait=self._wait)) as held:
                async for sequence, found in held:
                    if found == message.id:
                        return Confirmation(0, json.dumps({"stream": stream, "seq": sequence}).encode(), looked_up=True)
                    after = sequence
        except (Passing, asyncio.CancelledError):
            if len(self._read_up_to) < MOST_PLACES:
                self._read_up_to[place] = after
            raise
        return None


def confirmed(value: dict[str, Any], answer: bytes) -> Confirmation:
    """An acknowledgment of JetStream's. Raises UnknownOutcome for anything else: somebody answers there who is no stream."""
    if not isinstance(value.get("stream"), str) or not isinstance(value.get("seq"), int) or value["seq"] < 1:
        raise UnknownOutcome("answered something that is no acknowledgment of a stream; it may have taken it", answer=answer)
    return Confirmation(0, answer, looked_up=bool(value.get("duplicate")))


def failure_of(error: Any, answer: bytes) -> CrossdockError | Passing:
    """What an error of JetStream's means. Not stored is what all of them say."""
    error = error if isinstance(error, dict) else {}
    code, status, words = int(error.get("err_code", 0)), int(error.get("code", 0)), str(error.get("description", ""))[:500]
    if code in PASSING:
        return Passing(f"answered {status}: {words}")
    if code in TOO_LARGE:
        mend = "raise max_msg_size of the stream, then retry this delivery"
        return PermanentFailure(f"answered {status}: {words}; {mend}", status=status, answer=answer)
    if status >= 500 or status in BUSY:
        return TemporaryFailure(f"answered {status}: {words}", status=status, answer=answer)
    return DestinationFault(f"answered {status}: {words}", status=status, answer=answer)


def subject_of(template: str, attributes: dict[str, str]) -> str:
    """The subject of an event: the template with the event's words in it, none of which can add a word, a wildcard or a blank.

    A type is as many words as it has, without org.crossdock.: shipment.notified.v1.
    """
    return PART.sub(lambda part: _words(part[1], attributes.get("source" if part[1] == "partner" else part[1], "")), template)


def pattern_of(template: str) -> str:
    """The subjects that a template can come to, as a stream names them."""
    words = []
    for word in template.split("."):
        if "{type}" in word:
            words.append(">")
            break
        words.append("*" if "{" in word else word)
    return ".".join(words)


@lru_cache(maxsize=1024)
def _words(part: str, text: str) -> str:
    if part == "type":
        return ".".join(_word(one) for one in text.removeprefix(OUR_TYPES).split("."))
    return _word(text.rpartition("/")[2] if part == "partner" else text)


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:MOST_TOKEN] or "_"


def _json(answer: bytes) -> dict[str, Any]:
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
