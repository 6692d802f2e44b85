"""The commit of the way out: control numbers taken, slots stamped, document, delivery and awaited acknowledgments written, all or nothing.

Knows nothing of events: what is written comes composed.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks, as_datetime, as_text
from gateway.records.answers import Origin
from gateway.records.outgoing import Outgoing, OutgoingKept
from gateway.store import awaited
from gateway.store.intake import PUT_ANSWER, answers
from gateway.store.lanes import lane_id
from gateway.store.payloads import Payload, PayloadFiles
from gateway.store.receipts import take_controls
from gateway.store.serial import DOCUMENTS, RELEASES, Key, Rows, take_turns, waits_for
from gateway.store.sql import many
from gateway.store.writes import AWAITED, INTERCHANGE, Writes, delivery_row
from gateway.ways import MEDIA_TYPES, channel_of
from partners.priority import PRIORITIES
from translators.x12.envelope_write import stamp

KEYS = "erp"
"""The channel under which keys of the ERP are kept."""
SET_CONTROL = "0001"

_DOCUMENT = text(
    "SELECT d.id, d.message, d.partner, d.stream, d.set_id, d.control, d.unmapped, d.mapping, m.control AS interchange, m.state, m.arrival, m.sha256, m.size"
    " FROM documents d JOIN messages m ON m.id = d.message WHERE m.direction = 'out' AND (d.id = :id OR d.message = :id) ORDER BY d.id LIMIT 1"
)
_SOURCE = text(
    "SELECT d.id AS document, d.message, d.partner, d.set_id, d.control, d.release, d.profile_revision, m.arrival, m.sha256, p.data, e.data AS event,"
    " e.sha256 AS event_sha256 FROM documents d JOIN messages m ON m.id = d.message JOIN payloads p ON p.id = m.payload"
    " JOIN payloads e ON e.id = :event WHERE m.direction = 'out' AND d.message = :message ORDER BY d.id LIMIT 1"
)
_DELIVERY = text(
    "SELECT id, state, destination, attempts, reason, done_at, attributes FROM deliveries WHERE outgoing = :message AND message = :message"
)
_REFERENCES = text("SELECT type, value FROM document_references WHERE document = :id ORDER BY type, value")


def source_of(tx: Connection, wanted: str) -> Any:
    """What a document of ours was written from: its place, its bytes and the event's body; None if `wanted` names none."""
    message = wanted.partition(".")[0]
    return tx.execute(_SOURCE, {"message": message, "event": f"event:{message}"}).first()


