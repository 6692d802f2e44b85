"""Messages that are over and old go, with all that hangs on them. What an open duty needs stays, however old it is.

A message is over when it and its documents are decided, nothing of it waits to be sent or for a person, nothing is owed for it by us or by the partner, no alarm about it is open, and no replay of
many is under way. Its receipts and the documents that we sent are messages of their own, and go by the same rule. What knew it for a duplicate goes with it: a profile's windows are never
longer than its retention. Of an event its id stays (_END_IDENTITY). How a shipment or an order stands goes with the last event that says so; how much stock there is stays, and what it is the sum of. The audit chain stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant
from gateway.store.payload_rows import drop_files
from gateway.store.sql import in_lists, many, one_of

_REPLAYS = text("SELECT id FROM replay_jobs WHERE state IN ('running', 'paused') LIMIT 1")
_OVER = text(
    "SELECT m.id, m.arrival, m.payload FROM messages m WHERE m.partner = :partner AND m.arrival > :after AND m.arrival < :before"
    " AND m.state IN ('translated', 'duplicate', 'skipped', 'composed')"
    " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message = m.id AND d.state IN ('due', 'dead'))"
    " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.payload = m.payload AND d.state IN ('due', 'dead'))"
    " AND NOT EXISTS (SELECT 1 FROM events e JOIN deliveries d ON d.event = e.id WHERE e.message = m.id AND d.state IN ('due', 'dead'))"
    " AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.message = m.id AND d.state = 'held')"
    " AND NOT EXISTS (SELECT 1 FROM interchanges i WHERE i.message = m.id AND i.state IN ('held', 'open'))"
    " AND NOT EXISTS (SELECT 1 FROM owed o WHERE o.message = m.id AND o.state = 'due')"
    " AND NOT EXISTS (SELECT 1 FROM awaited a WHERE a.message = m.id AND a.state = 'waiting')"
    " AND NOT EXISTS (SELECT 1 FROM as2_messages x WHERE x.message = m.id AND x.state IN ('kept', 'written', 'awaiting'))"
    " AND NOT EXISTS (SELECT 1 FROM alarms l WHERE l.closed_at IS NULL AND l.message = m.id)"
    " ORDER BY m.arrival LIMIT :limit"
)
_OVER_LOCKED = text(_OVER.text + " FOR UPDATE OF m SKIP LOCKED")
"""Where other nodes write, too: what somebody is just replaying is not over."""
_LAST = text(
    "SELECT arrival FROM messages WHERE partner = :partner AND arrival > :after AND arrival < :before ORDER BY arrival LIMIT 1 OFFSET :limit"
)
_OLD_AS2 = text(
    "SELECT id, payload, receipt_payload FROM as2_messages"
    " WHERE partner = :partner AND at < :before AND message IS NULL AND state NOT IN ('kept', 'written', 'awaiting')"
    " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message = as2_messages.id AND d.state IN ('due', 'dead')) ORDER BY at LIMIT :limit"
)
_OLD_FILES = text(
    "DELETE FROM sftp_files WHERE id IN (SELECT id FROM sftp_files WHERE at < :before AND partner = :partner"
    " AND state NOT IN ('partial', 'waiting') ORDER BY at LIMIT :limit)"
)

_EVENTS = one_of("SELECT id, identity, subject, partner, stream, payload, at FROM events WHERE message IN :keys")
_DOCUMENTS = one_of("SELECT id, partner, stream, set_id, content_hash FROM documents WHERE message IN :keys")
_SEEN = one_of("SELECT message, partner, stream, sender, receiver, control FROM interchanges WHERE message IN :keys")
_DELIVERIES = one_of("SELECT id, lane, payload FROM deliveries WHERE message IN :keys")
_AS2 = one_of("SELECT id, payload, receipt_payload FROM as2_messages WHERE message IN :keys")
_FILES_OF = one_of("SELECT location FROM payloads WHERE id IN :keys AND location IS NOT NULL")
_STILL_USED = one_of("SELECT payload FROM deliveries WHERE payload IN :keys AND state IN ('due', 'dead')")

_DELETE_SEEN = text(
    "DELETE FROM interchanges_seen WHERE partner = :partner AND stream = :stream AND sender = :sender AND receiver = :receiver"
    " AND control = :control AND message = :message"
)
_DELETE_CONTENT = text(
    "DELETE FROM contents WHERE partner = :partner AND stream = :stream AND set_id = :set_id AND content_hash = :content_hash AND document = :id"
)
_END_IDENTITY = text("UPDATE identities SET at = 0, subject = NULL, stands = NULL, expects = NULL WHERE id = :identity AND event = :id")
"""How far an identity has been numbered stays: an event id that an ERP knows never means another thing. At 0 it is outside every window, so what comes next is new."""
_STANDINGS = one_of("SELECT subject, partner, stream, changed_at FROM standings WHERE subject IN :keys")
_OF_SUBJECT = "SELECT 1 FROM identities i WHERE i.subject = standings.subject AND i.partner = standings.partner AND i.stream = standings.stream"
_DELETE_STANDING = text(
    "DELETE FROM standings WHERE subject = :subject AND partner = :partner AND stream = :stream AND changed_at = :changed_at"  # noqa: S608 - names are ours
    f" AND NOT EXISTS ({_OF_SUBJECT} AND i.stands IS NOT NULL) AND NOT EXISTS ({_OF_SUBJECT} AND i.expects IS NOT NULL)"
)
"""Where nothing has changed since we looked: another node's event, which comes while we wait for its commit, makes the row live on."""
_DELETE_TOLD = text(
    "DELETE FROM stock_told WHERE identity = :identity AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.id = stock_told.identity AND i.at > 0)"
    " AND EXISTS (SELECT 1 FROM stock_told c WHERE c.stock = stock_told.stock AND c.counted = TRUE AND c.at > stock_told.at)"
)
"""What a later count has made past."""
DELETE_LANE = text("DELETE FROM lanes WHERE id = :lane AND head IS NULL AND next_due IS NULL AND NOT blocked AND lease_until = 0")
_BY_MESSAGE = ("interchanges", "groups", "findings", "documents", "life", "events", "deliveries", "answers", "owed", "awaited", "as2_messages")


