"""Alarms: one row for one trouble; the same trouble again only counts up. And the letters that tell of them."""

import json
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks, as_text
from gateway.records.alarms import AlarmClosed, AlarmRow, DiskLook, Told, Waited
from gateway.store.lanes import PUT_DELIVERY, PUT_LANE, lane_id
from gateway.store.payload_rows import put_payloads
from gateway.store.serial import take_rows
from gateway.store.sql import held, in_lists, many, one_of, rows_of
from partners.priority import PRIORITIES

_ROW = "id, kind, partner, message, text, count, first_at, last_at, closed_at, closed_because"
_RAISE = text(
    "INSERT INTO alarms (id, kind, partner, message, text, count, first_at, last_at, tell_at) VALUES (:id, :kind, :partner, :message, :text, 1, :at, :at, :at)"
    " ON CONFLICT (id) DO UPDATE SET count = alarms.count + 1, last_at = excluded.last_at, text = excluded.text, message = excluded.message,"
    " told_at = CASE WHEN alarms.closed_at IS NULL THEN alarms.told_at END, tell_at = COALESCE(alarms.tell_at, excluded.tell_at),"
    " closed_at = NULL, closed_by = NULL, closed_because = NULL"
)
_CLOSE = text(
    "UPDATE alarms SET closed_at = :at, closed_by = :who, closed_because = :because, tell_at = CASE WHEN told_at IS NOT NULL THEN :at END"
    " WHERE id = :id AND closed_at IS NULL"
)
_NEWS = text(
    f"SELECT {_ROW} FROM alarms WHERE tell_at <= :gathered"  # noqa: S608 - names are ours
    " AND (closed_at IS NOT NULL OR told_at IS NULL OR told_at <= :again) ORDER BY tell_at LIMIT :limit"
)
_STATES = one_of("SELECT id, count AS times, closed_at FROM alarms WHERE tell_at IS NOT NULL AND id IN :keys ORDER BY id")
_TOLD = text("UPDATE alarms SET told_at = :at, tell_at = NULL WHERE id = :id")
_LATEST = text(
    f"SELECT {_ROW}, count AS times, closed_by, told_at FROM alarms WHERE (:everything = 1 OR closed_at IS NULL)"  # noqa: S608 - names are ours
    " AND (CAST(:partner AS VARCHAR) IS NULL OR partner = :partner) AND (CAST(:kind AS VARCHAR) IS NULL OR kind = :kind)"
    " ORDER BY last_at DESC LIMIT :limit"
)
_NAMED = text("SELECT id FROM alarms WHERE id = :id OR id LIKE :beginning ORDER BY id LIMIT 2")


def raise_alarms(tx: Connection, rows: list[dict[str, Any]]) -> None:
    many(tx, _RAISE, sorted(rows, key=lambda row: row["id"]))


def close_alarms(tx: Connection, items: list[AlarmClosed]) -> None:
    """What they told of is over. Alarms that are closed already, or never were raised, stay as they are; the same trouble again opens one anew."""
    take_rows(tx, "alarms", [item.id for item in items])
    many(tx, _CLOSE, [{"id": item.id, "at": item.at, "who": item.who, "because": item.because} for item in sorted(items, key=lambda item: item.id)])


def close_each(tx: Connection, items: list[AlarmClosed]) -> list[bool]:
    """The same as a verb of its own: whether it was open."""
    take_rows(tx, "alarms", [item.id for item in items])
    return [tx.execute(_CLOSE, {"id": item.id, "at": item.at, "who": item.who, "because": item.because}).rowcount == 1 for item in items]


# ---- what nobody trips over

_WAITING = text(
    "SELECT l.partner, count(*) AS number, min(d.created_at) AS oldest FROM lanes l JOIN deliveries d ON d.id = l.head"
    " WHERE l.destination LIKE 'outbox:%' AND l.next_due IS NOT NULL AND d.created_at < :since GROUP BY l.partner ORDER BY l.partner"
)
_OPEN_OF_KIND = text("SELECT id FROM alarms WHERE kind = :kind AND closed_at IS NULL")


def waiting_outboxes(tx: Connection, since: Instant) -> list[tuple[str, int, Instant]]:
    """(partner, documents, the oldest) of outboxes with something that waits since before then. It looks at every lane, so not in the writer's turn."""
    return [(row.partner, row.number, row.oldest) for row in tx.execute(_WAITING, {"since": since})]


def _open_of_kind(tx: Connection, kind: str) -> list[str]:
    """Their ids, in order."""
    return sorted(row.id for row in tx.execute(_OPEN_OF_KIND, {"kind": kind}))