@dataclass(frozen=True, slots=True)
class OutgoingVerbs:
    ticks: Ticks
    files: PayloadFiles

    @waits_for(lambda tx, items: Rows(turns=_turns(items), lanes=[lane_id(item.destination, item.partner, item.subject) for item in items]))
    def keep_outgoing(self, tx: Connection, items: list[Outgoing]) -> list[OutgoingKept]:
        """Each document once: a key that is known with the same body is a duplicate, with another a conflict."""
        take_turns(tx, _turns(items))
        known = answers(tx, [(item.partner, KEYS, key) for item in items for key in _keys(item)])
        seen = {(partner, key): (row.sha256, row.message, row.at) for (partner, _, key), row in known.items()}
        writes, results, fresh = Writes(), [], []
        replies: dict[tuple[str, str], dict[str, Any]] = {}
        for item in items:
            earlier = _earlier(seen.get((item.partner, _keys(item)[0])), item.key, item.digest, item.at - item.window)
            if earlier and earlier.id != item.id:
                results.append(earlier)
                continue
            results.append(OutgoingKept(item.id, "new"))
            if earlier:
                continue  # this member ran before and the answer to its COMMIT was lost
            fresh.append(item)
            for key in _keys(item):
                seen[item.partner, key] = (item.digest, item.id, item.at)
                row = {"partner": item.partner, "channel": KEYS, "key": key, "sha256": item.digest, "message": item.id, "at": item.at}
                replies[item.partner, key] = row
        for item in sorted(fresh, key=lambda one: (one.partner, one.scope)):
            (control,) = take_controls(tx, item.partner, item.scope, 1)
            self._write(item, control, writes)
        writes.put(tx, self.ticks)
        many(tx, PUT_ANSWER, [replies[place] for place in sorted(replies)])
        return results

    def _write(self, item: Outgoing, control: int, writes: Writes) -> None:
        when = as_datetime(item.at)
        date, time = f"{when:%Y%m%d}", f"{when:%H%M}"
        data = stamp(item.parts, interchange_control=control, group_control=control, date6=date[2:], date8=date, time4=time)
        media_type, has_envelope = MEDIA_TYPES[item.format], item.format == "x12"
        payload = self.files.keep_in_commit(Payload.inline(f"message:{item.id}", item.partner, data))
        event = self.files.keep_in_commit(Payload.inline(f"event:{item.id}", item.partner, item.event))
        writes.payloads += [payload.row(), event.row()]
        document = f"{item.id}.1.1.1"
        channel = channel_of(item.destination)
        writes.outgoing.append(
            {
                "id": item.id, "partner": item.partner, "direction": "out", "channel": channel, "state": "composed", "payload": payload.id,
                "size": payload.size, "sha256": payload.sha256, "media_type": media_type, "file_name": item.file_name,
                "profile_revision": item.profile_revision, "arrival": self.ticks(), "decided_at": item.at, "answers": None,
                "control": f"{control:09}" if has_envelope else None,
            }
        )  # fmt: skip
        self._describe(item, document, control, data, payload.sha256, (date, time), writes)
        attributes = {
            "media_type": media_type,
            "file_name": item.file_name,
            "document": document,
            "set": item.set_id,
            "correlation": item.correlation,
            "tell": item.tell,
        }
        if item.traceparent:
            attributes["traceparent"] = item.traceparent
        origin = Origin(item.id, item.partner, channel, item.profile_revision, item.at, item.who)
        writes.deliveries.append(
            delivery_row(
                f"{item.set_id.replace('/', '-')}:{item.id}",
                origin,
                destination=item.destination,
                subject=item.subject,
                position=self.ticks(),
                kind="document",
                payload=payload.id,
                attributes=attributes,
                on_dead=item.on_dead,
                document=document,
                outgoing=item.id,
                priority=item.priority,
            )
        )
        for row in _awaited_rows(item, document, control):
            writes.awaited[row["id"]] = row
        writes.tell(self.ticks(), origin, "composed", f"{item.set_id} {SET_CONTROL} about {item.subject}, control number {control}")

    def _describe(self, item: Outgoing, document: str, control: int, data: bytes, sha256: str, stamped: tuple[str, str], writes: Writes) -> None:
        """The rows that people read: what was sent looks like what was received."""
        start, end = set_bounds(data, item.set_id) if item.format == "x12" else (0, len(data))
        base: dict[str, Any] = dict.fromkeys(INTERCHANGE)
        writes.interchanges.append(
            base
            | {
                "message": item.id, "ordinal": 1, "partner": item.partner, "stream": item.stream, "state": "composed", "sender": item.sender,
                "receiver": item.receiver, "control": f"{control:09}", "version": item.envelope_version, "usage": item.usage, "date": stamped[0][2:],
                "time": stamped[1], "byte_start": 0, "byte_end": len(data), "sha256": sha256,
            }
        )  # fmt: skip
        writes.groups.append(
            {
                "message": item.id, "interchange": 1, "ordinal": 1, "partner": item.partner, "functional": item.functional, "control": str(control),
                "version": item.version, "sender": item.sender_code, "receiver": item.receiver_code, "codes": "", "claimed": 1, "found": 1,
            }
        )  # fmt: skip
        not_written = [{"path": name, "values": why} for name, why in item.not_written]
        writes.documents.append(
            {
                "id": document, "message": item.id, "interchange": 1, "grp": 1, "ordinal": 1, "partner": item.partner, "stream": item.stream,
                "set_id": item.set_id, "control": SET_CONTROL, "state": "composed", "reason": None, "verdict": "A", "codes": "",
                "release": item.release, "byte_start": start, "byte_end": end, "mapping": item.mapping, "profile_revision": item.profile_revision,
                "content_hash": None, "duplicate_of": None, "unmapped": json.dumps(not_written, ensure_ascii=False) if not_written else None, "at": item.at,
            }
        )  # fmt: skip
        references = {*item.references, ("control", str(control))}
        writes.references += [
            {"value": value[:80], "type": kind, "document": document, "partner": item.partner, "at": item.at, "set_id": item.set_id}
            for kind, value in sorted(references)
        ]


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that a person sends as it is."""

    origin: Origin
    payload: Payload
    file_name: str
    media_type: str


def send_files(tx: Connection, items: list[tuple[SentFile, Ticks]]) -> list[str]:
    """Queues each; the ids of the deliveries."""
    writes, results = Writes(), []
    for item, ticks in items:
        origin = item.origin
        writes.payloads.append(item.payload.row())
        writes.outgoing.append(
            {
                "id": origin.message, "partner": origin.partner, "direction": "out", "channel": origin.channel, "state": "composed",
                "payload": item.payload.id, "size": item.payload.size, "sha256": item.payload.sha256, "media_type": item.media_type,
                "file_name": item.file_name, "profile_revision": origin.profile_revision, "arrival": ticks(), "decided_at": origin.at,
                "answers": None, "control": None,
            }
        )  # fmt: skip
        row = delivery_row(
            f"file:{origin.message}", origin, destination=f"{origin.channel}:{origin.partner}", subject=f"file/{origin.message}", position=ticks(),
            kind="document", payload=item.payload.id, attributes={"media_type": item.media_type, "file_name": item.file_name, "set": "file"},
            on_dead="pass", outgoing=origin.message, priority=PRIORITIES["normal"],
        )  # fmt: skip
        writes.deliveries.append(row)
        writes.tell(ticks(), origin, "composed", f"{item.file_name}, {item.payload.size} bytes, sent as it is")
        results.append(str(row["id"]))
    if items:
        writes.put(tx, items[0][1])
    return results


def set_bounds(data: bytes, set_id: str) -> tuple[int, int]:
    """Where the set of an interchange of ours begins and ends: from its ST to the end of its SE."""
    separator = data[3:4]
    start = data.index(b"ST" + separator + set_id.encode("ascii") + separator)
    end = data.rindex(b"GE" + separator)
    return start, end


def _awaited_rows(item: Outgoing, document: str, control: int) -> list[dict[str, Any]]:
    """What the partner owes us for it, with the deadlines of the agreement."""
    rows = []
    for kind, due in sorted(item.awaited.items()):
        whole = kind == "TA1"
        base: dict[str, Any] = dict.fromkeys(AWAITED)
        rows.append(
            base
            | {
                "id": f"TA1:{item.id}.1" if whole else f"{kind}:{document}", "partner": item.partner, "stream": item.stream, "kind": kind,
                "message": item.id, "document": None if whole else document, "interchange_control": f"{control:09}", "functional": item.functional,
                "group_control": control, "set_id": "" if whole else item.set_id, "set_control": "" if whole else SET_CONTROL,
                "destination": item.tell, "correlation": item.correlation or document, "state": "waiting", "opened_at": item.at,
                "due_at": item.at + due, "steps": json.dumps(item.when_overdue), "step_every": item.then_every,
            }
        )  # fmt: skip
    return rows


def _keys(item: Outgoing) -> list[str]:
    by_bytes = f"sha256:{item.digest}"
    return [by_bytes] if item.key is None else [f"key:{item.key}", by_bytes]


def _earlier(row: tuple[str, str, Instant] | None, key: str | None, digest: str, oldest: Instant) -> OutgoingKept | None:
    """What a key, or the bytes where there is none, stand for already; bytes do so for a while only."""
    if row is None or (key is None and row[2] < oldest):
        return None
    return OutgoingKept(row[1], "duplicate" if row[0] == digest else "conflict")


# ---- reading


def known(tx: Connection, partner: str, channel: str, key: str | None, digest: str, oldest: Instant) -> OutgoingKept | None:
    wanted = f"key:{key}" if key is not None else f"sha256:{digest}"
    for row in answers(tx, [(partner, channel, wanted)]).values():
        return _earlier((row.sha256, row.message, row.at), key, digest, oldest)
    return None


def released(tx: Connection, message: str) -> dict[str, Any]:
    """What the ERP is told of a document that was released; the same whenever it asks again with the same key."""
    row = tx.execute(_DOCUMENT, {"id": message}).one()
    return _facts(row)


def sent(tx: Connection, wanted: str) -> dict[str, Any] | None:
    """How it stands with a document of ours, by its id or its message's: delivery, acknowledgments, references. None if there is none."""
    row = tx.execute(_DOCUMENT, {"id": wanted}).first()
    if row is None:
        return None
    delivery = tx.execute(_DELIVERY, {"message": row.message}).first()
    facts = _facts(row) | {"state": delivery.state if delivery else row.state, "size": row.size, "sha256": row.sha256}
    if delivery is not None:
        facts["correlation"] = json.loads(delivery.attributes).get("correlation") or None
        facts["delivery"] = {
            "id": delivery.id, "state": delivery.state, "destination": delivery.destination, "attempts": delivery.attempts, "reason": delivery.reason,
            "done_at": as_text(delivery.done_at) if delivery.done_at else None,
        }  # fmt: skip
    shown = ("kind", "state", "due_at", "overdue_at", "settled_at", "late_at", "disputed_at")
    facts["acknowledgments"] = [
        {name: one[name] for name in shown} | {"faults": (one["detail"] or {}).get("faults", [])} for one in awaited.of_message(tx, row.message)
    ]
    facts["references"] = [[one.type, one.value] for one in tx.execute(_REFERENCES, {"id": row.id})]
    return facts


def _facts(row: Any) -> dict[str, Any]:
    not_written = [{"field": one["path"], "why": one["values"]} for one in json.loads(row.unmapped or "[]")]
    return {
        "id": row.message, "document": row.id, "partner": row.partner, "stream": row.stream, "set": row.set_id, "mapping": row.mapping,
        "control_numbers": {"interchange": row.interchange, "group": str(int(row.interchange)), "set": row.control} if row.interchange else None,
        "composed_at": as_text(row.arrival), "not_written": not_written, "status_url": f"/v1/documents/{row.message}",
    }  # fmt: skip


def _turns(items: list[Outgoing]) -> list[Key]:
    """Whose releases are looked at, and whose control numbers are taken."""
    return [(scope, item.partner) for item in items for scope in (RELEASES, DOCUMENTS)]
