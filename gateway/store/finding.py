"""Finding: documents by any reference, or how one begins, and time; messages by partner, time and file name.

Each query walks one index in the order it answers in, and goes on after a key (a cursor), never after a count.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.engine import Row

from gateway.clock import as_text
from gateway.store.sql import one_of

MOST = 200
LAST = "\U0010ffff"
"""Sorts behind every character that a reference can go on with."""

_REFERENCE = (
    "SELECT r.value, r.type, r.at, r.document, d.message, d.partner, d.set_id, d.control, d.state FROM"
    " (SELECT value, type, at, document FROM document_references WHERE {where} ORDER BY {order} LIMIT :limit) r"
    " JOIN documents d ON d.id = r.document ORDER BY {outer}"
)
_NARROWED = {"type": "type = :type", "partner": "partner = :partner", "set": "set_id = :set", "since": "at >= :since", "until": "at < :until"}
_ENVELOPE = (
    "SELECT 'interchange' AS type, i.control AS value, i.message AS document, i.message, i.partner, 'ISA' AS set_id, i.control, i.state, m.arrival AS at"
    " FROM interchanges i JOIN messages m ON m.id = i.message WHERE {where} ORDER BY i.control DESC, i.message DESC LIMIT :limit"
)
_ENVELOPE_NARROWED = {"partner": "i.partner = :partner", "since": "m.arrival >= :since", "until": "m.arrival < :until"}


@cache
def by_reference(narrowed: frozenset[str], *, after: bool) -> TextClause:
    """Documents with exactly this reference, the latest first."""
    where = ["value = :value", *(_NARROWED[name] for name in sorted(narrowed))]
    if after:
        where.append("(at, document) < (:after_at, :after_document)")
    order = "value DESC, at DESC, document DESC"
    return text(_REFERENCE.format(where=" AND ".join(where), order=order, outer="r.at DESC, r.document DESC, r.type"))


@cache
def by_beginning(narrowed: frozenset[str], *, after: bool) -> TextClause:
    """Documents with a reference that begins so, in the order of the references."""
    where = ["value >= :low", "value < :high", *(_NARROWED[name] for name in sorted(narrowed))]
    if after:
        where.append("(value, at, document) > (:after_value, :after_at, :after_document)")
    order = "value, at, document"
    return text(_REFERENCE.format(where=" AND ".join(where), order=order, outer="r.value, r.at, r.document, r.type"))


@cache
def by_envelope(narrowed: frozenset[str]) -> TextClause:
    """Interchanges with this control number, those of which no document was kept among them."""
    return text(_ENVELOPE.format(where=" AND ".join(["i.control = :value", *(_ENVELOPE_NARROWED[name] for name in sorted(narrowed))])))


def find(tx: Connection, spellings: Sequence[str], *, limit: int, after: Mapping[str, Any] | None = None, **narrowed: Any) -> list[dict[str, Any]]:
    """Documents that carry one of these spellings, the latest first. Each has `after`: as the argument it gives the page behind it.

    `narrowed`: type, partner, set, since, until; None narrows nothing.
    """
    given = {name: value for name, value in narrowed.items() if value is not None}
    page = {"limit": limit} | ({"after_at": after["at"], "after_document": after["document"]} if after else {})
    query = by_reference(frozenset(given), after=after is not None)
    found = [row for value in spellings for row in tx.execute(query, given | page | {"value": value})]
    if after is None and not {"set", "type"} & set(given):
        envelope = by_envelope(frozenset(given))
        found += [row for value in spellings for row in tx.execute(envelope, given | {"value": value, "limit": limit})]
    found.sort(key=lambda row: (row.at, row.document), reverse=True)
    return _page(found, limit)


def begins(tx: Connection, beginning: str, *, limit: int, after: Mapping[str, Any] | None = None, **narrowed: Any) -> list[dict[str, Any]]:
    """The same for references that begin so, in the order of the references."""
    given = {name: value for name, value in narrowed.items() if value is not None}
    page = {"limit": limit, "low": beginning, "high": beginning + LAST}
    if after:
        page |= {"after_value": after["value"], "after_at": after["at"], "after_document": after["document"]}
    return _page(tx.execute(by_beginning(frozenset(given), after=after is not None), given | page).all(), limit)


def _page(rows: Sequence[Row[Any]], limit: int) -> list[dict[str, Any]]:
    """A page of documents, each once, though several of its references fit."""
    found: dict[str, dict[str, Any]] = {}
    last: dict[str, Any] = {}
    for row in rows:
        if row.document not in found and len(found) == limit:
            break
        one = found.setdefault(
            row.document,
            {
                "id": row.document, "message": row.message, "partner": row.partner, "set": row.set_id, "control": row.control, "state": row.state,
                "at": as_text(row.at), "value": row.value, "found_by": [],
            },
        )  # fmt: skip
        if row.type not in one["found_by"]:
            one["found_by"].append(row.type)
        last = one["after"] = {"value": row.value, "at": row.at, "document": row.document}
    # Behind the page is behind the last row read, though that may be one more reference of an earlier document.
    return [one | {"after": json.dumps(last if number == len(found) else one["after"])} for number, one in enumerate(found.values(), start=1)]


# ---- messages

_MESSAGES = "SELECT id, partner, channel, state, reason, size, file_name, arrival FROM messages WHERE {where} ORDER BY arrival DESC LIMIT :limit"
_MESSAGES_NARROWED = {
    "partner": "partner = :partner",
    "state": "state = :state",
    "since": "arrival >= :since",
    "until": "arrival < :until",
    "file_name": "file_name = :file_name",
    "before": "arrival < (SELECT b.arrival FROM messages b WHERE b.id = :before)",
}
_DOCUMENTS_OF = one_of("SELECT message, set_id, state, count(*) AS number FROM documents WHERE message IN :keys GROUP BY message, set_id, state")


@cache
def messages_by(narrowed: frozenset[str]) -> TextClause:
    return text(_MESSAGES.format(where=" AND ".join(["direction = :direction", *(_MESSAGES_NARROWED[name] for name in sorted(narrowed))])))


def messages(tx: Connection, *, direction: str, limit: int, **narrowed: Any) -> list[dict[str, Any]]:
    """The latest messages first; `narrowed`: partner, state, since, until, file_name, and before (the last id of the page before)."""
    given = {name: value for name, value in narrowed.items() if value is not None}
    rows = tx.execute(messages_by(frozenset(given)), given | {"direction": direction, "limit": limit}).all()
    documents: dict[str, dict[str, int]] = {}
    if rows:
        for one in tx.execute(_DOCUMENTS_OF, {"keys": [row.id for row in rows]}):
            documents.setdefault(one.message, {})[f"{one.set_id} {one.state}"] = one.number
    return [
        {
            "id": row.id, "received_at": as_text(row.arrival), "partner": row.partner, "channel": row.channel, "state": row.state, "reason": row.reason,
            "size": row.size, "file_name": row.file_name, "documents": documents.get(row.id, {}),
        }
        for row in rows
    ]  # fmt: skip
