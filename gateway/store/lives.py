"""Reading for operators: the whole life of anything by its id, and what waits for a person."""

import json
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import Row

from gateway.clock import as_text
from gateway.store import awaited
from gateway.store.edits import edits_of
from gateway.store.payloads import DAMAGED, sound
from gateway.store.sql import one_of

SHOWN_BODY = 4_000

_MESSAGE = text("SELECT m.*, p.data FROM messages m LEFT JOIN payloads p ON p.id = m.payload WHERE m.id = :id")
_INTERCHANGES = text("SELECT * FROM interchanges WHERE message = :id ORDER BY ordinal")
_GROUPS = text("SELECT * FROM groups WHERE message = :id ORDER BY interchange, ordinal")
_DOCUMENTS = text(
    "SELECT * FROM documents WHERE message = :id AND (CAST(:document AS VARCHAR) IS NULL OR id = :document) ORDER BY interchange, grp, ordinal LIMIT 1000"
)
_FINDINGS = text("SELECT interchange, grp, ordinal, finding FROM findings WHERE message = :id ORDER BY interchange, grp, ordinal, number LIMIT 1000")
_EVENTS = text("SELECT e.*, p.data, p.sha256 FROM events e JOIN payloads p ON p.id = e.payload WHERE e.message = :id ORDER BY e.at, e.id LIMIT 1000")
_DELIVERIES = text("SELECT * FROM deliveries WHERE message = :id ORDER BY created_at, position LIMIT 1000")
_ATTEMPTS = one_of("SELECT * FROM attempts WHERE delivery IN :keys ORDER BY delivery, number")
_LANES = one_of("SELECT id, blocked, lease_until, next_due, head FROM lanes WHERE id IN :keys")
_LIFE = text("SELECT at, step, who, text FROM life WHERE message = :id ORDER BY at")
_REFERENCES = one_of("SELECT document, type, value FROM document_references WHERE document IN :keys ORDER BY document, type, value")
_AS_DELIVERY = text("SELECT id, state, partner, message, document, event FROM deliveries WHERE id = :id")
_AS_EVENT = text("SELECT id, partner, message, document FROM events WHERE id = :id")
_OF_EVENT = text("SELECT id, state FROM deliveries WHERE event = :id ORDER BY id")
_AS_DOCUMENT = text("SELECT id, partner, message FROM documents WHERE id = :id")
_AS_MESSAGE = text("SELECT id, partner, answers FROM messages WHERE id = :id")


_EXCHANGES = text(
    "SELECT id, direction, state, reason, message_id, as2_from, as2_to, at, size, sha256, mic, mic_algorithm, disposition, receipt, receipt_at, resends,"
    " source, report FROM as2_messages WHERE message = :id OR id = :id ORDER BY at, id LIMIT 1000"
)
_AS_EXCHANGE = text("SELECT id, partner, direction, state, reason, at, size, sha256, message, profile_revision FROM as2_messages WHERE id = :id")

_SOURCE = text(
    "SELECT e.identity, e.stream, d.id AS document, d.message, d.partner, d.set_id, d.interchange, d.grp, d.ordinal, d.byte_start, d.byte_end,"
    " d.profile_revision, m.arrival, m.size, m.sha256, p.data FROM events e JOIN documents d ON d.id = e.document JOIN messages m ON m.id = d.message"
    " JOIN payloads p ON p.id = m.payload WHERE e.id = :id"
)


_EVENT_BYTES = text("SELECT e.id, e.type, p.data, p.sha256, p.location FROM events e JOIN payloads p ON p.id = e.payload WHERE e.id = :id")
_EVENT_OF = text("SELECT event FROM deliveries WHERE id = :id")
_BYTES = text(
    "SELECT m.id, m.partner, m.direction, m.channel, m.media_type, m.file_name, m.arrival, p.data, p.sha256, p.location, d.interchange, d.grp,"
    " d.byte_start, d.byte_end, (SELECT min(f.byte_start) FROM documents f WHERE f.message = m.id) AS first_start"
    " FROM messages m JOIN payloads p ON p.id = m.payload LEFT JOIN documents d ON d.message = m.id AND d.id = :document WHERE m.id = :message"
)


