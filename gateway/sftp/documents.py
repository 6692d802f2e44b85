"""What a partner finds at our server: our documents that wait for it, and what was wrong with its files, in words.

Knows no wire. Its callers are threads of sessions, and may wait.
"""

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import IO, Any

from gateway import journal
from gateway.clock import DAY, SECOND, Clock, Instant, as_text, span
from gateway.errors import StoreUnavailable
from gateway.failpoints import reach
from gateway.sftp.caller import Caller
from gateway.sftp.files import PATIENCE
from gateway.sftp.paths import DENIED, FAILURE, NO_SUCH_FILE, Refusal
from gateway.sftp.records import PickUp
from gateway.store import search
from gateway.store import sftp as rows
from gateway.store.payloads import PayloadDamaged, checked
from gateway.store.store import Store

ERRORS_SHOWN = 200
ERRORS_KEPT = 30 * DAY
FRESH = 2 * SECOND
MOST_REMEMBERED = 10_000
"""Documents whose reading is remembered."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A document of ours, under the name that it has in the folder."""

    name: str
    delivery: str
    size: int
    at: Instant
    sha256: str
    payload: str
    state: str


class Spans:
    """Which bytes of something were read: spans that touch are one."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def add(self, start: int, end: int) -> None:
        kept = []
        for one in self._spans:
            if one[1] < start or end < one[0]:
                kept.append(one)
            else:
                start, end = min(start, one[0]), max(end, one[1])
        self._spans = sorted([*kept, (start, end)])

    def covers(self, start: int, end: int) -> bool:
        return start >= end or any(one[0] <= start and end <= one[1] for one in self._spans)

    @property
    def first(self) -> int:
        return self._spans[0][0] if self._spans else 0


class Documents:
    """All documents that wait at this node's server, and who has read what of them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[Instant, dict[str, Waiting]]] = {}
        """By partner: what waited a moment ago. Clients look up each name of a listing one by one."""
        self._read_spans: OrderedDict[str, Spans] = OrderedDict()
        self._read_whole: OrderedDict[str, Waiting] = OrderedDict()
        """By partner and name: what was read whole here, and may be removed, which delivers it where the profile says so."""

    def waiting(self, caller: Caller) -> dict[str, Waiting]:
        """What is to be fetched, by name."""
        found = self._named(self._query(lambda tx: rows.waiting_out(tx, f"outbox:{caller.partner}")))
        with self._lock:
            self._seen[caller.partner] = (self._clock(), found)
        return found

    def _named(self, found: list[Any]) -> dict[str, Waiting]:
        named: dict[str, Waiting] = {}
        for row in found:
            name = json.loads(row.attributes)["file_name"]
            if name in named:
                # Names of ours may repeat when control numbers begin anew; the delivery's id parts them.
                stem, point, ending = name.rpartition(".")
                name = f"{stem or ending}-{row.message}{point}{ending if stem else ''}"
            named[name] = Waiting(name, row.id, row.size, row.created_at, row.sha256, row.payload, row.state)
        return named

    def find(self, caller: Caller, name: str) -> Waiting | None:
        """One that waits, or that was fetched a while ago: a client whose CLOSE was not answered asks again for what is not listed any more."""
        with self._lock:
            at, seen = self._seen.get(caller.partner, (0, {}))
        if name not in seen or at + FRESH < self._clock():
            seen = self.waiting(caller)
        return seen.get(name) or self._fetched(caller, name)

    def _fetched(self, caller: Caller, name: str) -> Waiting | None:
        since = self._clock() - span(caller.channel.keep)
        found = self._query(lambda tx: rows.fetched_out(tx, f"outbox:{caller.partner}", since))
        return self._named(found).get(name)

    def open(self, caller: Caller, name: str) -> "Reading":
        found = self.find(caller, name)
        if found is None:
            raise Refusal(NO_SUCH_FILE, f"there is no document {name}; what was read whole is not listed any more")
        row = self._query(lambda tx: rows.payload_of(tx, found.payload))
        try:
            if row.data is not None:
                return Reading(self, caller, found, checked(bytes(row.data), row.sha256))
            self._store.files.verify(row.sha256)
            return Reading(self, caller, found, self._store.files.local(row.sha256).open("rb"))
        except (PayloadDamaged, OSError) as error:
            journal.trouble("sftp: document", error)
            self._store.raise_alarm("payload.damaged", caller.partner, f"{found.delivery} in the outbox: {error}", self._clock(), found.delivery)
            raise Refusal(FAILURE, "the document cannot be read; ask us") from None

    def remove(self, caller: Caller, name: str) -> None:
        """The partner takes a name away: fine for what it has read whole, and refused for what it has not."""
        key = f"{caller.partner}/{name}"
        with self._lock:
            read = self._read_whole.get(key)
        if name not in self.waiting(caller):
            if self._fetched(caller, name) is None:
                raise Refusal(NO_SUCH_FILE, f"there is no document {name}")
            return
        if read is None:
            raise Refusal(DENIED, f"{name} has not been read to its end yet; fetch it first")
        if caller.channel.delivered == "removed":
            self._deliver(caller, read)
            with self._lock:
                self._read_whole.pop(key, None)

    def note(self, delivery: str, start: int, end: int) -> None:
        with self._lock:
            spans = self._read_spans.setdefault(delivery, Spans())
            spans.add(start, end)
            while len(self._read_spans) > MOST_REMEMBERED:
                self._read_spans.popitem(last=False)

    def finished(self, caller: Caller, waiting: Waiting, read: Spans) -> None:
        """A reader has closed it: delivered, if it read to the end all that had not been read before. Raises Refusal where that could not be kept.

        Who begins in the middle has the bytes in front, if they went out before: nobody resumes what has not arrived.
        """
        with self._lock:
            before = self._read_spans.get(waiting.delivery, read)
            if not (read.covers(read.first, waiting.size) and read.first < max(waiting.size, 1) and before.covers(0, read.first)):
                return
            self._read_whole[f"{caller.partner}/{waiting.name}"] = waiting
            while len(self._read_whole) > MOST_REMEMBERED:
                self._read_whole.popitem(last=False)
        if caller.channel.delivered == "read":
            self._deliver(caller, waiting)

    def _deliver(self, caller: Caller, waiting: Waiting) -> None:
        item = PickUp(waiting.delivery, caller.partner, caller.who, self._clock(), waiting.size)
        try:
            if self._store.pick_up(item).result(PATIENCE):
                journal.attempted(waiting.delivery, f"outbox:{caller.partner}", "delivered", None, 0, "read by SFTP")
        except (StoreUnavailable, TimeoutError):
            raise Refusal(FAILURE, "that it was read could not be kept; it stays listed") from None
        reach("sftp.picked-up")
        with self._lock:
            self._read_spans.pop(waiting.delivery, None)
            self._seen.pop(caller.partner, None)

    # ---- errors, in words

    def errors(self, caller: Caller) -> dict[str, tuple[bytes, Instant]]:
        """Name -> (text, time) for each file of the partner of which something was rejected, held or refused."""
        since = self._clock() - ERRORS_KEPT
        found: dict[str, tuple[bytes, Instant]] = {}
        for row in self._query(lambda tx: rows.troubled(tx, caller.partner, since, ERRORS_SHOWN)):
            name = (row.file_name or "file").rpartition("/")[2]
            message = row.id
            told = self._query(lambda tx, message=message: search.message_for_partner(tx, message, caller.partner))
            if told is not None:
                found[f"{name[:200]}.{row.id}.txt"] = (in_words(told).encode(), row.arrival)
        for row in self._query(lambda tx: rows.refused(tx, caller.partner, since, ERRORS_SHOWN)):
            text = f"{row.folder}/{row.name}, {as_text(row.at)}\nnot taken: {row.reason}\n"
            found[f"{row.name[:200]}.{row.id}.txt"] = (text.encode(), row.at)
        return found

    def _query(self, query: Any) -> Any:
        try:
            return self._store.look(query)
        except StoreUnavailable:
            raise Refusal(FAILURE, "it cannot be looked up just now; come again later") from None


