"""COMMIT 3: an attempt and what came of it; and what people do about deliveries."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks
from gateway.records.alarms import AlarmClosed
from gateway.records.deliveries import Action, Settled
from gateway.store import breaker
from gateway.store.alarms import close_alarms, raise_alarms
from gateway.store.fallback import instead_of_dying
from gateway.store.intake import PUT_LIFE
from gateway.store.lanes import NEXT_HEAD, NEXT_HEAD_UNLESS_HELD, PUT_LANE, lane_id
from gateway.store.owed import given_up, told_by_erp
from gateway.store.receipts import RECEIPTS
from gateway.store.serial import Rows, waits_for
from gateway.store.sql import held, in_lists, many, one_of

KEPT_ANSWER = 64 * 1024
KEPT_CONFIRMATION = 2_000

_FENCES = one_of("SELECT id, fence FROM lanes WHERE id IN :keys ORDER BY id")
_PUT_ATTEMPT = text(
    "INSERT INTO attempts (delivery, number, partner, node, started_at, duration, outcome, status, text, answer)"
    " SELECT id, attempts + 1, :partner, :node, :started_at, :duration, :outcome, :status, :text, :answer FROM deliveries WHERE id = :delivery"
)
_DELIVERED = text(
    "UPDATE deliveries SET state = 'delivered', attempts = attempts + 1, done_at = :at, reason = NULL, confirmation = :confirmation,"
    " confirmed = :confirmed WHERE id = :delivery"
)
_AGAIN = text(
    "UPDATE deliveries SET attempts = attempts + 1, next_due = :next_due, reason = :text, unknown_outcome = :unknown,"
    " fallback = CASE WHEN :unknown THEN NULL ELSE fallback END WHERE id = :delivery"
)
"""What may have had its effect unseen never goes to a fallback."""
_ACCEPTED = text(
    "UPDATE deliveries SET attempts = attempts + :attempts, next_due = :next_due, reason = :text, accepted = :accepted, unknown_outcome = false,"
    " fallback = NULL WHERE id = :delivery"
)
"""Nor does what a destination has taken in."""
_TRIED = text("UPDATE deliveries SET attempts = attempts + 1 WHERE id = :delivery")
_DEAD = text("UPDATE deliveries SET state = 'dead', attempts = attempts + 1, done_at = :at, reason = :text WHERE id = :delivery")
_CORRECTED = one_of(
    "SELECT w.id AS dead, e.id AS newer FROM deliveries w JOIN deliveries d ON d.lane = w.lane AND d.state = 'due' JOIN events e ON e.id = d.event"
    " WHERE w.id IN :keys AND e.supersedes = w.event"
)
_SUPERSEDED = text("UPDATE deliveries SET state = 'skipped', attempts = attempts + 1, done_at = :at, reason = :text WHERE id = :delivery")
_BLOCK = text("UPDATE lanes SET lease_until = 0, fence = fence + 1, next_due = NULL, blocked = true WHERE id = :lane")
_FORGET_LANE = text("DELETE FROM lanes WHERE id = :lane AND head IS NULL")
_LANES = one_of("SELECT id FROM lanes WHERE id IN (SELECT lane FROM deliveries WHERE id IN :keys) ORDER BY id")
_MESSAGES = one_of(
    "SELECT id FROM messages WHERE id IN (SELECT message FROM deliveries WHERE id IN :keys"
    " UNION SELECT outgoing FROM deliveries WHERE id IN :keys AND outgoing IS NOT NULL) ORDER BY id FOR KEY SHARE"
)
"""Those that the deliveries belong to. Nobody prunes them before our COMMIT; whoever only alters them is not held up."""
_ONE = text(
    "SELECT d.id, d.lane, d.state, d.partner, d.message, d.event, d.fell_from, l.subject, l.priority, l.head = d.id AND l.lease_until > :at AS is_sending"
    " FROM deliveries d LEFT JOIN lanes l ON l.id = d.lane WHERE d.id = :id"
)
_RETRY = text(
    "UPDATE deliveries SET state = 'due', next_due = :at, tried_from = :at, reason = NULL, done_at = NULL, unknown_outcome = false,"
    " accepted = CASE WHEN state = 'due' THEN accepted END WHERE id = :id"
)
"""A dead letter is sent again; of what its destination has, and has not decided, it is asked again."""
REDELIVER = text(
    "UPDATE deliveries SET state = 'due', next_due = :at, tried_from = :at, reason = NULL, done_at = NULL, unknown_outcome = false, position = :position,"
    " accepted = NULL WHERE id = :id"
)
_BACK = text("UPDATE deliveries SET destination = fell_from, lane = :lane, fell_from = NULL WHERE id = :id")
_SKIP = text("UPDATE deliveries SET state = 'skipped', reason = :reason, done_at = :at WHERE id = :id")
LANE_AGAIN = text(
    "INSERT INTO lanes (id, destination, partner, subject, priority) SELECT lane, destination, partner, '', 2 FROM deliveries WHERE id = :id"
    " ON CONFLICT DO NOTHING"
)
"""Only lanes of receipts are ever forgotten, and those are statuses."""


@dataclass(frozen=True, slots=True)
class DeliveryVerbs:
    ticks: Ticks
    is_sqlite: bool

    # ---- COMMIT 3

    @waits_for(lambda tx, items: Rows(lanes=[item.lane for item in items], destinations=[item.destination for item in items if item.is_fault]))
    def settle(self, tx: Connection, items: list[Settled]) -> list[bool]:
        """COMMIT 3. False where the lane has another holder by now, or this attempt was settled already: such a write changes nothing."""
        fences = {row.id: row.fence for row in in_lists(tx, held(tx, _FENCES), [item.lane for item in items])}
        ours = [item for item in items if _holds(fences, item)]
        many(tx, _PUT_ATTEMPT, [_attempt(item) for item in ours if item.outcome != "pending"])
        health = breaker.steer(tx, ours, self.ticks, is_sqlite=self.is_sqlite)
        by: dict[str, list[Settled]] = defaultdict(list)
        for item in sorted(ours, key=lambda item: item.lane):
            by[item.outcome].append(item)
        confirmed = [
            {"delivery": item.delivery, "at": item.at, "confirmation": _words(item.answer), "confirmed": item.confirmed} for item in by["delivered"]
        ]
        many(tx, _DELIVERED, confirmed)
        self._tell(tx, by["delivered"])
        self._accepted(tx, [*by["accepted"], *by["pending"]])
        self._again(tx, [*by["temporary"], *by["unknown"], *by["destination"]], health)
        stays, saved = self._bury(tx, by["permanent"])
        many(tx, NEXT_HEAD, [{"lane": item.lane} for item in sorted(ours, key=lambda item: item.lane) if item.lane not in stays])
        told_by_erp(tx, [item for item in ours if item.delivery not in saved], self.ticks())
        done = [item for item in by["delivered"] if item.delivery.startswith(RECEIPTS)]
        many(tx, _FORGET_LANE, [{"lane": item.lane} for item in done])
        return [_holds(fences, item) for item in items]

    def _accepted(self, tx: Connection, items: list[Settled]) -> None:
        """What is to be asked for later. That there is nothing new leaves no trace but the time."""
        rows = [
            {
                "delivery": item.delivery,
                "attempts": int(item.outcome == "accepted"),
                "next_due": item.next_due,
                "text": item.text,
                "accepted": item.accepted,
            }
            for item in items
        ]
        many(tx, _ACCEPTED, rows)
        self._tell(tx, [item for item in items if item.outcome == "accepted"])

    def _again(self, tx: Connection, items: list[Settled], health: Mapping[str, breaker.Health]) -> None:
        """What comes again later; at a destination that rests, with its next probe: it does not wait longer for the others' failures."""
        rows = []
        for item in items:
            next_due, at = item.next_due, health.get(item.destination)
            if at is not None and at.state in (breaker.OPEN, breaker.PROBING):
                next_due = min(next_due, max(at.parked_until, item.at + item.asked))
            rows.append({"delivery": item.delivery, "next_due": next_due, "text": item.text, "unknown": item.outcome == "unknown" or item.in_doubt})
        many(tx, _AGAIN, rows)
        self._tell(tx, items)

    def _bury(self, tx: Connection, items: list[Settled]) -> tuple[set[str], set[str]]:
        """What will not be taken goes to its fallback, or is a dead letter: (lanes that a dead letter blocks, deliveries that went to the fallback)."""
        reasons = {item.delivery: item.text for item in items if not item.in_doubt}
        saved = instead_of_dying(tx, reasons, max((item.at for item in items), default=0), self.ticks)
        many(tx, _TRIED, [{"delivery": item.delivery} for item in items if item.delivery in saved])
        dead = self._without_corrected(tx, [item for item in items if item.delivery not in saved])
        many(tx, _DEAD, [{"delivery": item.delivery, "at": item.at, "text": item.text} for item in dead])
        blocked = {item.lane for item in dead if item.on_dead == "block"}
        many(tx, _BLOCK, [{"lane": lane} for lane in sorted(blocked)])
        self._tell(tx, dead)
        return blocked, saved

    def _without_corrected(self, tx: Connection, items: list[Settled]) -> list[Settled]:
        """Those that nothing in their lane supersedes. The others are over: their correction waits already, and goes next."""
        newer = {row.dead: row.newer for row in in_lists(tx, _CORRECTED, [item.delivery for item in items])}
        over = [item for item in items if item.delivery in newer]
        reasons = {item.delivery: f"superseded by {newer[item.delivery]}; before that: {item.text}" for item in over}
        many(tx, _SUPERSEDED, [{"delivery": item.delivery, "at": item.at, "text": reasons[item.delivery]} for item in over])
        many(
            tx,
            PUT_LIFE,
            [
                {"message": item.message, "at": self.ticks(), "partner": item.partner, "step": "skipped", "who": item.node, "text": f"{item.delivery}: {reasons[item.delivery]}"}
                for item in over
            ],
        )  # fmt: skip
        return [item for item in items if item.delivery not in newer]

    def _tell(self, tx: Connection, ours: list[Settled]) -> None:
        life, alarms = [], []
        for item in ours:
            text_ = _story(item)
            life.append({"message": item.message, "at": self.ticks(), "partner": item.partner, "step": item.outcome, "who": item.node, "text": text_})
            if item.outcome == "permanent":
                alarms.append(
                    {"id": f"delivery.dead:{item.delivery}"[:120], "kind": "delivery.dead", "partner": item.partner, "message": item.message, "text": text_, "at": item.at}
                )  # fmt: skip
        many(tx, PUT_LIFE, life)
        raise_alarms(tx, alarms)

    # ---- what people do

    @waits_for(lambda tx, items: Rows(lanes=[row.id for row in in_lists(tx, _LANES, [item.delivery for item in items])]))
    def act(self, tx: Connection, items: list[Action]) -> list[str]:
        """The delivery's new state, one an item; "" where there is no such delivery, the old state where the act does not fit it.

        One that is `sending` is left to its attempt: what came of that is not known yet. So is one that a node is claiming at this moment.
        """
        deliveries = [item.delivery for item in items]
        if not self.is_sqlite:
            in_lists(tx, _MESSAGES, deliveries)  # before the lanes, as pruning does
        in_lists(tx, held(tx, _LANES), deliveries)
        return [self._act(tx, item) for item in items]

    def _act(self, tx: Connection, item: Action) -> str:
        row = tx.execute(_ONE, {"id": item.delivery, "at": item.at}).first()
        if row is None:
            return ""
        fits = {"retry": ("dead", "due"), "skip": ("dead", "due"), "redeliver": ("delivered", "skipped", "dead")}
        if row.state not in fits[item.kind]:
            return str(row.state)
        if row.state == "due" and row.is_sending:
            return "sending"
        tx.execute(LANE_AGAIN, {"id": row.id})
        if item.kind == "skip":
            tx.execute(_SKIP, {"id": row.id, "reason": item.reason, "at": item.at})
            given_up(tx, [row.id], item.at)
        elif item.kind == "retry":
            tx.execute(_RETRY, {"id": row.id, "at": item.at})
        else:
            tx.execute(REDELIVER, {"id": row.id, "at": item.at, "position": self.ticks()})
            if row.fell_from:
                self._send_back(tx, row, item.at)
        tx.execute(NEXT_HEAD_UNLESS_HELD, {"lane": row.lane, "at": item.at})
        many(
            tx,
            PUT_LIFE,
            [
                {
                    "message": row.message,
                    "at": self.ticks(),
                    "partner": row.partner,
                    "step": item.kind,
                    "who": item.who,
                    "text": f"{row.id}: {item.reason}",
                }
            ],
        )
        close_alarms(tx, [AlarmClosed(f"delivery.dead:{row.id}"[:120], item.at, item.who, f"{item.kind}: {item.reason}")])
        return {"skip": "skipped"}.get(item.kind, "due")

    @staticmethod
    def _send_back(tx: Connection, row: Any, at: Instant) -> None:
        """What went to its fallback goes to its first destination after all, because a person says so."""
        lane = lane_id(row.fell_from, row.partner, row.subject or "")
        many(tx, _BACK, [{"id": row.id, "lane": lane}])
        many(
            tx,
            PUT_LANE,
            [
                {"id": lane, "destination": row.fell_from, "partner": row.partner, "subject": row.subject or "", "head": row.id, "next_due": at,
                 "priority": row.priority or 1}
            ],
        )  # fmt: skip


def _attempt(item: Settled) -> dict[str, Any]:
    return {
        "delivery": item.delivery, "partner": item.partner, "node": item.node, "started_at": item.started_at, "duration": item.duration,
        "outcome": item.outcome, "status": item.status, "text": item.text or None, "answer": item.answer[:KEPT_ANSWER] or None,
    }  # fmt: skip


def _words(answer: bytes) -> str:
    return answer[:KEPT_CONFIRMATION].decode("utf-8", "replace").replace("\0", "")


def _story(item: Settled) -> str:
    if item.outcome == "delivered":
        return f"{item.delivery} confirmed by {item.destination}" + (f" with {item.status}" if item.status else "")
    return f"{item.delivery} to {item.destination}: {item.text}"


def _holds(fences: Mapping[str, int], item: Settled) -> bool:
    """Whether the attempt's lane has had no other holder since."""
    return fences.get(item.lane) == item.fence
