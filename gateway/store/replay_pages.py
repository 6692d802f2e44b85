"""What a replay reads: pages of documents in the order in which their messages came, the events that they told, and what stands of them now.

Keyset pagination throughout: a page costs the same wherever it lies.
"""

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, bindparam, text

from gateway.clock import Instant
from gateway.replay.records import Job, Page, Portion, Stored, Told
from gateway.store.payloads import Payload
from gateway.store.sql import in_lists, one_of, rows_of

PAGE_MESSAGES = 256
PAGE_DOCUMENTS = 256
PAGE_BYTES = 4 * 2**20

_MESSAGE = "m.id, m.partner, m.channel, m.arrival, m.size, m.state, m.payload, m.file_name, m.profile_revision"
_RANGE = (
    "m.direction = 'in' AND m.arrival >= :after AND m.arrival < :until"
    " AND (m.arrival > :after OR m.id > :message OR (m.id = :message AND CAST(:again AS INTEGER) = 1))"
)
_VALUES = " AND m.id IN (SELECT d.message FROM document_references r JOIN documents d ON d.id = r.document WHERE r.value IN :values)"
_ORDER = " ORDER BY m.arrival, m.id LIMIT :limit"
_MESSAGES = {
    # (of one partner, by values)
    (False, False): text(f"SELECT {_MESSAGE} FROM messages m WHERE {_RANGE}{_ORDER}"),  # noqa: S608 - all of it is ours
    (True, False): text(f"SELECT {_MESSAGE} FROM messages m WHERE m.partner = :partner AND {_RANGE}{_ORDER}"),  # noqa: S608
    (False, True): one_of(f"SELECT {_MESSAGE} FROM messages m WHERE {_RANGE}{_VALUES}{_ORDER}", "values"),  # noqa: S608
    (True, True): one_of(f"SELECT {_MESSAGE} FROM messages m WHERE m.partner = :partner AND {_RANGE}{_VALUES}{_ORDER}", "values"),  # noqa: S608
}
_ONE_MESSAGE = text(f"SELECT {_MESSAGE} FROM messages m WHERE m.id = :id AND m.direction = 'in'")  # noqa: S608
_SPAN = "SELECT count(*) FROM messages m WHERE m.direction = 'in' AND m.arrival >= :since AND m.arrival < :until"
_OF_PARTNER = " AND m.partner = :partner"
_COUNTED = {
    (False, False): text(_SPAN),
    (True, False): text(_SPAN + _OF_PARTNER),
    (False, True): one_of(_SPAN + _VALUES, "values"),
    (True, True): one_of(_SPAN + _OF_PARTNER + _VALUES, "values"),
}
_DOCUMENT = "id, message, interchange, grp, ordinal, set_id, state, reason, profile_revision, stream, byte_start, byte_end, verdict"
_HOW_MANY = one_of("SELECT message, count(*) AS number FROM documents WHERE message IN :keys GROUP BY message")
_DOCUMENTS = one_of(f"SELECT {_DOCUMENT} FROM documents WHERE message IN :keys")  # noqa: S608
_DOCUMENTS_ON = text(
    f"SELECT {_DOCUMENT} FROM documents WHERE message = :message AND (interchange, grp, ordinal) > (:i, :g, :s)"  # noqa: S608
    " ORDER BY interchange, grp, ordinal LIMIT :limit"
)
_WITH_VALUE = text("SELECT document FROM document_references WHERE document IN :keys AND value IN :values").bindparams(
    bindparam("keys", expanding=True), bindparam("values", expanding=True)
)
_PAYLOADS = one_of("SELECT id, partner, size, sha256, data FROM payloads WHERE id IN :keys")
_TOLD = one_of(
    "SELECT e.id, e.document, e.identity, e.revision, e.type, e.subject, e.stream, p.id AS payload, p.partner, p.size, p.sha256"
    " FROM events e JOIN payloads p ON p.id = e.payload WHERE e.document IN :keys AND NOT EXISTS (SELECT 1 FROM edits x WHERE x.id = e.id)"
)
_SENT = one_of(
    "SELECT e.document, e.revision, e.stream, d.id, d.state, d.position FROM events e JOIN deliveries d ON d.event = e.id WHERE e.document IN :keys"
)
_UNDECIDED = one_of("SELECT id FROM messages WHERE id IN :keys AND state = 'received'")
_STILL_DUE = one_of("SELECT id FROM deliveries WHERE id IN :keys AND state = 'due'")
_STAND = one_of("SELECT id, state, reason FROM documents WHERE id IN :keys")
_NEW = one_of(
    "SELECT e.id, e.document, e.type, e.subject, e.supersedes, e.at, p.id AS payload, p.partner, p.size, p.sha256"
    " FROM events e JOIN payloads p ON p.id = e.payload WHERE e.document IN :keys AND e.stream = 'production'"
)
_OF_EVENTS = one_of("SELECT e.id, e.payload FROM events e WHERE e.id IN :keys")