def event_of(tx: Connection, event: str) -> Row[Any]:
    """An event's type and payload."""
    return tx.execute(_EVENT_BYTES, {"id": event}).one()


def event_of_delivery(tx: Connection, delivery: str) -> str | None:
    """The event that a delivery brings; None where it brings a document or receipt."""
    event: str | None = tx.execute(_EVENT_OF, {"id": delivery}).scalar()
    return event


def bytes_of(tx: Connection, message: str, document: str | None) -> Row[Any] | None:
    """A message's payload, and where a document lies in it."""
    return tx.execute(_BYTES, {"message": message, "document": document or ""}).first()


def source_of(tx: Connection, event: str) -> Row[Any] | None:
    """What an event was read from: its document's place, the message's bytes, the profile revision that treated it."""
    return tx.execute(_SOURCE, {"id": event}).first()


def what_is(tx: Connection, wanted: str) -> dict[str, Any] | None:
    """Which message, document, event or delivery an id names, and what it belongs to."""
    row = tx.execute(_AS_DELIVERY, {"id": wanted}).first()
    if row:
        return {"kind": "delivery", "partner": row.partner, "message": row.message, "document": row.document, "deliveries": [(row.id, row.state)]}
    row = tx.execute(_AS_EVENT, {"id": wanted}).first()
    if row:
        sent = [(one.id, one.state) for one in tx.execute(_OF_EVENT, {"id": wanted})]
        return {"kind": "event", "partner": row.partner, "message": row.message, "document": row.document, "deliveries": sent}
    row = tx.execute(_AS_DOCUMENT, {"id": wanted}).first()
    if row:
        return {"kind": "document", "partner": row.partner, "message": row.message, "document": row.id, "deliveries": []}
    row = tx.execute(_AS_MESSAGE, {"id": wanted}).first()
    if row:
        original = str(row.answers).partition(".")[0] if row.answers else row.id
        return {"kind": "message", "partner": row.partner, "message": original, "document": None, "deliveries": []}
    row = tx.execute(_AS_EXCHANGE, {"id": wanted}).first()
    if row:
        return {"kind": "as2", "partner": row.partner, "message": row.message or row.id, "document": None, "deliveries": []}
    return None


def whole(tx: Connection, wanted: str) -> dict[str, Any] | None:
    """Everything we know of what `wanted` names: the message it is or belongs to, down to each attempt."""
    named = what_is(tx, wanted)
    if named is None:
        return None
    message = named["message"]
    row = tx.execute(_MESSAGE, {"id": message}).first() or _unopened(tx, message)
    findings: dict[tuple[int, int, int], list[Any]] = {}
    for one in tx.execute(_FINDINGS, {"id": message}):
        findings.setdefault((one.interchange, one.grp, one.ordinal), []).append(json.loads(one.finding))
    documents = tx.execute(_DOCUMENTS, {"id": message, "document": named["document"]}).all()
    references: dict[str, list[list[str]]] = {}
    if documents:
        for one in tx.execute(_REFERENCES, {"keys": [document.id for document in documents]}):
            references.setdefault(one.document, []).append([one.type, one.value])
    body = None
    if row.data is not None:
        body = bytes(row.data).decode("latin-1") if sound(row.data, row.sha256) else f"({DAMAGED})"
    events = [_event(one) for one in tx.execute(_EVENTS, {"id": message}) if named["document"] in (None, one.document)]
    return {
        "asked": {"id": wanted, "kind": named["kind"]},
        "message": {
            "id": row.id, "direction": row.direction, "partner": row.partner, "channel": row.channel, "state": row.state, "reason": row.reason,
            "received_at": as_text(row.arrival), "size": row.size, "sha256": row.sha256, "file_name": row.file_name, "media_type": row.media_type, "duplicate_of": row.duplicate_of,
            "profile_revision": row.profile_revision, "traceparent": row.traceparent, "body": body[:SHOWN_BODY] if body else None,
        },
        "interchanges": [_row(one) | {"findings": findings.get((one.ordinal, 0, 0), [])} for one in tx.execute(_INTERCHANGES, {"id": message})],
        "groups": [_row(one) | {"findings": findings.get((one.interchange, one.ordinal, 0), [])} for one in tx.execute(_GROUPS, {"id": message})],
        "documents": [
            _row(one)
            | {
                "findings": findings.get((one.interchange, one.grp, one.ordinal), []),
                "references": references.get(one.id, []),
                "unmapped": json.loads(one.unmapped) if one.unmapped else [],
            }
            for one in documents
        ],
        "events": events,
        "edits": edits_of(tx, [message, *(one.id for one in documents), *(one["id"] for one in events)]),
        "deliveries": _deliveries(tx, message),
        "awaited": awaited.of_message(tx, message),
        "life": life_of(tx, message),
        "as2": [_exchange(one) for one in tx.execute(_EXCHANGES, {"id": message})],
    }  # fmt: skip


