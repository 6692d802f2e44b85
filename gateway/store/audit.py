"""The chains of the audit log: what was exchanged with a partner, what a consumer asked for; each record bound to the one before it by its hash.

A record's hash is the SHA-256 of the hash before it (64 zeros at first), a line end, and the record. Whoever knows a later hash can tell
whether an earlier record was changed, with nothing but a hash program.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, as_text
from gateway.store.sql import insert, many
from gateway.texts import keepable

FIRST = "0" * 64

_LOCK = text(
    "INSERT INTO audit_heads (partner, number, hash) VALUES (:partner, 0, :first)"
    " ON CONFLICT (partner) DO UPDATE SET number = audit_heads.number RETURNING number, hash"
)
_MOVE = text("UPDATE audit_heads SET number = :number, hash = :hash WHERE partner = :partner")
_PUT = insert("audit", "partner", "number", "at", "subject", "record", "hash")
_OF_SUBJECT = text("SELECT min(number) AS first, max(number) AS last FROM audit WHERE partner = :partner AND subject = :subject")
_RANGE = text("SELECT number, record, hash FROM audit WHERE partner = :partner AND number BETWEEN :first AND :last ORDER BY number")

Entry = tuple[str, str, Instant, dict[str, Any]]
"""(partner, subject, when, what)."""


def next_hash(before: str, record: str) -> str:
    return hashlib.sha256(f"{before}\n{record}".encode()).hexdigest()


def append(tx: Connection, entries: Sequence[Entry], *, subject_as: str = "message") -> None:
    """Adds records to their partners' chains; the head's row is locked until the commit, so that no two take one place.

    `subject_as` is what the subject is called in the record: a message, or a consumer's call.
    """
    by_partner: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_partner[entry[0]].append(entry)
    rows = []
    for partner in sorted(by_partner):
        number, last = tx.execute(_LOCK, {"partner": partner, "first": FIRST}).one()
        for _, subject, at, what in by_partner[partner]:
            number += 1
            whole = {"number": number, "partner": partner, "at": as_text(at), subject_as: subject} | what
            record = keepable(json.dumps(whole, ensure_ascii=False, separators=(",", ":")))
            last = next_hash(last, record)
            rows.append({"partner": partner, "number": number, "at": at, "subject": subject, "record": record, "hash": last})
        tx.execute(_MOVE, {"partner": partner, "number": number, "hash": last})
    many(tx, _PUT, rows)


def around(tx: Connection, partner: str, subject: str, *, most: int = 1000) -> tuple[str, list[tuple[int, str, str]]]:
    """(the hash before them, the records from the first to the last that speak of the subject), at most so many."""
    bounds = tx.execute(_OF_SUBJECT, {"partner": partner, "subject": subject}).one()
    if bounds.first is None:
        return FIRST, []
    first, last = bounds.first, min(bounds.last, bounds.first + most - 1)
    rows = [(row.number, row.record, row.hash) for row in tx.execute(_RANGE, {"partner": partner, "first": max(first - 1, 1), "last": last})]
    if first == 1:
        return FIRST, rows
    return rows[0][2], rows[1:]