Place = tuple[int, int, int]


def total_of(tx: Connection, job: Job) -> int:
    """How many messages its range holds, for telling how far it is."""
    query = job.asked.query
    if query.get("message"):
        return 1
    values: dict[str, Any] = {"since": query["since"], "until": query["until"], "partner": job.partner}
    if query.get("values"):
        values["values"] = query["values"]
    return int(tx.execute(_COUNTED[job.partner is not None, bool(query.get("values"))], values).scalar_one())


def page_of(tx: Connection, job: Job, cursor: dict[str, Any]) -> Page:
    """The next documents that the job's query means, at most PAGE_DOCUMENTS of at most PAGE_MESSAGES messages and about PAGE_BYTES."""
    messages = _messages(tx, job, cursor)
    if not messages:
        return Page([], cursor, 0, True)
    taken, documents, cut = _documents(tx, messages, cursor)
    wanted = _wanted(tx, job, documents)
    kept: list[tuple[Any, list[Stored]]] = []
    size = 0
    for message in taken:
        chosen = wanted.get(message.id, [])
        for number, one in enumerate(chosen):
            size += one.byte_end - one.byte_start
            if size > PAGE_BYTES and (number or kept):
                # The rest of this message and of the page is for the next one.
                kept.append((message, chosen[:number]))
                return _page(tx, job, kept, messages, cut=message, place=_before(documents[message.id], one))
        kept.append((message, chosen))
    place = documents[taken[-1].id][-1].place if cut else None
    return _page(tx, job, kept, messages, cut=taken[-1] if cut else None, place=place, more=len(taken) < len(messages))


def _messages(tx: Connection, job: Job, cursor: dict[str, Any]) -> list[Any]:
    query = job.asked.query
    if query.get("message"):
        done = cursor["message"] == query["message"] and cursor["place"] is None
        return [] if done else list(tx.execute(_ONE_MESSAGE, {"id": query["message"]}))
    values: dict[str, Any] = {
        "partner": job.partner, "after": max(cursor["arrival"], query["since"]), "until": query["until"], "message": cursor["message"],
        "again": int(cursor["place"] is not None), "limit": PAGE_MESSAGES,
    }  # fmt: skip
    if query.get("values"):
        values["values"] = query["values"]
    return list(tx.execute(_MESSAGES[job.partner is not None, bool(query.get("values"))], values))


def _documents(tx: Connection, messages: list[Any], cursor: dict[str, Any]) -> tuple[list[Any], dict[str, list[Stored]], bool]:
    """(the first of these messages, their documents in order, whether the last of them holds more)."""
    begun = tuple(cursor["place"]) if cursor["place"] is not None and cursor["message"] == messages[0].id else None
    number = {row.message: row.number for row in in_lists(tx, _HOW_MANY, [one.id for one in messages])}
    if begun is not None or number.get(messages[0].id, 0) > PAGE_DOCUMENTS:
        i, g, s = begun or (0, 0, 0)
        rows = rows_of(tx, _DOCUMENTS_ON, {"message": messages[0].id, "i": i, "g": g, "s": s, "limit": PAGE_DOCUMENTS})
        return messages[:1], {messages[0].id: [_stored(row) for row in rows]}, len(rows) == PAGE_DOCUMENTS
    taken: list[Any] = []
    room = PAGE_DOCUMENTS
    for message in messages:
        room -= number.get(message.id, 0)
        if room < 0:
            break
        taken.append(message)
    found: dict[str, list[Stored]] = defaultdict(list)
    for row in in_lists(tx, _DOCUMENTS, [one.id for one in taken]):
        found[row.message].append(_stored(row))
    for each in found.values():
        each.sort(key=lambda one: one.place)
    return taken, found, False


def _stored(row: Any) -> Stored:
    return Stored(
        row.id, row.interchange, row.grp, row.ordinal, row.set_id, row.state, row.reason, row.profile_revision, row.stream, row.byte_start, row.byte_end,
        row.verdict,
    )  # fmt: skip


def _wanted(tx: Connection, job: Job, documents: dict[str, list[Stored]]) -> dict[str, list[Stored]]:
    """Those that the query means, by message."""
    query = job.asked.query
    chosen = [one for each in documents.values() for one in each if query.get("set") in (None, one.set_id)]
    if query.get("document"):
        chosen = [one for one in chosen if one.id == query["document"]]
    if query.get("values") and chosen:
        named = {row.document for row in tx.execute(_WITH_VALUE, {"keys": [one.id for one in chosen], "values": query["values"]})}
        chosen = [one for one in chosen if one.id in named]
    found: dict[str, list[Stored]] = defaultdict(list)
    for one in chosen:
        found[one.id.partition(".")[0]].append(one)
    return found


