"""The verbs of deliver: claiming lanes that are due, within their rates, and COMMIT 3: an attempt and what came of it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import SECOND, Instant, Ticks
from gateway.records import Action, LaneClaim, Rate, Renewal, Settled, ToDeliver
from gateway.store.alarms import raise_alarms
from gateway.store.intake import PUT_LIFE
from gateway.store.lanes import NEXT_HEAD
from gateway.store.owed import told_by_erp
from gateway.store.receipts import RECEIPTS
from gateway.store.sql import in_lists, many, one_of

KEPT_ANSWER = 64 * 1024
KEPT_CONFIRMATION = 2_000

_DUE = text(
    "SELECT id, partner, head, fence FROM lanes WHERE destination = :destination AND next_due <= :now AND lease_until <= :now ORDER BY next_due LIMIT :limit"
)
_DUE_SKIP_LOCKED = text(_DUE.text + " FOR UPDATE SKIP LOCKED")
_TAKE = text("UPDATE lanes SET lease_until = :until, node = :node, fence = fence + 1 WHERE id = :lane")
_MARK = text("UPDATE deliveries SET unknown_outcome = :unknown WHERE id = :delivery")
_DEFER = text("UPDATE lanes SET next_due = :next_due WHERE id = :lane")
_HEADS = one_of(
    "SELECT d.id, d.lane, d.partner, d.destination, d.kind, d.message, d.document, d.event, d.payload, d.attributes, d.attempts, d.unknown_outcome, d.on_dead,"
    " d.created_at, p.data, p.location, p.sha256 FROM deliveries d JOIN payloads p ON p.id = d.payload WHERE d.id IN :keys AND d.state = 'due'"
)
_PARKED = text("SELECT parked_until FROM destinations WHERE id = :destination")
_TOKENS = one_of("SELECT id, tokens, at FROM throttles WHERE id IN :keys")
_PUT_TOKENS = text(
    "INSERT INTO throttles (id, tokens, at) VALUES (:id, :tokens, :at) ON CONFLICT (id) DO UPDATE SET tokens = excluded.tokens, at = excluded.at"
)
_FENCES = one_of("SELECT id, fence FROM lanes WHERE id IN :keys")
_RENEW = text("UPDATE lanes SET lease_until = :until WHERE id = :lane AND fence = :fence AND lease_until > 0")
_PUT_ATTEMPT = text(
    "INSERT INTO attempts (delivery, number, partner, node, started_at, duration, outcome, status, text, answer)"
    " SELECT id, attempts + 1, :partner, :node, :started_at, :duration, :outcome, :status, :text, :answer FROM deliveries WHERE id = :delivery"
)
_DELIVERED = text(
    "UPDATE deliveries SET state = 'delivered', attempts = attempts + 1, done_at = :at, reason = NULL, confirmation = :confirmation WHERE id = :delivery"
)
_AGAIN = text("UPDATE deliveries SET attempts = attempts + 1, next_due = :next_due, reason = :text, unknown_outcome = :unknown WHERE id = :delivery")
_DEAD = text("UPDATE deliveries SET state = 'dead', attempts = attempts + 1, done_at = :at, reason = :text WHERE id = :delivery")
_BLOCK = text("UPDATE lanes SET lease_until = 0, next_due = NULL, blocked = true WHERE id = :lane")
_PARK = text(
    "INSERT INTO destinations (id, parked_until, failures, reason) VALUES (:id, :until, 1, :reason)"
    " ON CONFLICT (id) DO UPDATE SET parked_until = excluded.parked_until, failures = destinations.failures + 1, reason = excluded.reason"
)
_UNPARK = text("UPDATE destinations SET parked_until = 0, failures = 0, reason = NULL WHERE id = :id AND parked_until > 0")
_FORGET_LANE = text("DELETE FROM lanes WHERE id = :lane AND head IS NULL")
_ONE = text("SELECT id, lane, state, partner, message, event FROM deliveries WHERE id = :id")
_RETRY = text("UPDATE deliveries SET state = 'due', next_due = :at, reason = NULL, done_at = NULL, unknown_outcome = false WHERE id = :id")
REDELIVER = text(
    "UPDATE deliveries SET state = 'due', next_due = :at, reason = NULL, done_at = NULL, unknown_outcome = false, position = :position WHERE id = :id"
)
_SKIP = text("UPDATE deliveries SET state = 'skipped', reason = :reason, done_at = :at WHERE id = :id")
LANE_AGAIN = text(
    "INSERT INTO lanes (id, destination, partner, subject) SELECT lane, destination, partner, '' FROM deliveries WHERE id = :id ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class DeliveryVerbs:
    ticks: Ticks
    is_sqlite: bool

    def claim_lanes(self, tx: Connection, items: list[LaneClaim]) -> list[list[ToDeliver]]:
        """The heads of up to `limit` due lanes of each destination, leased; no more than the token buckets give."""
        return [self._claim(tx, claim) for claim in items]

    def _claim(self, tx: Connection, claim: LaneClaim) -> list[ToDeliver]:
        parked = tx.execute(_PARKED, {"destination": claim.destination}).scalar()
        if parked and parked > claim.now:
            return []
        values = {"destination": claim.destination, "now": claim.now, "limit": claim.limit}
        due = tx.execute(_DUE if self.is_sqlite else _DUE_SKIP_LOCKED, values).all()
        taken, deferred = self._within_rates(tx, claim, due)
        many(tx, _DEFER, deferred)
        many(tx, _TAKE, [{"lane": row.id, "until": claim.until, "node": claim.node} for row in sorted(taken, key=lambda row: row.id)])
        fences = {row.head: row.fence + 1 for row in taken}
        heads = {row.id: row for row in in_lists(tx, _HEADS, fences)}
        for row in taken:
            if row.head not in heads:
                # The head was settled or skipped under us; the lane finds its next one.
                tx.execute(NEXT_HEAD, {"lane": row.id})
        if claim.mark_sending:
            many(tx, _MARK, [{"delivery": head, "unknown": True} for head in sorted(heads)])
        return [_to_deliver(heads[row.head], fences[row.head]) for row in taken if row.head in heads]

    def _within_rates(self, tx: Connection, claim: LaneClaim, due: Any) -> tuple[list[Any], list[dict[str, Any]]]:
        """The lanes that get a token each, and for the others when to come again. A bucket never goes below zero, so no window exceeds its rate."""
        present = {row.partner for row in due}
        rates = {f"partner:{partner}": rate for partner, rate in claim.partner_rates.items() if partner in present}
        if claim.rate:
            rates[claim.destination] = claim.rate
        if not rates or not due:
            return list(due), []
        buckets = {row.id: (row.tokens, row.at) for row in in_lists(tx, _TOKENS, rates)}
        tokens = {key: _refilled(buckets.get(key), rate, claim.now) for key, rate in rates.items()}
        taken, deferred = [], []
        late: dict[str, int] = defaultdict(int)
        for row in due:
            keys = [key for key in (claim.destination, f"partner:{row.partner}") if key in rates]
            empty = [key for key in keys if tokens[key] < 1]
            if not empty:
                for key in keys:
                    tokens[key] -= 1
                taken.append(row)
                continue
            for key in empty:
                late[key] += 1
            wait = max((late[key] - tokens[key]) / rates[key].per_second for key in empty)
            deferred.append({"lane": row.id, "next_due": claim.now + max(1, round(wait * SECOND))})
        many(tx, _PUT_TOKENS, [{"id": key, "tokens": tokens[key], "at": claim.now} for key in sorted(tokens)])
        return taken, deferred

    def renew_leases(self, tx: Connection, items: list[Renewal]) -> list[bool]:
        """True where the lane is still ours."""
        fences = {row.id: row.fence for row in in_lists(tx, _FENCES, [item.lane for item in items])}
        many(tx, _RENEW, [{"lane": item.lane, "fence": item.fence, "until": item.until} for item in sorted(items, key=lambda item: item.lane)])
        return [fences.get(item.lane) == item.fence for item in items]

    # ---- COMMIT 3

    def settle(self, tx: Connection, items: list[Settled]) -> list[bool]:
        """COMMIT 3. False where the lane has another holder by now: a stale write changes nothing."""
        fences = {row.id: row.fence for row in in_lists(tx, _FENCES, [item.lane for item in items])}
        ours = [item for item in items if fences.get(item.lane) == item.fence]
        many(tx, _PUT_ATTEMPT, [_attempt(item) for item in ours])
        by: dict[str, list[Settled]] = defaultdict(list)
        for item in sorted(ours, key=lambda item: item.lane):
            by[item.outcome].append(item)
        confirmed = [{"delivery": item.delivery, "at": item.at, "confirmation": _words(item.answer)} for item in by["delivered"]]
        many(tx, _DELIVERED, confirmed)
        again = [*by["temporary"], *by["unknown"], *by["destination"]]
        many(
            tx,
            _AGAIN,
            [{"delivery": item.delivery, "next_due": item.next_due, "text": item.text, "unknown": item.outcome == "unknown"} for item in again],
        )
        many(tx, _DEAD, [{"delivery": item.delivery, "at": item.at, "text": item.text} for item in by["permanent"]])
        blocked = [item for item in by["permanent"] if item.on_dead == "block"]
        many(tx, _BLOCK, [{"lane": item.lane} for item in blocked])
        stays = {item.lane for item in blocked}
        many(tx, NEXT_HEAD, [{"lane": item.lane} for item in sorted(ours, key=lambda item: item.lane) if item.lane not in stays])
        told_by_erp(tx, ours, self.ticks())
        self._steer_destinations(tx, by)
        self._tell(tx, ours)
        done = [item for item in by["delivered"] if item.delivery.startswith(RECEIPTS)]
        many(tx, _FORGET_LANE, [{"lane": item.lane} for item in done])
        return [fences.get(item.lane) == item.fence for item in items]

    def _steer_destinations(self, tx: Connection, by: Mapping[str, list[Settled]]) -> None:
        """A destination's own fault parks it with an alarm; the first success after that opens it again."""
        worked = {item.destination for item in by["delivered"]}
        many(tx, _UNPARK, [{"id": destination} for destination in sorted(worked)])
        parked = {item.destination: item for item in by["destination"] if item.destination not in worked}
        many(tx, _PARK, [{"id": key, "until": parked[key].next_due, "reason": parked[key].text} for key in sorted(parked)])

    def _tell(self, tx: Connection, ours: list[Settled]) -> None:
        life, alarms = [], []
        for item in ours:
            text_ = _story(item)
            life.append({"message": item.message, "at": self.ticks(), "partner": item.partner, "step": item.outcome, "who": item.node, "text": text_})
            if item.outcome in ("permanent", "destination"):
                kind = "delivery.dead" if item.outcome == "permanent" else "destination.parked"
                subject = item.delivery if item.outcome == "permanent" else item.destination
                alarms.append(
                    {"id": f"{kind}:{subject}"[:120], "kind": kind, "partner": item.partner, "message": item.message, "text": text_, "at": item.at}
                )
        many(tx, PUT_LIFE, life)
        raise_alarms(tx, alarms)

    # ---- what people do

    def act(self, tx: Connection, items: list[Action]) -> list[str]:
        """The delivery's new state, one an item; "" where there is no such delivery, the old state where the act does not fit it."""
        return [self._act(tx, item) for item in items]

    def _act(self, tx: Connection, item: Action) -> str:
        row = tx.execute(_ONE, {"id": item.delivery}).first()
        if row is None:
            return ""
        fits = {"retry": ("dead", "due"), "skip": ("dead", "due"), "redeliver": ("delivered", "skipped", "dead")}
        if row.state not in fits[item.kind]:
            return str(row.state)
        tx.execute(LANE_AGAIN, {"id": row.id})
        if item.kind == "skip":
            tx.execute(_SKIP, {"id": row.id, "reason": item.reason, "at": item.at})
        elif item.kind == "retry":
            tx.execute(_RETRY, {"id": row.id, "at": item.at})
        else:
            tx.execute(REDELIVER, {"id": row.id, "at": item.at, "position": self.ticks()})
        tx.execute(NEXT_HEAD, {"lane": row.lane})
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
        return {"skip": "skipped"}.get(item.kind, "due")


def _refilled(bucket: tuple[float, Instant] | None, rate: Rate, now: Instant) -> float:
    if bucket is None:
        return rate.burst
    return min(rate.burst, bucket[0] + max(0, now - bucket[1]) / SECOND * rate.per_second)


def _to_deliver(row: Any, fence: int) -> ToDeliver:
    return ToDeliver(
        row.id, row.lane, fence, row.partner, row.destination, row.kind, row.message, row.document, row.event, row.payload, row.attributes,
        row.attempts, bool(row.unknown_outcome), row.on_dead, row.created_at, row.data, row.location, row.sha256,
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