def _exchange(row: Any) -> dict[str, Any]:
    """How a message came or left by AS2."""
    value = _row(row) | {"receipt_at": as_text(row.receipt_at) if row.receipt_at else None}
    return value | {"report": json.loads(row.report) if row.report else {}}


def _unopened(tx: Connection, wanted: str) -> Any:
    """An AS2 message that became no document: refused, or not opened yet."""
    row = tx.execute(_AS_EXCHANGE, {"id": wanted}).one()
    return SimpleNamespace(
        id=row.id, direction=row.direction, partner=row.partner, channel="as2", state=row.state, reason=row.reason, arrival=row.at, size=row.size,
        sha256=row.sha256, file_name=None, media_type="", duplicate_of=None, profile_revision=row.profile_revision, traceparent=None, data=None,
    )  # fmt: skip


def life_of(tx: Connection, message: str) -> list[dict[str, Any]]:
    """The steps of a message's life, in their order."""
    return [{"at": as_text(one.at), "step": one.step, "who": one.who, "text": one.text} for one in tx.execute(_LIFE, {"id": message})]


def _deliveries(tx: Connection, message: str) -> list[dict[str, Any]]:
    rows = tx.execute(_DELIVERIES, {"id": message}).all()
    if not rows:
        return []
    attempts: dict[str, list[dict[str, Any]]] = {}
    for one in tx.execute(_ATTEMPTS, {"keys": [row.id for row in rows]}):
        answer = bytes(one.answer).decode("utf-8", "replace") if one.answer else None
        attempts.setdefault(one.delivery, []).append(
            {
                "number": one.number, "at": as_text(one.started_at), "milliseconds": one.duration // 1000, "outcome": one.outcome, "status": one.status,
                "text": one.text, "answer": answer, "node": one.node,
            }
        )  # fmt: skip
    lanes = {one.id: one for one in tx.execute(_LANES, {"keys": sorted({row.lane for row in rows})})}
    found = []
    for row in rows:
        lane = lanes.get(row.lane)
        leased = bool(lane and lane.head == row.id and lane.lease_until > 0 and row.state == "due")
        found.append(
            {
                "id": row.id, "kind": row.kind, "destination": row.destination, "state": "sending" if leased else row.state, "reason": row.reason,
                "fell_from": row.fell_from, "event": row.event, "document": row.document, "attempts": attempts.get(row.id, []), "confirmation": row.confirmation,
                "confirmed": row.confirmed,
                "next_due": as_text(row.next_due) if row.state == "due" else None, "done_at": as_text(row.done_at) if row.done_at else None,
                "behind_dead_letter": bool(lane and lane.blocked and row.state == "due"),
            }
        )  # fmt: skip
    return found


def _row(row: Any) -> dict[str, Any]:
    return {key: as_text(value) if key == "at" else value for key, value in row._mapping.items()}


def _event(row: Any) -> dict[str, Any]:
    data = json.loads(bytes(row.data)) if row.data is not None and sound(row.data, row.sha256) else None
    return {key: value for key, value in _row(row).items() if key not in ("data", "sha256")} | {"data": data}
