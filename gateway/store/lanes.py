"""Lanes: the rows that say which delivery of a subject is next, who has it, and when it is due.

A claim looks at lanes only, never at deliveries, so a long queue behind one subject costs a claim nothing.
"""

import hashlib

from sqlalchemy import Connection, text

from gateway.clock import Instant
from gateway.store.serial import Rows, waits_for
from gateway.store.sql import in_lists, insert, many, one_of

PUT_DELIVERY = insert(
    "deliveries", "id", "lane", "position", "partner", "destination", "kind", "state", "message", "document", "event", "outgoing", "payload",
    "attributes", "on_dead", "created_at", "next_due", "fallback", "fallback_after", or_nothing=True,
)  # fmt: skip

PUT_LANE = text(
    "INSERT INTO lanes (id, destination, partner, subject, head, next_due, priority)"
    " VALUES (:id, :destination, :partner, :subject, :head, :next_due, :priority)"
    " ON CONFLICT (id) DO UPDATE SET next_due = CASE WHEN lanes.head IS NULL THEN excluded.next_due ELSE lanes.next_due END,"
    " priority = CASE WHEN lanes.head IS NULL OR excluded.priority < lanes.priority THEN excluded.priority ELSE lanes.priority END,"
    " head = COALESCE(lanes.head, excluded.head)"
)
"""A lane has the class of the most urgent that waits in it: what stands before a release goes as quickly as the release."""

NEXT_HEAD = text(
    "UPDATE lanes SET lease_until = 0, blocked = false, fence = fence + 1,"
    " head = (SELECT d.id FROM deliveries d WHERE d.lane = lanes.id AND d.state = 'due' ORDER BY d.position LIMIT 1),"
    " next_due = (SELECT d.next_due FROM deliveries d WHERE d.lane = lanes.id AND d.state = 'due' ORDER BY d.position LIMIT 1)"
    " WHERE id = :lane"
)
"""The lane's next delivery in order, or none; the lease ends and a blocked lane is free. Whoever had the lane until now can write nothing any more."""
NEXT_HEAD_UNLESS_HELD = text(NEXT_HEAD.text + " AND lease_until <= :at")
"""The same from outside an attempt: one that is under way keeps the lane, and finds the next head when it is settled."""

_DEAD_BEFORE = one_of("SELECT id, lane, event FROM deliveries WHERE event IN :keys AND state = 'dead'")
_SKIP = text("UPDATE deliveries SET state = 'skipped', reason = :reason, done_at = :at WHERE id = :id AND state = 'dead'")


def lane_id(destination: str, partner: str, subject: str) -> str:
    return hashlib.sha256(f"{destination}\n{partner}\n{subject}".encode()).hexdigest()[:40]


def free_superseded(tx: Connection, pairs: list[tuple[str, str]], at: Instant) -> None:
    """Dead deliveries of events that a newer revision supersedes are skipped, and their lanes go on. Pairs are (old event, new event)."""
    newer = dict(pairs)
    dead = in_lists(tx, _DEAD_BEFORE, newer)
    many(tx, _SKIP, [{"id": row.id, "reason": f"superseded by {newer[row.event]}", "at": at} for row in dead])
    many(tx, NEXT_HEAD_UNLESS_HELD, [{"lane": lane, "at": at} for lane in sorted({row.lane for row in dead})])


_LEASED = one_of("SELECT partner, channel FROM translate_lanes WHERE lease_until > 0 AND node IN :keys")
_FORGET = [
    text("UPDATE lanes SET lease_until = 0 WHERE lease_until > 0 AND node = :node"),
    text("UPDATE translate_lanes SET lease_until = 0 WHERE lease_until > 0 AND node = :node"),
    text("UPDATE replay_jobs SET lease_until = 0 WHERE lease_until > 0 AND node = :node"),
    text("UPDATE sftp_polls SET lease_until = 0 WHERE lease_until > 0 AND node = :node"),
    text("UPDATE chores SET lease_until = 0 WHERE lease_until > 0 AND node = :node"),
]


@waits_for(lambda tx, items: Rows(incoming=[(row.partner, row.channel) for row in in_lists(tx, _LEASED, items)]))
def forget_leases(tx: Connection, items: list[str]) -> list[None]:
    """Leases that a node held in an earlier life end now; a partner's own lease on a pick-up stays."""
    for statement in _FORGET:
        many(tx, statement, [{"node": node} for node in items])
    return [None] * len(items)