def _delete(table: str, column: str) -> Any:
    return text(f"DELETE FROM {table} WHERE {column} = :key")  # noqa: S608 - names are ours


_DELETES = [_delete(table, "message") for table in _BY_MESSAGE]
DELETE_ATTEMPTS, _DELETE_REFERENCES = _delete("attempts", "delivery"), _delete("document_references", "document")
_DELETE_EDITS, _DELETE_PAYLOAD, _DELETE_MESSAGE = _delete("edits", "id"), _delete("payloads", "id"), _delete("messages", "id")
_DELETES_OF_REFUSED = [_delete("life", "message"), _delete("deliveries", "message"), _delete("as2_messages", "id")]


@dataclass(frozen=True, slots=True)
class Ask:
    """Messages of a partner that came after `after` and before `before`: so many are looked at."""

    partner: str
    before: Instant
    after: Instant
    limit: int
    at: Instant


@dataclass(frozen=True, slots=True)
class Pruned:
    removed: int
    last: Instant | None
    """Up to where they were looked at; None where there are no more."""
    told: tuple[Instant, Instant] | None = None
    """When the first and the last of their events were told."""


def prune(tx: Connection, items: list[Ask]) -> list[Pruned]:
    return [_prune(tx, item) for item in items]


def _prune(tx: Connection, ask: Ask) -> Pruned:
    """Only what is over goes. While a replay of many is under way nothing does: it may be on its way to any of them."""
    if tx.execute(_REPLAYS).first() is not None:
        return Pruned(0, None)
    given = {"partner": ask.partner, "after": ask.after, "before": ask.before, "limit": ask.limit}
    last = tx.execute(_LAST, given | {"limit": ask.limit - 1}).scalar_one_or_none()
    given |= {"before": ask.before if last is None else last + 1}
    over = _look(tx, given)
    if over and tx.dialect.name != "sqlite":
        # What somebody asked for again between that look and its locks is seen by this one; who asks from now on waits for us.
        still = {row.id for row in tx.execute(_OVER, given)}
        over = [row for row in over if row.id in still]
    payloads, told = _remove(tx, [row.id for row in over])
    payloads |= {row.payload for row in over}
    if last is None:
        payloads |= _remove_old(tx, ask)
    remove_payloads(tx, payloads, ask.at)
    return Pruned(len(over), last, (min(told), max(told)) if told else None)


def _look(tx: Connection, given: dict[str, Any]) -> Sequence[Any]:
    return tx.execute(_OVER if tx.dialect.name == "sqlite" else _OVER_LOCKED, given).all()