def in_words(told: dict[str, Any]) -> str:
    """What became of a message, as a partner's people read it."""
    lines = [f"{told['file_name'] or told['id']}, {told['size']} bytes, {told['received_at']}", f"{told['state']}{_because(told['reason'])}"]
    for interchange in told["interchanges"]:
        lines.append(f"interchange {interchange['control']}: {interchange['state']}{_because(interchange['reason'])}")
        lines += _faults(interchange["findings"])
        for group in interchange["groups"]:
            lines += _faults(group["findings"])
            for one in group["sets"]:
                lines.append(f"  {one['id']} {one['control']}: {one['state']}{_because(one['reason'])}")
                lines += _faults(one["findings"])
    return "\n".join([*lines, f"our id: {told['id']}", ""])


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _faults(findings: list[dict[str, Any]]) -> list[str]:
    return [f"    {finding['text']}" for finding in findings if finding.get("text")]


class Reading:
    """One document of ours that is open for reading."""

    def __init__(self, documents: Documents, caller: Caller, waiting: Waiting, content: bytes | IO[bytes]) -> None:
        self._documents, self._caller, self.waiting, self._content = documents, caller, waiting, content
        self._spans = Spans()
        self._ended = False

    @property
    def size(self) -> int:
        return self.waiting.size

    def read(self, offset: int, length: int) -> bytes:
        if isinstance(self._content, bytes):
            data = self._content[offset : offset + length]
        else:
            self._content.seek(offset)
            data = self._content.read(length)
        if data:
            self._spans.add(offset, offset + len(data))
            self._documents.note(self.waiting.delivery, offset, offset + len(data))
        return data

    def close(self) -> None:
        if not self._ended:
            self._end()
            self._documents.finished(self._caller, self.waiting, self._spans)

    def abort(self) -> None:
        """The connection is gone: nobody knows what has arrived of it."""
        if not self._ended:
            self._end()

    def _end(self) -> None:
        self._ended = True
        if not isinstance(self._content, bytes):
            self._content.close()
