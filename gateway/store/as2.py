"""The commits of AS2: a message kept, decided with its receipt, frozen for sending, answered; and what people ask of them.

Knows rows. What a message is, and what a receipt proves, comes decided.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, text

from gateway.as2.records import Answered, Arrived, As2Claim, As2Row, AsideAs2, Decided, Frozen, StoredReceipt, as_json
from gateway.clock import Instant, Ticks
from gateway.records.answers import Origin
from gateway.store import audit, certificates
from gateway.store.alarms import raise_alarms
from gateway.store.as2_rows import (
    MDN,
    ROW,
    STATES,
    arrived,
    decision,
    frozen,
    key_of_row,
    owed,
    record_of,
    record_of_answer,
    refused,
    row_of,
    settled,
    story,
)
from gateway.store.delivery import LANE_AGAIN, REDELIVER
from gateway.store.intake import PUT_LIFE, IntakeVerbs
from gateway.store.lanes import NEXT_HEAD_UNLESS_HELD
from gateway.store.payload_rows import put_payloads
from gateway.store.serial import Rows, waits_for
from gateway.store.sql import free, held, in_lists, insert, many, one_of
from gateway.store.writes import AWAITED, Writes, delivery_row
from gateway.ways import AS2, AS2_RECEIPTS

MOST_CHASED = 200

_NAMES = ", ".join(ROW)
_BY_KEY = one_of(f"SELECT {_NAMES}, key FROM as2_messages WHERE key IN :keys")  # noqa: S608 - names are ours
_BY_ID = one_of(f"SELECT {_NAMES} FROM as2_messages WHERE id IN :keys ORDER BY id")  # noqa: S608 - names are ours
_BY_DELIVERY = one_of(f"SELECT {_NAMES} FROM as2_messages WHERE delivery IN :keys")  # noqa: S608 - names are ours
_OF_MESSAGE = text(f"SELECT {_NAMES} FROM as2_messages WHERE message = :message OR id = :message ORDER BY at, id")  # noqa: S608 - names are ours
_LIST = text(
    f"SELECT {_NAMES} FROM as2_messages WHERE (CAST(:partner AS VARCHAR) IS NULL OR partner = :partner)"  # noqa: S608 - names are ours
    " AND (CAST(:direction AS VARCHAR) IS NULL OR direction = :direction) AND (CAST(:state AS VARCHAR) IS NULL OR state = :state)"
    " ORDER BY at DESC, id LIMIT :limit"
)
_PUT = insert(
    "as2_messages", *ROW, "key", "resends_left", "receipt_span", or_nothing=True,
)  # fmt: skip
_DECIDE = text(
    "UPDATE as2_messages SET state = :state, reason = :reason, message = :message, report = :report, mic = :mic, mic_algorithm = :mic_algorithm,"
    " disposition = :disposition, receipt_headers = :receipt_headers, receipt_payload = :receipt_payload, receipt_at = :receipt_at, lease_until = 0"
    " WHERE id = :id"
)
_MAKE_ROOM = text("UPDATE as2_messages SET key = NULL WHERE id = :id")
_TO_OPEN = text("SELECT id FROM as2_messages WHERE state = 'kept' AND lease_until <= :now ORDER BY at LIMIT :limit")
_LEASE = text("UPDATE as2_messages SET lease_until = :until, node = :node WHERE id = :id")
_PAYLOAD = text("SELECT size, sha256, data FROM payloads WHERE id = :id")
_ASIDE = text("UPDATE as2_messages SET state = 'damaged', reason = :reason, key = NULL, lease_until = 0 WHERE id = :id AND state = 'kept'")
_MOVE = text("UPDATE as2_messages SET state = :state, reason = :reason WHERE id = :id")
_ANSWERED = text(
    "UPDATE as2_messages SET state = :state, reason = :reason, disposition = :disposition, receipt_headers = :headers, receipt_payload = :payload,"
    " receipt_at = :at WHERE id = :id"
)
_WAITING = one_of("SELECT id, state, due_at, detail, settled_at FROM awaited WHERE id IN :keys")
_PUT_AWAITED = insert("awaited", *AWAITED, or_nothing=True)
_SETTLE_AWAITED = text(
    "UPDATE awaited SET state = :state, settled_at = :at, late_at = :late_at, disputed_at = :disputed_at, detail = :detail WHERE id = :id"
)
_FOR = text(
    "SELECT d.id, d.message, d.document, d.outgoing, d.attributes, m.control AS interchange_control, x.stream, x.set_id, x.control FROM deliveries d"
    " LEFT JOIN messages m ON m.id = d.outgoing LEFT JOIN documents x ON x.id = d.document AND x.message = d.outgoing WHERE d.id = :id"
)
_CHASE = text(
    "SELECT x.id, x.delivery, x.partner, x.message, x.receipt_span, d.lane FROM awaited a JOIN as2_messages x ON x.id = substr(a.id, 5)"
    " JOIN deliveries d ON d.id = x.delivery WHERE a.kind = 'MDN' AND a.state = 'waiting' AND a.overdue_at IS NULL AND a.due_at <= :now"
    " AND x.state = 'awaiting' AND x.resends_left > 0 AND d.state = 'delivered' ORDER BY a.due_at LIMIT :limit"
)
_CHASED = text("UPDATE as2_messages SET resends = resends + 1, resends_left = resends_left - 1 WHERE id = :id")
_LATER = text("UPDATE awaited SET due_at = :due_at WHERE id = :id")


@dataclass(frozen=True, slots=True)
class As2Verbs:
    ticks: Ticks
    intake: IntakeVerbs

    # ---- in

    @waits_for(lambda tx, items: Rows(incoming=[(item.partner, AS2) for item in items]))
    def keep(self, tx: Connection, items: list[Arrived]) -> list[As2Row | None]:
        """Raw bytes before the 2xx of an asynchronous message. None where it was kept; the row that is there already under its id."""
        known = _keyed(tx, [item.key for item in items if item.key])
        results: list[As2Row | None] = []
        fresh = []
        for item in items:
            there = known.get(item.key or "")
            results.append(None if there is None or there.id == item.id else there)
            if there is None:
                known[item.key or item.id] = arrived(item, "kept")
                fresh.append(item)
        others = self._take_places(tx, fresh)
        results = [others.get(item.id, there) for item, there in zip(items, results, strict=True)]
        fresh = [item for item in fresh if item.id not in others]
        put_payloads(tx, [item.payload.row() for item in fresh])
        many(
            tx,
            PUT_LIFE,
            [self._life(item.id, item.partner, item.source, "kept", f"{item.payload.size} bytes by {AS2}, to be opened") for item in fresh],
        )
        return results

    def claim(self, tx: Connection, items: list[As2Claim]) -> list[list[As2Row]]:
        """Messages that are kept and not yet opened, leased."""
        results = []
        for item in items:
            taken = [row.id for row in tx.execute(free(tx, _TO_OPEN), {"now": item.now, "limit": item.limit})]
            many(tx, _LEASE, [{"id": one, "until": item.until, "node": item.node} for one in taken])
            results.append([_as2(row) for row in in_lists(tx, _BY_ID, taken)])
        return results

    def set_aside(self, tx: Connection, items: list[AsideAs2]) -> list[None]:
        """Kept messages that cannot be opened any more. Their ids are free again: the partner has no receipt, so it sends them again."""
        many(tx, _ASIDE, [{"id": item.id, "reason": item.reason} for item in items])
        writes = Writes()
        for item in items:
            what = f"AS2 message {item.message_id} of {item.partner}: {item.reason}"
            key = f"payload.damaged:{item.id}"
            writes.alarms.append({"id": key, "kind": "payload.damaged", "partner": item.partner, "message": item.id, "text": what, "at": item.at})
            writes.life.append(self._life(item.id, item.partner, "crossdock", "damaged", item.reason))
        writes.put(tx, self.ticks)
        return [None] * len(items)

    @waits_for(lambda tx, items: Rows(incoming=[(item.arrived.partner, AS2) for item in items], chains=[item.arrived.partner for item in items]))
    def decide(self, tx: Connection, items: list[Decided]) -> list[As2Row | None]:
        """The message's one commit: raw bytes, documents, MIC, disposition and receipt. None where it was written.

        Where another connection or node has decided the same message first, its row comes back and nothing is written.
        """
        known = _keyed(tx, [item.arrived.key for item in items if item.arrived.key])
        results: list[As2Row | None] = []
        fresh: list[Decided] = []
        for item in items:
            there = known.get(item.arrived.key or "")
            mine = there is not None and there.id == item.arrived.id
            if there is not None and not mine and there.id != item.replaces:
                results.append(there)
                continue
            results.append(None)
            if there is not None and mine and there.state != "kept":
                continue  # this member ran before and the answer to its COMMIT was lost
            known[item.arrived.key or item.arrived.id] = arrived(item.arrived, "refused" if item.refusal else "processed")
            fresh.append(item)
        many(tx, _MAKE_ROOM, [{"id": item.replaces} for item in sorted(fresh, key=lambda item: item.replaces or "") if item.replaces])
        others = self._take_places(tx, [item.arrived for item in fresh if not item.kept])
        self._write_decided(tx, [item for item in fresh if item.arrived.id not in others])
        return [others.get(item.arrived.id, there) for item, there in zip(items, results, strict=True)]

    @staticmethod
    def _take_places(tx: Connection, new: list[Arrived]) -> dict[str, As2Row]:
        """Rows for these. By their ids, who is there in their place: another node was first, and its commit came while we waited for it here."""
        ordered = sorted(new, key=lambda item: (item.key or "", item.id))
        many(tx, _PUT, [row_of(arrived(item, "kept")) | {"key": item.key, "resends_left": 0, "receipt_span": 0} for item in ordered])
        there = _keyed(tx, [item.key for item in new if item.key])
        return {item.id: there[item.key] for item in new if item.key and there[item.key].id != item.id}

    def _write_decided(self, tx: Connection, fresh: list[Decided]) -> None:
        put_payloads(tx, [item.arrived.payload.row() for item in fresh if not item.kept])
        put_payloads(tx, [item.receipt.payload.row() for item in fresh if item.receipt])
        many(tx, _DECIDE, [decision(item) for item in fresh])
        self.intake.keep_messages(tx, [document for item in fresh for document in item.documents])
        writes = Writes()
        for item in fresh:
            if item.receipt is not None and item.receipt.url is not None:
                writes.deliveries.append(self._receipt_delivery(item.arrived, item.receipt))
            if item.refusal:
                writes.alarms.append(refused(item))
            writes.life.append(self._life(item.arrived.id, item.arrived.partner, item.arrived.source, *story(item)))
        writes.put(tx, self.ticks)
        certificates.used(tx, {one for item in fresh for one in item.used}, max((item.at for item in fresh), default=0))
        audit.append(tx, [(item.arrived.partner, item.arrived.id, item.at, record_of(item)) for item in fresh])

    def _receipt_delivery(self, arrived: Arrived, receipt: StoredReceipt, again: str = "") -> dict[str, Any]:
        origin = Origin(arrived.id, arrived.partner, AS2, arrived.profile_revision, self.ticks())
        return delivery_row(
            f"mdn:{arrived.id}{again}", origin, destination=f"{AS2_RECEIPTS}:{arrived.partner}", subject=f"{arrived.id}{again}", position=self.ticks(),
            kind="mdn", payload=receipt.payload.id, attributes={"url": receipt.url, "headers": [list(one) for one in receipt.headers], "set": MDN},
            on_dead="pass",
        )  # fmt: skip

    def answer_again(self, tx: Connection, items: list[tuple[As2Row, str, StoredReceipt | None]]) -> list[None]:
        """A duplicate: counted, told; its stored receipt goes out again by itself where it is an asynchronous one. (row, source, receipt)"""
        writes = Writes()
        for row, source, receipt in items:
            tick = self.ticks()
            if receipt is not None:
                arrived = Arrived(
                    row.id, row.partner, row.as2_from, row.as2_to, row.message_id, (), receipt.payload, source, "async", row.receipt_signed,
                    receipt.url, row.profile_revision, tick,
                )  # fmt: skip
                writes.deliveries.append(self._receipt_delivery(arrived, receipt, f":{tick}"))
            writes.life.append(self._life(row.id, row.partner, source, "sent again", "the same message once more; it got its stored receipt"))
        writes.put(tx, self.ticks)
        return [None] * len(items)

    # ---- out

    @waits_for(lambda tx, items: Rows(chains=[item.partner for item in items]))
    def freeze(self, tx: Connection, items: list[Frozen]) -> list[As2Row]:
        """A message of ours in its final bytes, before the first of them leaves; the row that is there if its delivery has one."""
        known = {row.delivery: _as2(row) for row in in_lists(tx, _BY_DELIVERY, [item.delivery for item in items])}
        results, rows, awaited, writes, records = [], [], [], Writes(), []
        for item in items:
            there = known.get(item.delivery)
            if there is not None:
                results.append(there)
                continue
            about = tx.execute(_FOR, {"id": item.delivery}).one()
            message = about.outgoing or about.message
            row = frozen(item, message)
            known[item.delivery] = row
            results.append(row)
            key = key_of_row(row)
            rows.append(row_of(row) | {"key": key, "resends_left": item.resends, "receipt_span": item.receipt_span})
            writes.payloads.append(item.payload.row())
            if item.signed is not None:
                writes.payloads.append(item.signed.row())
            if item.receipt != "none":
                awaited.append(owed(item, about, message))
            writes.life.append(self._life(message, item.partner, "crossdock", "as2 written", f"Message-ID {item.message_id}, MIC {item.mic}"))
            records.append(
                (
                    item.partner, item.id, item.at,
                    {"what": "written", "message_id": item.message_id, "to": item.as2_to, "body_sha256": item.payload.sha256, "mic": item.mic,
                     "mic_algorithm": item.mic_algorithm},
                )
            )  # fmt: skip
        put_payloads(tx, writes.payloads)
        many(tx, _PUT, rows)
        many(tx, _PUT_AWAITED, awaited)
        many(tx, PUT_LIFE, writes.life)
        audit.append(tx, records)
        return results

    @waits_for(lambda tx, items: Rows(chains=[item.partner for item in items]))
    def answered(self, tx: Connection, items: list[Answered]) -> list[str]:
        """What came of an attempt, or an asynchronous receipt that arrived. The row's state then.

        What is proven once stays: a second equal receipt changes nothing, one that says otherwise is kept and alarms.
        """
        rows = {row.id: _as2(row) for row in in_lists(tx, held(tx, _BY_ID), [item.row for item in items])}
        waiting = {row.id: row for row in in_lists(tx, _WAITING, [f"{MDN}:{item.row}" for item in items])}
        results, life, alarms, records = [], [], [], []
        payloads, moves, receipts, settles = [], [], [], []
        for item in items:
            row = rows[item.row]
            if item.payload is not None:
                payloads.append(item.payload.row())
            proven = row.state == "delivered"
            state = item.state or row.state
            contradicts = proven and item.judgment in STATES and state != row.state
            about = {
                "id": row.id, "state": row.state if proven else state, "reason": item.text or None, "disposition": item.disposition[:200] or None,
                "headers": as_json(item.headers), "payload": item.payload.id if item.payload else None, "at": item.at,
            }  # fmt: skip
            if not proven and item.payload is not None:
                receipts.append(about)
            elif not proven:
                moves.append({"id": row.id, "state": state, "reason": item.text or None})
            results.append(about["state"])
            one = waiting.get(f"{MDN}:{row.id}")
            if one is not None and not proven and item.judgment in STATES:
                settles.append(settled(one, item))
            story = f"{item.text}" + (f"; it was {row.state} before, and stays so" if contradicts else "")
            step = "receipt" if item.payload is not None else "as2 sent"
            life.append(self._life(row.message or row.id, row.partner, item.source or row.partner, step, f"{item.judgment}: {story}"))
            records.append((row.partner, row.id, item.at, record_of_answer(item)))
            if contradicts or item.judgment in ("failed", "mic-mismatch", "mic-algorithm-mismatch", "mic-missing", "untrusted", "unmatched"):
                kind = "as2.receipt-contradicts" if contradicts else "as2.receipt"
                what = f"receipt of {row.partner} on {row.message_id}: {item.judgment}: {story}"
                alarms.append({"id": f"{kind}:{row.id}", "kind": kind, "partner": row.partner, "message": row.message, "text": what, "at": item.at})
            rows[row.id] = replace(row, state=str(about["state"]))
        put_payloads(tx, payloads)
        many(tx, _MOVE, moves)
        many(tx, _ANSWERED, receipts)
        many(tx, _SETTLE_AWAITED, settles)
        many(tx, PUT_LIFE, life)
        raise_alarms(tx, alarms)
        certificates.used(tx, {item.by for item in items if item.by}, max((item.at for item in items), default=0))
        audit.append(tx, records)
        return [str(one) for one in results]

    def chase(self, tx: Connection, items: list[Instant]) -> list[int]:
        """Sends again, under its own id and in the same bytes, what waits too long for its asynchronous receipt; how many."""
        counts = []
        for now in items:
            rows = tx.execute(free(tx, _CHASE), {"now": now, "limit": MOST_CHASED}).all()
            for row in sorted(rows, key=lambda one: str(one.lane)):
                tx.execute(LANE_AGAIN, {"id": row.delivery})
                tx.execute(REDELIVER, {"id": row.delivery, "at": now, "position": self.ticks()})
                tx.execute(NEXT_HEAD_UNLESS_HELD, {"lane": row.lane, "at": now})
            many(tx, _CHASED, [{"id": row.id} for row in rows])
            many(tx, _LATER, [{"id": f"{MDN}:{row.id}", "due_at": now + row.receipt_span} for row in rows])
            life = [
                self._life(row.message or row.id, row.partner, "crossdock", "receipt overdue", "sent again under its own Message-ID") for row in rows
            ]
            many(tx, PUT_LIFE, life)
            counts.append(len(rows))
        return counts

    def _life(self, message: str, partner: str, who: str, step: str, what: str) -> dict[str, Any]:
        return {"message": message, "at": self.ticks(), "partner": partner, "step": step[:40], "who": (who or AS2)[:80], "text": what}


def _as2(row: Any) -> As2Row:
    return As2Row(*row)


def _keyed(tx: Connection, keys: Iterable[str]) -> dict[str, As2Row]:
    return {row.key: _as2(tuple(row)[:-1]) for row in in_lists(tx, _BY_KEY, keys)}


# ---- reading


def by_key(tx: Connection, key: str) -> As2Row | None:
    return _keyed(tx, [key]).get(key)


def by_delivery(tx: Connection, delivery: str) -> As2Row | None:
    return next((_as2(row) for row in in_lists(tx, _BY_DELIVERY, [delivery])), None)


def of_message(tx: Connection, message: str) -> list[As2Row]:
    """By which AS2 messages a message came or left."""
    return [_as2(row) for row in tx.execute(_OF_MESSAGE, {"message": message})]


def listed(tx: Connection, *, partner: str | None, direction: str | None, state: str | None, limit: int) -> list[As2Row]:
    return [_as2(row) for row in tx.execute(_LIST, {"partner": partner, "direction": direction, "state": state, "limit": limit})]


def payload_of(tx: Connection, payload: str) -> Any:
    """(size, sha256, data or None for a file) of a payload."""
    return tx.execute(_PAYLOAD, {"id": payload}).first()