def _before(documents: list[Stored], one: Stored) -> Place:
    at = documents.index(one)
    return documents[at - 1].place if at else (0, 0, 0)


def _page(tx: Connection, job: Job, kept: list[Any], messages: list[Any], *, cut: Any, place: Place | None, more: bool = True) -> Page:
    last = kept[-1][0]
    cursor = {"arrival": last.arrival, "message": last.id, "place": list(place) if cut is not None and place is not None else None}
    narrowed = any(job.asked.query.get(name) for name in ("set", "values", "document"))
    meant = [(message, chosen) for message, chosen in kept if chosen or (message.state == "held" and not narrowed and cut is not message)]
    payloads = {row.id: row for row in in_lists(tx, _PAYLOADS, [message.payload for message, _ in meant])}
    portions = [_portion(message, payloads[message.payload], chosen) for message, chosen in meant]
    whole = len(kept) - (cursor["place"] is not None)
    several = job.asked.query.get("message") is None
    ended = cursor["place"] is None and not (several and (len(messages) == PAGE_MESSAGES or len(kept) < len(messages) or more))
    return Page(portions, cursor, whole, ended)


def _portion(message: Any, payload: Any, documents: list[Stored]) -> Portion:
    data = bytes(payload.data) if payload.data is not None else None
    kept = Payload(payload.id, payload.partner, payload.size, payload.sha256, data)
    return Portion(
        message.id, message.partner, message.channel, message.arrival, message.size, kept, message.file_name, message.state, message.profile_revision,
        documents,
    )  # fmt: skip


def told_of(tx: Connection, documents: list[Stored]) -> list[Told]:
    """What was told of these documents: of each event the last revision that came of the document itself, and of no person's edit. Payloads without their bytes."""
    streams = {one.id: one.stream for one in documents}
    latest: dict[tuple[str, str], Any] = {}
    for row in in_lists(tx, _TOLD, streams):
        if row.stream != streams[row.document]:
            continue  # a trial of it
        key = (row.document, row.identity)
        if key not in latest or row.revision > latest[key].revision:
            latest[key] = row
    return [Told(row.id, row.document, row.identity, row.type, row.subject, _sealed(row)) for row in latest.values()]


def _sealed(row: Any) -> Payload:
    return Payload(row.payload, row.partner, row.size, row.sha256, None)


def payload_rows(tx: Connection, ids: list[str]) -> dict[str, Any]:
    """Rows of payloads, by id."""
    return {row.id: row for row in in_lists(tx, _PAYLOADS, ids)}


def sent_of(tx: Connection, documents: list[Stored], stream: str) -> list[tuple[str, str]]:
    """(delivery, state) of the events of these documents, in their order, each event's revisions as they came."""
    order = {one.id: number for number, one in enumerate(documents)}
    rows = [row for row in in_lists(tx, _SENT, order) if row.stream == stream]
    return [(row.id, row.state) for row in sorted(rows, key=lambda row: (order[row.document], row.revision, row.position))]


def undecided(tx: Connection, messages: list[str]) -> int:
    """How many of these messages are not read again yet."""
    return len(in_lists(tx, _UNDECIDED, messages))


def still_due(tx: Connection, deliveries: list[str]) -> int:
    return len(in_lists(tx, _STILL_DUE, deliveries))


def come_of(tx: Connection, documents: list[str], since: Instant) -> tuple[dict[str, tuple[str, str | None]], list[dict[str, Any]]]:
    """({document: (state, reason)} as they stand, the events that are new since then: each with its payload row and that of what it supersedes)."""
    states = {row.id: (row.state, row.reason) for row in in_lists(tx, _STAND, documents)}
    fresh = [row for row in in_lists(tx, _NEW, documents) if row.at >= since]
    before = {row.id: row.payload for row in in_lists(tx, _OF_EVENTS, [row.supersedes for row in fresh if row.supersedes])}
    rows = payload_rows(tx, [*before.values(), *(row.payload for row in fresh)])
    return states, [
        {
            "id": row.id,
            "type": row.type,
            "subject": row.subject,
            "payload": rows[row.payload],
            "before": rows.get(before.get(row.supersedes or "", "")),
        }
        for row in fresh
    ]


_CURSOR = text("SELECT cursor FROM replay_jobs WHERE id = :id")


def standing_of(tx: Connection, job: str) -> dict[str, Any]:
    """A job's cursor as it is committed."""
    cursor: dict[str, Any] = json.loads(tx.execute(_CURSOR, {"id": job}).scalar_one())
    return cursor