def counted(tx: Connection, ask: Ask) -> tuple[int, int]:
    """(messages so old, those of them that would go), looking at no more than `limit` of them."""
    given = {"partner": ask.partner, "after": ask.after, "before": ask.before, "limit": ask.limit}
    old = tx.execute(
        text("SELECT count(*) FROM (SELECT 1 FROM messages WHERE partner = :partner AND arrival > :after AND arrival < :before LIMIT :limit) x"),
        given,
    ).scalar_one()
    return int(old), len(tx.execute(_OVER, given).all())


def is_replaying(tx: Connection) -> bool:
    return tx.execute(_REPLAYS).first() is not None


def _remove(tx: Connection, messages: list[str]) -> tuple[set[str], list[Instant]]:
    """All that hangs on these messages; the payloads that it named, and when its events were told."""
    events, documents, deliveries = (in_lists(tx, query, messages) for query in (_EVENTS, _DOCUMENTS, _DELIVERIES))
    as2 = in_lists(tx, _AS2, messages)
    many(tx, _DELETE_SEEN, [row._asdict() for row in in_lists(tx, _SEEN, messages)])
    many(tx, _DELETE_CONTENT, [row._asdict() for row in documents if row.content_hash is not None])
    many(tx, _END_IDENTITY, [{"identity": row.identity, "id": row.id} for row in events])
    _remove_views(tx, events)
    many(tx, _DELETE_REFERENCES, [{"key": row.id} for row in documents])
    many(tx, _DELETE_EDITS, [{"key": row.id} for row in (*documents, *events)])
    many(tx, DELETE_ATTEMPTS, [{"key": row.id} for row in deliveries])
    for statement in _DELETES:
        many(tx, statement, [{"key": one} for one in sorted(messages)])
    many(tx, _DELETE_MESSAGE, [{"key": one} for one in sorted(messages)])
    many(tx, DELETE_LANE, [{"lane": one} for one in sorted({row.lane for row in deliveries})])
    # A receipt's bytes are those of a message of ours, which goes when its own time comes.
    named = {row.payload for row in (*events, *deliveries) if not row.payload.startswith("message:")}
    return named | _of_as2(as2), [row.at for row in events]


def _remove_views(tx: Connection, events: list[Any]) -> None:
    """What these events alone said of their subjects, once their identities say nothing any more."""
    subjects = {(row.subject[:200], row.partner, row.stream) for row in events}
    standings = in_lists(tx, _STANDINGS, {subject for subject, _, _ in subjects})
    many(tx, _DELETE_STANDING, [row._asdict() for row in sorted(standings) if (row.subject, row.partner, row.stream) in subjects])
    many(tx, _DELETE_TOLD, [{"identity": one} for one in sorted({row.identity for row in events})])


def _of_as2(rows: list[Any]) -> set[str]:
    return {one for row in rows for one in (row.payload, row.receipt_payload, f"signed:{row.id}") if one is not None}


def _remove_old(tx: Connection, ask: Ask) -> set[str]:
    """AS2 messages that became none of ours (refused, or receipts) with what was told and sent of them, and rows of files by SFTP that are done with."""
    given = {"partner": ask.partner, "before": ask.before, "limit": 10 * ask.limit}
    refused = list(tx.execute(_OLD_AS2, given).all())
    receipts = in_lists(tx, _DELIVERIES, [row.id for row in refused])
    many(tx, DELETE_ATTEMPTS, [{"key": row.id} for row in receipts])
    for statement in _DELETES_OF_REFUSED:
        many(tx, statement, [{"key": row.id} for row in refused])
    many(tx, DELETE_LANE, [{"lane": one} for one in sorted({row.lane for row in receipts})])
    tx.execute(_OLD_FILES, given)
    return _of_as2(refused) | {row.payload for row in receipts}


def remove_payloads(tx: Connection, payloads: set[str], at: Instant) -> None:
    """Their rows, but for those that something else still has to send; and their files begin to wait for their end."""
    gone = payloads - {row.payload for row in in_lists(tx, _STILL_USED, payloads)}
    files = [row.location for row in in_lists(tx, _FILES_OF, gone)]
    many(tx, _DELETE_PAYLOAD, [{"key": one} for one in sorted(gone)])
    drop_files(tx, files, at)
