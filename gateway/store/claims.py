"""Claiming lanes that are due: as many as breaker, quotas and turns give, each with a lease and a fence; and renewing leases."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Ticks
from gateway.records.deliveries import Claimed, Renewal, ToDeliver
from gateway.scheduling import LaneClaim
from gateway.store import breaker, fallback
from gateway.store.lanes import NEXT_HEAD
from gateway.store.quotas import BOUNDLESS, Bucket, Buckets
from gateway.store.sql import in_lists, many, one_of, rows_of
from gateway.store.turns import MOST_VISITED, Ring, allot, due_rings, more_of, put_turns

SOON = 5_000
"""Microseconds after which a claim comes again that another node's claim was in the way of."""

_TAKE = text("UPDATE lanes SET lease_until = :until, node = :node, fence = fence + 1 WHERE id = :lane")
_CHOSEN = one_of(
    "SELECT l.id AS lane_id, l.fence, l.lease_until, l.next_due, CASE WHEN d.state = 'due' THEN d.id END AS id, d.lane, d.partner, d.destination, d.kind, d.message, d.document, d.event, d.payload,"
    " d.attributes, d.attempts, d.unknown_outcome, d.on_dead, d.created_at, COALESCE(d.tried_from, d.created_at) AS tried_from, d.fallback, d.accepted, p.data,"
    " p.location, p.sha256 FROM lanes l LEFT JOIN deliveries d ON d.id = l.head LEFT JOIN payloads p ON p.id = d.payload"
    " WHERE l.id IN :keys"
)
"""Whether the head is due is asked of its row, not of the index of all that are due: where PostgreSQL believes them few, it would read every one for each claim."""
_CHOSEN_LOCKED = one_of(_CHOSEN.text + " FOR UPDATE OF l SKIP LOCKED")
_LEASED = text(
    "SELECT partner, count(*) AS number FROM lanes WHERE destination = :destination AND lease_until > 0 AND lease_until > :now GROUP BY partner"
)
_MARK = text("UPDATE deliveries SET unknown_outcome = :unknown WHERE id = :delivery")
_FENCES = one_of("SELECT id, fence FROM lanes WHERE id IN :keys")
_RENEW = text("UPDATE lanes SET lease_until = :until WHERE id = :lane AND fence = :fence AND lease_until > 0")


