"""The feed: every event at a position, for those who read by themselves.

A reader goes on behind the last position that it saw, so none may become visible before a lower one. Numbers that are taken within COMMIT 2 do not hold
that where several nodes commit: the lower one may be seen later, and would be skipped. So COMMIT 2 only says that an event waits for its position
(`feed_waiting`, which no two commits contend for). Positions are given afterwards, by whoever holds the feed's head; the lock lasts until the commit, so
what any reader sees is a beginning of the feed, without gaps.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, text

from gateway.clock import SECOND, Instant, as_text
from gateway.consumers.records import Behind, Commit, Consumer, Rewind, Standing, chain_of
from gateway.store import audit
from gateway.store.alarms import keep_open
from gateway.store.consumers import consumer_of, listed
from gateway.store.serial import Rows, waits_for
from gateway.store.sql import in_lists, insert, many, one_of

MOST_PLACED = 1_000
"""Events that one commit places."""
WINDOW = 5_000
"""Positions that one query looks at."""

PUT_WAITING = insert("feed_waiting", "event", "partner", "type", "stream", "tick", or_nothing=True)
_HEAD = "SELECT position, at FROM feed_heads WHERE id = 'events'"
_MAKE_HEAD = text("INSERT INTO feed_heads (id, position, at) VALUES ('events', 0, 0) ON CONFLICT (id) DO NOTHING")
_WAITING = text("SELECT event, partner, type, stream FROM feed_waiting ORDER BY tick, event LIMIT :limit")
_SOME_WAIT = text("SELECT 1 FROM feed_waiting LIMIT 1")
_PUT = insert("feed", "position", "event", "partner", "type", "stream", "at")
_PLACED = one_of("DELETE FROM feed_waiting WHERE event IN :keys RETURNING event")
_MOVE = text("UPDATE feed_heads SET position = :position, at = :at WHERE id = 'events'")
_BEFORE = text("SELECT position FROM feed WHERE at < :at ORDER BY at DESC, position DESC LIMIT 1")

_PLACED_AT = text("SELECT at FROM feed WHERE position = :position")
_GONE = text("DELETE FROM feed WHERE position > :after AND position <= :until AND NOT EXISTS (SELECT 1 FROM events e WHERE e.id = feed.event)")
_NEW_EPOCH = text("UPDATE consumers SET epoch = CASE WHEN epoch < :epoch THEN :epoch ELSE epoch + 1 END")

_CURSOR = "SELECT position, epoch, committed_at FROM consumers WHERE name = :name AND retired_at IS NULL"
_COMMIT = text("UPDATE consumers SET position = :position, committed_at = :at WHERE name = :name")
_REWIND = text("UPDATE consumers SET position = :position, epoch = epoch + 1, committed_at = :at WHERE name = :name AND retired_at IS NULL")


def place(tx: Connection, items: list[Instant]) -> list[int]:
    """Gives positions to what waits, in its order; how many. Nothing while another node is at it. Each item is the moment of it."""
    lock = "" if tx.dialect.name == "sqlite" else " FOR UPDATE SKIP LOCKED"
    placed = []
    if tx.execute(text(_HEAD)).first() is None:
        tx.execute(_MAKE_HEAD)
    for now in items:
        head = tx.execute(text(_HEAD + lock)).first()
        waiting = tx.execute(_WAITING, {"limit": MOST_PLACED}).all() if head is not None else []
        if head is not None and waiting:
            at = max(head.at, now)
            many(tx, _PUT, [dict(row._mapping) | {"position": number, "at": at} for number, row in enumerate(waiting, start=head.position + 1)])
            in_lists(tx, _PLACED, [row.event for row in waiting])
            tx.execute(_MOVE, {"position": head.position + len(waiting), "at": at})
        placed.append(len(waiting))
    return placed


@waits_for(lambda tx, items: Rows(chains=[chain_of(item.name) for item in items]))
def commit(tx: Connection, items: list[Commit]) -> list[Standing | None]:
    """Moves cursors on, never back; None where the consumer is not there. One of an earlier epoch moves nothing, and the answer tells the epoch."""
    done: list[Standing | None] = []
    lock = "" if tx.dialect.name == "sqlite" else " FOR UPDATE"
    for item in items:
        row = tx.execute(text(_CURSOR + lock), {"name": item.name}).first()
        if row is None:
            done.append(None)
            continue
        last = head(tx)
        position = min(item.position, last)
        if item.epoch != row.epoch or position <= row.position:
            done.append(Standing(row.position, row.epoch, last, row.committed_at))
            continue
        tx.execute(_COMMIT, {"name": item.name, "position": position, "at": item.at})
        what = {"act": "cursor committed", "who": item.who[:80], "before": row.position, "after": position}
        audit.append(tx, [(chain_of(item.name), item.call, item.at, what)], subject_as="call")
        done.append(Standing(position, row.epoch, last, item.at))
    return done


@waits_for(lambda tx, items: Rows(chains=[chain_of(item.name) for item in items]))
def rewind(tx: Connection, items: list[Rewind]) -> list[Standing | None]:
    """Sets cursors anew, back or on, in a new epoch: whoever still holds a cursor of the old one is told so. None where the consumer is not there."""
    done: list[Standing | None] = []
    for item in items:
        before = tx.execute(text(_CURSOR), {"name": item.name}).first()
        position = min(item.position, head(tx))
        if before is None or tx.execute(_REWIND, {"name": item.name, "position": position, "at": item.at}).rowcount != 1:
            done.append(None)
            continue
        what = {"act": "cursor set", "who": item.who[:80], "before": before.position, "after": position, "because": item.because}
        audit.append(tx, [(chain_of(item.name), item.call, item.at, what)], subject_as="call")
        done.append(standing(tx, item.name))
    return done


def prune(tx: Connection, items: list[int]) -> list[int]:
    """Takes out, behind each of these positions, those of the next WINDOW whose event is gone; where it goes on, and the head at the end.

    For whoever prunes messages with their events. A reader passes over gaps: it goes by position, not by number.
    """
    onward = []
    for after in items:
        until = min(after + WINDOW, head(tx))
        tx.execute(_GONE, {"after": after, "until": until})
        onward.append(until)
    return onward


def restart(tx: Connection, items: list[Instant]) -> list[int]:
    """Begins a new epoch for every consumer: of a database that was restored, where positions are given again to other events. How many there are.

    It is named by its moment (seconds since 1970), so that no life before, of this backup or of the database that it is of, had the same.

    Whoever still holds a cursor of before is told to read on from its committed one, which was restored with the events.
    """
    return [tx.execute(_NEW_EPOCH, {"epoch": at // SECOND}).rowcount for at in items]


def warn_of_behind(tx: Connection, items: list[Behind]) -> list[None]:
    """An alarm for each consumer who has not taken what is there for it; who has, or is retired, has none."""
    for item in items:
        raised = []
        for name, position, since in item.late:
            what = f"{name} has not taken what is in the stream for it since {as_text(since)}, position {position}; it has {head(tx) - position + 1} positions to go"
            raised.append({"id": f"consumer.behind:{name}", "kind": "consumer.behind", "partner": "-", "message": None, "text": what, "at": item.at})
        keep_open(tx, "consumer.behind", raised, at=item.at, because="it has taken what was there")
    return [None] * len(items)


# ---- reading


def some_wait(tx: Connection) -> bool:
    return tx.execute(_SOME_WAIT).first() is not None


def head(tx: Connection) -> int:
    """The last position that was given; 0 before the first."""
    row = tx.execute(text(_HEAD)).first()
    return 0 if row is None else int(row.position)


def before(tx: Connection, at: Instant) -> int:
    """The last position that was given before then; 0 where none was."""
    return int(tx.execute(_BEFORE, {"at": at}).scalar() or 0)


ROUNDS = 20
"""Queries of one page, where a filter leaves most out."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events, and where it goes on: behind each of them, and behind all that was looked at."""

    events: list[tuple[int, str]]
    """(position, event)."""
    last: int
    head: int