def keep_open(tx: Connection, kind: str, rows: list[dict[str, Any]], *, at: Instant, because: str) -> None:
    """Of this kind exactly these are open from now on: raises them, and closes the others, which are over `because`."""
    raise_alarms(tx, rows)
    late = {row["id"] for row in rows}
    over = [key for key in _open_of_kind(tx, kind) if key not in late]
    close_alarms(tx, [AlarmClosed(key, at, "crossdock", because) for key in over])


def warn_of_outboxes(tx: Connection, items: list[Waited]) -> list[None]:
    """An alarm for each partner who has not fetched what waits for it; who has, has none."""
    for item in items:
        raised = []
        for partner, number, oldest in item.late:
            what = (
                f"{number} documents wait for {partner}, the oldest since {as_text(oldest)}; it fetches them by HTTP (/v1/outbox) or by SFTP (/out)"
            )
            raised.append(
                {"id": f"outbox.waiting:{partner}"[:120], "kind": "outbox.waiting", "partner": partner, "message": None, "text": what, "at": item.at}
            )
        keep_open(tx, "outbox.waiting", raised, at=item.at, because="they were fetched")
    return [None] * len(items)


def warn_of_disk(tx: Connection, items: list[DiskLook]) -> list[None]:
    for item in items:
        key = f"disk.low:{item.node}"[:120]
        if item.low:
            raise_alarms(tx, [{"id": key, "kind": "disk.low", "partner": "-", "message": None, "text": item.what, "at": item.at}])
        else:
            close_alarms(tx, [AlarmClosed(key, item.at, "crossdock", "there is room again")])
    return [None] * len(items)


# ---- telling


def news(tx: Connection, gathered: Instant, again: Instant, limit: int) -> list[AlarmRow]:
    """Alarms with something new since before `gathered`, which were never told, or last told before `again`; and those that are over and were told."""
    return [AlarmRow(**row._asdict()) for row in rows_of(tx, _NEWS, {"gathered": gathered, "again": again, "limit": limit})]


def tell(tx: Connection, items: list[tuple[Told, Ticks]]) -> list[int]:
    """Letters become deliveries, and their alarms are told: in one commit, by one node. 0 where another node was faster, or one has changed since: look again."""
    return [_tell(tx, told, ticks) for told, ticks in items]


def _tell(tx: Connection, told: Told, ticks: Ticks) -> int:
    there = {row.id: (row.times, row.closed_at) for row in in_lists(tx, held(tx, _STATES), [row.id for row in told.rows])}
    if any(there.get(row.id) != (row.count, row.closed_at) for row in told.rows):
        return 0
    many(tx, _TOLD, [{"id": row.id, "at": told.at} for row in sorted(told.rows, key=lambda row: row.id)])
    put_payloads(tx, [letter.payload.row() for letter in told.letters])
    attributes = json.dumps({"media_type": "application/json", "file_name": "alarms.json"})
    deliveries = [
        {
            "id": letter.id, "lane": lane_id(letter.channel, "-", letter.id), "position": ticks(), "partner": "-", "destination": letter.channel, "kind": "alarm",
            "state": "due", "message": letter.identity, "document": None, "event": None, "outgoing": None, "payload": letter.payload.id, "attributes": attributes,
            "on_dead": "pass", "created_at": told.at, "next_due": told.at, "fallback": None, "fallback_after": None,
        }
        for letter in told.letters
    ]  # fmt: skip
    many(tx, PUT_DELIVERY, deliveries)
    lanes = [
        {
            "id": row["lane"],
            "destination": row["destination"],
            "partner": "-",
            "subject": row["id"],
            "head": row["id"],
            "next_due": told.at,
            "priority": PRIORITIES["release"],
        }
        for row in sorted(deliveries, key=lambda row: str(row["lane"]))
    ]
    many(tx, PUT_LANE, lanes)
    return len(told.rows)


# ---- looking


def latest(tx: Connection, *, partner: str | None, kind: str | None, everything: bool, limit: int) -> list[Any]:
    """The latest alarms: open ones, or all."""
    given = {"partner": partner, "kind": kind, "everything": int(everything), "limit": limit}
    return list(tx.execute(_LATEST, given))


def named(tx: Connection, wanted: str) -> list[str]:
    """Ids that are, or begin with, this: none, one, or two where it is not clear."""
    beginning = wanted.replace("\\", "").replace("%", "").replace("_", "")
    return [row.id for row in tx.execute(_NAMED, {"id": wanted, "beginning": f"{beginning}%"})]
