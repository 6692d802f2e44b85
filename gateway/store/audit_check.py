"""Whether the audit log is what was written: each chain walked from a point that is trusted, each record held against its hash and its columns.

Names the exact row that was altered or is missing. What a chain alone cannot tell, that it was made anew as a whole or lost its end together with its
head, tells who holds it against heads that were noted elsewhere (`noted`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, text
from sqlalchemy.engine import Row

from gateway.clock import as_text
from gateway.store.audit import FIRST, next_hash

ROWS = 1_000
"""Records that one query reads."""

EACH = 100
"""Missing rows of one gap that are named one by one."""

_HEAD = text(
    "SELECT h.number, h.hash, (SELECT max(a.number) FROM audit a WHERE a.partner = :chain) AS last FROM audit_heads h WHERE h.partner = :chain"
)
_LAST = text("SELECT max(number) AS last FROM audit WHERE partner = :chain")
_ROWS = text(
    "SELECT number, at, partner, subject, record, hash FROM audit WHERE partner = :chain AND number > :after AND number <= :until ORDER BY number LIMIT :limit"
)
_NEXT_HEAD = text("SELECT min(partner) FROM audit_heads WHERE partner > :after")
_NEXT_ROWS = text("SELECT min(partner) FROM audit WHERE partner > :after")
_HEADS = text("SELECT partner, number, hash FROM audit_heads WHERE partner > :after ORDER BY partner LIMIT :limit")
_AT = text("SELECT hash FROM audit WHERE partner = :chain AND number = :number")
_RECORDS = text("SELECT number, record, hash FROM audit WHERE partner = :chain AND number < :before ORDER BY number DESC LIMIT :limit")


@dataclass(frozen=True, slots=True)
class Fault:
    chain: str
    number: int
    what: str


@dataclass(slots=True)
class Walk:
    """How far a chain has been walked, and what the next record may be bound to."""

    chain: str
    number: int = 0
    hashes: list[str] = field(default_factory=lambda: [FIRST])
    """One; behind a record that does not fit two: its own hash, and the one that it should have."""
    checked: int = 0


def chain_after(tx: Connection, after: str) -> str | None:
    """The next chain by name, whether it has a head, records or both; None at the end."""
    found = [value for query in (_NEXT_HEAD, _NEXT_ROWS) if (value := tx.execute(query, {"after": after}).scalar()) is not None]
    return min(found, default=None)


def heads(tx: Connection, after: str, limit: int) -> list[dict[str, object]]:
    """The last record of each chain, as it is now: to be noted elsewhere."""
    return [{"chain": row.partner, "number": row.number, "hash": row.hash} for row in tx.execute(_HEADS, {"after": after, "limit": limit})]


def records(tx: Connection, chain: str, before: int, limit: int) -> list[dict[str, object]]:
    """The latest first."""
    rows = tx.execute(_RECORDS, {"chain": chain, "before": before, "limit": limit})
    return [{"number": row.number, "hash": row.hash, "record": json.loads(row.record)} for row in rows]


def known(tx: Connection, chain: str) -> bool:
    return tx.execute(_HEAD, {"chain": chain}).first() is not None or bool(tx.execute(_LAST, {"chain": chain}).scalar())


def walk(tx: Connection, at: Walk) -> tuple[list[Fault], Walk, bool]:
    """(what is wrong with the next records, where it has come to, whether that is the end)."""
    head = tx.execute(_HEAD, {"chain": at.chain}).first()
    if head is None:
        last = tx.execute(_LAST, {"chain": at.chain}).scalar() or 0
        return [Fault(at.chain, last, "the chain's head is missing")], at, True
    until = max(head.number, head.last or 0)
    rows = tx.execute(_ROWS, {"chain": at.chain, "after": at.number, "until": until, "limit": ROWS}).all()
    faults: list[Fault] = []
    onward = Walk(at.chain, at.number, list(at.hashes), at.checked)
    for row in rows:
        faults += _step(onward, row)
        if row.number > head.number:
            faults.append(Fault(at.chain, row.number, f"it stands behind the chain's head, which is {head.number}"))
    if len(rows) == ROWS:
        return faults, onward, False
    faults += _missing(at.chain, onward.number + 1, head.number)
    if onward.number == head.number and head.hash not in onward.hashes:
        faults.append(Fault(at.chain, head.number, "the chain's head has another hash than its last record"))
    return faults, onward, True


def _missing(chain: str, first: int, last: int) -> list[Fault]:
    """Each row from the first to the last; of many the rest in one."""
    faults = [Fault(chain, number, "it is missing") for number in range(first, min(last, first + EACH - 1) + 1)]
    return [*faults, Fault(chain, first + EACH, f"it is missing, and all up to {last}")] if last >= first + EACH else faults


def _step(at: Walk, row: "Row[tuple[object, ...]]") -> list[Fault]:
    """One record, moved on to."""
    gap = _missing(at.chain, at.number + 1, row.number - 1)
    trusted = [] if gap else at.hashes
    own = next_hash(trusted[0], row.record) if trusted else None
    fits = not trusted or any(next_hash(one, row.record) == row.hash for one in trusted)
    at.number, at.checked = row.number, at.checked + 1
    if not fits:
        assert own is not None
        at.hashes = [row.hash, own]
        return [*gap, Fault(at.chain, row.number, "its record is not the one that was written, or its hash is not")]
    at.hashes = [row.hash]
    return [*gap, *([Fault(at.chain, row.number, words)] if (words := _columns(row)) else [])]


def _columns(row: "Row[tuple[object, ...]]") -> str | None:
    """What of the row's columns says something else than its record, which the hash holds."""
    try:
        record = json.loads(row.record)
    except ValueError:
        return "its record is no JSON"
    told = {"number": row.number, "partner": row.partner, "at": as_text(row.at)}
    wrong = [name for name, value in told.items() if record.get(name) != value]
    if row.subject not in (record.get("message"), record.get("call")):
        wrong.append("subject")
    return f"its columns say something else than its record: {', '.join(wrong)}" if wrong else None


def noted(tx: Connection, before: Sequence[tuple[str, int, str]]) -> list[Fault]:
    """What is wrong with a chain at records that somebody noted earlier: (chain, number, hash)."""
    faults = []
    for chain, number, its_hash in before:
        now = tx.execute(_AT, {"chain": chain, "number": number}).scalar()
        if number and now is None:
            faults.append(Fault(chain, number, "it was noted and is missing"))
        elif number and now != its_hash:
            faults.append(Fault(chain, number, "it has another hash than was noted: it, or a record before it, was made anew"))
    return faults