def page(tx: Connection, consumer: Consumer, after: int, limit: int, end: int | None = None) -> FeedPage:
    """The next events that a consumer sees, at most so many; up to a position, or to the head."""
    end = head(tx) if end is None else end
    given: dict[str, Any] = {"limit": limit, "stream": consumer.stream}
    where = ["position > :after", "position <= :until"]
    for name, values in (("partner", consumer.partners), ("type", consumer.types)):
        if values is not None:
            where.append(f"{name} IN :{name}")
            given[name] = list(values)
    if consumer.stream is not None:
        where.append("stream = :stream")
    statement = text(f"SELECT position, event FROM feed WHERE {' AND '.join(where)} ORDER BY position LIMIT :limit")  # noqa: S608 - names are ours
    for name in ("partner", "type"):
        if name in given:
            statement = statement.bindparams(bindparam(name, expanding=True))
    given = {name: value for name, value in given.items() if f":{name}" in statement.text}
    last = after
    for _ in range(ROUNDS):
        until = min(end, last + WINDOW)
        rows = tx.execute(statement, given | {"after": last, "until": until}).all()
        if rows:
            last = rows[-1].position if len(rows) == limit else until
            return FeedPage([(row.position, row.event) for row in rows], last, end)
        last = max(last, until)
        if last >= end:
            break
    return FeedPage([], last, end)


def standing(tx: Connection, name: str) -> Standing | None:
    """A consumer's cursor; None where it is not there."""
    row = tx.execute(text(_CURSOR), {"name": name}).first()
    return None if row is None else Standing(row.position, row.epoch, head(tx), row.committed_at)


def behind(tx: Connection, since: Instant) -> list[tuple[str, int, Instant]]:
    """Consumers who have read the stream by cursor, and for whom something has been there since before then: see `Behind`."""
    found, end = [], before(tx, since)
    for row in listed(tx):
        if row["retired_at"] is not None or row["committed_at"] is None or "events:read" not in row["scopes"]:
            continue  # who has never taken anything may only ask for lists
        position = _first_untaken(tx, consumer_of(row), row["position"], end)
        if position is not None:
            found.append((row["name"], position, tx.execute(_PLACED_AT, {"position": position}).scalar_one()))
    return found


def _first_untaken(tx: Connection, consumer: Consumer, after: int, end: int) -> int | None:
    """The first position behind its cursor that it sees, up to the end, however many others lie between."""
    while after < end:
        following = page(tx, consumer, after, 1, end)
        if following.events:
            return following.events[0][0]
        after = following.last
    return None