@dataclass(frozen=True, slots=True)
class ClaimVerbs:
    ticks: Ticks
    is_sqlite: bool

    def claim_lanes(self, tx: Connection, items: list[LaneClaim]) -> list[Claimed]:
        """The heads of up to `limit` due lanes of each destination, leased: no more than its breaker and all quotas let go."""
        return [self._claim(tx, claim) for claim in items]

    def _claim(self, tx: Connection, claim: LaneClaim) -> Claimed:
        waits, health = breaker.asked(tx, claim.destination)
        if not waits:
            return Claimed([], None, health.state)
        if health.state in breaker.RESTING and not breaker.probe_is_due(health, claim.now):
            fallback.fall_back(tx, health, claim.now, self.ticks)
            return Claimed([], breaker.probe_at(health), health.state)
        scan = _Scan(tx, claim)
        if not scan.found:
            return Claimed([], None, health.state)
        buckets = Buckets(tx, claim.now, claim.partners, is_sqlite=self.is_sqlite)
        gate = buckets.gate(claim.destination, claim.quota)
        admitted = breaker.admit(tx, claim, health, self.ticks, is_sqlite=self.is_sqlite) if gate is not None else None
        if gate is None or admitted is None:
            return Claimed([], claim.now + SOON, health.state)
        room, in_flight = self._room(tx, claim, gate, admitted)
        if room <= 0:
            return Claimed([], gate.again if gate.room <= 0 else None, health.state)
        chosen = self._choose(scan, buckets, gate, room, in_flight)
        lanes = self._still_due(tx, claim, chosen)
        deliveries = self._lease(tx, claim, lanes)
        if deliveries:
            before = buckets.used(claim.destination, (one.partner for one in deliveries))
            buckets.take(claim.destination, ((one.partner, one.attempts == 0) for one in deliveries))
            buckets.put(before)
            put_turns(tx, claim.destination, {priority: ring.last for priority, ring in scan.rings.items() if ring.last is not None})
            breaker.begun(tx, health, claim)
        again = claim.now + SOON if len(lanes) < len(chosen) else gate.again if gate.room <= 0 else buckets.again if len(chosen) < room else None
        return Claimed(deliveries, again, health.state)

    def _room(self, tx: Connection, claim: LaneClaim, gate: Bucket, admitted: "breaker.Admitted") -> tuple[int, Counter[str]]:
        """How many lanes may be taken now, and how many of each partner are under way, whichever node has them."""
        in_flight: Counter[str] = Counter()
        bounds = [claim.limit if admitted.limit is None else admitted.limit, gate.room]
        if claim.quota.concurrency is not None or claim.partners.partners or admitted.allowance is not None:
            rows = rows_of(tx, _LEASED, {"destination": claim.destination, "now": claim.now})
            in_flight.update({row.partner: row.number for row in rows})
            most = [one for one in (claim.quota.concurrency, admitted.allowance) if one is not None]
            bounds.append(min(most, default=BOUNDLESS) - in_flight.total())
        return min(bounds), in_flight

    def _choose(self, scan: "_Scan", buckets: Buckets, gate: Bucket, room: int, in_flight: Counter[str]) -> list[str]:
        """Lanes up to the room; where what was looked at does not fill it and there may be more, it looks further."""
        while True:
            partners = {share.partner for ring in scan.rings.values() for share in ring.shares}
            buckets.hold(partners)
            left = {partner: _left(partner, scan.claim, buckets, in_flight) for partner in partners}
            chosen = allot(scan.rings, room, gate.claimed, left, scan.claim.partners, scan.more)
            if len(chosen) >= room or not scan.further():
                return chosen

    def _still_due(self, tx: Connection, claim: LaneClaim, chosen: list[str]) -> list[Any]:
        """The chosen lanes with their heads, in their order, as they are now: another node may have taken one between our look and our turn at the gate."""
        rows = {row.lane_id: row for row in in_lists(tx, _CHOSEN if self.is_sqlite else _CHOSEN_LOCKED, chosen)}
        lanes = [rows[lane] for lane in chosen if lane in rows]
        return [lane for lane in lanes if lane.lease_until <= claim.now and lane.next_due is not None and lane.next_due <= claim.now]

    def _lease(self, tx: Connection, claim: LaneClaim, lanes: list[Any]) -> list[ToDeliver]:
        many(tx, _TAKE, [{"lane": lane, "until": claim.until, "node": claim.node} for lane in sorted(lane.lane_id for lane in lanes)])
        # A head that was settled or skipped under us: the lane finds its next one.
        many(tx, NEXT_HEAD, [{"lane": lane.lane_id} for lane in lanes if lane.id is None])
        heads = [lane for lane in lanes if lane.id is not None]
        # Also for what has a fallback: it may not go there once an attempt may have had its effect unseen.
        marked = sorted(head.id for head in heads if claim.mark_sending or head.fallback)
        many(tx, _MARK, [{"delivery": delivery, "unknown": True} for delivery in marked])
        return [_to_deliver(head, head.fence + 1) for head in heads]

    def renew_leases(self, tx: Connection, items: list[Renewal]) -> list[bool]:
        """True where the lane is still ours. Asked after the write, which waits for whoever is taking the lane."""
        many(tx, _RENEW, [{"lane": item.lane, "fence": item.fence, "until": item.until} for item in sorted(items, key=lambda item: item.lane)])
        fences = {row.id: row.fence for row in in_lists(tx, _FENCES, [item.lane for item in items])}
        return [fences.get(item.lane) == item.fence for item in items]


class _Scan:
    """Who has something due: a few partners more than are wanted, then more and more."""

    def __init__(self, tx: Connection, claim: LaneClaim) -> None:
        self._tx, self.claim = tx, claim
        self._most = claim.limit + 2
        self.more = more_of(tx, claim.destination, claim.now)
        self.rings = self._look()
        # As many partners as there are places, or all that there are: so that nobody has a second turn before all had their first.
        while sum(len(ring.shares) for ring in self.rings.values()) < claim.limit and self.further():
            pass

    @property
    def found(self) -> bool:
        return any(ring.shares for ring in self.rings.values())

    def further(self) -> bool:
        """Looks at more; False where there is no more to look at."""
        if self._most >= MOST_VISITED or all(ring.is_whole for ring in self.rings.values()):
            return False
        self._most = min(MOST_VISITED, self._most * 8)
        self.rings = self._look()
        return True

    def _look(self) -> dict[int, Ring]:
        claim = self.claim
        return due_rings(self._tx, claim.destination, claim.now, claim.partners, most=self._most)


def _left(partner: str, claim: LaneClaim, buckets: Buckets, in_flight: Counter[str]) -> int:
    concurrency = claim.partners.of(partner).concurrency
    by_concurrency = BOUNDLESS if concurrency is None else concurrency - in_flight[partner]
    return max(0, min(by_concurrency, buckets.room(partner)))


def _to_deliver(row: Any, fence: int) -> ToDeliver:
    return ToDeliver(
        row.id, row.lane, fence, row.partner, row.destination, row.kind, row.message, row.document, row.event, row.payload, row.attributes,
        row.attempts, bool(row.unknown_outcome), row.on_dead, row.created_at, row.data, row.location, row.sha256, row.tried_from, row.accepted,
    )  # fmt: skip
