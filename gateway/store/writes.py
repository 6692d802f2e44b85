"""What one COMMIT 2 is going to write: rows collected from all its chunks, and how rows of deliveries and alarms look.

Knows nothing of the past, nor of why.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks
from gateway.errors import CrossdockError
from gateway.records.alarms import AlarmClosed
from gateway.records.answers import Acknowledgment
from gateway.records.translation import Cause, Chunk
from gateway.store.alarms import close_alarms, raise_alarms
from gateway.store.feed import PUT_WAITING
from gateway.store.intake import PUT_LIFE
from gateway.store.lanes import PUT_DELIVERY, PUT_LANE, free_superseded, lane_id
from gateway.store.payload_rows import put_payloads
from gateway.store.sql import in_lists, insert, many, one_of
from gateway.store.stock import StockTold
from partners.priority import RECEIPTS

_as_json = json.JSONEncoder(separators=(",", ":")).encode
"""Made once: json.dumps makes an encoder at each call that asks for anything."""

_PUT_SEEN = text(
    "INSERT INTO interchanges_seen (partner, stream, sender, receiver, control, message, sha256, at)"
    " VALUES (:partner, :stream, :sender, :receiver, :control, :message, :sha256, :at)"
    " ON CONFLICT (partner, stream, sender, receiver, control) DO UPDATE SET message = excluded.message, sha256 = excluded.sha256, at = excluded.at"
)
_PUT_CONTENT = text(
    "INSERT INTO contents (partner, stream, set_id, content_hash, document, message, at)"
    " VALUES (:partner, :stream, :set_id, :content_hash, :document, :message, :at)"
    " ON CONFLICT (partner, stream, set_id, content_hash) DO UPDATE SET document = excluded.document, message = excluded.message, at = excluded.at"
)
_PUT_IDENTITY = text(
    "INSERT INTO identities (id, partner, revision, meaning_hash, event, document, at, stream, subject, stands, expects)"
    " VALUES (:id, :partner, :revision, :meaning_hash, :event, :document, :at, :stream, :subject, :stands, :expects)"
    " ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, meaning_hash = excluded.meaning_hash, event = excluded.event,"
    " document = excluded.document, at = excluded.at, stream = excluded.stream, subject = excluded.subject, stands = excluded.stands,"
    " expects = excluded.expects"
)
INTERCHANGE = (
    "message", "ordinal", "partner", "stream", "state", "reason", "ta1", "sender", "receiver", "control", "version", "usage", "date", "time",
    "byte_start", "byte_end", "sha256", "duplicate_of",
)  # fmt: skip
_PUT_INTERCHANGE = insert("interchanges", *INTERCHANGE, or_nothing=True)
_PUT_GROUP = insert(
    "groups", "message", "interchange", "ordinal", "partner", "functional", "control", "version", "sender", "receiver", "codes", "claimed", "found",
    or_nothing=True,
)  # fmt: skip
_GROUP_VERDICT = text(
    "UPDATE groups SET verdict = :verdict, accepted = :accepted, acknowledgment = :acknowledgment"
    " WHERE message = :message AND interchange = :interchange AND ordinal = :grp"
)
_DOCUMENT = (
    "id", "message", "interchange", "grp", "ordinal", "partner", "stream", "set_id", "control", "state", "reason", "verdict", "codes", "release",
    "byte_start", "byte_end", "mapping", "profile_revision", "content_hash", "duplicate_of", "unmapped", "at",
)  # fmt: skip
_PUT_DOCUMENT = insert("documents", *_DOCUMENT, or_nothing=True)
_CHANGE_DOCUMENT = text(
    "UPDATE documents SET state = :state, reason = :reason, mapping = :mapping, profile_revision = :profile_revision, content_hash = :content_hash,"
    " duplicate_of = :duplicate_of, unmapped = :unmapped, at = :at WHERE id = :id"
)
_FIRST_READING = text("UPDATE documents SET verdict = :verdict, codes = :codes, release = :release, byte_end = :byte_end WHERE id = :id")
_PUT_FINDING = insert("findings", "message", "interchange", "grp", "ordinal", "number", "partner", "finding", or_nothing=True)
_PUT_REFERENCE = insert("document_references", "value", "type", "document", "partner", "at", "set_id", or_nothing=True)
_PUT_EVENT = insert(
    "events", "id", "identity", "revision", "partner", "stream", "document", "message", "type", "subject", "time", "correlation", "supersedes",
    "payload", "at", or_nothing=True,
)  # fmt: skip
_TOLD = one_of("SELECT e.id, p.sha256 FROM events e JOIN payloads p ON p.id = e.payload WHERE e.id IN :keys")
_PUT_OUTGOING = insert(
    "messages", "id", "partner", "direction", "channel", "state", "payload", "size", "sha256", "media_type", "file_name",
    "profile_revision", "arrival", "decided_at", "answers", "control", or_nothing=True,
)  # fmt: skip
OWED = (
    "id", "partner", "kind", "message", "interchange", "document", "mode", "state", "verdict", "note", "text", "profile_revision", "at",
)  # fmt: skip
_PUT_OWED = text(
    insert("owed", *OWED).text + " ON CONFLICT (id) DO UPDATE SET state = excluded.state, verdict = excluded.verdict, note = excluded.note,"
    " text = excluded.text, mode = excluded.mode, profile_revision = excluded.profile_revision, at = excluded.at WHERE owed.state = 'waiting'"
)
AWAITED = (
    "id", "partner", "stream", "kind", "message", "document", "interchange_control", "functional", "group_control", "set_id", "set_control",
    "destination", "correlation", "state", "opened_at", "due_at", "overdue_at", "settled_at", "late_at", "settled_by", "disputed_at", "detail",
    "steps", "step_every", "step_at",
)  # fmt: skip
_PUT_AWAITED = text(
    insert("awaited", *AWAITED).text + " ON CONFLICT (id) DO UPDATE SET state = excluded.state, settled_at = excluded.settled_at,"
    " late_at = excluded.late_at, settled_by = excluded.settled_by, disputed_at = excluded.disputed_at, detail = excluded.detail"
)
_HOLD_MESSAGE = text("UPDATE messages SET state = 'held', reason = :reason, losses = 0, decided_at = :at, override = NULL WHERE id = :id")
_MOVE_MESSAGE = text("UPDATE messages SET resume = :resume, losses = 0 WHERE id = :id")
DECIDE_MESSAGE = text(
    "UPDATE messages SET state = :state, reason = :reason, resume = NULL, losses = 0, decided_at = :at, duplicate_of = :duplicate_of, override = NULL"
    " WHERE id = :id"
)
_FIRST_READ = ("id", "verdict", "codes", "release", "byte_end")
_CHANGED = ("id", "state", "reason", "mapping", "profile_revision", "content_hash", "duplicate_of", "unmapped", "at")


class ToldOtherwise(CrossdockError):
    """An event id that was told before would mean another thing. Nothing of the commit is kept: who knows the id would take the new event for the old one."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """An interchange that came before, byte for byte, in the message `original`: it is answered as before."""

    chunk: Chunk
    original: str
    interchange: dict[str, Any]
    asks: bool
    """Whether a TA1 is owed for it as it stands."""


@dataclass
class Writes:
    """Rows collected from all chunks of one commit, written table by table in key order."""

    interchanges: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    groups: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    changed_documents: list[dict[str, Any]] = field(default_factory=list)
    first_readings: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    identities: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)
    outgoing: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    superseded: list[tuple[str, str]] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    """Messages; each keeps its resume point, so that a replay goes on from there."""
    life: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    over: list[AlarmClosed] = field(default_factory=list)
    owed: list[dict[str, Any]] = field(default_factory=list)
    awaited: dict[str, dict[str, Any]] = field(default_factory=dict)
    composed: list[tuple[Chunk, Acknowledgment]] = field(default_factory=list)
    again: list[Repeated] = field(default_factory=list)
    stock: StockTold = field(default_factory=StockTold)
    standing: dict[str, set[str]] = field(default_factory=dict)
    """Of messages that begin and end in this commit: the states that their interchanges have in the end."""

    def tell(self, at: Instant, chunk: Cause, step: str, what: str) -> None:
        self.life.append({"message": chunk.message, "at": at, "partner": chunk.partner, "step": step[:40], "who": chunk.who[:80], "text": what})

    def put(self, tx: Connection, ticks: Ticks) -> None:
        """Everything, table by table, in key order."""
        many(tx, _PUT_INTERCHANGE, self.interchanges)
        many(tx, _PUT_SEEN, [self.seen[place] for place in sorted(self.seen)])
        many(tx, _PUT_GROUP, self.groups)
        many(tx, _PUT_DOCUMENT, self.documents)
        many(tx, _CHANGE_DOCUMENT, [{key: row[key] for key in _CHANGED} for row in self.changed_documents])
        many(tx, _FIRST_READING, [{key: row[key] for key in _FIRST_READ} for row in self.first_readings])
        many(tx, _PUT_FINDING, self.findings)
        many(tx, _PUT_REFERENCE, self.references)
        many(tx, _PUT_CONTENT, [self.contents[place] for place in sorted(self.contents)])
        many(tx, _PUT_IDENTITY, [self.identities[key] for key in sorted(self.identities)])
        self._refuse_told_otherwise(tx)
        put_payloads(tx, self.payloads)
        many(tx, _PUT_EVENT, self.events)
        many(tx, PUT_WAITING, [_waiting(row) for row in self.events])
        self.stock.put(tx)
        many(tx, _PUT_OUTGOING, self.outgoing)
        many(tx, _GROUP_VERDICT, self.verdicts)
        queue(tx, self.deliveries)
        free_superseded(tx, self.superseded, ticks())
        many(tx, _PUT_OWED, sorted(self.owed, key=lambda row: row["id"]))
        many(tx, _MOVE_MESSAGE, self.moved)
        many(tx, _PUT_AWAITED, [self.awaited[key] for key in sorted(self.awaited)])
        many(tx, _HOLD_MESSAGE, self.held)
        many(tx, PUT_LIFE, self.life)
        raise_alarms(tx, self.alarms)
        close_alarms(tx, self.over)

    def _refuse_told_otherwise(self, tx: Connection) -> None:
        numbered = {row["event"] for row in self.identities.values()}
        hashes = {row["id"]: row["sha256"] for row in self.payloads}
        new = {row["id"]: hashes[row["payload"]] for row in self.events if row["id"] in numbered}
        for row in in_lists(tx, _TOLD, new):
            if row.sha256 != new[row.id]:
                raise ToldOtherwise(
                    f"event {row.id} was told before with other data, and its identity's row does not know it; nothing is told under one id twice"
                )


def _waiting(event: dict[str, Any]) -> dict[str, Any]:
    return {"event": event["id"], "partner": event["partner"], "type": event["type"], "stream": event["stream"], "tick": event["tick"]}


def queue(tx: Connection, deliveries: list[dict[str, Any]]) -> None:
    """Deliveries (`delivery_row`), each at the end of its lane."""
    many(tx, PUT_DELIVERY, deliveries)
    lanes = [
        {
            "id": row["lane"], "destination": row["destination"], "partner": row["partner"], "subject": row["subject"][:255], "head": row["id"],
            "next_due": row["next_due"], "priority": row["priority"],
        }
        for row in deliveries
    ]  # fmt: skip
    many(tx, PUT_LANE, sorted(lanes, key=lambda row: row["id"]))


def alarm_row(kind: str, chunk: Cause, what: str, subject: str = "") -> dict[str, Any]:
    key = hashlib.sha256(f"{kind} {subject or chunk.message}".encode()).hexdigest()
    return {"id": key, "kind": kind, "partner": chunk.partner, "message": chunk.message, "text": what, "at": chunk.at}


def delivery_row(
    delivery_id: str,
    chunk: Cause,
    *,
    destination: str,
    subject: str,
    position: Instant,
    kind: str,
    payload: str,
    attributes: dict[str, Any],
    on_dead: str,
    document: str | None = None,
    event: str | None = None,
    outgoing: str | None = None,
    priority: int = RECEIPTS,
    fallback: tuple[str, Instant] | None = None,
) -> dict[str, Any]:
    """`priority` is the delivery's class; `fallback` a destination, and how long its own may be open before that is used."""
    return {
        "id": delivery_id[:120], "lane": lane_id(destination, chunk.partner, subject), "position": position, "partner": chunk.partner,
        "destination": destination, "kind": kind, "state": "due", "message": chunk.message, "document": document, "event": event,
        "outgoing": outgoing, "payload": payload, "attributes": _as_json(attributes), "on_dead": on_dead,
        "created_at": chunk.at, "next_due": chunk.at, "subject": subject, "priority": priority,
        "fallback": fallback[0] if fallback else None, "fallback_after": fallback[1] if fallback else None,
    }  # fmt: skip
